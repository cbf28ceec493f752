// Licensed under the Apache License, Version 2.0.

public import Sampling

/// Words by an n-gram model's exact conditional given both sides: the fast form of
/// `FullConditionalWords`.
///
/// A word's weight is `p(w | left) p(x1 | left w) p(x2 | left w x1) ...`. Words that are listed
/// neither behind the left neighbour nor before the right one, behind the left one alone, or before
/// the right one alone have weights that are products of what one n-gram says and of what the place
/// says, so these three classes are drawn from tables made once, rejecting what belongs to another
/// class; only the words listed on both sides are enumerated. Where back-off does not take
/// probability away, as in interpolated models, less than one word is rejected on average; after
/// ``attempts`` rejections the class is enumerated, so that the law is exact and no model makes it
/// loop.
///
/// Some fifty bytes an n-gram, made once for all chains, and a bounded memory of places for each.
public struct NGramFullWords: WordProposal {
  /// Whose words; in the fast layout.
  public let model: NGramModel
  /// How often a word may be rejected before its class is enumerated.
  public let attempts: Int
  @usableFromInline let tables: NGramPlaceTables

  /// Lays out the tables of a model.
  ///
  /// - Parameters:
  ///   - model: whose words.
  ///   - attempts: how often a word may be rejected before its class is enumerated.
  /// - Precondition: the model is in the fast layout.
  /// - Complexity: O(n-grams).
  public init(_ model: NGramModel, attempts: Int = 64) {
    self.init(model, attempts: attempts, longList: 256)
  }

  /// The same where lists from a given length on get maps of bits.
  package init(_ model: NGramModel, attempts: Int, longList: Int) {
    precondition(model.layout == .fast, "the fast layout holds what the tables are made from")
    self.model = model
    self.attempts = attempts
    tables = NGramPlaceTables(model, longList: longList)
  }

  /// A word by its conditional probability.
  ///
  /// - Complexity: O(words listed on both sides) where the place is new to the chain, else
  ///   O(order) and a scan of their weights.
  @inlinable
  public func draw(
    for gap: Gap, in scorer: SentenceScorer<NGramModel>, using choices: inout some ChoiceSource
  ) -> (token: Token, logProbability: Double)? {
    let memory = memory(of: scorer)
    let slot = memory.slot(key(for: gap, in: scorer), model)
    guard unsafe memory.places[slot].isSound else {
      return FullConditionalWords().draw(for: gap, in: scorer, using: &choices)
    }
    guard let word = unsafe draw(from: memory.places[slot], using: &choices) else {
      return FullConditionalWords().draw(for: gap, in: scorer, using: &choices)
    }
    return unsafe (
      Token(rawValue: word),
      memory.places[slot].logWeight(of: word, model) - memory.places[slot].logSum
    )
  }

  /// The log of the word's conditional probability.
  @inlinable
  public func logProbability(
    of token: Token, for gap: Gap, in scorer: SentenceScorer<NGramModel>
  ) -> Double {
    let memory = memory(of: scorer)
    let slot = memory.slot(key(for: gap, in: scorer), model)
    guard unsafe memory.places[slot].isSound else {
      return FullConditionalWords().logProbability(of: token, for: gap, in: scorer)
    }
    guard model.vocabulary.isDrawable(token) else { return -.infinity }
    return unsafe memory.places[slot].logWeight(of: token.rawValue, model)
      - memory.places[slot].logSum
  }

  /// A word of a place; `nil` where rounding alone gave its class a mass.
  @inlinable
  func draw(from place: borrowing NGramPlace, using choices: inout some ChoiceSource) -> UInt32? {
    let kind = choices.index(weights: place.masses.span)
    if kind == 0 {
      return place.specialWords[choices.index(weights: place.specialWeights.span)]
    }
    for _ in 0..<max(1, attempts) {
      if let word = draw(kind, of: place, using: &choices) { return word }
    }
    let (words, weights) = tables.members(ofClass: kind, at: place, model)
    guard weights.contains(where: { $0 > 0 }) else { return nil }
    return words[choices.index(weights: weights)]
  }

