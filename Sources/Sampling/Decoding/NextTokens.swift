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
  public var logits: [Double] {
    mutating get {
      divideAll()
      if isPartial {
        for i in 0..<count where stamps[i] != stamp { stored[i] = -.infinity }
        isPartial = false
      }
      return stored
    }
  }
  /// The logits, yet to be divided by ``divisor``; those of tokens that are not left may be stale.
  private var stored: [Double]
  /// What all logits are to be divided by before they are read one by one; 1 if they are listed.
  private var divisor = 1.0
  /// Whether only tokens with the last stamp are left: a selection need not touch the others.
  private var isPartial = false
  private var stamps: [UInt32]
  private var stamp: UInt32 = 0
  /// The largest stored logit of each block, or not a number where it has to be looked for.
  ///
  /// It means nothing once tokens are listed, nor do the two below.
  private var highs: [Double]
  /// The largest of all, or not a number.
  private var high = -Double.infinity
  private var hasUnknownHighs = false
  /// Whether a logit has changed since all were found good.
  private var isChanged = false
  /// No stored logit is lower.
  private var low = Double.nan
  private var mayBeBad = false

  /// One weight a token, written by ``weigh()``; meaningless for tokens that are not left.
  var weights: [Double]
  /// Keys by which ``orderByKey()`` orders; who asks for an order writes them first.
  var keys: [Double]
  private var heap: [UInt32] = []
  private var heapCount = 0
  private var saved: [Double]
  var numbers: [Int] = []
  private var nucleus: NucleusSelection

  /// Room for a vocabulary.
  ///
  /// - Parameters:
  ///   - count: how many tokens there are.
  ///   - ends: the tokens that close a text.
  /// - Precondition: the ends lie below the count.
  public init(count: Int, ends: [Token]) {
    precondition(ends.allSatisfy { $0.index < count }, "the ends lie in the vocabulary")
    self.ends = ends
    stored = [Double](repeating: -.infinity, count: count)
    stamps = [UInt32](repeating: 0, count: count)
    let block = DenseNumbers.blockCount
    highs = [Double](repeating: -.infinity, count: (count + block - 1) / block)
    nucleus = NucleusSelection(count: count)
    weights = [Double](repeating: 0, count: count)
    keys = weights
    saved = [Double](repeating: -.infinity, count: ends.count)
    listed.reserveCapacity(count)
    heap.reserveCapacity(count)
    numbers.reserveCapacity(count)
  }

  /// How many tokens the vocabulary has.
  public var count: Int { stored.count }

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
    let scan = logits.withContiguousStorageIfAvailable {
      unsafe DenseNumbers.copy($0, to: &stored, highs: &highs)
    }
    if let scan {
      try begin(scan)
    } else {
      var place = 0
      for logit in logits {
        stored[place] = logit
        place += 1
      }
      try begin(DenseNumbers.scan(stored, highs: &highs))
    }
  }

  /// Begins a step with a model's log-probabilities; the start symbol and the unknown word go.
  ///
  /// - Throws: where one is not a number or plus infinity, or all are minus infinity.
  public mutating func begin<Model: LanguageModel>(
    _ model: Model, in context: Model.Context
  ) throws(DecodingError) {
    var span = stored.mutableSpan
    model.logProbabilities(in: context, into: &span)
    stored[model.vocabulary.start.index] = -.infinity
    if let unknown = model.vocabulary.unknown { stored[unknown.index] = -.infinity }
    try begin(DenseNumbers.scan(stored, highs: &highs))
  }

  private mutating func begin(_ scan: DenseNumbers.Scan) throws(DecodingError) {
    isListed = false
    isPartial = false
    divisor = 1
    logModelEnds = .nan
    take(scan)
    try settle(after: nil)
  }

  private mutating func take(_ scan: DenseNumbers.Scan) {
    high = scan.high
    low = scan.low
    mayBeBad = scan.mayBeBad
    hasUnknownHighs = false
    isChanged = true
    foremost = nil
  }

  /// Writes the list.
  private mutating func list() {
    listed.removeAll(keepingCapacity: true)
    // What is not a number stays, so that it is found.
    for i in 0..<count where stored[i] != -.infinity {
      stored[i] = stored[i] / divisor
      listed.append(Token(i))
    }
    divisor = 1
    isListed = true
  }

  /// Leaves no token but those to be listed next.
  private mutating func startSelection() {
    if stamp == .max {
      for i in stamps.indices { stamps[i] = 0 }
      stamp = 0
    }
    stamp += 1
    listed.removeAll(keepingCapacity: true)
    isListed = true
    isPartial = true
    divisor = 1
    foremost = nil
    isChanged = false
  }

  /// Lists a token of a selection with its logit.
  private mutating func select(_ token: Token, _ logit: Double) {
    listed.append(token)
    stamps[token.index] = stamp
    stored[token.index] = logit
  }

  /// Lists the first tokens of the nucleus.
  private mutating func select(_ kept: Int) {
    unsafe stored.withUnsafeMutableBufferPointer { stored in
      unsafe stamps.withUnsafeMutableBufferPointer { stamps in
        for i in 0..<kept {
          let token = Token(rawValue: nucleus.tokens[i])
          listed.append(token)
          unsafe stamps[token.index] = stamp
          unsafe stored[token.index] = nucleus.logits[i]
        }
      }
    }
  }

  /// Divides what is yet to be divided.
  private mutating func divideAll() {
    guard divisor != 1 else { return }
    for i in 0..<count { stored[i] = stored[i] / divisor }
    divisor = 1
    take(DenseNumbers.scan(stored, highs: &highs))
  }

  /// Finds maxima anew where they have gone.
  private mutating func refresh() {
    guard hasUnknownHighs else { return }
    high = -.infinity
    for block in highs.indices {
      if highs[block].isNaN {
        var largest = -Double.infinity
        for i in places(of: block) { largest = max(largest, stored[i]) }
        highs[block] = largest
      }
      high = max(high, highs[block])
    }
    hasUnknownHighs = false
  }

  private func places(of block: Int) -> Range<Int> {
    let first = block * DenseNumbers.blockCount
    return first..<min(first + DenseNumbers.blockCount, count)
  }

  /// Keeps maxima true where one stored logit changes.
  private mutating func change(_ place: Int, to new: Double) {
    let old = stored[place]
    stored[place] = new
    foremost = nil
    isChanged = true
    guard !isListed else { return }
    if !(new < .infinity) { mayBeBad = true }
    if new < low { low = new }
    let block = place / DenseNumbers.blockCount
    if new > highs[block] {
      highs[block] = new
    } else if old == highs[block] {
      highs[block] = .nan
      hasUnknownHighs = true
    }
    if new > high {
      high = new
    } else if old == high {
      high = .nan
    }
  }

  /// Notes ``logModelEnds``, unless it is there.
  mutating func noteEnds() {
    guard logModelEnds.isNaN else { return }
    let total = weigh()
    var sum = 0.0
    for end in ends where self[end] > -.infinity { sum += weights[end.index] }
    logModelEnds = min(0, LogSpace.log(sum) - LogSpace.log(total))
  }

  /// A token's logit; setting that of a removed token changes nothing.
  public subscript(token: Token) -> Double {
    get {
      guard !isPartial || stamps[token.index] == stamp else { return -.infinity }
      return divisor == 1 ? stored[token.index] : stored[token.index] / divisor
    }
    set {
      guard self[token] > -.infinity else { return }
      if divisor != 1 { divideAll() }
      change(token.index, to: newValue)
    }
  }

  /// Removes a token.
  public mutating func remove(_ token: Token) { change(token.index, to: -.infinity) }

  /// Divides the distances of all logits from an origin.
  mutating func divide(by divisor: Double, origin: Double) {
    if isListed {
      for token in listed { stored[token.index] = (stored[token.index] - origin) / divisor }
      foremost = nil
      isChanged = true
      return
    }
    divideAll()
    if origin == 0, divisor > 0x1p-60, divisor < 0x1p60 {
      // Those that a selection leaves out need no division.
      self.divisor = divisor
      foremost = nil
      return
    }
    for i in 0..<count where stored[i] > -.infinity { stored[i] = (stored[i] - origin) / divisor }
    take(DenseNumbers.scan(stored, highs: &highs))
  }

  /// The smallest logit of a token that is left.
  mutating func lowest() -> Double {
    var lowest = Double.infinity
    if isListed {
      for token in listed { lowest = min(lowest, stored[token.index]) }
      return lowest
    }
    divideAll()
    if low > -.infinity { return low }
    for i in 0..<count where stored[i] > -.infinity && stored[i] < lowest { lowest = stored[i] }
    return lowest
  }

  /// Removes all tokens but one, which need not be left.
  public mutating func force(_ token: Token) {
    startSelection()
    select(token, 0)
  }

  /// Brings a token back with a logit.
  mutating func restore(_ token: Token, _ logit: Double) {
    divideAll()
    change(token.index, to: logit)
    guard isListed else { return }
    if isPartial { stamps[token.index] = stamp }
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
    guard isChanged else { return }
    isChanged = false
    guard isListed else {
      if mayBeBad {
        if let place = stored.firstIndex(where: { !($0 < .infinity) }) {
          throw badLogit(Token(place), transform())
        }
        mayBeBad = false
      }
      if high.isNaN { refresh() }
      if high == -.infinity { throw nothingLeft(transform()) }
      return
    }
    var kept = 0
    for i in listed.indices {
      let token = listed[i]
      let logit = stored[token.index]
      if logit > -.infinity && logit < .infinity {
        if kept != i { listed[kept] = token }
        kept += 1
      } else if logit != -.infinity {
        throw badLogit(token, transform())
      }
    }
    listed.removeLast(listed.count - kept)
    if kept == 0 { throw nothingLeft(transform()) }
  }

  private func badLogit(_ token: Token, _ transform: String?) -> DecodingError {
    DecodingError(
      .badLogit, transform: transform,
      "\(transform ?? "the model") gave token \(token.index) the logit \(stored[token.index]); a "
        + "logit is a number or minus infinity")
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
      let token = foremost ?? (isListed ? bestListed() : bestStored())
      foremost = token
      return (token, self[token])
    }
  }

  private func bestListed() -> Token {
    var best = listed[0]
    for token in listed where stored[token.index] > stored[best.index] { best = token }
    return best
  }

  private mutating func bestStored() -> Token {
    refresh()
    let (value, floor) = (high / divisor, leastEqual(high))
    for block in highs.indices where highs[block] >= floor {
      for i in places(of: block) where stored[i] >= floor && stored[i] / divisor == value {
        return Token(i)
      }
    }
    preconditionFailure("a token is left")
  }

  /// A number that no stored logit lies below whose quotient by ``divisor`` equals that of this one.
  private func leastEqual(_ logit: Double) -> Double {
    // Quotients are off by 2^-53 of themselves; those of the smallest numbers by more.
    divisor == 1 ? logit : logit - abs(logit) * 0x1p-50 - 0x1p-900
  }

  /// Writes exp(logit - largest) into ``weights`` and returns the sum.
  mutating func weigh() -> Double {
    let high = best.logit
    guard isListed || count < Self.fewestInPasses else {
      divideAll()
      return DenseNumbers.exponentials(of: stored, first: count, minus: high, into: &weights)
    }
    var total = 0.0
    for token in candidates {
      let weight = LogSpace.exp(stored[token.index] - high)
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
    for token in candidates { stored[token.index] = stored[token.index] - high - logTotal }
    foremost = nil
    isChanged = true
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
      return (token, self[token] - high - LogSpace.log(total))
    }
    // The list's logits stand together, so that their exponentials are one pass too.
    if !isListed { list() }
    for i in listed.indices { keys[i] = stored[listed[i].index] }
    let total = DenseNumbers.exponentials(
      of: keys, first: listed.count, minus: high, into: &weights)
    let token = listed[choices.index(weights: weights.span.extracting(0..<listed.count))]
    return (token, stored[token.index] - high - LogSpace.log(total))
  }

  /// Prepares to hand out the tokens by logit, the largest first, the lowest of equals first.
  ///
  /// - Complexity: O(candidates); each ``takeNext()`` O(log candidates).
  mutating func orderByLogit() {
    for token in candidates { keys[token.index] = stored[token.index] }
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
    for i in 0..<heapCount { stored[Int(heap[i])] = -.infinity }
    isChanged = true
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

  private func comesFirst(_ a: UInt32, _ b: UInt32) -> Bool {
    let x = stored[Int(a)]
    let y = stored[Int(b)]
    return x > y || (x == y && a < b)
  }

  /// Keeps the first k by logit, the lowest of equals first.
  ///
  /// - Complexity: O(candidates / block + k block) where k is at most the number of blocks, else
  ///   O(candidates) expected.
  mutating func keepFirst(_ k: Int) {
    if !isListed {
      if k <= highs.count { listThose(beyondBlockMaximum: k) } else { list() }
    }
    guard k < listed.count else { return }
    heap.removeAll(keepingCapacity: true)
    for token in listed { heap.append(token.rawValue) }
    _ = moveFirst(reaching: Double(k), byWeight: false)
    keep(through: heap[k - 1])
  }

  /// Lists the tokens that reach the k-th of the block maxima: k at least do.
  private mutating func listThose(beyondBlockMaximum k: Int) {
    refresh()
    for block in highs.indices { keys[block] = highs[block] }
    let floor = leastEqual(keys.largest(k, ofFirst: highs.count))
    let divisor = divisor
    heap.removeAll(keepingCapacity: true)
    unsafe stored.withUnsafeBufferPointer { stored in
      for block in highs.indices where highs[block] >= floor {
        for i in places(of: block) {
          let logit = unsafe stored[i]
          if logit >= floor && logit > -.infinity { heap.append(UInt32(i)) }
        }
      }
    }
    startSelection()
    for token in heap { select(Token(rawValue: token), stored[Int(token)] / divisor) }
  }

  /// Keeps the smallest set of the most probable tokens whose share of the probability reaches a
  /// mass, one at least; of equal logits the lowest tokens.
  ///
  /// - Complexity: O(candidates) expected.
  mutating func keepFirst(reaching mass: Double) {
    if !isListed, count >= Self.fewestInPasses, mass > 0 {
      refresh()
      if let kept = nucleus.find(
        reaching: mass, in: stored, highs: highs, high: high, divisor: divisor)
      {
        let top = high / divisor
        startSelection()
        select(kept)
        foremost = nucleus.logits.prefix(kept).firstIndex(of: top).map { listed[$0] }
        return
      }
    }
    let total = weigh()
    let goal = mass * total
    heap.removeAll(keepingCapacity: true)
    // Tokens of less than their even share of what is left out cannot all be needed: those below
    // sum to less than total - goal. A little lower, so that rounding drops none that counts.
    let floor = (total - goal) / Double(count) * (1 - 0x1p-20)
    if isListed {
      for token in listed where weights[token.index] >= floor { heap.append(token.rawValue) }
    } else {
      for i in 0..<count where weights[i] >= floor && stored[i] > -.infinity {
        heap.append(UInt32(i))
      }
    }
    let kept = moveFirst(reaching: goal, byWeight: true)
    if kept > 0 { keep(through: heap[kept - 1]) }
  }

  /// Moves the first tokens of ``heap``, one at least, until their weights reach a goal, to its
  /// beginning, the last of them to their end; or until there are so many.
  ///
  /// - Returns: how many they are.
  private mutating func moveFirst(
    reaching goal: Double, byWeight: Bool
  ) -> Int {
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
      var before = 0.0
      for place in low..<high where comesFirst(heap[place], pivot) {
        before += byWeight ? weights[Int(heap[place])] : 1
        heap.swapAt(place, split)
        split += 1
      }
      if sum + before >= goal && split > low {
        high = split
      } else {
        // The pivot comes next.
        guard let place = heap[split..<high].firstIndex(of: pivot) else { break }
        heap.swapAt(place, split)
        sum += before + (byWeight ? weights[Int(pivot)] : 1)
        low = split + 1
        if sum >= goal { return low }
      }
    }
    // A few by insertion.
    for place in low..<high {
      var here = place
      while here > low, comesFirst(heap[here], heap[here - 1]) {
        heap.swapAt(here, here - 1)
        here -= 1
      }
    }
    while low < high, sum < goal || low == 0 {
      sum += byWeight ? weights[Int(heap[low])] : 1
      low += 1
    }
    return low
  }

  /// Keeps a token and those that come before it by logit.
  private mutating func keep(through last: UInt32) {
    let limit = stored[Int(last)]
    if isListed {
      var kept = 0
      for i in listed.indices {
        let token = listed[i]
        let logit = stored[token.index]
        if logit > limit || (logit == limit && token.rawValue <= last) {
          listed[kept] = token
          kept += 1
        } else {
          stored[token.index] = -.infinity
        }
      }
      listed.removeLast(listed.count - kept)
      return
    }
    startSelection()
    for i in 0..<count {
      let logit = stored[i]
      if logit > limit || (logit == limit && i <= Int(last)) { select(Token(i), logit) }
    }
  }

  /// Remembers the ends' logits.
  mutating func saveEnds() {
    for i in ends.indices { saved[i] = self[ends[i]] }
  }

  /// Brings back the ends that were left at ``saveEnds()``.
  mutating func restoreEnds() {
    for i in ends.indices where saved[i] > -.infinity && self[ends[i]] == -.infinity {
      restore(ends[i], saved[i])
    }
  }
}

extension [Double] {
  /// The k-th largest of the first numbers, whose order is lost.
  ///
  /// - Complexity: O(count) expected.
  fileprivate mutating func largest(_ k: Int, ofFirst count: Int) -> Double {
    var low = 0
    var high = count - 1
    while low < high {
      let pivot = self[low + (high - low) / 2]
      var (i, j) = (low, high)
      while i <= j {
        while self[i] > pivot { i += 1 }
        while self[j] < pivot { j -= 1 }
        guard i <= j else { break }
        swapAt(i, j)
        i += 1
        j -= 1
      }
      if k - 1 <= j {
        high = j
      } else if k - 1 >= i {
        low = i
      } else {
        break
      }
    }
    return self[k - 1]
  }
}
