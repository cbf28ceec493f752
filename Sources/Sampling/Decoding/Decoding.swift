// Licensed under the Apache License, Version 2.0.

/// A text on its way: what one step needs and leaves behind.
struct Decoding<Model: FiniteContextModel> {
  var context: Model.Context
  var text: [Token]
  let promptCount: Int
  var chain: TransformChain
  let logPrompt: Double
  var logModel = 0.0
  var logTransformed = 0.0
  var logDrawn = 0.0
  var ending: Ending?
  /// The constraint's state; 0 without one.
  private(set) var state: TokenAutomaton.State = 0
  /// The log of what the constraint left of the model's mass at this step; 0 without one.
  private(set) var logAllowed = 0.0
  /// Whether only the shortest completion is left.
  private var isClosing = false
  /// What the text reads, where stop texts are looked for.
  private var bytes: [UInt8] = []
  private var promptByteCount = 0
  private var constraintRemoval: Removal?
  private var steps: [DecodedStep] = []

  init(
    _ model: Model, after prompt: TokenSequence, rules: DecodingRules
  ) throws(DecodingError) {
    context = model.makeContext()
    text = prompt.tokens
    promptCount = prompt.count
    chain = rules.transforms
    var sum = 0.0
    for token in prompt {
      guard token.index < model.vocabulary.count, token != model.vocabulary.start,
        token != model.vocabulary.end
      else {
        throw DecodingError(
          .badArgument, "a prompt holds tokens of the model other than start and end, got \(token)")
      }
      sum += model.advance(&context, scoring: token)
    }
    logPrompt = sum
    if !rules.stopTexts.texts.isEmpty {
      bytes = model.vocabulary.bytes(of: text)
      promptByteCount = bytes.count
    }
    guard let automaton = rules.constraint?.automaton else { return }
    state = automaton.start
    for token in prompt {
      state = automaton.following(state, token)
      if state == TokenAutomaton.dead {
        throw DecodingError(
          .unmet, "no allowed text begins with the prompt; change it or the constraints")
      }
    }
    let shortest = automaton.distances[Int(state)]
    guard shortest != .max else { throw DecodingError(.unmet, "no text is allowed") }
    guard Int(shortest) < rules.maxTokens else {
      throw DecodingError(
        .unmet, transform: "max-tokens",
        "max-tokens \(rules.maxTokens) leaves no room for what is asked: the shortest allowed text has "
          + "\(Int(shortest) + 1) tokens\(prompt.isEmpty ? "" : " behind the prompt"), its end among "
          + "them; give \(Int(shortest) + 1) or more")
    }
  }

  /// How many choices have been made.
  var count: Int {
    if case .end = ending { return text.count - promptCount + 1 }
    return text.count - promptCount
  }

  /// Closes the text where the limit or the time asks for it, before a choice.
  mutating func closeIfDue(_ rules: DecodingRules) {
    guard ending == nil else { return }
    if count >= rules.maxTokens {
      ending = .limit
    } else if rules.isTimeUp() {
      if rules.constraint == nil { ending = .timeUp } else { isClosing = true }
    }
  }

  /// The next token's distribution, constrained and transformed.
  mutating func look(
    _ model: Model, _ next: inout NextTokens, _ rules: DecodingRules,
    using choices: inout some ChoiceSource
  ) throws(DecodingError) {
    do {
      try transform(model, &next, rules, using: &choices)
    } catch {
      throw error.at(choice: count + 1, behind: model.vocabulary.text(of: text))
    }
  }

  private mutating func transform(
    _ model: Model, _ next: inout NextTokens, _ rules: DecodingRules,
    using choices: inout some ChoiceSource
  ) throws(DecodingError) {
    next.setText(text, promptCount: promptCount)
    try next.begin(model, in: context)
    guard let constraint = rules.constraint else {
      try chain.apply(to: &next, using: &choices)
      return
    }
    chain.noteEnds(&next)
    let before = rules.explains ? next.snapshot() : nil
    let room = rules.maxTokens - count
    logAllowed = try next.constrain(
      by: constraint, in: state,
      room: isClosing ? Int(constraint.automaton.distances[Int(state)]) + 1 : room)
    if let before { constraintRemoval = next.removal(by: "constraints", since: before) }
    try chain.apply(to: &next, using: &choices)
    // A termination wrapper brings back an end that is not allowed yet.
    if constraint.automaton.finalWeights[Int(state)] == -.infinity {
      for end in next.ends { next.remove(end) }
      try next.settle(after: "the constraints")
    }
  }