  /// A word of a class by the class's table; `nil` where it belongs to another one.
  @inlinable
  func draw(
    _ kind: Int, of place: borrowing NGramPlace, using choices: inout some ChoiceSource
  ) -> UInt32? {
    if kind == 1 {
      let word = place.pair.draw(using: &choices)
      return place.isSpecial(word, model) ? nil : word
    }
    if kind == 2 {
      let word = UInt32(truncatingIfNeeded: tables.unigrams.draw(using: &choices))
      return place.isListedLeft(word, model) || place.isListedRight(word, model) ? nil : word
    }
    let lefts = place.lefts
    if kind <= 2 &+ lefts {
      let k = kind &- 2
      let (low, high) = model.children(k, of: place.key.context.node(ofLength: k))
      let gram = tables.levels[k].left.draw(low, high, using: &choices)
      let word = model.word(k, gram)
      if k < lefts,
        model.child(k &+ 1, of: place.key.context.node(ofLength: k &+ 1), word) != nil
      {
        return nil
      }
      return place.isListedRight(word, model) ? nil : word
    }
    let j = kind &- 2 &- lefts
    let (low, high) = model.predecessors(j, of: place.rightNodes[j &- 1])
    let entry = tables.levels[j].right.draw(low, high, using: &choices)
    let word = model.predecessorWord(j, entry)
    if j < place.rightNodes.count,
      model.child(j &+ 1, of: model.predecessorGram(j, entry), place.key.right[j]) != nil
    {
      return nil
    }
    return place.isListedLeft(word, model) ? nil : word
  }

  /// The chain's memory of places.
  @inlinable
  func memory(of scorer: SentenceScorer<NGramModel>) -> NGramPlaceMemory {
    if let known = scorer.memory as? NGramPlaceMemory, known.tables === tables {
      return known
    }
    let memory = NGramPlaceMemory(tables)
    scorer.memory = memory
    return memory
  }

  @inlinable
  func key(for gap: Gap, in scorer: SentenceScorer<NGramModel>) -> NGramPlaceKey {
    var key = NGramPlaceKey(context: scorer.context(before: gap.low))
    var place = gap.high
    while key.count < model.order &- 1 {
      if place == scorer.count {
        key.append(model.vocabulary.end.rawValue)
        break
      }
      key.append(scorer.token(at: place).rawValue)
      place &+= 1
    }
    return key
  }
}

/// What decides the conditional at a place: the context left of it and the words right of it.
@usableFromInline
@frozen
struct NGramPlaceKey: Equatable {
  @usableFromInline var context: NGramContext
  @usableFromInline var right = SIMD8<UInt32>.zero
  @usableFromInline var count = 0

  @inlinable
  init(context: NGramContext) { self.context = context }

  @inlinable
  mutating func append(_ word: UInt32) {
    right[count] = word
    count &+= 1
  }

  @inlinable
  var hash: UInt64 {
    var hash = UInt64(context.node1) << 32 | UInt64(context.node2)
    for word in [right[0], right[1], right[2]] {
      hash = (hash ^ UInt64(word)) &* 0x9E37_79B9_7F4A_7C15
      hash ^= hash >> 29
    }
    return hash
  }
}

/// The places and pairs of neighbours that a chain met, the newer one staying where two share a
/// slot.
@usableFromInline
@safe
final class NGramPlaceMemory {
  private static let placeCount = 4096
  private static let pairCount = 8192
  /// Words that all pairs together may hold: some 50 MB.
  private static let mostWords = 1 << 21

  @usableFromInline let tables: NGramPlaceTables
  @usableFromInline let places: UnsafeMutablePointer<NGramPlace>
  private let pairs: UnsafeMutablePointer<NGramPair>
  private var heldWords = 0

  @usableFromInline
  init(_ tables: NGramPlaceTables) {
    self.tables = tables
    unsafe places = .allocate(capacity: Self.placeCount)
    unsafe places.initialize(repeating: NGramPlace(), count: Self.placeCount)
    unsafe pairs = .allocate(capacity: Self.pairCount)
    unsafe pairs.initialize(repeating: NGramPair(), count: Self.pairCount)
  }

  deinit {
    unsafe places.deinitialize(count: Self.placeCount)
    unsafe places.deallocate()
    unsafe pairs.deinitialize(count: Self.pairCount)
    unsafe pairs.deallocate()
  }

  /// Where in `places` a place is, filled in if it is new.
  @usableFromInline
  func slot(_ key: NGramPlaceKey, _ model: NGramModel) -> Int {
    let slot = Int(truncatingIfNeeded: key.hash >> 20) & (Self.placeCount - 1)
    if unsafe places[slot].isFilled && places[slot].key == key { return slot }
    if key.context.count > 0 && key.count > 0 {
      // Arrays are used again: they have grown to what places need.
      let pair = pairSlot(key.context.node1, key.right[0], model)
      unsafe tables.fill(&places[slot], key, pairs[pair], model)
      unsafe places[slot].pair = pairs[pair]
    } else {
      unsafe tables.fill(&places[slot], key, NGramPair(), model)
    }
    return slot
  }

  private func pairSlot(_ left: UInt32, _ right: UInt32, _ model: NGramModel) -> Int {
    var hash = (UInt64(left) << 32 | UInt64(right)) &* 0x9E37_79B9_7F4A_7C15
    hash ^= hash >> 29
    let slot = Int(truncatingIfNeeded: hash >> 16) & (Self.pairCount - 1)
    if unsafe !pairs[slot].isFilled || pairs[slot].left != left || pairs[slot].right != right {
      if heldWords > Self.mostWords {
        heldWords = 0
        for i in 0..<Self.pairCount { unsafe pairs[i] = NGramPair() }
      }
      heldWords -= unsafe pairs[slot].words.count
      unsafe tables.fill(&pairs[slot], left, right, model)
      heldWords += unsafe pairs[slot].words.count
    }
    return slot
  }
}

