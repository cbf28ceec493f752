// Licensed under the Apache License, Version 2.0.

internal import CKernels
public import Sampling

/// The memory of an n-gram model: the nodes of the last tokens, as far as predictions depend on
/// them.
@frozen
public struct NGramContext: Hashable, Sendable {
  // The node of the last k tokens is number k; those beyond the count are 0. They are plain fields,
  // because indexing a vector's lanes goes through memory and costs more than the look-ups.
  @usableFromInline var node1: UInt32 = 0
  @usableFromInline var node2: UInt32 = 0
  @usableFromInline var node3: UInt32 = 0
  @usableFromInline var node4: UInt32 = 0
  @usableFromInline var node5: UInt32 = 0
  @usableFromInline var node6: UInt32 = 0
  @usableFromInline var node7: UInt32 = 0
  @usableFromInline var length: UInt32 = 0

  @inlinable
  init() {}

  /// The number of tokens that the context remembers.
  @inlinable
  public var count: Int { Int(length) }

  /// The node of the last `length` tokens, with `length` in 1 ...
  ///
  /// ``count``.
  @inlinable
  public func node(ofLength length: Int) -> Int { Int(self[length]) }

  @inlinable
  subscript(length: Int) -> UInt32 {
    get {
      switch length {
      case 1: node1
      case 2: node2
      case 3: node3
      case 4: node4
      case 5: node5
      case 6: node6
      default: node7
      }
    }
    set {
      switch length {
      case 1: node1 = newValue
      case 2: node2 = newValue
      case 3: node3 = newValue
      case 4: node4 = newValue
      case 5: node5 = newValue
      case 6: node6 = newValue
      default: node7 = newValue
      }
    }
  }

  /// Forgets all but the last `count` tokens.
  @inlinable
  mutating func shorten(to count: UInt32) {
    length = count
    if count < 1 { node1 = 0 }
    if count < 2 { node2 = 0 }
    if count < 3 { node3 = 0 }
    if count < 4 { node4 = 0 }
    if count < 5 { node5 = 0 }
    if count < 6 { node6 = 0 }
    if count < 7 { node7 = 0 }
  }

  /// Whether both contexts remember the same tokens.
  @inlinable
  public static func == (a: NGramContext, b: NGramContext) -> Bool {
    guard a.node1 == b.node1, a.length == b.length, a.node2 == b.node2 else { return false }
    return a.length <= 2 || a.hasSameLongNodes(as: b)
  }

  /// Hashes the nodes of the last one and two tokens, which distinguish most contexts.
  @inlinable
  public func hash(into hasher: inout Hasher) {
    hasher.combine(UInt64(node1) << 32 | UInt64(node2))
    hasher.combine(length)
  }

  @inlinable
  func hasSameLongNodes(as other: NGramContext) -> Bool {
    node3 == other.node3 && node4 == other.node4 && node5 == other.node5 && node6 == other.node6
      && node7 == other.node7
  }
}

/// A back-off n-gram model, mapped from a `.gsm` file or laid out in memory.
///
/// `p(w | h) = p(h w)` if the n-gram is listed, otherwise `backoff(h) p(w | h without its first
/// token)`. The model is immutable. All chains share its memory and, if it is mapped, so do all
/// processes.
///
/// ```swift
/// let model = try NGramModel(path: "english.gsm")
/// print(model.logProbability(of: tokens))
/// ```
@safe
public struct NGramModel: BackoffModel, @unchecked Sendable {
  /// The tokens that the model knows.
  public internal(set) var vocabulary: Vocabulary
  /// The number of tokens in its longest n-grams.
  public let order: Int
  /// The layout of the model in memory.
  public let layout: NGramLayout
  /// Facts about its training, for cards and `inspect`.
  public let description: [(key: String, value: String)]
  /// The upper bound of natural log-probabilities: 0 unless back-off weights exceed 1.
  public let logProbabilityCeiling: Double
  /// Bits per value of orders above 1; 0 if values are not quantised.
  public let quantizedBits: Int

