// Licensed under the Apache License, Version 2.0.

/// The tokens that may come next, with their logits: what transforms work on.
///
/// A logit is the natural logarithm of an unnormalised weight; a removed token's is minus
/// infinity. The value also knows what stands before. It is made once and filled again at each
/// step, so that nothing is allocated once its buffers have grown.
///
/// ```swift
/// var next = NextTokens(count: 3, ends: [Token(0)])
/// next.begin([LogSpace.log(0.5), LogSpace.log(0.25), LogSpace.log(0.25)])
/// ```
public struct NextTokens: Sendable {
  /// The tokens that close a text.
  public let ends: [Token]
  /// What stands before, the prompt first.
  public internal(set) var text: [Token] = []
  /// How many tokens of ``text`` are the prompt's.
  public internal(set) var promptCount = 0
  /// The tokens that are left, in ascending order.
  public private(set) var candidates: [Token] = []
  /// The model's own natural log-probability of ending here, before any constraint and transform;
  /// noted for transforms that ask for it, else not a number.
  public private(set) var logModelEnds = Double.nan
  /// One logit a token of the vocabulary.
  public private(set) var logits: [Double]

  /// One weight a token, written by ``weigh()``; meaningless for tokens that are not left.
  var weights: [Double]
  /// Keys by which ``orderByKey()`` orders; who asks for an order writes them first.
  var keys: [Double]
  private var heap: [UInt32] = []
  private var heapCount = 0
  private var saved: [Double]
  var numbers: [Int] = []

  /// Room for a vocabulary.
  ///
  /// - Parameters:
  ///   - count: how many tokens there are.
  ///   - ends: the tokens that close a text.
  /// - Precondition: the ends lie below the count.
  public init(count: Int, ends: [Token]) {
    precondition(ends.allSatisfy { $0.index < count }, "the ends lie in the vocabulary")
    self.ends = ends
    logits = [Double](repeating: -.infinity, count: count)
    weights = [Double](repeating: 0, count: count)
    keys = weights
    saved = [Double](repeating: -.infinity, count: ends.count)
    candidates.reserveCapacity(count)
    heap.reserveCapacity(count)
  }

  /// How many tokens the vocabulary has.
  public var count: Int { logits.count }

  /// Sets what stands before.
  ///
  /// - Precondition: 0 <= promptCount <= text.count, and the tokens lie in the vocabulary.
  public mutating func setText(_ text: some Collection<Token>, promptCount: Int) {
    precondition(
      promptCount >= 0 && promptCount <= text.count, "the prompt is a part of the text")
    precondition(text.allSatisfy { $0.index < count }, "the text's tokens lie in the vocabulary")
    self.text.removeAll(keepingCapacity: true)
    self.text.append(contentsOf: text)
    self.promptCount = promptCount
  }

  /// Begins a step with these logits.
  ///
  /// - Throws: where one is not a number or plus infinity, or all are minus infinity.
  public mutating func begin(_ logits: some Collection<Double>) throws(DecodingError) {
    precondition(logits.count == count, "there is one logit a token")
    var place = 0
    for logit in logits {
      self.logits[place] = logit
      place += 1
    }
    try begin(from: nil)
  }

  /// Begins a step with a model's log-probabilities; the start symbol and the unknown word go.
  ///
  /// - Throws: where one is not a number or plus infinity, or all are minus infinity.
  public mutating func begin<Model: LanguageModel>(
    _ model: Model, in context: Model.Context
  ) throws(DecodingError) {
    var span = logits.mutableSpan
    model.logProbabilities(in: context, into: &span)
    logits[model.vocabulary.start.index] = -.infinity
    if let unknown = model.vocabulary.unknown { logits[unknown.index] = -.infinity }
    try begin(from: nil)
  }

  private mutating func begin(from transform: String?) throws(DecodingError) {
    candidates.removeAll(keepingCapacity: true)
    for i in 0..<count { candidates.append(Token(i)) }
    logModelEnds = .nan
    try settle(after: transform)
  }

  /// Notes ``logModelEnds``, unless it is there.
  mutating func noteEnds() {
    guard logModelEnds.isNaN else { return }
    let total = weigh()
    var sum = 0.0
    for end in ends where logits[end.index] > -.infinity { sum += weights[end.index] }
    logModelEnds = min(0, LogSpace.log(sum) - LogSpace.log(total))
  }

  /// A token's logit; setting that of a removed token changes nothing.
  public subscript(token: Token) -> Double {
    get { logits[token.index] }
    set { if logits[token.index] > -.infinity { logits[token.index] = newValue } }
  }

  /// Removes a token.
  public mutating func remove(_ token: Token) { logits[token.index] = -.infinity }

  /// Removes all tokens but one, which need not be left.
  public mutating func force(_ token: Token) {
    for candidate in candidates { logits[candidate.index] = -.infinity }
    candidates.removeAll(keepingCapacity: true)
    candidates.append(token)
    logits[token.index] = 0
  }