/// The words listed both behind one word and before another, and their weights where no longer
/// n-gram says more.
@usableFromInline
struct NGramPair {
  var left: UInt32 = 0
  var right: UInt32 = 0
  var isFilled = false
  /// Ascending, the drawable ones.
  @usableFromInline var words: [UInt32] = []
  @usableFromInline var weights: [Double] = []
  /// Their n-grams of two words on either side.
  var leftGrams: [UInt32] = []
  var rightGrams: [UInt32] = []
  /// Where a word stands among them, if they are many.
  var map = RankMap()
  /// Sums of blocks of weights, for draws in two short scans.
  @usableFromInline var blocks: [Double] = []
  var sum = 0.0
  /// What these words add to the sums of the other classes.
  var unigramSum = 0.0
  var leftSum = 0.0
  var rightSum = 0.0

  @usableFromInline static let blockSize = 32

  init() {}

  @inlinable
  func draw(using choices: inout some ChoiceSource) -> UInt32 {
    let block = choices.index(weights: blocks.span)
    let low = block &* Self.blockSize
    let high = min(low &+ Self.blockSize, weights.count)
    return words[low &+ choices.index(weights: weights.span.extracting(low..<high))]
  }
}

/// Words of a pair that an n-gram of three words holds too: their places in the pair, and it.
typealias SharedWords = [(found: Int, gram: Int)]

/// A set of words as bits, with how many stand before each block: the place of a word in a long
/// ascending list without a search, and what two such lists share without a merge.
struct RankMap: Sendable {
  var bits: [UInt64] = []
  var ranks: [UInt32] = []

  var isEmpty: Bool { bits.isEmpty }

  mutating func removeAll() {
    bits.removeAll(keepingCapacity: true)
    ranks.removeAll(keepingCapacity: true)
  }

  /// The map of an ascending list of words below a count.
  mutating func fill(_ list: Range<Int>, wordCount: Int, _ word: (Int) -> UInt32) {
    let blocks = (wordCount + 63) / 64
    removeAll()
    bits.append(contentsOf: repeatElement(0, count: blocks))
    for i in list {
      let word = word(i)
      bits[Int(word >> 6)] |= 1 << UInt64(word & 63)
    }
    var rank: UInt32 = 0
    for block in 0..<blocks {
      ranks.append(rank)
      rank += UInt32(bits[block].nonzeroBitCount)
    }
  }

  /// The word's place in the list, or -1.
  @inline(__always)
  func place(of word: UInt32) -> Int {
    let block = Int(word >> 6)
    let bit: UInt64 = 1 << UInt64(word & 63)
    guard bits[block] & bit != 0 else { return -1 }
    return Int(ranks[block]) + (bits[block] & (bit &- 1)).nonzeroBitCount
  }
}

/// What is known of a place: the masses of its classes, and the words of which longer n-grams say
/// more.
@usableFromInline
struct NGramPlace {
  @usableFromInline var key = NGramPlaceKey(context: NGramContext())
  var isFilled = false
  /// The nodes of the first word to the right, of the first two and so on, as long as they are
  /// listed.
  @usableFromInline var rightNodes: [Int] = []
  /// By class: words listed on both sides that a longer n-gram knows too; other words listed on
  /// both sides; words on neither; behind the context of so many words but no longer one; before
  /// so many words but not more.
  @usableFromInline var masses: [Double] = []
  @usableFromInline var specialWords: [UInt32] = []
  @usableFromInline var specialWeights: [Double] = []
  @usableFromInline var pair = NGramPair()
  var leftShared = SharedWords()
  var rightShared = SharedWords()
  @usableFromInline var logSum = 0.0
  /// Whether the masses are far from where numbers underflow.
  @usableFromInline var isSound = false

  init() {}

  @inlinable var lefts: Int { key.context.count }

  @inlinable
  func isListedLeft(_ word: UInt32, _ model: NGramModel) -> Bool {
    lefts > 0 && model.listedPair(key.context.node1, word) >= 0
  }

  @inlinable
  func isListedRight(_ word: UInt32, _ model: NGramModel) -> Bool {
    key.count > 0 && model.listedPair(word, key.right[0]) >= 0
  }

  /// Whether a word that is listed on both sides is in a longer n-gram there.
  @inlinable
  func isSpecial(_ word: UInt32, _ model: NGramModel) -> Bool {
    if lefts > 1, model.child(2, of: key.context.node(ofLength: 2), word) != nil { return true }
    guard rightNodes.count > 1 else { return false }
    let gram = model.listedPair(word, key.right[0])
    return gram >= 0 && model.child(2, of: gram, key.right[1]) != nil
  }