  let memory: GSMMemory
  /// log10 probabilities of single tokens, decoded once, because passes over the vocabulary need
  /// them.
  private let unigrams: [Float]
  @usableFromInline let levels: UnsafePointer<NGramLevel>
  @usableFromInline let filter: UnsafePointer<UInt64>
  @usableFromInline let filterCount: Int
  @usableFromInline let isFast: Bool

  /// The order minus 1.
  @inlinable
  public var contextLimit: Int { order - 1 }

  init(_ memory: GSMMemory) throws(LoadError) {
    let header = memory.header
    self.memory = memory
    order = header.order
    layout = header.layout
    isFast = header.layout == .fast
    quantizedBits = header.quantizedBits
    logProbabilityCeiling = Double(header.ceiling) * logOf10
    vocabulary = try memory.makeVocabulary()
    description = memory.makeDescription()
    unsafe levels = UnsafePointer(memory.levels)
    unsafe filter = memory.filter.pointer
    filterCount = unsafe memory.filter.count
    let (isFast, level) = unsafe (isFast, levels[0])
    unigrams = (0..<vocabulary.count).map {
      isFast ? unsafe level.middle[$0].probability : level.small.logProbability($0)
    }
  }

  /// Lays a model out in memory.
  ///
  /// - Parameters:
  ///   - trie: the model.
  ///   - layout: the layout to build.
  ///   - quantizedBits: bits per value in the small layout; 0 keeps values exact.
  /// - Throws: `LoadError` if the number of bits is not possible.
  public init(_ trie: NGramTrie, layout: NGramLayout = .fast, quantizedBits: Int = 0)
    throws(LoadError)
  {
    let image = try GSMImage(trie, layout: layout, quantizedBits: quantizedBits)
    try self.init(GSMMemory(image))
  }

  /// Opens a `.gsm` file by mapping it, or reads an ARPA file.
  ///
  /// The name of a compressed ARPA file ends in `.gz`.
  ///
  /// A `.gsm` file of up to 256 MB is verified completely. Of a larger one only the header is
  /// verified, and look-ups stay within the file whatever it holds.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - tokenization: how the words of an ARPA file were made, if it does not say so.
  /// - Throws: `LoadError` with the place, if the file is invalid.
  public init(path: String, tokenization: Tokenization? = nil) throws {
    if path.hasSuffix(".gsm") || FileBeginning(path: path).isGSM {
      try self.init(GSMMemory(mapping: path))
    } else {
      try self.init(NGramTrie(arpa: path, tokenization: tokenization))
    }
  }

  /// The number of n-grams of each order.
  public var counts: [Int] { memory.header.counts }

  /// The size in bytes of the file, or of its image in memory.
  public var byteCount: Int { memory.header.fileBytes }

  /// The checksum at the end of the file, which identifies the model and its layout.
  public var checksum: UInt64 { memory.statedChecksum }

  // MARK: Scoring

  /// The context after the start symbol.
  @inlinable
  public func makeContext() -> NGramContext {
    var context = NGramContext()
    guard order > 1, unsafe levels[0].extends(vocabulary.start.index, isFast) else {
      return context
    }
    context.node1 = vocabulary.start.rawValue
    context.length = 1
    return context
  }

  /// A context that remembers nothing, as after a word that the model has no entry for.
  public func makeEmptyContext() -> NGramContext { NGramContext() }

  /// Advances the context by a token.
  @inlinable
  public func advance(_ context: inout NGramContext, by token: Token) {
    _ = advance(&context, scoring: token)
  }

  /// Natural log-probability of a token, or of the end symbol, in a context.
  @inlinable
  public func logProbability(of token: Token, in context: NGramContext) -> Double {
    var copy = context
    return advance(&copy, scoring: token)
  }

  /// Advances the context by a token, and returns the token's natural log-probability in it.
  ///
  /// - Complexity: O(order) look-ups, most of them answered by a filter that fits the cache.
  @inlinable
  @inline(__always)
  public func advance(_ context: inout NGramContext, scoring token: Token) -> Double {
    precondition(token.index < vocabulary.count, "a token is an entry of the vocabulary")
    return isFast ? advanceFast(&context, token.rawValue) : advanceSmall(&context, token.rawValue)
  }

