// Licensed under the Apache License, Version 2.0.

/// A text that a decoder is making: what one step needs and leaves behind.
///
/// A step is: ``read(_:)`` (or ``add(to:)`` for many texts and ``take(from:)`` after their common
/// batch), ``look(_:_:_:using:)``, then ``commit(_:_:logProbability:isEnd:_:compared:)``.
struct Decoding<Model: LanguageModel, Constraint: TokenConstraint> {
  private(set) var context: Model.Context
  /// The last tokens of the text, which ``context`` does not hold yet.
  private var unread: [Token] = []
  /// Where the row behind the text stands; `nil` where it has to be read.
  private var place: NextRows<Model>.Place?
  private(set) var text: [Token]
  let promptCount: Int
  /// How many choices can be made: what the rules allow and the model can read.
  let limit: Int
  private var chain: TransformChain
  let logPrompt: Double
  private(set) var logModel = 0.0
  private(set) var logTransformed = 0.0
  private(set) var logDrawn = 0.0
  private(set) var ending: Ending?
  let constraint: Constraint
  /// The constraint's state behind the text.
  private(set) var state: Constraint.State
  /// The log of what the constraint left of the model's mass at this step; 0 without one.
  private(set) var logAllowed = 0.0
  /// Whether only the shortest completion is left.
  private var isClosing = false
  /// The bytes of the text, where stop texts are looked for.
  private var bytes: [UInt8] = []
  /// From which byte on a stop text counts; `nil` while the text is shorter than asked for.
  private var stopsFrom: Int?
  private var constraintRemoval: Removal?
  private var steps: [DecodedStep] = []

  /// Reads the prompt: one batch, whose row serves the first step.
  init(
    _ rows: inout NextRows<Model>, after prompt: TokenSequence, under constraint: Constraint,
    _ rules: DecodingRules
  ) throws {
    let model = rows.model
    self.constraint = constraint
    text = prompt.tokens
    promptCount = prompt.count
    chain = rules.transforms
    for token in prompt {
      guard token.index < model.vocabulary.count, token != model.vocabulary.start,
        token != model.vocabulary.end
      else {
        throw DecodingError(
          .badArgument,
          "a prompt holds tokens of the model other than start and end, got \(token)")
      }
    }
    guard prompt.count < model.longestText else {
      throw DecodingError(
        .badArgument,
        "the prompt has \(prompt.count) tokens and leaves no room: the model reads "
          + "\(model.longestText); shorten it")
    }
    limit = min(rules.maxTokens, model.longestText - prompt.count)
    state = constraint.start
    if rules.constraint != nil {
      state = try Self.state(of: constraint, behind: prompt)
      try Self.checkRoom(constraint, state, promptCount: prompt.count, limit: limit, rules)
    }
    if !rules.stopTexts.texts.isEmpty {
      bytes = model.vocabulary.bytes(of: text)
      if rules.minTokens == 0 { stopsFrom = bytes.count }
    }
    context = try model.makeContext()
    if model.readsDirectly {
      var sum = 0.0
      for token in prompt {
        sum += model.scoreDirectly(token, behind: context)
        model.advanceDirectly(&context, by: token)
      }
      logPrompt = sum
    } else {
      let run = rows.add(context, text)
      try rows.read()
      logPrompt = rows.logProbability(ofRun: run)
      place = NextRows.Place(run: run, index: 0)
      if !text.isEmpty { context = rows.context(ofRun: run, behind: text.count) }
    }
  }

  private static func state(
    of constraint: Constraint, behind prompt: TokenSequence
  ) throws(DecodingError) -> Constraint.State {
    var state = constraint.start
    for token in prompt {
      guard token.index < constraint.tokenCount, let next = constraint.next(state, token) else {
        throw DecodingError(
          .unmet, "no allowed text begins with the prompt; change it or the constraints")
      }
      state = next
    }
    return state
  }