  /// Log-probability of the word and of what follows it as far as that depends on it.
  @inlinable
  func logWeight(of word: UInt32, _ model: NGramModel) -> Double {
    var next = key.context
    var sum = model.advance(&next, scoring: Token(rawValue: word))
    for i in 0..<key.count { sum += model.advance(&next, scoring: Token(rawValue: key.right[i])) }
    return sum
  }
}

/// Alias tables of many lists, one behind the other.
@usableFromInline
struct AliasLists: Sendable {
  @usableFromInline var thresholds: [Double]
  @usableFromInline var aliases: [UInt32]

  init(count: Int) {
    thresholds = [Double](repeating: 1, count: count)
    aliases = [UInt32](repeating: 0, count: count)
  }

  @inlinable
  func draw(_ low: Int, _ high: Int, using choices: inout some ChoiceSource) -> Int {
    let place = low &+ choices.index(below: high &- low)
    return choices.chance(thresholds[place]) ? place : Int(aliases[place])
  }
}

/// What a model's n-grams say of places, whatever the place.
@usableFromInline
final class NGramPlaceTables: Sendable {
  /// The n-grams of k + 1 words, as continuations of k words and as what stands before k words.
  @usableFromInline
  struct Level: Sendable {
    /// Of each n-gram h w: `p(w | h)` times the back-off weights of all contexts that end in w.
    var leftWeights: [Double] = []
    @usableFromInline var left = AliasLists(count: 0)
    /// Of each context: the sum of its continuations' weights, and of the weights that these have
    /// in the context that is one word shorter.
    var leftSums: [Double] = []
    var leftSumsBelow: [Double] = []
    /// Of each n-gram w x: `p(w) p(x1 | w) p(x2 | w x1) ...` times the back-off weight of all.
    var rightWeights: [Double] = []
    @usableFromInline var right = AliasLists(count: 0)
    /// Of each x: the sum over the words before it, and over these of the weights before one word
    /// less.
    var rightSums: [Double] = []
    var rightSumsBelow: [Double] = []
    /// Of each context, and of each x, where its map is among the maps; -1 for short lists.
    var leftMaps: [Int32] = []
    var rightMaps: [Int32] = []
    var maps: [RankMap] = []

    func leftMap(_ context: Int) -> RankMap? {
      leftMaps.isEmpty || leftMaps[context] < 0 ? nil : maps[Int(leftMaps[context])]
    }

    func rightMap(_ suffix: Int) -> RankMap? {
      rightMaps.isEmpty || rightMaps[suffix] < 0 ? nil : maps[Int(rightMaps[suffix])]
    }
  }

  @usableFromInline let levels: [Level]
  /// Of each n-gram of two words a bit for each word that is listed behind it, so that most of those
  /// that are not are known without looking.
  let signatures: [UInt64]
  /// Words that nothing is listed of: `p(w)` times the back-off weight of w.
  @usableFromInline let unigrams: AliasTable
  let unigramWeights: [Double]
  let unigramSum: Double
  let longList: Int