  @inlinable
  func advanceFast(_ context: inout NGramContext, _ word: UInt32) -> Double {
    let count = context.length
    let unigram = unsafe levels[0].middle + Int(word)
    if order == 1 { return unsafe Double(unigram.pointee.probability) * logOf10 }
    if order > 3 { return order == 4 ? advanceFour(&context, word) : advanceLong(&context, word) }
    let node1 = context.node1
    let node2 = context.node2
    var log10: Double
    var new1 = word
    var new2: UInt32 = 0
    var newCount: UInt32 = 0
    // Every suffix of a listed n-gram is listed, so without the 2-gram there is no longer one.
    let child =
      count > 0 && mayHold(node1, word)
      ? unsafe levels[1].findFast(
        below: levels[0].middle + Int(node1), parent: node1, word) : -1
    if child < 0 {
      log10 = unsafe Double(unigram.pointee.probability)
      if count > 0 { log10 += unsafe Double(levels[0].middle[Int(node1)].backoff) }
      if count > 1 { log10 += unsafe Double(levels[1].middle[Int(node2)].backoff) }
      if unsafe extends(unigram) { newCount = 1 } else { new1 = 0 }
    } else if order == 2 {
      log10 = unsafe Double(levels[1].top[child].probability)
      if unsafe extends(unigram) { newCount = 1 } else { new1 = 0 }
    } else {
      let entry = unsafe levels[1].middle + child
      log10 = unsafe Double(entry.pointee.probability)
      if unsafe extends(entry) {
        newCount = 2
        new2 = UInt32(truncatingIfNeeded: child)
      } else if unsafe extends(unigram) {
        newCount = 1
      } else {
        new1 = 0
      }
      if count > 1 {
        let last = unsafe levels[2].findFast(
          below: levels[1].middle + Int(node2), parent: node2, word)
        if last >= 0 {
          log10 = unsafe Double(levels[2].top[last].probability)
        } else {
          log10 += unsafe Double(levels[1].middle[Int(node2)].backoff)
        }
      }
    }
    context.node1 = new1
    context.node2 = new2
    context.length = newCount
    return log10 * logOf10
  }

  /// Does the same for order 4, that of the built-in models, without loops over the context.
  @usableFromInline
  func advanceFour(_ context: inout NGramContext, _ word: UInt32) -> Double {
    let count = context.length
    let (node1, node2, node3) = (context.node1, context.node2, context.node3)
    let unigram = unsafe levels[0].middle + Int(word)
    var log10 = unsafe Double(unigram.pointee.probability)
    var newCount: UInt32 = unsafe extends(unigram) ? 1 : 0
    var new2 = -1
    var new3 = -1
    var last = -1
    if count > 0, mayHold(node1, word) {
      new2 = unsafe levels[1].findFast(
        below: levels[0].middle + Int(node1), parent: node1, word)
    }
    if new2 >= 0 {
      let entry = unsafe levels[1].middle + new2
      log10 = unsafe Double(entry.pointee.probability)
      if unsafe extends(entry) { newCount = 2 }
      if count > 1 {
        new3 = unsafe levels[2].findFast(
          below: levels[1].middle + Int(node2), parent: node2, word)
      }
    }
    if new3 >= 0 {
      let entry = unsafe levels[2].middle + new3
      log10 = unsafe Double(entry.pointee.probability)
      if unsafe extends(entry) { newCount = 3 }
      if count > 2 {
        last = unsafe levels[3].findFast(
          below: levels[2].middle + Int(node3), parent: node3, word)
      }
    }
    if last >= 0 {
      log10 = unsafe Double(levels[3].top[last].probability)
    } else {
      // Contexts at least as long as the n-gram found back off.
      if new2 < 0, count > 0 { log10 += unsafe Double(levels[0].middle[Int(node1)].backoff) }
      if new3 < 0, count > 1 { log10 += unsafe Double(levels[1].middle[Int(node2)].backoff) }
      if count > 2 { log10 += unsafe Double(levels[2].middle[Int(node3)].backoff) }
    }
    context.node1 = newCount > 0 ? word : 0
    context.node2 = newCount > 1 ? UInt32(truncatingIfNeeded: new2) : 0
    context.node3 = newCount > 2 ? UInt32(truncatingIfNeeded: new3) : 0
    context.length = newCount
    return log10 * logOf10
  }

