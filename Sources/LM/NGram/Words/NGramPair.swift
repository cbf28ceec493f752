// Licensed under the Apache License, Version 2.0.

public import Sampling

/// The tokens listed both after one token and before another, with their weights.
///
/// The weights hold as long as no longer n-gram applies.
///
/// Its owner must destroy it.
@usableFromInline
struct NGramPair {
  /// A token with the factors of the 2-grams on either side.
  @usableFromInline
  struct Member {
    @usableFromInline var word: UInt32
    var leftGram: UInt32
    var rightGram: UInt32
    var leftWeight: Double
    var rightWeight: Double
  }

  var left: UInt32 = 0
  var right: UInt32 = 0
  var isFilled = false
  /// The drawable tokens, ascending.
  @usableFromInline var members = Lane<Member>(capacity: 0)
  @usableFromInline var weights = Lane<Double>(capacity: 0)
  /// Sums of blocks of weights, so that a draw takes two short scans.
  @usableFromInline var blocks = Lane<Double>(capacity: 0)
  /// The place of each token in the list, if the list is long.
  private var maps: RankMaps?
  private var isLong = false
  var sum = 0.0
  /// The part of these tokens in the sums of the other classes.
  var unigramSum = 0.0
  var leftSum = 0.0
  var rightSum = 0.0

  @usableFromInline static let blockSize = 32

  init() {}

  func destroy() {
    members.destroy()
    weights.destroy()
    blocks.destroy()
  }

  /// The size of its memory in bytes.
  var byteCount: Int { members.byteCount + weights.byteCount + (maps?.byteCount ?? 0) }

  /// The tokens, as a list of their places.
  var list: SortedWords { SortedWords(0, members.count, isLong ? maps?[0] : nil) }

  /// Draws a token in proportion to its weight.
  @inlinable
  func draw(using choices: inout some ChoiceSource) -> UInt32 {
    let block = unsafe choices.index(weights: blocks.buffer.span)
    let low = block &* Self.blockSize
    let high = min(low &+ Self.blockSize, weights.count)
    return unsafe members[
      low &+ choices.index(weights: weights.buffer.extracting(low..<high).span)
    ].word
  }

  /// Fills in the tokens listed between two others.
  ///
  /// - Complexity: O(tokens listed beside either).
  mutating func fill(
    _ left: UInt32, _ right: UInt32, _ tables: NGramPlaceTables, _ model: NGramModel
  ) {
    self.left = left
    self.right = right
    isFilled = true
    isLong = false
    members.removeAll()
    weights.removeAll()
    blocks.removeAll()
    (sum, unigramSum, leftSum, rightSum) = (0, 0, 0, 0)
    var (sum, unigramSum, leftSum, rightSum) = (0.0, 0.0, 0.0, 0.0)
    let order = model.order
    guard order > 1 else { return }
    let (a, aEnd) = model.children(1, of: Int(left))
    let (b, bEnd) = model.predecessors(1, of: Int(right))
    let isEnd = right == model.vocabulary.end.rawValue
    let bit = NGramPlaceTables.bit(right)
    let unigrams = unsafe tables.unigramWeights.pointer
    let leftWeights = unsafe tables.levels[1].leftWeights.pointer
    let entryWeights = unsafe tables.levels[1].entryWeights.pointer
    let signatures = unsafe tables.signatures.pointer
    var block = 0.0
    forEachShared(
      SortedWords(a, aEnd, tables.levels[1].leftMap(Int(left))), { model.word(1, $0) },
      SortedWords(b, bEnd, tables.levels[1].rightMap(Int(right))), { model.predecessorWord(1, $0) }
    ) { leftGram, entry in
      let word = model.word(1, leftGram)
      let rightGram = model.predecessorGram(1, entry)
      let unigram = unsafe unigrams[Int(word)]
      guard unigram > 0 else { return }
      let leftWeight = unsafe leftWeights[leftGram]
      let rightWeight = unsafe entryWeights[entry]
      var weight = leftWeight * rightWeight / unigram
      if order > 2, unsafe signatures[leftGram] & bit != 0,
        let middle = model.child(2, of: leftGram, right)
      {
        // The 3-gram replaces a back-off from the left token to the right one.
        let own = order > 3 && !isEnd ? model.backoff(2, middle) : 0
        let log10 =
          model.probability(1, leftGram) + model.probability(2, middle) + own
          + (isEnd ? 0 : model.backoff(1, rightGram))
        weight = LogSpace.exp(log10 * logOf10)
      }
      members.append(
        Member(
          word: word, leftGram: UInt32(truncatingIfNeeded: leftGram),
          rightGram: UInt32(truncatingIfNeeded: rightGram), leftWeight: leftWeight,
          rightWeight: rightWeight))
      weights.append(weight)
      unigramSum += unigram
      leftSum += leftWeight
      rightSum += rightWeight
      sum += weight
      block += weight
      if members.count % Self.blockSize == 0 {
        blocks.append(block)
        block = 0
      }
    }
    if members.count % Self.blockSize != 0 { blocks.append(block) }
    (self.sum, self.unigramSum, self.leftSum, self.rightSum) = (sum, unigramSum, leftSum, rightSum)
    if members.count >= tables.longList {
      let maps = maps ?? RankMaps(count: 1, wordCount: model.vocabulary.count)
      maps.fill(0, 0..<members.count) { members[$0].word }
      self.maps = maps
      isLong = true
    }
  }
}