  init(_ model: NGramModel, longList: Int) {
    let vocabulary = model.vocabulary
    func exp10(_ value: Double) -> Double { LogSpace.exp(value * logOf10) }
    func isDrawable(_ word: UInt32) -> Bool { vocabulary.isDrawable(Token(rawValue: word)) }
    let order = model.order
    // Per n-gram of the level before: back-off weights of all its suffixes, and the product of the
    // probabilities of its beginnings.
    var backoffs = (0..<vocabulary.count).map { exp10(model.backoff(0, $0)) }
    var products = (0..<vocabulary.count).map { word in
      isDrawable(UInt32(word)) ? exp10(model.probability(0, word)) : 0
    }
    let first = products.indices.map { products[$0] * backoffs[$0] }
    var levels = [Level()]
    levels[0].leftWeights = first
    levels[0].rightWeights = first
    var filler = AliasFiller()
    var weights: [Double] = []
    for k in 1..<max(1, order) {
      let count = model.counts[k]
      let contexts = model.counts[k - 1]
      let suffixes = model.suffixes(ofLevel: k)
      let isTop = k == order - 1
      var level = Level()
      level.left = AliasLists(count: count)
      level.right = AliasLists(count: count)
      level.leftWeights = [Double](repeating: 0, count: count)
      level.rightWeights = [Double](repeating: 0, count: count)
      level.leftSums = [Double](repeating: 0, count: contexts)
      level.leftSumsBelow = [Double](repeating: 0, count: contexts)
      level.rightSums = [Double](repeating: 0, count: contexts)
      level.rightSumsBelow = [Double](repeating: 0, count: contexts)
      var newBackoffs = [Double](repeating: 0, count: count)
      var newProducts = [Double](repeating: 0, count: count)
      var parents = [UInt32](repeating: 0, count: count)
      for context in 0..<contexts {
        let (low, high) = model.children(k, of: context)
        guard low < high else { continue }
        weights.removeAll(keepingCapacity: true)
        for gram in low..<high {
          let word = model.word(k, gram)
          let probability = exp10(model.probability(k, gram))
          let own = isTop ? 1 : exp10(model.backoff(k, gram))
          let suffix = Int(suffixes[gram])
          newBackoffs[gram] = own * backoffs[suffix]
          newProducts[gram] = products[context] * probability
          parents[gram] = UInt32(context)
          let weight = isDrawable(word) ? probability * newBackoffs[gram] : 0
          level.leftWeights[gram] = weight
          level.leftSums[context] += weight
          if isDrawable(word) {
            level.leftSumsBelow[context] += levels[k - 1].leftWeights[suffix]
          }
          // Nothing follows the end.
          level.rightWeights[gram] =
            newProducts[gram] * (word == vocabulary.end.rawValue ? 1 : own)
          weights.append(weight)
        }
        if level.leftSums[context] > 0 {
          filler.fill(
            weights, sum: level.leftSums[context], from: low, &level.left.thresholds,
            &level.left.aliases)
        }
      }
      for suffix in 0..<contexts {
        let (low, high) = model.predecessors(k, of: suffix)
        guard low < high else { continue }
        weights.removeAll(keepingCapacity: true)
        for entry in low..<high {
          let gram = model.predecessorGram(k, entry)
          let weight = level.rightWeights[gram]
          weights.append(weight)
          level.rightSums[suffix] += weight
          level.rightSumsBelow[suffix] += levels[k - 1].rightWeights[Int(parents[gram])]
        }
        if level.rightSums[suffix] > 0 {
          filler.fill(
            weights, sum: level.rightSums[suffix], from: low, &level.right.thresholds,
            &level.right.aliases)
        }
      }
      if k <= 2 { Self.addMaps(to: &level, k, model, longList) }
      backoffs = newBackoffs
      products = newProducts
      levels.append(level)
    }
    self.levels = levels
    self.longList = longList
    var signatures: [UInt64] = []
    if order > 2 {
      signatures = [UInt64](repeating: 0, count: model.counts[1])
      for gram in signatures.indices {
        let (low, high) = model.children(2, of: gram)
        for child in low..<high { signatures[gram] |= Self.bit(model.word(2, child)) }
      }
    }
    self.signatures = signatures
    unigrams = AliasTable(weights: first)
    unigramWeights = first
    unigramSum = first.reduce(0, +)
  }

  private static func addMaps(
    to level: inout Level, _ k: Int, _ model: NGramModel, _ longList: Int
  ) {
    let contexts = model.counts[k - 1]
    level.leftMaps = [Int32](repeating: -1, count: contexts)
    level.rightMaps = [Int32](repeating: -1, count: contexts)
    for context in 0..<contexts {
      let (low, high) = model.children(k, of: context)
      if high - low >= longList {
        level.leftMaps[context] = Int32(level.maps.count)
        var map = RankMap()
        map.fill(low..<high, wordCount: model.vocabulary.count) { model.word(k, $0) }
        level.maps.append(map)
      }
      let (from, to) = model.predecessors(k, of: context)
      if to - from >= longList {
        level.rightMaps[context] = Int32(level.maps.count)
        var map = RankMap()
        map.fill(from..<to, wordCount: model.vocabulary.count) { model.predecessorWord(k, $0) }
        level.maps.append(map)
      }
    }
  }

  private static func bit(_ word: UInt32) -> UInt64 {
    1 << (UInt64(word &* 0x9E37_79B9) >> 26)
  }