  /// Throws where the shortest allowed text does not fit.
  private static func checkRoom(
    _ constraint: Constraint, _ state: Constraint.State, promptCount: Int, limit: Int,
    _ rules: DecodingRules
  ) throws(DecodingError) {
    guard let shortest = constraint.shortestCompletion(state) else {
      throw DecodingError(.unmet, "no text is allowed")
    }
    guard shortest >= limit else { return }
    let needed =
      "the shortest allowed text has \(shortest + 1) tokens"
      + (promptCount == 0 ? "" : " behind the prompt") + ", its end among them"
    guard limit == rules.maxTokens else {
      throw DecodingError(
        .unmet,
        "the model leaves room for \(limit) tokens, and \(needed); use a model that reads longer "
          + "texts")
    }
    throw DecodingError(
      .unmet, transform: "max-tokens",
      "max-tokens \(limit) leaves no room for what is asked: \(needed); give \(shortest + 1) or "
        + "more")
  }

  /// Lets a copy go ahead in this text's own memory, then forgets what the copy did.
  ///
  /// A plain copy would copy all tokens as soon as it goes on.
  mutating func lookAhead<Result>(_ body: (inout Self) throws -> Result) rethrows -> Result {
    var ahead = self
    (text, bytes, steps) = ([], [], [])
    let (textCount, byteCount, stepCount) = (ahead.text.count, ahead.bytes.count, ahead.steps.count)
    defer {
      ahead.text.removeLast(ahead.text.count - textCount)
      ahead.bytes.removeLast(ahead.bytes.count - byteCount)
      ahead.steps.removeLast(ahead.steps.count - stepCount)
      swap(&text, &ahead.text)
      swap(&bytes, &ahead.bytes)
      swap(&steps, &ahead.steps)
    }
    return try body(&ahead)
  }

  /// How many choices have been made.
  var count: Int {
    if case .end = ending { return text.count - promptCount + 1 }
    return text.count - promptCount
  }

  /// Whether one more choice can be made.
  var hasRoom: Bool { count < limit }

  /// Closes the text where the limit or the time asks for it, before a choice.
  mutating func closeIfDue(_ rules: DecodingRules) {
    guard ending == nil else { return }
    if !hasRoom {
      ending = .limit
    } else if rules.isTimeUp() {
      if rules.constraint == nil { ending = .timeUp } else { isClosing = true }
    }
  }

  /// Reads the row of this text alone, unless it is there.
  mutating func read(_ rows: inout NextRows<Model>) throws {
    guard isUnread(by: rows.model) else { return }
    add(to: &rows)
    try rows.read()
    take(from: rows)
  }

  /// Reads the rows of some texts as one batch, unless all of them are there.
  static func read(
    _ texts: inout [Decoding], _ places: some Collection<Int>, _ rows: inout NextRows<Model>
  ) throws {
    guard places.contains(where: { texts[$0].isUnread(by: rows.model) }) else { return }
    // A new batch replaces the rows of the last one, so that all texts go into it.
    for i in places { texts[i].add(to: &rows) }
    try rows.read()
    for i in places { texts[i].take(from: rows) }
  }

  /// Whether the row behind the text has to be read.
  func isUnread(by model: Model) -> Bool { !model.readsDirectly && place == nil }

  /// Adds the text to the next batch.
  mutating func add(to rows: inout NextRows<Model>) {
    place = NextRows.Place(run: rows.add(context, unread), index: 0)
  }

  /// Adds the text and one more token to a batch.
  func add(_ token: Token, to batch: inout NextRows<Model>) -> Int {
    batch.add(context, unread + [token])
  }

  /// Takes what the batch says of the text.
  mutating func take(from rows: NextRows<Model>) {
    guard let place, !unread.isEmpty else { return }
    context = rows.context(ofRun: place.run, behind: unread.count)
    unread.removeAll(keepingCapacity: true)
  }

  /// Takes the context and the row behind the last token from a batch that read it.
  mutating func take(from rows: NextRows<Model>, run: Int) {
    context = rows.context(ofRun: run, behind: 1)
    unread.removeAll(keepingCapacity: true)
    place = NextRows.Place(run: run, index: 0)
  }

  /// Reads the text and some tokens that may follow it: one batch of one run.
  ///
  /// - Returns: where the row behind the text stands; the rows behind the further tokens follow it.
  mutating func readAhead(
    _ tokens: some Collection<Token>, _ rows: inout NextRows<Model>
  ) throws -> NextRows<Model>.Place? {
    if rows.model.readsDirectly { return nil }
    if tokens.isEmpty {
      try read(&rows)
      return place
    }
    let run = rows.add(context, unread + tokens, rows: .all)
    try rows.read()
    return NextRows.Place(run: run, index: unread.count)
  }

