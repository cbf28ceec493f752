// Licensed under the Apache License, Version 2.0.

public import Sampling

/// Sums over a model's n-grams that serve every place.
@usableFromInline
final class NGramPlaceTables: Sendable {
  /// The n-grams of k + 1 tokens, as continuations of k tokens and as tokens before k tokens.
  @usableFromInline
  struct Level: Sendable {
    /// For each n-gram h w: `p(w | h)` times the back-off weights of all contexts that end in w.
    var leftWeights: FlatBuffer<Double>
    @usableFromInline var left: AliasLists
    /// For each context: the sum of its continuations' weights, and of their weights in the context
    /// that is one token shorter.
    var leftSums: [Double] = []
    var leftSumsBelow: [Double] = []
    /// For each n-gram w x: `p(w) p(x1 | w) p(x2 | w x1) ...` times the back-off weight of all.
    ///
    /// Stored by n-gram, and in the order of the lists of tokens before each x.
    var rightWeights: FlatBuffer<Double>
    var entryWeights: FlatBuffer<Double>
    @usableFromInline var right: AliasLists
    /// For each x: the sum over the tokens before it, and of their weights before one token less.
    var rightSums: [Double] = []
    var rightSumsBelow: [Double] = []
    /// For each context and each x, the index of its map; -1 for short lists.
    var leftMaps: [Int32] = []
    var rightMaps: [Int32] = []
    var maps = RankMaps(count: 0, wordCount: 0)

    init(_ model: NGramModel, _ k: Int) {
      let count = model.counts[k]
      leftWeights = FlatBuffer(count: count)
      rightWeights = FlatBuffer(count: count)
      let listed = k > 0 ? count : 0
      entryWeights = FlatBuffer(count: listed)
      left = AliasLists(count: listed)
      right = AliasLists(count: listed)
      let contexts = k > 0 ? model.counts[k - 1] : 0
      leftSums = [Double](repeating: 0, count: contexts)
      leftSumsBelow = leftSums
      rightSums = leftSums
      rightSumsBelow = leftSums
    }

    func leftMap(_ context: Int) -> RankMap? {
      leftMaps.isEmpty || leftMaps[context] < 0 ? nil : maps[Int(leftMaps[context])]
    }

    func rightMap(_ suffix: Int) -> RankMap? {
      rightMaps.isEmpty || rightMaps[suffix] < 0 ? nil : maps[Int(rightMaps[suffix])]
    }
  }

  @usableFromInline let levels: [Level]
  /// For each context of one token, a bit for each token listed after it.
  ///
  /// Most absent 2-grams are recognised without a look-up.
  let signatures: FlatBuffer<UInt64>
  /// Tokens without listed n-grams: `p(w)` times the back-off weight of w.
  @usableFromInline let unigrams: AliasTable
  let unigramWeights: FlatBuffer<Double>
  let unigramSum: Double
  /// Lists with at least this many tokens get maps.
  let longList: Int

  init(_ model: NGramModel, longList: Int) {
    let vocabulary = model.vocabulary
    func exp10(_ value: Double) -> Double { LogSpace.exp(value * logOf10) }
    func isDrawable(_ word: UInt32) -> Bool { vocabulary.isDrawable(Token(rawValue: word)) }
    let order = model.order
    // For each n-gram of the level before: back-off weights of all its suffixes, and the product of
    // the probabilities of its beginnings.
    var backoffs = (0..<vocabulary.count).map { exp10(model.backoff(0, $0)) }
    var products = (0..<vocabulary.count).map { word in
      isDrawable(UInt32(word)) ? exp10(model.probability(0, word)) : 0
    }
    let first = products.indices.map { products[$0] * backoffs[$0] }
    var levels = [Level(model, 0)]
    levels[0].leftWeights = FlatBuffer(first)
    levels[0].rightWeights = levels[0].leftWeights
    var weights: [Double] = []
    for k in 1..<max(1, order) {
      let count = model.counts[k]
      let contexts = model.counts[k - 1]
      let suffixes = model.suffixes(ofLevel: k)
      let isTop = k == order - 1
      var level = Level(model, k)
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
          // Nothing follows the end symbol.
          level.rightWeights[gram] =
            newProducts[gram] * (word == vocabulary.end.rawValue ? 1 : own)
          weights.append(weight)
        }
        level.left.fill(from: low, weights, sum: level.leftSums[context])
      }
      for suffix in 0..<contexts {
        let (low, high) = model.predecessors(k, of: suffix)
        guard low < high else { continue }
        weights.removeAll(keepingCapacity: true)
        for entry in low..<high {
          let gram = model.predecessorGram(k, entry)
          let weight = level.rightWeights[gram]
          level.entryWeights[entry] = weight
          weights.append(weight)
          level.rightSums[suffix] += weight
          level.rightSumsBelow[suffix] += levels[k - 1].rightWeights[Int(parents[gram])]
        }
        level.right.fill(from: low, weights, sum: level.rightSums[suffix])
      }
      if k <= 2 { Self.addMaps(to: &level, k, model, longList) }
      backoffs = newBackoffs
      products = newProducts
      levels.append(level)
    }
    // From the shorter ones on, n-grams are met by their lists alone.
    for k in 0..<min(3, order) { levels[k].rightWeights = FlatBuffer(count: 0) }
    self.levels = levels
    self.longList = longList
    signatures = FlatBuffer(count: order > 2 ? model.counts[1] : 0)
    for gram in 0..<signatures.count {
      let (low, high) = model.children(2, of: gram)
      for child in low..<high { signatures[gram] |= Self.bit(model.word(2, child)) }
    }
    unigrams = AliasTable(weights: first)
    unigramWeights = FlatBuffer(first)
    unigramSum = first.reduce(0, +)
  }

  private static func addMaps(
    to level: inout Level, _ k: Int, _ model: NGramModel, _ longList: Int
  ) {
    let contexts = model.counts[k - 1]
    level.leftMaps = [Int32](repeating: -1, count: contexts)
    level.rightMaps = level.leftMaps
    var maps: Int32 = 0
    for context in 0..<contexts {
      let (low, high) = model.children(k, of: context)
      let (from, to) = model.predecessors(k, of: context)
      if high - low >= longList {
        level.leftMaps[context] = maps
        maps += 1
      }
      if to - from >= longList {
        level.rightMaps[context] = maps
        maps += 1
      }
    }
    level.maps = RankMaps(count: Int(maps), wordCount: model.vocabulary.count)
    for context in 0..<contexts {
      if level.leftMaps[context] >= 0 {
        let (low, high) = model.children(k, of: context)
        level.maps.fill(Int(level.leftMaps[context]), low..<high) { model.word(k, $0) }
      }
      if level.rightMaps[context] >= 0 {
        let (from, to) = model.predecessors(k, of: context)
        level.maps.fill(Int(level.rightMaps[context]), from..<to) { model.predecessorWord(k, $0) }
      }
    }
  }

  /// A token's bit in the signatures.
  static func bit(_ word: UInt32) -> UInt64 {
    1 << (UInt64(word &* 0x9E37_79B9) >> 26)
  }
}