  /// Fills in the words listed between two others.
  ///
  /// - Complexity: O(what is listed beside either).
  func fill(_ pair: inout NGramPair, _ left: UInt32, _ right: UInt32, _ model: NGramModel) {
    pair.left = left
    pair.right = right
    pair.isFilled = true
    pair.words.removeAll(keepingCapacity: true)
    pair.weights.removeAll(keepingCapacity: true)
    pair.leftGrams.removeAll(keepingCapacity: true)
    pair.rightGrams.removeAll(keepingCapacity: true)
    pair.blocks.removeAll(keepingCapacity: true)
    (pair.sum, pair.unigramSum, pair.leftSum, pair.rightSum) = (0, 0, 0, 0)
    let order = model.order
    guard order > 1 else { return }
    let (a, aEnd) = model.children(1, of: Int(left))
    let (b, bEnd) = model.predecessors(1, of: Int(right))
    let isEnd = right == model.vocabulary.end.rawValue
    let bit = Self.bit(right)
    var block = 0.0
    Self.forEachShared(
      a, aEnd, { model.word(1, $0) }, levels[1].leftMap(Int(left)), b, bEnd,
      { model.predecessorWord(1, $0) }, levels[1].rightMap(Int(right))
    ) { leftGram, entry in
      let word = model.word(1, leftGram)
      let rightGram = model.predecessorGram(1, entry)
      let unigram = unigramWeights[Int(word)]
      guard unigram > 0 else { return }
      let leftWeight = levels[1].leftWeights[leftGram]
      let rightWeight = levels[1].rightWeights[rightGram]
      var weight = leftWeight * rightWeight / unigram
      if order > 2, signatures[leftGram] & bit != 0,
        let middle = model.child(2, of: leftGram, right)
      {
        // The n-gram of all three in place of a back-off from the left to the right one.
        let own = order > 3 && !isEnd ? model.backoff(2, middle) : 0
        let log10 =
          model.probability(1, leftGram) + model.probability(2, middle) + own
          + (isEnd || order == 2 ? 0 : model.backoff(1, rightGram))
        weight = LogSpace.exp(log10 * logOf10)
      }
      pair.words.append(word)
      pair.weights.append(weight)
      pair.leftGrams.append(UInt32(truncatingIfNeeded: leftGram))
      pair.rightGrams.append(UInt32(truncatingIfNeeded: rightGram))
      pair.unigramSum += unigram
      pair.leftSum += leftWeight
      pair.rightSum += rightWeight
      pair.sum += weight
      block += weight
      if pair.words.count % NGramPair.blockSize == 0 {
        pair.blocks.append(block)
        block = 0
      }
    }
    if pair.words.count % NGramPair.blockSize != 0 { pair.blocks.append(block) }
    pair.map.removeAll()
    if pair.words.count >= longList {
      let words = pair.words
      pair.map.fill(0..<words.count, wordCount: model.vocabulary.count) { words[$0] }
    }
  }

  /// Fills in what is known of a place.
  ///
  /// - Complexity: O(order + what is listed behind two words on the left or before two on the
  ///   right).
  func fill(
    _ place: inout NGramPlace, _ key: NGramPlaceKey, _ pair: borrowing NGramPair,
    _ model: NGramModel
  ) {
    func exp10(_ value: Double) -> Double { LogSpace.exp(value * logOf10) }
    place.key = key
    place.isFilled = true
    let context = key.context
    let lefts = context.count
    // Behind a word before which it is not listed, what follows no longer depends on the place.
    place.rightNodes.removeAll(keepingCapacity: true)
    var follower = model.makeEmptyContext()
    var logs = SIMD8<Double>.zero
    for i in 0..<key.count {
      let word = key.right[i]
      logs[i] = model.advance(&follower, scoring: Token(rawValue: word))
      if i == 0 {
        place.rightNodes.append(Int(word))
      } else if place.rightNodes.count == i,
        let node = model.child(i, of: place.rightNodes[i - 1], word)
      {
        place.rightNodes.append(node)
      }
    }
    let rights = place.rightNodes.count
    // Probability of what follows the first j words, and back-off weights of the contexts longer
    // than k words.
    var rests = SIMD8<Double>(repeating: 1)
    var rest = 0.0
    for j in stride(from: key.count - 1, through: 0, by: -1) {
      rest += logs[j]
      rests[j] = LogSpace.exp(rest)
    }
    var longer = SIMD8<Double>(repeating: 1)
    for k in stride(from: lefts, through: 1, by: -1) {
      longer[k - 1] = longer[k] * exp10(model.backoff(k - 1, context.node(ofLength: k)))
    }
    let hasPair = lefts > 0 && rights > 0
    place.masses.removeAll(keepingCapacity: true)
    place.masses.append(0)
    place.masses.append(hasPair ? pair.sum : 0)
    var neither = unigramSum
    if lefts > 0 { neither -= levels[1].leftSumsBelow[context.node(ofLength: 1)] }
    if rights > 0 { neither -= levels[1].rightSumsBelow[place.rightNodes[0]] }
    place.masses.append(neither + (hasPair ? pair.unigramSum : 0))
    for k in stride(from: 1, through: lefts, by: 1) {
      var mass = levels[k].leftSums[context.node(ofLength: k)]
      if k < lefts { mass -= levels[k + 1].leftSumsBelow[context.node(ofLength: k + 1)] }
      place.masses.append(mass - (hasPair && k == 1 ? pair.leftSum : 0))
    }
    for j in stride(from: 1, through: rights, by: 1) {
      var mass = levels[j].rightSums[place.rightNodes[j - 1]]
      if j < rights { mass -= levels[j + 1].rightSumsBelow[place.rightNodes[j]] }
      place.masses.append(mass - (hasPair && j == 1 ? pair.rightSum : 0))
    }
    place.specialWords.removeAll(keepingCapacity: true)
    place.specialWeights.removeAll(keepingCapacity: true)
    if hasPair {
      addSpecials(to: &place, pair, longer[1], rests, model)
    }
    place.masses[1] *= longer[min(1, lefts)] * rests[min(1, key.count)]
    place.masses[2] *= longer[0] * rests[0]
    for k in stride(from: 1, through: lefts, by: 1) {
      place.masses[2 + k] *= longer[k] * rests[0]
    }
    for j in stride(from: 1, through: rights, by: 1) {
      place.masses[2 + lefts + j] *= longer[0] * rests[j]
    }
    var sum = 0.0
    for i in place.masses.indices {
      place.masses[i] = max(0, place.masses[i])
      sum += place.masses[i]
    }
    place.isSound = sum > 1e-280 && sum < .infinity
    place.logSum = place.isSound ? LogSpace.log(sum) : 0
  }

