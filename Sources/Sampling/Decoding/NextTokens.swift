// Licensed under the Apache License, Version 2.0.

/// The tokens that may come next and their logits, on which transforms work.
///
/// A logit is the natural log of an unnormalised weight; a removed token has minus infinity. The
/// value also knows the text so far. It is created once and refilled at each step, so that nothing
/// is allocated after its buffers have grown.
///
/// ```swift
/// var next = NextTokens(count: 3, ends: [Token(0)])
/// next.begin([LogSpace.log(0.5), LogSpace.log(0.25), LogSpace.log(0.25)])
/// ```
public struct NextTokens: Sendable {
  /// The tokens that close a text.
  public let ends: [Token]
  /// The text so far, with the prompt first.
  public internal(set) var text: [Token] = []
  /// The number of tokens of ``text`` that belong to the prompt.
  public internal(set) var promptCount = 0
  /// The remaining tokens, in ascending order.
  public var candidates: [Token] {
    mutating get {
      if !isListed { list() }
      return listed
    }
  }
  /// The remaining tokens, once they are listed; until then the logits decide.
  var listed: [Token] = []
  var isListed = false
  /// The most probable token, as long as nothing has changed.
  var foremost: Token?
  /// The model's own log-probability of ending here, before any constraint or transform.
  ///
  /// It is recorded only for transforms that need it, and is otherwise NaN.
  public internal(set) var logModelEnds = Double.nan
  /// The log of what was taken off all logits where a model began the step.
  var logModelTotal = 0.0
  /// The logits, one per token of the vocabulary.
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
  /// The logits before division by ``divisor``; those of removed tokens may be stale.
  var stored: [Double]
  /// The logits in single precision, while ``isSingle`` is true; empty until first used.
  var singles: [Float] = []
  /// Whether the logits are still in single precision.
  var isSingle = false
  /// The pending divisor of all logits; 1 once the tokens are listed.
  var divisor = 1.0
  /// Whether only tokens with the last stamp remain, so that a selection need not touch the others.
  var isPartial = false
  /// Whether no end may come at this step: a termination wrapper brings none back.
  var forbidsEnds = false
  var stamps: [UInt32]
  var stamp: UInt32 = 0
  /// The largest stored logit of each block; NaN where it must be found again.
  ///
  /// It is meaningless once the tokens are listed, and so are ``high`` and ``low``.
  var highs: [Double]
  /// The largest stored logit, or NaN.
  var high = -Double.infinity
  var hasUnknownHighs = false
  /// Whether a logit has changed since all were last checked.
  var isChanged = false
  /// A lower bound of the stored logits.
  var low = Double.nan
  var mayBeBad = false

  /// The weights written by ``weigh()``, one per token; meaningless for removed tokens.
  var weights: [Double]
  /// The keys for ``orderByKey()``, which its caller writes first.
  var keys: [Double]
  var heap: [UInt32] = []
  var heapCount = 0
  var saved: [Double]
  var numbers: [Int] = []
  var nucleus: NucleusSelection

  /// Creates the value for a vocabulary.
  ///
  /// - Parameters:
  ///   - count: the number of tokens.
  ///   - ends: the tokens that close a text.
  /// - Precondition: the ends are in 0 ..< count.
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

  /// The number of tokens in the vocabulary.
  public var count: Int { stored.count }

  /// Sets the text so far.
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

  /// Takes a text and gives back the one that was here.
  ///
  /// A decoder lends its text for a step and takes it back: a copy at each step would make the work
  /// quadratic in the text's length. Its tokens have been checked one by one.
  mutating func exchangeText(_ text: inout [Token], promptCount: Int) {
    swap(&self.text, &text)
    self.promptCount = promptCount
  }

  /// Begins a step with these logits.
  ///
  /// - Throws: if a logit is NaN or plus infinity, or all are minus infinity.
  public mutating func begin(_ logits: some Collection<Double>) throws(DecodingError) {
    precondition(logits.count == count, "there is one logit per token")
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

  /// Begins a step with logits in single precision, as neural models produce them.
  ///
  /// Until all digits are needed, this reads half as much memory.
  ///
  /// - Throws: if a logit is NaN or plus infinity, or all are minus infinity.
  public mutating func begin(_ logits: some Collection<Float>) throws(DecodingError) {
    precondition(logits.count == count, "there is one logit per token")
    if singles.isEmpty { singles = [Float](repeating: 0, count: count) }
    let scan = logits.withContiguousStorageIfAvailable {
      unsafe DenseNumbers.copy($0, to: &singles, highs: &highs)
    }
    guard let scan else { return try begin(logits.map { Double($0) }) }
    try begin(scan, isSingle: true)
  }

  /// Begins a step with a model's log-probabilities, without the start symbol and the unknown word.
  ///
  /// What is left is made to add up to one, so that transforms that read the size of a logit act on
  /// the distribution that is drawn from. ``logModelTotal`` says what it added up to.
  ///
  /// - Throws: where one is not a number or plus infinity, or all are minus infinity.
  /// - Precondition: the model reads directly.
  public mutating func begin<Model: LanguageModel>(
    _ model: Model, in context: Model.Context
  ) throws(DecodingError) {
    try begin(model, in: context, atLevel: true)
  }

  /// Does the same, and leaves the level of the logits as it is where nothing reads it.
  mutating func begin<Model: LanguageModel>(
    _ model: Model, in context: Model.Context, atLevel readsLevel: Bool
  ) throws(DecodingError) {
    var span = stored.mutableSpan
    model.fillDirectly(&span, behind: context)
    stored[model.vocabulary.start.index] = -.infinity
    if let unknown = model.vocabulary.unknown { stored[unknown.index] = -.infinity }
    for control in model.vocabulary.controls { stored[control.index] = -.infinity }
    try begin(DenseNumbers.scan(stored, highs: &highs))
    logModelTotal = 0
    if readsLevel { normalizeInPlace() }
  }

  /// Begins a step with the row of a model, without the start symbol and the unknown token.
  ///
  /// - Throws: where one is not a number or plus infinity, or all are minus infinity.
  mutating func begin(
    _ row: ArraySlice<Double>, of vocabulary: Vocabulary, atLevel readsLevel: Bool
  ) throws(DecodingError) {
    try begin(row)
    remove(vocabulary.start)
    if let unknown = vocabulary.unknown { remove(unknown) }
    for control in vocabulary.controls { remove(control) }
    try settle(after: nil)
    logModelTotal = 0
    if readsLevel { normalizeInPlace() }
  }

  /// Begins a step with only some tokens, in ascending order.
  ///
  /// - Throws: if a logit is NaN or plus infinity, or all are minus infinity.
  mutating func begin(
    alone tokens: some Sequence<(token: Token, logit: Double)>
  ) throws(DecodingError) {
    isSingle = false
    forbidsEnds = false
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
    forbidsEnds = false
    divisor = 1
    logModelEnds = .nan
    take(scan)
    try settle(after: nil)
  }

  /// The logit of a token; setting that of a removed token has no effect.
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

  /// Removes all tokens except one, which may have been removed before.
  public mutating func force(_ token: Token) {
    startSelection()
    select(token, 0)
  }

  /// Whether the token closes a text.
  public func isEnd(_ token: Token) -> Bool { ends.contains(token) }
}
