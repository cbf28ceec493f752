// Licensed under the Apache License, Version 2.0.

/// One group's part of a beam search.
struct BeamGroup<Model: LanguageModel, Constraint: TokenConstraint> {
  struct Text {
    var decoding: Decoding<Model, Constraint>
    /// Its log-probability less what it lost to earlier groups.
    var logRanked: Double
  }

  struct Continuation {
    let parent: Int
    let token: Token
    let logProbability: Double
    let logRanked: Double

    func precedes(_ other: Continuation) -> Bool {
      if logRanked != other.logRanked { return logRanked > other.logRanked }
      return (parent, token) < (other.parent, other.token)
    }
  }

  /// The first of some continuations, in their order once all are there.
  struct Bank {
    private(set) var first: [Continuation] = []
    /// No continuation behind this one is among the first.
    private var worst: Continuation?

    mutating func removeAll() {
      first.removeAll(keepingCapacity: true)
      worst = nil
    }

    func takes(_ one: Continuation) -> Bool { worst.map { one.precedes($0) } ?? true }

    /// Adds a continuation that it takes, and now and then drops those behind the first `width`.
    mutating func insert(_ one: Continuation, width: Int) {
      first.append(one)
      if first.count >= 2 * width { settle(width: width) }
    }

    mutating func settle(width: Int) {
      first.sort { $0.precedes($1) }
      guard first.count >= width else { return }
      first.removeLast(first.count - width)
      worst = first.last
    }
  }

  let search: BeamSearch
  let group: Int
  let width: Int
  /// How many finished texts are kept; with patience, as many end the search.
  let keeps: Int
  /// Whether a text's log-probability can rise.
  let canRise: Bool
  private(set) var texts: [Text]
  private(set) var finished: [BeamSearch.Result] = []
  private(set) var cut: [BeamSearch.Result] = []
  private(set) var isDone = false
  /// Whether time is up and only one text is left, to be closed.
  private var isClosing = false
  private var looping: [BeamSearch.Result] = []
  /// The best continuations that go on, by their distance to an allowed end; one bank without a
  /// constraint.
  private var banks = [Bank()]
  private var distances: [Int] = []
  private var ends: [Continuation] = []

  init(
    _ search: BeamSearch, group: Int, _ start: Decoding<Model, Constraint>, _ model: Model
  ) {
    self.search = search
    self.group = group
    let share = search.width / search.groups
    width = share
    keeps = max(
      share, search.patience.map { Int(min(1e9, ($0 * Double(share)).rounded(.up))) } ?? 0)
    texts = [Text(decoding: start, logRanked: 0)]
    let ceiling = (model as? any FiniteContextModel)?.logProbabilityCeiling ?? 0
    canRise = search.rules.constraint != nil && (start.constraint.canRaise || ceiling > 0)
  }

  /// Ends the search of this group where a text has no further step.
  mutating func cutIfDue() {
    for i in texts.indices { texts[i].decoding.closeIfDue(search.rules) }
    if texts.contains(where: { $0.decoding.ending != nil }) { cutAll() }
  }

  /// Whether the row behind a text has to be read.
  func isUnread(by model: Model) -> Bool { texts.contains { $0.decoding.isUnread(by: model) } }

  /// Adds all texts to the next batch.
  mutating func add(to rows: inout NextRows<Model>) {
    for i in texts.indices { texts[i].decoding.add(to: &rows) }
  }

  /// Takes what the batch says of the texts.
  mutating func take(from rows: NextRows<Model>) {
    for i in texts.indices { texts[i].decoding.take(from: rows) }
  }

  /// Makes one step, or none where time is up before all texts have been looked at.
  mutating func advance(
    _ rows: NextRows<Model>, _ next: inout NextTokens, penalties: [Double]
  ) throws(DecodingError) {
    guard try rank(rows, &next, penalties) else { return }
    if texts.isEmpty { return cutAll() }
    choose(rows)
    if texts.isEmpty { return cutAll() }
    if let patience = search.patience {
      if Double(finished.count) >= patience * Double(width) { isDone = true }
    } else if finished.count == width, let worst = finished.last, !canRise,
      texts.allSatisfy({ bound($0.decoding) <= worst.score })
    {
      isDone = true
    }
  }

  /// Ends with all texts as they are.
  mutating func cutAll() {
    // Time may have run out between one text and the next.
    for i in texts.indices { texts[i].decoding.closeIfDue(search.rules) }
    isDone = true
    let rest = looping + texts.map { search.result($0.decoding, group: group) }
    cut = Array(rest.sorted { $0.score > $1.score }.prefix(max(0, width - finished.count)))
  }