  /// Moves the words of the pair that longer n-grams know from the class sums to a list.
  private func addSpecials(
    to place: inout NGramPlace, _ pair: borrowing NGramPair, _ longer: Double,
    _ rests: SIMD8<Double>, _ model: NGramModel
  ) {
    // By their place in the pair, with the n-grams of three words; the arrays grow once.
    var lefts = SharedWords()
    var rights = SharedWords()
    swap(&lefts, &place.leftShared)
    swap(&rights, &place.rightShared)
    defer {
      swap(&lefts, &place.leftShared)
      swap(&rights, &place.rightShared)
    }
    lefts.removeAll(keepingCapacity: true)
    rights.removeAll(keepingCapacity: true)
    let map = pair.map.isEmpty ? nil : pair.map
    if place.lefts > 1 {
      let context = place.key.context.node(ofLength: 2)
      let (from, to) = model.children(2, of: context)
      Self.forEachShared(
        0, pair.words.count, { pair.words[$0] }, map, from, to, { model.word(2, $0) },
        levels[2].leftMap(context)
      ) { lefts.append(($0, $1)) }
    }
    if place.rightNodes.count > 1 {
      let (from, to) = model.predecessors(2, of: place.rightNodes[1])
      Self.forEachShared(
        0, pair.words.count, { pair.words[$0] }, map, from, to, { model.predecessorWord(2, $0) },
        levels[2].rightMap(place.rightNodes[1])
      ) { rights.append(($0, model.predecessorGram(2, $1))) }
    }
    var i = 0
    var j = 0
    while i < lefts.count || j < rights.count {
      let left = i < lefts.count ? lefts[i].found : .max
      let right = j < rights.count ? rights[j].found : .max
      let found = min(left, right)
      addSpecial(
        found, left == found ? lefts[i].gram : nil, right == found ? rights[j].gram : nil,
        to: &place, pair, longer, rests, model)
      if left == found { i += 1 }
      if right == found { j += 1 }
    }
  }

  private func addSpecial(
    _ found: Int, _ leftGram: Int?, _ rightGram: Int?, to place: inout NGramPlace,
    _ pair: borrowing NGramPair, _ longer: Double, _ rests: SIMD8<Double>, _ model: NGramModel
  ) {
    let word = pair.words[found]
    place.masses[1] -= pair.weights[found]
    // The class sums of one word on each side were told of all words of the pair.
    let leftWeight = levels[1].leftWeights[Int(pair.leftGrams[found])]
    let rightWeight = levels[1].rightWeights[Int(pair.rightGrams[found])]
    let lefts = place.lefts
    if var gram = leftGram {
      var k = 2
      while k < lefts,
        let deeper = model.child(k + 1, of: place.key.context.node(ofLength: k + 1), word)
      {
        k += 1
        gram = deeper
      }
      place.masses[3] += leftWeight
      place.masses[2 + k] -= levels[k].leftWeights[gram]
    }
    if var gram = rightGram {
      var j = 2
      while j < place.rightNodes.count,
        let deeper = model.child(j + 1, of: gram, place.key.right[j])
      {
        j += 1
        gram = deeper
      }
      place.masses[3 + lefts] += rightWeight
      place.masses[2 + lefts + j] -= levels[j].rightWeights[gram]
    }
    let weight: Double
    if model.order == 3 {
      // What the n-grams of three words put in place of a back-off, on the left and on the right.
      weight =
        pair.weights[found]
        * (leftGram.map { levels[2].leftWeights[$0] / leftWeight } ?? longer)
        * (rightGram.map { levels[2].rightWeights[$0] / rightWeight * rests[2] } ?? rests[1])
    } else {
      weight = LogSpace.exp(place.logWeight(of: word, model))
    }
    place.specialWords.append(word)
    place.specialWeights.append(weight)
    place.masses[0] += weight
  }