  /// Uses a row of ``readAhead(_:_:)`` for the next step.
  mutating func use(_ first: NextRows<Model>.Place?, ahead: Int) {
    guard let first else { return }
    place = NextRows.Place(run: first.run, index: first.index + ahead)
  }

  /// Ends what ``readAhead(_:_:)`` began: so many of the tokens read ahead have become the text's.
  mutating func keepReadAhead(
    _ first: NextRows<Model>.Place?, taken: Int, _ rows: NextRows<Model>
  ) {
    guard let first else { return }
    let read = first.index + taken
    if read > 0 {
      context = rows.context(ofRun: first.run, behind: read)
      unread.removeFirst(read)
    }
  }

  /// The next token's distribution, constrained and transformed.
  mutating func look(
    _ rows: NextRows<Model>, _ next: inout NextTokens, _ rules: DecodingRules,
    using choices: inout some ChoiceSource
  ) throws(DecodingError) {
    do {
      try transform(rows, &next, rules, using: &choices)
    } catch {
      throw error.at(choice: count + 1, behind: rows.model.vocabulary.text(of: text))
    }
  }

  private func begin(
    _ next: inout NextTokens, _ rows: NextRows<Model>
  ) throws(DecodingError) {
    if rows.model.readsDirectly {
      return try next.begin(rows.model, in: context, atLevel: chain.readsLevel)
    }
    guard let place else { preconditionFailure("a text is read before it is looked at") }
    try next.begin(
      rows.row(at: place), of: rows.model.vocabulary, atLevel: chain.readsLevel)
  }

  private mutating func transform(
    _ rows: NextRows<Model>, _ next: inout NextTokens, _ rules: DecodingRules,
    using choices: inout some ChoiceSource
  ) throws(DecodingError) {
    // While the text is lent, nothing here can count its tokens.
    let room = room
    next.exchangeText(&text, promptCount: promptCount)
    defer { next.exchangeText(&text, promptCount: promptCount) }
    try begin(&next, rows)
    guard let asked = rules.constraint else {
      try chain.apply(to: &next, using: &choices)
      try removeEarlyEnds(&next, rules)
      return
    }
    chain.noteEnds(&next)
    let before = rules.explains ? next.snapshot() : nil
    let logDrawable = next.logModelTotal
    logAllowed = try next.constrain(
      by: constraint, in: state, fluency: asked.fluency, room: room)
    // Weights under a constraint are those of the model's own probabilities.
    logAllowed += asked.fluency * logDrawable
    if let before { constraintRemoval = next.removal(by: "constraints", since: before) }
    try chain.apply(to: &next, using: &choices)
    // A termination wrapper brings back an end that is not allowed yet.
    if constraint.endWeight(state) == -.infinity {
      for end in next.ends { next.remove(end) }
      try next.settle(after: "the constraints")
    }
    try removeEarlyEnds(&next, rules)
  }

  /// Whether nothing may end the text yet.
  private func isTooShort(_ rules: DecodingRules) -> Bool { count < rules.minTokens }

  /// Removes ends that a termination wrapper has brought back too early.
  ///
  /// ``MinimumLength`` removes them before anything is truncated, but knows nothing of what follows.
  private func removeEarlyEnds(
    _ next: inout NextTokens, _ rules: DecodingRules
  ) throws(DecodingError) {
    // The text is lent to `next`.
    guard next.text.count - promptCount < rules.minTokens else { return }
    for end in next.ends { next.remove(end) }
    try next.settle(after: "min-tokens \(rules.minTokens)")
  }

  /// How many choices there is room for, the end among them.
  private var room: Int {
    isClosing ? (constraint.shortestCompletion(state) ?? 0) + 1 : limit - count
  }