  /// A token drawn from that distribution, with its log-probability.
  mutating func draw(
    _ model: Model, _ next: inout NextTokens, _ rules: DecodingRules,
    using choices: inout some ChoiceSource
  ) throws(DecodingError) -> (token: Token, logProbability: Double) {
    guard rules.constraint == nil else {
      try look(model, &next, rules, using: &choices)
      return next.draw(using: &choices)
    }
    do {
      next.setText(text, promptCount: promptCount)
      try next.begin(model, in: context)
      return try chain.draw(from: &next, using: &choices)
    } catch {
      throw error.at(choice: count + 1, behind: model.vocabulary.text(of: text))
    }
  }

  /// Whether a token closes the text, as an end or by completing a stop text.
  func closes(_ token: Token, _ model: Model, _ next: NextTokens, _ rules: DecodingRules) -> Bool {
    if next.isEnd(token) { return true }
    guard !rules.stopTexts.texts.isEmpty else { return false }
    var longer = bytes
    model.vocabulary.appendBytes(of: token, isFirst: text.isEmpty, to: &longer)
    return rules.stopTexts.first(in: longer, from: promptByteCount, readBefore: bytes.count) != nil
  }

  /// Goes on by a token of this log-probability among those looked at.
  ///
  /// `compared` is what it was compared with, where more than probabilities decided.
  mutating func commit(
    _ model: Model, _ token: Token, logProbability: Double, isEnd: Bool, _ rules: DecodingRules,
    compared: [ComparedToken] = []
  ) {
    chain.accept(token, logProbability: logProbability)
    logTransformed += logProbability + logAllowed
    logDrawn += logProbability
    let log =
      isEnd
      ? model.logProbability(of: token, in: context) : model.advance(&context, scoring: token)
    logModel += log
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
    if let automaton = rules.constraint?.automaton { state = automaton.following(state, token) }
    if !rules.stopTexts.texts.isEmpty {
      let before = bytes.count
      model.vocabulary.appendBytes(of: token, isFirst: text.isEmpty, to: &bytes)
      if let (stop, place) = rules.stopTexts.first(
        in: bytes, from: promptByteCount, readBefore: before)
      {
        ending = .stop(stop, byteCount: place)
      }
    }
    text.append(token)
    if ending == nil, !isClosing, let loops = rules.loops,
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

extension NextTokens {
  /// Leaves the tokens from which an allowed end can be reached in so many choices, this one and
  /// the end's among them, at fluency x logit plus what the automaton adds.
  ///
  /// - Returns: the log of the sum of what is left.
  mutating func constrain(
    by constraint: DecodingConstraint, in state: TokenAutomaton.State, room: Int
  ) throws(DecodingError) -> Double {
    let automaton = constraint.automaton
    let row = Int(state) * automaton.classCount
    let final = automaton.finalWeights[Int(state)]
    for token in candidates {
      var weight: Double
      if isEnd(token) {
        weight = final
      } else {
        let place = row + Int(automaton.classes[token.index])
        let following = automaton.transitions[place]
        guard following != TokenAutomaton.dead,
          Int(automaton.distances[Int(following)]) <= room - 2
        else {
          remove(token)
          continue
        }
        weight = automaton.weights.isEmpty ? 0 : automaton.weights[place]
      }
      if weight == -.infinity {
        remove(token)
      } else {
        self[token] = constraint.fluency * self[token] + weight
      }
    }
    do {
      try settle(after: nil)
    } catch {
      throw error.kind == .nothingLeft
        ? DecodingError(
          .nothingLeft,
          "the model gives no token a probability that the constraints allow after this text")
        : error
    }
    let high = best.logit
    return high + LogSpace.log(weigh())
  }
}