  /// Does the same for any order.
  @usableFromInline
  func advanceLong(_ context: inout NGramContext, _ word: UInt32) -> Double {
    let count = context.count
    let unigram = unsafe levels[0].middle + Int(word)
    var log10 = unsafe Double(unigram.pointee.probability)
    var new = NGramContext()
    new.node1 = word
    var newCount = unsafe extends(unigram) ? 1 : 0
    var found = 1
    while found <= count {
      let node = context[found]
      if found == 1, !mayHold(node, word) { break }
      let child = unsafe levels[found].findFast(
        below: levels[found &- 1].middle + Int(node), parent: node, word)
      guard child >= 0 else { break }
      found &+= 1
      if found == order {
        log10 = unsafe Double(levels[found &- 1].top[child].probability)
      } else {
        let entry = unsafe levels[found &- 1].middle + child
        log10 = unsafe Double(entry.pointee.probability)
        new[found] = UInt32(truncatingIfNeeded: child)
        if unsafe extends(entry) { newCount = found }
      }
    }
    // Contexts at least as long as the n-gram found back off.
    var k = found
    while k <= count {
      log10 += unsafe Double(levels[k &- 1].middle[Int(context[k])].backoff)
      k &+= 1
    }
    new.shorten(to: UInt32(truncatingIfNeeded: newCount))
    context = new
    return log10 * logOf10
  }

  @inlinable
  @inline(__always)
  func extends(_ entry: UnsafePointer<MiddleEntry>) -> Bool {
    unsafe entry.pointee.backoff != 0 || entry.pointee.firstChild != entry[1].firstChild
  }

  /// Prefetches the memory that scoring both tokens will read, since look-ups mostly wait for
  /// memory.
  public func prepare(_ context: NGramContext, for token: Token, before next: Token) {
    guard isFast, order > 1 else { return }
    let entry = unsafe levels[0].middle + token.index
    unsafe gensample_prefetch(entry)
    let first = ChildHash.of(parent: context.node1, word: token.rawValue)
    unsafe gensample_prefetch(filter + ChildHash.block(first, filterCount))
    let second = ChildHash.of(parent: token.rawValue, word: next.rawValue)
    unsafe gensample_prefetch(filter + ChildHash.block(second, filterCount))
    unsafe levels[1].prefetchSlot(first)
    unsafe levels[1].prefetchSlot(second)
    if context.length > 1, order == 3 {
      unsafe levels[2].prefetchSlot(ChildHash.of(parent: context.node2, word: token.rawValue))
    }
  }

  @inlinable
  @inline(__always)
  func mayHold(_ node: UInt32, _ word: UInt32) -> Bool {
    let hash = ChildHash.of(parent: node, word: word)
    let bits = ChildHash.filterBits(hash)
    return unsafe filter[ChildHash.block(hash, filterCount)] & bits == bits
  }

  @usableFromInline
  func advanceSmall(_ context: inout NGramContext, _ word: UInt32) -> Double {
    let count = context.count
    var log10 = unsafe Double(levels[0].small.logProbability(Int(word)))
    if order == 1 { return log10 * logOf10 }
    var new = NGramContext()
    new.node1 = word
    var newCount: UInt32 = unsafe levels[0].small.extends(Int(word)) ? 1 : 0
    var found = 1
    while found <= count {
      let key = UInt64(context[found]) * UInt64(vocabulary.count) + UInt64(word)
      guard let child = unsafe levels[found].small.keys.index(of: key) else { break }
      found += 1
      log10 = unsafe Double(levels[found - 1].small.logProbability(child))
      if found < order {
        new[found] = UInt32(truncatingIfNeeded: child)
        if unsafe levels[found - 1].small.extends(child) { newCount = UInt32(found) }
      }
    }
    for k in stride(from: found, through: count, by: 1) {
      log10 += unsafe Double(levels[k - 1].small.backoff(Int(context[k])))
    }
    new.shorten(to: newCount)
    context = new
    return log10 * logOf10
  }