  /// A token drawn from that distribution, with its log-probability.
  mutating func draw(
    _ rows: NextRows<Model>, _ next: inout NextTokens, _ rules: DecodingRules,
    using choices: inout some ChoiceSource
  ) throws(DecodingError) -> (token: Token, logProbability: Double) {
    guard rules.constraint == nil, !isTooShort(rules) else {
      try look(rows, &next, rules, using: &choices)
      return next.draw(using: &choices)
    }
    do {
      next.exchangeText(&text, promptCount: promptCount)
      defer { next.exchangeText(&text, promptCount: promptCount) }
      try begin(&next, rows)
      return try chain.draw(from: &next, using: &choices)
    } catch {
      throw error.at(choice: count + 1, behind: rows.model.vocabulary.text(of: text))
    }
  }

  /// Whether a token closes the text, as an end or by completing a stop text.
  func closes(_ token: Token, _ model: Model, _ next: NextTokens, _ rules: DecodingRules) -> Bool {
    if next.isEnd(token) { return true }
    guard let stopsFrom, !rules.stopTexts.texts.isEmpty else { return false }
    // No more than a stop text can reach back to: whole texts would be copied for each token.
    let kept = bytes.suffix(min(bytes.count - stopsFrom, rules.stopTexts.longest - 1))
    var longer = Array(kept)
    model.vocabulary.appendBytes(of: token, isFirst: text.isEmpty, to: &longer)
    return rules.stopTexts.first(in: longer, from: 0, readBefore: kept.count) != nil
  }

  /// The model's log-probability of a token behind the text, as the model gave it.
  func logModel(of token: Token, _ rows: NextRows<Model>) -> Double {
    if rows.model.readsDirectly { return rows.model.scoreDirectly(token, behind: context) }
    guard let place else { preconditionFailure("a text is read before it goes on") }
    let row = rows.row(at: place)
    return row[row.startIndex + token.index]
  }

  /// Goes on by a token of this log-probability among those looked at.
  ///
  /// `compared` is what it was compared with, where more than probabilities decided.
  mutating func commit(
    _ rows: NextRows<Model>, _ token: Token, logProbability: Double, isEnd: Bool,
    _ rules: DecodingRules, compared: [ComparedToken] = []
  ) {
    commit(
      rows.model, token, logModel: logModel(of: token, rows), logProbability: logProbability,
      isEnd: isEnd, rules, compared: compared)
  }

  /// Goes on by a token whose log-probability under the model is known.
  mutating func commit(
    _ model: Model, _ token: Token, logModel log: Double, logProbability: Double, isEnd: Bool,
    _ rules: DecodingRules, compared: [ComparedToken] = []
  ) {
    chain.accept(token, logProbability: logProbability)
    logTransformed += logProbability + logAllowed
    logDrawn += logProbability
    logModel += log
    place = nil
    if rules.explains {
      steps.append(
        DecodedStep(
          token: token, logModel: log, logProbability: logProbability,
          removals: [constraintRemoval].compactMap { $0 } + chain.removals, compared: compared))
    }
    if isEnd {
      ending = .end(token)
      return
    }
    if model.readsDirectly {
      model.advanceDirectly(&context, by: token)
    } else {
      unread.append(token)
    }
    if rules.constraint != nil {
      guard let next = constraint.next(state, token) else {
        preconditionFailure("a mask leaves only tokens that the constraint can read")
      }
      state = next
    }
    if !rules.stopTexts.texts.isEmpty {
      let before = bytes.count
      model.vocabulary.appendBytes(of: token, isFirst: text.isEmpty, to: &bytes)
      if let stopsFrom,
        let (stop, place) = rules.stopTexts.first(in: bytes, from: stopsFrom, readBefore: before)
      {
        ending = .stop(stop, byteCount: place)
      }
    }
    text.append(token)
    if stopsFrom == nil, !isTooShort(rules) { stopsFrom = bytes.count }
    if ending == nil, !isClosing, !isTooShort(rules), let loops = rules.loops,
      let block = loops.block(in: text[promptCount...])
    {
      if rules.constraint == nil {
        ending = .loop(TokenSequence(block))
      } else {
        isClosing = true
      }
    }
  }

  func decoded(logDrawn: Double) -> DecodedText {
    DecodedText(
      text: TokenSequence(text), promptCount: promptCount, ending: ending ?? .limit,
      logPrompt: logPrompt, logModel: logModel, logTransformed: logTransformed,
      logDrawn: logDrawn, steps: steps)
  }
}
