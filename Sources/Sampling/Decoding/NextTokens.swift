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
  var listed: [Token] = []
  var isListed = false
  /// The most probable token, while nothing has changed.
  var foremost: Token?
  /// The model's own natural log-probability of ending here, before any constraint and transform;
  /// noted for transforms that ask for it, else not a number.
  public internal(set) var logModelEnds = Double.nan
  /// One logit a token of the vocabulary.
  public var logits: [Double] {
    mutating get {
      widen()
      divideAll()
      if isPartial {
        for i in 0..<count where stamps[i] != stamp { stored[i] = -.infinity }
        isPartial = false
      }
      return stored
    }
  }
  /// The logits, yet to be divided by ``divisor``; those of tokens that are not left may be stale.
  var stored: [Double]
  /// The same in single precision, while ``isSingle``; until some are, there is no room for any.
  var singles: [Float] = []
  /// Whether the logits are still those of a step that began in single precision.
  var isSingle = false
  /// What all logits are to be divided by before they are read one by one; 1 if they are listed.
  var divisor = 1.0
  /// Whether only tokens with the last stamp are left: a selection need not touch the others.
  var isPartial = false
  var stamps: [UInt32]
  var stamp: UInt32 = 0
  /// The largest stored logit of each block, or not a number where it has to be looked for.
  ///
  /// It means nothing once tokens are listed, nor do the two below.
  var highs: [Double]
  /// The largest of all, or not a number.
  var high = -Double.infinity
  var hasUnknownHighs = false
  /// Whether a logit has changed since all were found good.
  var isChanged = false
  /// No stored logit is lower.
  var low = Double.nan
  var mayBeBad = false

  /// One weight a token, written by ``weigh()``; meaningless for tokens that are not left.
  var weights: [Double]
  /// Keys by which ``orderByKey()`` orders; who asks for an order writes them first.
  var keys: [Double]
  var heap: [UInt32] = []
  var heapCount = 0
  var saved: [Double]
  var numbers: [Int] = []
  var nucleus: NucleusSelection

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

  /// Begins a step with these logits in single precision, as neural models have them: until all digits
  /// are needed, half of the memory is passed through.
  ///
  /// - Throws: where one is not a number or plus infinity, or all are minus infinity.
  public mutating func begin(_ logits: some Collection<Float>) throws(DecodingError) {
    precondition(logits.count == count, "there is one logit a token")
    if singles.isEmpty { singles = [Float](repeating: 0, count: count) }
    let scan = logits.withContiguousStorageIfAvailable {
      unsafe DenseNumbers.copy($0, to: &singles, highs: &highs)
    }
    guard let scan else { return try begin(logits.map { Double($0) }) }
    try begin(scan, isSingle: true)
  }

  /// Begins a step with a model's log-probabilities; the start symbol and the unknown word go.
  ///
  /// - Throws: where one is not a number or plus infinity, or all are minus infinity.
  /// - Precondition: the model reads directly.
  public mutating func begin<Model: LanguageModel>(
    _ model: Model, in context: Model.Context
  ) throws(DecodingError) {
    var span = stored.mutableSpan
    model.fillDirectly(&span, behind: context)
    stored[model.vocabulary.start.index] = -.infinity
    if let unknown = model.vocabulary.unknown { stored[unknown.index] = -.infinity }
    try begin(DenseNumbers.scan(stored, highs: &highs))
  }

  /// Begins a step with a row that a model has read; the unknown token goes.
  ///
  /// - Throws: where one is not a number or plus infinity, or all are minus infinity.
  mutating func begin(
    _ row: ArraySlice<Double>, of vocabulary: Vocabulary
  ) throws(DecodingError) {
    try begin(row)
    remove(vocabulary.start)
    if let unknown = vocabulary.unknown { remove(unknown) }
    try settle(after: nil)
  }

  /// Begins a step with some tokens alone, in ascending order.
  ///
  /// - Throws: where a logit is not a number or plus infinity, or all are minus infinity.
  mutating func begin(
    alone tokens: some Sequence<(token: Token, logit: Double)>
  ) throws(DecodingError) {
    isSingle = false
    startSelection()
    for (token, logit) in tokens { select(token, logit) }
    logModelEnds = .nan
    isChanged = true
    try settle(after: nil)
  }

  private mutating func begin(
    _ scan: DenseNumbers.Scan, isSingle: Bool = false
  ) throws(DecodingError) {
    self.isSingle = isSingle
    isListed = false
    isPartial = false
    divisor = 1
    logModelEnds = .nan
    take(scan)
    try settle(after: nil)
  }

  /// A token's logit; setting that of a removed token changes nothing.
  public subscript(token: Token) -> Double {
    get {
      guard !isPartial || stamps[token.index] == stamp else { return -.infinity }
      let logit = storedLogit(at: token.index)
      return divisor == 1 ? logit : logit / divisor
    }
    set {
      guard self[token] > -.infinity else { return }
      if divisor != 1 { divideAll() }
      change(token.index, to: newValue)
    }
  }

  /// Removes a token.
  public mutating func remove(_ token: Token) { change(token.index, to: -.infinity) }

  /// Removes all tokens but one, which need not be left.
  public mutating func force(_ token: Token) {
    startSelection()
    select(token, 0)
  }

  /// Whether the token closes a text.
  public func isEnd(_ token: Token) -> Bool { ends.contains(token) }
}