  /// Brings a token back with a logit.
  mutating func restore(_ token: Token, _ logit: Double) {
    logits[token.index] = logit
    var low = 0
    var high = candidates.count
    while low < high {
      let middle = (low + high) / 2
      if candidates[middle] < token { low = middle + 1 } else { high = middle }
    }
    if low == candidates.count || candidates[low] != token { candidates.insert(token, at: low) }
  }

  /// Whether the token closes a text.
  public func isEnd(_ token: Token) -> Bool { ends.contains(token) }

  /// Drops removed tokens from the candidates.
  ///
  /// - Throws: where a logit is not a number or plus infinity, or none is left.
  mutating func settle(after transform: @autoclosure () -> String?) throws(DecodingError) {
    var kept = 0
    for i in candidates.indices {
      let token = candidates[i]
      let logit = logits[token.index]
      if logit > -.infinity && logit < .infinity {
        if kept != i { candidates[kept] = token }
        kept += 1
      } else if logit != -.infinity {
        let transform = transform()
        throw DecodingError(
          .badLogit, transform: transform,
          "\(transform ?? "the model") gave token \(token) the logit \(logit); a logit is a number "
            + "or minus infinity")
      }
    }
    candidates.removeLast(candidates.count - kept)
    if kept == 0 {
      let transform = transform()
      throw DecodingError(
        .nothingLeft, transform: transform,
        transform.map { "\($0) removed the last token that could come next; loosen it" }
          ?? "the model gives no token a probability after this text")
    }
  }

  // MARK: What transforms share

  /// The largest logit and the token that has it, the lowest of equals.
  public var best: (token: Token, logit: Double) {
    var best = candidates[0]
    for token in candidates where logits[token.index] > logits[best.index] { best = token }
    return (best, logits[best.index])
  }

  /// Writes exp(logit - largest) into ``weights`` and returns the sum.
  mutating func weigh() -> Double {
    let high = best.logit
    var total = 0.0
    for token in candidates {
      let weight = LogSpace.exp(logits[token.index] - high)
      weights[token.index] = weight
      total += weight
    }
    return total
  }

  /// Entropy in nats of what ``weigh()`` wrote.
  func entropy(total: Double) -> Double {
    var sum = 0.0
    for token in candidates {
      let p = weights[token.index] / total
      if p > 0 { sum -= p * LogSpace.log(p) }
    }
    return sum
  }

  /// Makes the logits log-probabilities.
  public mutating func normalize() {
    let high = best.logit
    let logTotal = LogSpace.log(weigh())
    // The largest goes first: beside a huge one the logarithm of the sum would vanish.
    for token in candidates { logits[token.index] = logits[token.index] - high - logTotal }
  }

  /// Draws a token in proportion to its weight.
  ///
  /// - Returns: the token and its log-probability.
  public mutating func draw(
    using choices: inout some ChoiceSource
  ) -> (token: Token, logProbability: Double) {
    let high = best.logit
    let total = weigh()
    for i in candidates.indices { keys[i] = weights[candidates[i].index] }
    let token = candidates[choices.index(weights: keys.span.extracting(0..<candidates.count))]
    return (token, logits[token.index] - high - LogSpace.log(total))
  }

  /// Prepares to hand out the tokens by logit, the largest first, the lowest of equals first.
  ///
  /// - Complexity: O(candidates); each ``takeNext()`` O(log candidates).
  mutating func orderByLogit() {
    for token in candidates { keys[token.index] = logits[token.index] }
    orderByKey()
  }

  /// The same by ``keys``.
  mutating func orderByKey() {
    heap.removeAll(keepingCapacity: true)
    for token in candidates { heap.append(token.rawValue) }
    heapCount = heap.count
    var place = heapCount / 2
    while place > 0 {
      place -= 1
      sift(from: place)
    }
  }

  /// The next token of the order.
  mutating func takeNext() -> Token? {
    guard heapCount > 0 else { return nil }
    let token = heap[0]
    heapCount -= 1
    heap[0] = heap[heapCount]
    // What is taken stays behind the heap, so that the rest can be told from it.
    heap[heapCount] = token
    sift(from: 0)
    return Token(rawValue: token)
  }

  /// Removes all tokens that ``takeNext()`` has not handed out.
  mutating func removeRest() {
    for i in 0..<heapCount { logits[Int(heap[i])] = -.infinity }
  }

  private func precedes(_ a: UInt32, _ b: UInt32) -> Bool {
    let x = keys[Int(a)]
    let y = keys[Int(b)]
    return x > y || (x == y && a < b)
  }

  private mutating func sift(from start: Int) {
    var place = start
    while true {
      var child = 2 * place + 1
      guard child < heapCount else { return }
      if child + 1 < heapCount, precedes(heap[child + 1], heap[child]) { child += 1 }
      guard precedes(heap[child], heap[place]) else { return }
      heap.swapAt(child, place)
      place = child
    }
  }

  /// Remembers the ends' logits.
  mutating func saveEnds() {
    for i in ends.indices { saved[i] = logits[ends[i].index] }
  }

  /// Brings back the ends that were left at ``saveEnds()``.
  mutating func restoreEnds() {
    for i in ends.indices where saved[i] > -.infinity && logits[ends[i].index] == -.infinity {
      logits[ends[i].index] = saved[i]
    }
  }
}