  /// What two ascending lists of different numbers share, by its places in both.
  @inline(__always)
  private static func forEachShared(
    _ low: Int, _ high: Int, _ first: (Int) -> UInt32, _ firstMap: RankMap?, _ from: Int,
    _ to: Int, _ second: (Int) -> UInt32, _ secondMap: RankMap?, _ body: (Int, Int) -> Void
  ) {
    if let firstMap, let secondMap {
      for block in firstMap.bits.indices {
        let a = firstMap.bits[block]
        let b = secondMap.bits[block]
        var shared = a & b
        while shared != 0 {
          let before = (shared & (0 &- shared)) &- 1
          body(
            low + Int(firstMap.ranks[block]) + (a & before).nonzeroBitCount,
            from + Int(secondMap.ranks[block]) + (b & before).nonzeroBitCount)
          shared &= shared &- 1
        }
      }
      return
    }
    if let firstMap {
      for j in from..<to {
        let place = firstMap.place(of: second(j))
        if place >= 0 { body(low + place, j) }
      }
      return
    }
    if let secondMap {
      for i in low..<high {
        let place = secondMap.place(of: first(i))
        if place >= 0 { body(i, from + place) }
      }
      return
    }
    if (high - low) * 12 < to - from {
      forEachFound(low, high, first, from, to, second) { body($0, $1) }
    } else if (to - from) * 12 < high - low {
      forEachFound(from, to, second, low, high, first) { body($1, $0) }
    } else {
      // A merge without branches that cannot be foreseen.
      let most = min(high - low, to - from)
      unsafe withUnsafeTemporaryAllocation(of: (UInt32, UInt32).self, capacity: most + 1) {
        shared in
        var count = 0
        var i = low
        var j = from
        while i < high && j < to {
          let a = first(i)
          let b = second(j)
          unsafe shared[count] = (
            UInt32(truncatingIfNeeded: i), UInt32(truncatingIfNeeded: j)
          )
          count &+= a == b ? 1 : 0
          i &+= a <= b ? 1 : 0
          j &+= b <= a ? 1 : 0
        }
        for k in 0..<count { unsafe body(Int(shared[k].0), Int(shared[k].1)) }
      }
    }
  }

  /// The same where the first list is much shorter.
  @inline(__always)
  private static func forEachFound(
    _ low: Int, _ high: Int, _ first: (Int) -> UInt32, _ from: Int, _ to: Int,
    _ second: (Int) -> UInt32, _ body: (Int, Int) -> Void
  ) {
    var j = from
    for i in low..<high {
      let a = first(i)
      // Gallop, then halve.
      var step = 1
      while j + step < to, second(j + step) < a { step *= 2 }
      var end = min(j + step + 1, to)
      j += step / 2
      while j < end {
        let middle = (j + end) / 2
        if second(middle) < a { j = middle + 1 } else { end = middle }
      }
      guard j < to else { return }
      if second(j) == a { body(i, j) }
    }
  }

  /// The words of a class and their weights, one by one.
  @usableFromInline
  func members(
    ofClass kind: Int, at place: borrowing NGramPlace, _ model: NGramModel
  ) -> (words: [UInt32], weights: [Double]) {
    let lefts = place.lefts
    var words: [UInt32] = []
    if kind == 1 {
      words = place.pair.words
    } else if kind == 2 {
      words = (0..<UInt32(model.vocabulary.count)).map { $0 }
    } else if kind <= 2 + lefts {
      let (low, high) = model.children(kind - 2, of: place.key.context.node(ofLength: kind - 2))
      for gram in low..<high { words.append(model.word(kind - 2, gram)) }
    } else {
      let j = kind - 2 - lefts
      let (low, high) = model.predecessors(j, of: place.rightNodes[j - 1])
      for entry in low..<high { words.append(model.predecessorWord(j, entry)) }
    }
    var weights: [Double] = []
    for word in words {
      let belongs =
        model.vocabulary.isDrawable(Token(rawValue: word)) && isMember(word, kind, place, model)
      weights.append(
        belongs ? LogSpace.exp(place.logWeight(of: word, model) - place.logSum) : 0)
    }
    return (words, weights)
  }

  private func isMember(
    _ word: UInt32, _ kind: Int, _ place: borrowing NGramPlace, _ model: NGramModel
  ) -> Bool {
    if kind == 1 { return !place.isSpecial(word, model) }
    let lefts = place.lefts
    let isLeft = place.isListedLeft(word, model)
    let isRight = place.isListedRight(word, model)
    if kind == 2 { return !isLeft && !isRight }
    if kind <= 2 + lefts {
      let k = kind - 2
      if isRight { return false }
      return k == lefts
        || model.child(k + 1, of: place.key.context.node(ofLength: k + 1), word) == nil
    }
    let j = kind - 2 - lefts
    guard !isLeft, j < place.rightNodes.count else { return !isLeft }
    var gram = Int(word)
    for i in 0..<j {
      guard let next = model.child(i + 1, of: gram, place.key.right[i]) else { return false }
      gram = next
    }
    return model.child(j + 1, of: gram, place.key.right[j]) == nil
  }
}