  /// Ends and drops the open texts.
  mutating func giveUp() { isDone = true }

  /// Goes on with the best text only.
  mutating func keepBest() {
    isClosing = true
    texts.removeLast(texts.count - 1)
  }

  /// Finds the best continuations of each bank; false where time ran out before all were seen.
  private mutating func rank(
    _ rows: NextRows<Model>, _ next: inout NextTokens, _ penalties: [Double]
  ) throws(DecodingError) -> Bool {
    for i in banks.indices { banks[i].removeAll() }
    ends.removeAll(keepingCapacity: true)
    var choices = NoChoices()
    var failure: DecodingError?
    let isConstrained = search.rules.constraint != nil
    for parent in texts.indices {
      if !isClosing, search.rules.isTimeUp() { return false }
      do {
        try texts[parent].decoding.look(rows, &next, search.rules, using: &choices)
      } catch {
        guard error.kind == .nothingLeft else { throw error }
        failure = error
        continue
      }
      next.normalize()
      let decoding = texts[parent].decoding
      let before = texts[parent].logRanked + decoding.logAllowed
      let candidates = next.candidates
      if isConstrained {
        decoding.constraint.shortestCompletions(
          decoding.state, behind: candidates, into: &distances)
      }
      for (i, token) in candidates.enumerated() {
        let lost = penalties.isEmpty ? 0 : penalties[token.index]
        let one = Continuation(
          parent: parent, token: token, logProbability: next[token],
          logRanked: before + next[token] - lost)
        if next.isEnd(token) {
          ends.append(one)
          continue
        }
        var bank = 0
        if isConstrained {
          bank = distances[i]
          while banks.count <= bank { banks.append(Bank()) }
        }
        guard banks[bank].takes(one) else { continue }
        if decoding.closes(token, rows.model, next, search.rules) {
          ends.append(one)
          continue
        }
        banks[bank].insert(one, width: width)
      }
    }
    for i in banks.indices { banks[i].settle(width: width) }
    if ends.isEmpty, banks.allSatisfy(\.first.isEmpty) {
      texts = []
      if finished.isEmpty, let failure { throw failure }
    }
    return true
  }

  /// Keeps the texts that end and makes the next beam.
  private mutating func choose(_ rows: NextRows<Model>) {
    ends.sort { $0.precedes($1) }
    // An end competes with the continuations that could end next.
    let rivals = banks[0].first
    var better = 0
    for (ahead, end) in ends.enumerated() {
      while better < rivals.count, rivals[better].precedes(end) { better += 1 }
      guard ahead + better < width else { break }
      var decoding = texts[end.parent].decoding
      decoding.commit(
        rows, end.token, logProbability: end.logProbability,
        isEnd: search.rules.stops.contains(end.token) || end.token == rows.model.vocabulary.end,
        search.rules)
      keep(search.result(decoding, group: group))
    }
    var chosen: [Continuation] = []
    var depth = 0
    while chosen.count < width, banks.contains(where: { $0.first.count > depth }) {
      for bank in banks where bank.first.count > depth && chosen.count < width {
        chosen.append(bank.first[depth])
      }
      depth += 1
    }
    chosen.sort { $0.precedes($1) }
    var successors: [Text] = []
    // The last continuation of a text takes its memory, the others copy it.
    var parents = texts.map(Optional.some)
    texts = []
    var uses = [Int](repeating: 0, count: parents.count)
    for one in chosen { uses[one.parent] += 1 }
    for one in chosen {
      uses[one.parent] -= 1
      guard var text = uses[one.parent] > 0 ? parents[one.parent] : parents[one.parent].take()
      else { preconditionFailure("a text is taken by its last continuation") }
      text.logRanked = one.logRanked
      text.decoding.commit(
        rows, one.token, logProbability: one.logProbability, isEnd: false, search.rules)
      if case .loop = text.decoding.ending {
        looping.append(search.result(text.decoding, group: group))
      } else {
        successors.append(text)
      }
    }
    texts = successors
  }

  /// The score that no continuation of a text exceeds: its log-probability can only fall, and a
  /// coverage adds nothing to it.
  private func bound(_ decoding: Decoding<Model, Constraint>) -> Double {
    search.score(
      decoding.logTransformed,
      length: search.lengthPenalty >= 0 ? search.rules.maxTokens : decoding.count + 1)
  }

  /// Inserts a text behind those of equal or higher score and keeps the first ones.
  private mutating func keep(_ result: BeamSearch.Result) {
    let place = finished.firstIndex { $0.score < result.score } ?? finished.count
    finished.insert(result, at: place)
    if finished.count > keeps { finished.removeLast() }
  }
}
