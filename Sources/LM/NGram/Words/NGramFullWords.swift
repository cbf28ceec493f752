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
    precondition(model.layout == .fast, "the fast layout holds what the tables are made from")
    self.model = model
    self.attempts = attempts
    tables = NGramPlaceTables(model)
  }

  /// A word by its conditional probability.
  ///
  /// - Complexity: O(words listed on both sides) where the place is new to the chain, else
  ///   O(order) and a scan of their weights.
  @inlinable
  public func draw(
    for gap: Gap, in scorer: SentenceScorer<NGramModel>, using choices: inout some ChoiceSource
  ) -> (token: Token, logProbability: Double)? {
    let place = place(for: gap, in: scorer)
    guard place.isSound else {
      return FullConditionalWords().draw(for: gap, in: scorer, using: &choices)
    }
    let kind = choices.index(weights: place.masses.span)
    if kind == 0 {
      let chosen = choices.index(weights: place.bothWeights.span)
      return (
        Token(rawValue: place.bothWords[chosen]),
        LogSpace.log(place.bothWeights[chosen]) - place.logSum
      )
    }
    for _ in 0..<max(1, attempts) {
      if let word = draw(kind, of: place, using: &choices) {
        return (Token(rawValue: word), place.logWeight(of: word, model) - place.logSum)
      }
    }
    let (words, weights) = tables.members(ofClass: kind, at: place, model)
    guard weights.contains(where: { $0 > 0 }) else {
      return FullConditionalWords().draw(for: gap, in: scorer, using: &choices)
    }
    let word = words[choices.index(weights: weights)]
    return (Token(rawValue: word), place.logWeight(of: word, model) - place.logSum)
  }

  /// The log of the word's conditional probability.
  @inlinable
  public func logProbability(
    of token: Token, for gap: Gap, in scorer: SentenceScorer<NGramModel>
  ) -> Double {
    let place = place(for: gap, in: scorer)
    guard place.isSound else {
      return FullConditionalWords().logProbability(of: token, for: gap, in: scorer)
    }
    guard model.vocabulary.isDrawable(token) else { return -.infinity }
    return place.logWeight(of: token.rawValue, model) - place.logSum
  }

  /// A word of a class by the class's table; `nil` where it belongs to another one.
  @inlinable
  func draw(
    _ kind: Int, of place: NGramPlace, using choices: inout some ChoiceSource
  ) -> UInt32? {
    let lefts = place.context.count
    if kind == 1 {
      let word = UInt32(truncatingIfNeeded: tables.unigrams.draw(using: &choices))
      return place.isListedLeft(word, model) || place.isListedRight(word, model) ? nil : word
    }
    if kind <= 1 + lefts {
      let k = kind &- 1
      let (low, high) = model.children(k, of: place.context.node(ofLength: k))
      let gram = tables.levels[k].left.draw(low, high, using: &choices)
      let word = model.word(k, gram)
      if k < lefts,
        model.child(k &+ 1, of: place.context.node(ofLength: k &+ 1), word) != nil
      {
        return nil
      }
      return place.isListedRight(word, model) ? nil : word
    }
    let j = kind &- 1 &- lefts
    let (low, high) = model.predecessors(j, of: place.rightNodes[j &- 1])
    let entry = tables.levels[j].right.draw(low, high, using: &choices)
    let word = model.predecessorWord(j, entry)
    if j < place.rightNodes.count,
      model.child(j &+ 1, of: model.predecessorGram(j, entry), place.right[j]) != nil
    {
      return nil
    }
    return place.isListedLeft(word, model) ? nil : word
  }

  /// What is known of a place, from the chain's memory where it was met before.
  @inlinable
  func place(for gap: Gap, in scorer: SentenceScorer<NGramModel>) -> NGramPlace {
    let memory: NGramPlaceMemory
    if let known = scorer.memory as? NGramPlaceMemory, known.tables === tables {
      memory = known
    } else {
      memory = NGramPlaceMemory(tables)
      scorer.memory = memory
    }
    var key = NGramPlaceKey(context: scorer.context(before: gap.low))
    var low = gap.high
    while key.count < model.order &- 1 {
      if low == scorer.count {
        key.append(model.vocabulary.end.rawValue)
        break
      }
      key.append(scorer.token(at: low).rawValue)
      low &+= 1
    }
    return memory.place(key, model)
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

/// The places that a chain met, the newer one staying where two share a slot.
@usableFromInline
final class NGramPlaceMemory {
  @usableFromInline let tables: NGramPlaceTables
  private var places: [NGramPlace?]
  private var keys: [NGramPlaceKey?]

  @usableFromInline
  init(_ tables: NGramPlaceTables) {
    self.tables = tables
    places = [NGramPlace?](repeating: nil, count: 512)
    keys = [NGramPlaceKey?](repeating: nil, count: 512)
  }

  @usableFromInline
  func place(_ key: NGramPlaceKey, _ model: NGramModel) -> NGramPlace {
    let slot = Int(truncatingIfNeeded: key.hash >> 20) & 511
    if let known = places[slot], keys[slot] == key { return known }
    // The object is used again: its arrays have grown to what places need.
    let place = places[slot] ?? NGramPlace()
    tables.fill(place, key, model)
    places[slot] = place
    keys[slot] = key
    return place
  }
}

/// What is known of a place: the masses of its classes, and the words listed on both sides.
@usableFromInline
final class NGramPlace {
  @usableFromInline var context = NGramContext()
  /// The words to the right, the end symbol last where it is near.
  @usableFromInline var right: [UInt32] = []
  /// The nodes of the first word to the right, of the first two and so on, as long as they are
  /// listed.
  @usableFromInline var rightNodes: [Int] = []
  /// Words listed on both sides; on neither; behind the left context of 1, 2, ... words but no
  /// longer one; before 1, 2, ... words but not more.
  @usableFromInline var masses: [Double] = []
  @usableFromInline var bothWords: [UInt32] = []
  @usableFromInline var bothWeights: [Double] = []
  @usableFromInline var logSum = 0.0
  /// Whether the masses are far from where numbers underflow.
  @usableFromInline var isSound = false

  init() {}

  @inlinable
  func isListedLeft(_ word: UInt32, _ model: NGramModel) -> Bool {
    context.count > 0 && model.listedPair(context.node1, word) >= 0
  }

  @inlinable
  func isListedRight(_ word: UInt32, _ model: NGramModel) -> Bool {
    !right.isEmpty && model.listedPair(word, right[0]) >= 0
  }

  /// Log-probability of the word and of what follows it as far as that depends on it.
  @inlinable
  func logWeight(of word: UInt32, _ model: NGramModel) -> Double {
    var next = context
    var sum = model.advance(&next, scoring: Token(rawValue: word))
    for follower in right { sum += model.advance(&next, scoring: Token(rawValue: follower)) }
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
  }

  @usableFromInline let levels: [Level]
  /// Words that nothing is listed of: `p(w)` times the back-off weight of w.
  @usableFromInline let unigrams: AliasTable
  let unigramWeights: [Double]
  let unigramSum: Double

  init(_ model: NGramModel) {
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
      backoffs = newBackoffs
      products = newProducts
      levels.append(level)
    }
    self.levels = levels
    unigrams = AliasTable(weights: first)
    unigramWeights = first
    unigramSum = first.reduce(0, +)
  }

  /// Fills in what is known of a place.
  func fill(_ place: NGramPlace, _ key: NGramPlaceKey, _ model: NGramModel) {
    func exp10(_ value: Double) -> Double { LogSpace.exp(value * logOf10) }
    let context = key.context
    place.context = context
    place.right.removeAll(keepingCapacity: true)
    for i in 0..<key.count { place.right.append(key.right[i]) }
    // Behind a word before which it is not listed, what follows no longer depends on the place.
    place.rightNodes.removeAll(keepingCapacity: true)
    var rests = [Double](repeating: 0, count: key.count + 1)
    var follower = model.makeEmptyContext()
    var logs: [Double] = []
    for (i, word) in place.right.enumerated() {
      logs.append(model.advance(&follower, scoring: Token(rawValue: word)))
      if i == 0 {
        place.rightNodes.append(Int(word))
      } else if place.rightNodes.count == i,
        let node = model.child(i, of: place.rightNodes[i - 1], word)
      {
        place.rightNodes.append(node)
      }
    }
    for j in stride(from: key.count - 1, through: 0, by: -1) { rests[j] = rests[j + 1] + logs[j] }
    let outside = LogSpace.exp(rests[0])
    // Back-off weights of the contexts longer than k words.
    let lefts = context.count
    var longer = [Double](repeating: 1, count: lefts + 1)
    for k in stride(from: lefts, through: 1, by: -1) {
      longer[k - 1] = longer[k] * exp10(model.backoff(k - 1, context.node(ofLength: k)))
    }
    place.masses.removeAll(keepingCapacity: true)
    place.masses.append(0)
    var neither = unigramSum
    if lefts > 0 { neither -= levels[1].leftSumsBelow[context.node(ofLength: 1)] }
    let rights = place.rightNodes.count
    if rights > 0 { neither -= levels[1].rightSumsBelow[place.rightNodes[0]] }
    place.masses.append(neither * longer[0] * outside)
    for k in stride(from: 1, through: lefts, by: 1) {
      var mass = levels[k].leftSums[context.node(ofLength: k)]
      if k < lefts { mass -= levels[k + 1].leftSumsBelow[context.node(ofLength: k + 1)] }
      place.masses.append(mass * longer[k] * outside)
    }
    for j in stride(from: 1, through: rights, by: 1) {
      var mass = levels[j].rightSums[place.rightNodes[j - 1]]
      if j < rights { mass -= levels[j + 1].rightSumsBelow[place.rightNodes[j]] }
      place.masses.append(mass * longer[0] * LogSpace.exp(rests[j]))
    }
    place.bothWords.removeAll(keepingCapacity: true)
    place.bothWeights.removeAll(keepingCapacity: true)
    if lefts > 0 && rights > 0 {
      forEachShared(place, model) { word, leftGram, rightGram in
        guard model.vocabulary.isDrawable(Token(rawValue: word)) else { return }
        // What the class sums counted too.
        place.masses[1] += unigramWeights[Int(word)] * longer[0] * outside
        var k = 1
        var gram = leftGram
        while k < lefts, let deeper = model.child(k + 1, of: context.node(ofLength: k + 1), word) {
          k += 1
          gram = deeper
        }
        place.masses[1 + k] -= levels[k].leftWeights[gram] * longer[k] * outside
        var j = 1
        gram = rightGram
        while j < rights, let deeper = model.child(j + 1, of: gram, place.right[j]) {
          j += 1
          gram = deeper
        }
        place.masses[1 + lefts + j] -=
          levels[j].rightWeights[gram] * longer[0] * LogSpace.exp(rests[j])
        let weight = LogSpace.exp(place.logWeight(of: word, model))
        place.bothWords.append(word)
        place.bothWeights.append(weight)
        place.masses[0] += weight
      }
    }
    var sum = 0.0
    for i in place.masses.indices {
      place.masses[i] = max(0, place.masses[i])
      sum += place.masses[i]
    }
    place.isSound = sum > 1e-280 && sum < .infinity
    place.logSum = place.isSound ? LogSpace.log(sum) : 0
  }

  /// Hands over the words listed on both sides, with their n-grams of two words.
  private func forEachShared(
    _ place: NGramPlace, _ model: NGramModel, _ body: (UInt32, Int, Int) -> Void
  ) {
    var (left, leftEnd) = model.children(1, of: place.context.node(ofLength: 1))
    var (right, rightEnd) = model.predecessors(1, of: place.rightNodes[0])
    while left < leftEnd && right < rightEnd {
      let a = model.word(1, left)
      let b = model.predecessorWord(1, right)
      if a == b {
        body(a, left, model.predecessorGram(1, right))
        left += 1
        right += 1
      } else if a < b {
        left += 1
      } else {
        right += 1
      }
    }
    (leftEnd, rightEnd) = (left, right)
  }

  /// The words of a class and their weights, one by one.
  @usableFromInline
  func members(
    ofClass kind: Int, at place: NGramPlace, _ model: NGramModel
  ) -> (words: [UInt32], weights: [Double]) {
    let lefts = place.context.count
    var words: [UInt32] = []
    if kind == 1 {
      words = (0..<UInt32(model.vocabulary.count)).map { $0 }
    } else if kind <= 1 + lefts {
      let (low, high) = model.children(kind - 1, of: place.context.node(ofLength: kind - 1))
      words = (low..<high).map { model.word(kind - 1, $0) }
    } else {
      let j = kind - 1 - lefts
      let (low, high) = model.predecessors(j, of: place.rightNodes[j - 1])
      words = (low..<high).map { model.predecessorWord(j, $0) }
    }
    let weights = words.map { word in
      guard model.vocabulary.isDrawable(Token(rawValue: word)), isMember(word, kind, place, model)
      else { return 0.0 }
      return LogSpace.exp(place.logWeight(of: word, model) - place.logSum)
    }
    return (words, weights)
  }

  private func isMember(
    _ word: UInt32, _ kind: Int, _ place: NGramPlace, _ model: NGramModel
  ) -> Bool {
    let lefts = place.context.count
    let isLeft = place.isListedLeft(word, model)
    let isRight = place.isListedRight(word, model)
    if kind == 1 { return !isLeft && !isRight }
    if kind <= 1 + lefts {
      let k = kind - 1
      return !isRight
        && (k == lefts || model.child(k + 1, of: place.context.node(ofLength: k + 1), word) == nil)
    }
    let j = kind - 1 - lefts
    guard !isLeft, j < place.rightNodes.count else { return !isLeft }
    var gram = Int(word)
    for i in 0..<j {
      guard let next = model.child(i + 1, of: gram, place.right[i]) else { return false }
      gram = next
    }
    return model.child(j + 1, of: gram, place.right[j]) == nil
  }
}
