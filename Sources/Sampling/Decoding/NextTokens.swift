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
  public var candidates: [Token] {
    mutating get {
      if !isListed { list() }
      return listed
    }
  }
  /// The same, once they have been asked for or are few; until then logits alone tell.
  private var listed: [Token] = []
  private var isListed = false
  /// The most probable token, while nothing has changed.
  private var foremost: Token?
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
    listed.reserveCapacity(count)
    heap.reserveCapacity(count)
    numbers.reserveCapacity(count)
  }

  /// How many tokens the vocabulary has.
  public var count: Int { logits.count }

  /// Sets what stands before.
  ///
  /// - Precondition: 0 <= promptCount <= text.count, and the tokens lie in the vocabulary.
  public mutating func setText(_ text: some Collection<Token>, promptCount: Int) {
    precondition(
      promptCount >= 0 && promptCount <= text.count, "the prompt is a part of the text")
    self.text.removeAll(keepingCapacity: true)
    self.text.append(contentsOf: text)
    precondition(
      self.text.allSatisfy { $0.index < count }, "the text's tokens lie in the vocabulary")
    self.promptCount = promptCount
  }

  /// Begins a step with these logits.
  ///
  /// - Throws: where one is not a number or plus infinity, or all are minus infinity.
  public mutating func begin(_ logits: some Collection<Double>) throws(DecodingError) {
    precondition(logits.count == count, "there is one logit a token")
    // Element by element a collection of another module costs a call each.
    let isCopied: Void? = logits.withContiguousStorageIfAvailable { buffer in
      for i in 0..<buffer.count { unsafe self.logits[i] = buffer[i] }
    }
    if isCopied == nil {
      var place = 0
      for logit in logits {
        self.logits[place] = logit
        place += 1
      }
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
    isListed = false
    logModelEnds = .nan
    try settle(after: transform)
  }

  /// Writes the list.
  private mutating func list() {
    listed.removeAll(keepingCapacity: true)
    for i in 0..<count where logits[i] > -.infinity { listed.append(Token(i)) }
    isListed = true
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
    set {
      if logits[token.index] > -.infinity { logits[token.index] = newValue }
      foremost = nil
    }
  }

  /// Removes a token.
  public mutating func remove(_ token: Token) {
    logits[token.index] = -.infinity
    foremost = nil
  }

  /// Divides the distances of all logits from an origin.
  mutating func divide(by divisor: Double, origin: Double) {
    if isListed {
      for token in listed { logits[token.index] = (logits[token.index] - origin) / divisor }
    } else {
      for i in 0..<count where logits[i] > -.infinity {
        logits[i] = (logits[i] - origin) / divisor
      }
    }
    foremost = nil
  }

  /// The smallest logit of a token that is left.
  mutating func lowest() -> Double {
    var low = Double.infinity
    if isListed {
      for token in listed { low = min(low, logits[token.index]) }
    } else {
      for i in 0..<count where logits[i] > -.infinity && logits[i] < low { low = logits[i] }
    }
    return low
  }

  /// Removes all tokens but one, which need not be left.
  public mutating func force(_ token: Token) {
    clear()
    listed.append(token)
    logits[token.index] = 0
  }

  /// Removes all tokens.
  private mutating func clear() {
    if isListed {
      for token in listed { logits[token.index] = -.infinity }
    } else {
      for i in 0..<count { logits[i] = -.infinity }
    }
    listed.removeAll(keepingCapacity: true)
    isListed = true
    foremost = nil
  }

  /// Brings a token back with a logit.
  mutating func restore(_ token: Token, _ logit: Double) {
    logits[token.index] = logit
    foremost = nil
    guard isListed else { return }
    var low = 0
    var high = listed.count
    while low < high {
      let middle = (low + high) / 2
      if listed[middle] < token { low = middle + 1 } else { high = middle }
    }
    if low == listed.count || listed[low] != token { listed.insert(token, at: low) }
  }

  /// Whether the token closes a text.
  public func isEnd(_ token: Token) -> Bool { ends.contains(token) }

  /// Drops removed tokens from the candidates.
  ///
  /// - Throws: where a logit is not a number or plus infinity, or none is left.
  mutating func settle(after transform: @autoclosure () -> String?) throws(DecodingError) {
    guard isListed else {
      let (largest, isBad) = DenseNumbers.largest(logits.span)
      if isBad { try throwBadLogit(transform()) }
      if largest == -.infinity { throw nothingLeft(transform()) }
      foremost = logits.firstIndex(of: largest).map { Token($0) }
      return
    }
    var kept = 0
    for i in listed.indices {
      let token = listed[i]
      let logit = logits[token.index]
      if logit > -.infinity && logit < .infinity {
        if kept != i { listed[kept] = token }
        kept += 1
      } else if logit != -.infinity {
        try throwBadLogit(transform())
      }
    }
    listed.removeLast(listed.count - kept)
    if kept == 0 { throw nothingLeft(transform()) }
  }

  private func throwBadLogit(_ transform: String?) throws(DecodingError) {
    guard let place = logits.firstIndex(where: { !($0 < .infinity) }) else { return }
    throw DecodingError(
      .badLogit, transform: transform,
      "\(transform ?? "the model") gave token \(place) the logit \(logits[place]); a logit is a "
        + "number or minus infinity")
  }

  private func nothingLeft(_ transform: String?) -> DecodingError {
    DecodingError(
      .nothingLeft, transform: transform,
      transform.map { "\($0) removed the last token that could come next; loosen it" }
        ?? "the model gives no token a probability after this text")
  }

  // MARK: What transforms share

  /// Smaller vocabularies are listed at once: libm rounds a bit better, and passes gain nothing.
  private static let fewestInPasses = 1024

  /// The largest logit and the token that has it, the lowest of equals.
  public var best: (token: Token, logit: Double) {
    mutating get {
      if let foremost { return (foremost, logits[foremost.index]) }
      var best = candidates[0]
      for token in listed where logits[token.index] > logits[best.index] { best = token }
      foremost = best
      return (best, logits[best.index])
    }
  }

  /// Writes exp(logit - largest) into ``weights`` and returns the sum.
  mutating func weigh() -> Double {
    let high = best.logit
    guard isListed || count < Self.fewestInPasses else {
      return DenseNumbers.exponentials(of: logits, first: count, minus: high, into: &weights)
    }
    var total = 0.0
    for token in candidates {
      let weight = LogSpace.exp(logits[token.index] - high)
      weights[token.index] = weight
      total += weight
    }
    return total
  }

  /// Entropy in nats of what ``weigh()`` wrote.
  mutating func entropy(total: Double) -> Double {
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
    if !isListed, count >= Self.fewestInPasses {
      let total = weigh()
      let token = Token(choices.index(weights: weights.span))
      return (token, logits[token.index] - high - LogSpace.log(total))
    }
    // The list's logits stand together, so that their exponentials are one pass too.
    if !isListed { list() }
    for i in listed.indices { keys[i] = logits[listed[i].index] }
    let total = DenseNumbers.exponentials(
      of: keys, first: listed.count, minus: high, into: &weights)
    let token = listed[choices.index(weights: weights.span.extracting(0..<listed.count))]
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
    foremost = nil
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

  // MARK: Selection

  /// Keeps the first k by logit, the lowest of equals first.
  ///
  /// - Complexity: O(candidates + kept log kept), where few of the tokens come to stand among the
  ///   first k when they are met; O(candidates log k) at worst.
  mutating func keepFirst(_ k: Int) {
    // The worst of the best so far is on top of the heap.
    heap.removeAll(keepingCapacity: true)
    var worst = -Double.infinity
    if isListed {
      guard k < listed.count else { return }
      for i in listed.indices where logits[listed[i].index] > worst || heap.count < k {
        meet(listed[i].rawValue, k, &worst)
      }
    } else {
      for i in 0..<count where logits[i] > worst { meet(UInt32(i), k, &worst) }
      guard heap.count == k else { return }
    }
    keep(through: heap[0])
  }

  /// Puts a token among the best so far, of which there are at most k.
  private mutating func meet(_ token: UInt32, _ k: Int, _ worst: inout Double) {
    if heap.count < k {
      heap.append(token)
      guard heap.count == k else { return }
      var place = k / 2
      while place > 0 {
        place -= 1
        sink(from: place)
      }
    } else {
      heap[0] = token
      sink(from: 0)
    }
    worst = logits[Int(heap[0])]
  }

  private mutating func sink(from start: Int) {
    var place = start
    while true {
      var child = 2 * place + 1
      guard child < heap.count else { return }
      if child + 1 < heap.count, comesFirst(heap[child], heap[child + 1]) { child += 1 }
      guard comesFirst(heap[place], heap[child]) else { return }
      heap.swapAt(child, place)
      place = child
    }
  }

  private func comesFirst(_ a: UInt32, _ b: UInt32) -> Bool {
    let x = logits[Int(a)]
    let y = logits[Int(b)]
    return x > y || (x == y && a < b)
  }

  /// Keeps the smallest set of the most probable tokens whose weights reach a goal, one at least; of
  /// equal logits the lowest tokens.
  ///
  /// - Parameters:
  ///   - goal: a part of the total.
  ///   - total: the sum of ``weights``, which ``weigh()`` wrote.
  /// - Complexity: O(candidates) expected.
  mutating func keepFirst(reaching goal: Double, of total: Double) {
    heap.removeAll(keepingCapacity: true)
    // Tokens of less than their even share of what is left out cannot all be needed: those below
    // sum to less than total - goal. A little lower, so that rounding drops none that counts.
    let floor = (total - goal) / Double(count) * (1 - 0x1p-20)
    if isListed {
      for i in listed.indices where weights[listed[i].index] >= floor {
        heap.append(listed[i].rawValue)
      }
    } else {
      for i in 0..<count where weights[i] >= floor && logits[i] > -.infinity {
        heap.append(UInt32(i))
      }
    }
    // Quick-select by mass: [0, low) is kept, [high, ...) is not.
    var low = 0
    var high = heap.count
    var sum = 0.0
    while high - low > 32 {
      let (a, b, c) = (heap[low], heap[low + (high - low) / 2], heap[high - 1])
      let pivot =
        comesFirst(a, b)
        ? (comesFirst(b, c) ? b : comesFirst(a, c) ? c : a)
        : (comesFirst(a, c) ? a : comesFirst(b, c) ? c : b)
      var split = low
      var mass = 0.0
      for place in low..<high where comesFirst(heap[place], pivot) {
        mass += weights[Int(heap[place])]
        heap.swapAt(place, split)
        split += 1
      }
      if sum + mass >= goal && split > low {
        high = split
      } else {
        // The pivot comes next.
        guard let place = heap[split..<high].firstIndex(of: pivot) else { break }
        heap.swapAt(place, split)
        sum += mass + weights[Int(pivot)]
        low = split + 1
        if sum >= goal {
          high = low
          break
        }
      }
    }
    if low < high {
      // A few by insertion.
      for place in low..<high {
        var here = place
        while here > low, comesFirst(heap[here], heap[here - 1]) {
          heap.swapAt(here, here - 1)
          here -= 1
        }
      }
      while low < high, sum < goal || low == 0 {
        sum += weights[Int(heap[low])]
        low += 1
      }
    }
    if low > 0 { keep(through: heap[low - 1]) }
  }

  /// Keeps a token and those that come before it by logit.
  private mutating func keep(through last: UInt32) {
    let limit = logits[Int(last)]
    if isListed {
      var kept = 0
      for i in listed.indices {
        let token = listed[i]
        let logit = logits[token.index]
        if logit > limit || (logit == limit && token.rawValue <= last) {
          listed[kept] = token
          kept += 1
        } else {
          logits[token.index] = -.infinity
        }
      }
      listed.removeLast(listed.count - kept)
      return
    }
    listed.removeAll(keepingCapacity: true)
    for i in 0..<count {
      let logit = logits[i]
      if logit > limit || (logit == limit && i <= Int(last)) {
        listed.append(Token(i))
      } else {
        logits[i] = -.infinity
      }
    }
    isListed = true
  }

  /// Remembers the ends' logits.
  mutating func saveEnds() {
    for i in ends.indices { saved[i] = logits[ends[i].index] }
  }

  /// Brings back the ends that were left at ``saveEnds()``.
  mutating func restoreEnds() {
    for i in ends.indices where saved[i] > -.infinity && logits[ends[i].index] == -.infinity {
      restore(ends[i], saved[i])
    }
  }
}