  /// Writes the natural log-probabilities of all tokens.
  ///
  /// It takes one pass over the vocabulary, and one over the tokens that each context lists.
  public func logProbabilities(
    in context: NGramContext, into probabilities: inout MutableSpan<Double>
  ) {
    precondition(probabilities.count == vocabulary.count, "one place a token")
    let count = context.count
    var backoff = (0..<count).reduce(0.0) { $0 + self.backoff($1, context.node(ofLength: $1 + 1)) }
    for i in probabilities.indices {
      probabilities[i] = (Double(unigrams[i]) + backoff) * logOf10
    }
    for length in stride(from: 1, through: count, by: 1) {
      let node = context.node(ofLength: length)
      backoff = (length..<count).reduce(0.0) {
        $0 + self.backoff($1, context.node(ofLength: $1 + 1))
      }
      forEachChild(length, of: node) { child, word in
        probabilities[Int(word)] = (probability(length, child) + backoff) * logOf10
      }
    }
    probabilities[vocabulary.start.index] = -.infinity
  }

  // MARK: Nodes

  /// log10 probability of the n-gram with this number, of order level + 1.
  @inlinable
  func probability(_ level: Int, _ node: Int) -> Double {
    if isFast {
      return level == order - 1 && order > 1
        ? unsafe Double(levels[level].top[node].probability)
        : unsafe Double(levels[level].middle[node].probability)
    }
    return unsafe Double(levels[level].small.logProbability(node))
  }

  /// log10 back-off weight of the n-gram with this number, of order level + 1.
  @inlinable
  func backoff(_ level: Int, _ node: Int) -> Double {
    if level == order - 1 { return 0 }
    return isFast
      ? unsafe Double(levels[level].middle[node].backoff)
      : unsafe Double(levels[level].small.backoff(node))
  }

  /// The number of the n-gram of order level + 1 that extends a node of order level by a word.
  @inlinable
  func child(_ level: Int, of node: Int, _ word: UInt32) -> Int? {
    if isFast {
      let found = unsafe levels[level].findFast(
        below: levels[level - 1].middle + node, parent: UInt32(truncatingIfNeeded: node), word)
      return found < 0 ? nil : found
    }
    let key = UInt64(node) * UInt64(vocabulary.count) + UInt64(word)
    return unsafe levels[level].small.keys.index(of: key)
  }

  /// The range of a node's children in their level; only in the fast layout.
  @inlinable
  func children(_ level: Int, of node: Int) -> (low: Int, high: Int) {
    unsafe levels[level].children(below: levels[level - 1].middle + node)
  }

  /// The last word of an n-gram; only in the fast layout.
  @inlinable
  func word(_ level: Int, _ node: Int) -> UInt32 {
    let word = unsafe levels[level].word(node)
    return Int(word) < vocabulary.count ? word : 0
  }

  /// For each n-gram of a level, the number of the one without its first word; fast layout only.
  func suffixes(ofLevel level: Int) -> [UInt32] {
    var suffixes = [UInt32](repeating: 0, count: counts[level])
    for suffix in 0..<counts[level - 1] {
      let (low, high) = predecessors(level, of: suffix)
      for place in low..<high {
        let gram = unsafe Int(levels[level].predecessorGrams[place])
        if gram < suffixes.count { suffixes[gram] = UInt32(suffix) }
      }
    }
    return suffixes
  }

  /// The range of the n-grams that end in a shorter one; only in the fast layout.
  @inlinable
  func predecessors(_ level: Int, of suffix: Int) -> (low: Int, high: Int) {
    let heads = unsafe levels[level].predecessorHeads
    let high = unsafe min(Int(heads[suffix + 1]), levels[level].count)
    return unsafe (min(Int(heads[suffix]), high), high)
  }

  /// The word before the shorter n-gram, by its place in the level's list; fast layout only.
  @inlinable
  func predecessorWord(_ level: Int, _ place: Int) -> UInt32 {
    let words = unsafe levels[level].predecessorWords
    let word =
      unsafe levels[level].hasShortPredecessorWords
      ? UInt32((words + place &* 2).loadUnaligned(as: UInt16.self))
      : (words + place &* 4).loadUnaligned(as: UInt32.self)
    return Int(word) < vocabulary.count ? word : 0
  }

  /// The n-gram that a word before a shorter one forms; only in the fast layout.
  @inlinable
  func predecessorGram(_ level: Int, _ place: Int) -> Int {
    unsafe min(Int(levels[level].predecessorGrams[place]), max(0, levels[level].count - 1))
  }

  /// The number of a 2-gram, or -1; only in the fast layout and for orders above 1.
  @inlinable
  func listedPair(_ first: UInt32, _ second: UInt32) -> Int {
    mayHold(first, second)
      ? unsafe levels[1].findFast(
        below: levels[0].middle + Int(first), parent: first, second) : -1
  }

  /// The length of the longest listed n-gram that ends with this token in the context.
  func gramLength(of token: Token, in context: NGramContext) -> Int {
    for length in stride(from: context.count, to: 0, by: -1)
    where child(length, of: context.node(ofLength: length), token.rawValue) != nil {
      return length + 1
    }
    return 1
  }

  /// Calls the body for each child of a node, ascending, with its number and last word.
  func forEachChild(_ level: Int, of node: Int, _ body: (Int, UInt32) -> Void) {
    if isFast {
      let (low, high) = unsafe levels[level].children(below: levels[level - 1].middle + node)
      for child in stride(from: low, to: high, by: 1) {
        let word = unsafe levels[level].word(child)
        if Int(word) < vocabulary.count { body(child, word) }
      }
      return
    }
    let size = UInt64(vocabulary.count)
    let from = UInt64(node) * size
    unsafe levels[level].small.keys.forEach(from: from, below: from + size) { child, key in
      body(child, UInt32(truncatingIfNeeded: key - from))
    }
  }

  /// Decompresses the model, to write it in another form.
  public func makeTrie() -> NGramTrie {
    var made: [NGramTrie.Level] = []
    let words = FlatBuffer((0..<UInt32(vocabulary.count)).map { $0 })
    for level in 0..<order {
      let count = counts[level]
      let isHighest = level == order - 1
      let probabilities = FlatBuffer<Float>(count: count)
      let backoffs = FlatBuffer<Float>(count: isHighest ? 0 : count)
      for node in 0..<count {
        probabilities[node] = Float(probability(level, node))
        if !isHighest { backoffs[node] = Float(backoff(level, node)) }
      }
      made.append(
        NGramTrie.Level(
          words: level == 0 ? words : FlatBuffer(count: count), logProbabilities: probabilities,
          backoffs: backoffs, firstChildren: FlatBuffer(count: isHighest ? 0 : count + 1)))
    }
    for level in 1..<max(1, order) {
      var filled = 0
      for node in 0..<counts[level - 1] {
        made[level - 1].firstChildren[node] = UInt32(filled)
        forEachChild(level, of: node) { child, word in
          guard child < counts[level] else { return }
          made[level].words[child] = word
          filled = child + 1
        }
      }
      made[level - 1].firstChildren[counts[level - 1]] = UInt32(counts[level])
    }
    return NGramTrie(vocabulary: vocabulary, levels: made, description: description)
  }
}

extension NGramModel {
  /// The model that this one backs off to: its lower orders alone.
  ///
  /// - Parameter order: the highest order that is kept, at least 1.
  /// - Returns: the model in the fast layout; the model itself if it has no higher orders.
  /// - Throws: `LoadError` if there is no memory for it.
  /// - Complexity: O(n-grams).
  public func lowered(to order: Int) throws -> NGramModel {
    precondition(order > 0, "a model has an order")
    guard order < self.order else { return self }
    var trie = makeTrie()
    trie.levels.removeLast(self.order - order)
    trie.levels[order - 1].backoffs = FlatBuffer(count: 0)
    trie.levels[order - 1].firstChildren = FlatBuffer(count: 0)
    return try NGramModel(trie, layout: .fast)
  }
}

/// The natural logarithm of 10.
@usableFromInline let logOf10 = 2.302585092994046

extension NGramModel {
  /// Verifies the whole file, whatever its size.
  ///
  /// - Throws: `LoadError` that names the fault.
  public func verify() throws(LoadError) { try memory.verify() }
}
