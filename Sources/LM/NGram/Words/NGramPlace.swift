// Licensed under the Apache License, Version 2.0.

public import Sampling

/// The key of a place's conditional: the context on its left and the tokens on its right.
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
    hash = Self.mixed(hash ^ UInt64(right[0]))
    hash = Self.mixed(hash ^ UInt64(right[1]))
    return Self.mixed(hash ^ UInt64(right[2]))
  }

  @inlinable
  static func mixed(_ hash: UInt64) -> UInt64 {
    let product = hash &* 0x9E37_79B9_7F4A_7C15
    return product ^ product >> 29
  }
}

/// What is known about a place: the masses of its classes, and the tokens with longer n-grams.
///
/// Its owner must destroy it.
@usableFromInline
struct NGramPlace {
  @usableFromInline var key = NGramPlaceKey(context: NGramContext())
  var isFilled = false
  /// The nodes of the first token to the right, of the first two and so on, as far as they are
  /// listed.
  private var rightNodes = SIMD8<UInt32>.zero
  @usableFromInline var rights = 0
  /// Masses by class: tokens listed on both sides that are in a longer n-gram too; other tokens
  /// listed on both sides; tokens on neither side; tokens after the context of a given length but
  /// no longer one; tokens before a given number of tokens but not more.
  @usableFromInline var masses = Lane<Double>(capacity: 0)
  @usableFromInline var specialWords = Lane<UInt32>(capacity: 0)
  @usableFromInline var specialWeights = Lane<Double>(capacity: 0)
  @usableFromInline var logSum = 0.0
  /// Whether the masses are finite and far from underflow.
  @usableFromInline var isSound = false

  init() {}

  func destroy() {
    masses.destroy()
    specialWords.destroy()
    specialWeights.destroy()
  }

  /// The size of its lists in bytes.
  var byteCount: Int { specialWords.byteCount + specialWeights.byteCount }

  @inlinable var lefts: Int { key.context.count }

  /// The node of the first tokens to the right, with `length` from 1 to ``rights``.
  @usableFromInline
  func rightNode(ofLength length: Int) -> Int { Int(rightNodes[length - 1]) }

  /// Whether its classes share tokens, which a pair then stores.
  var hasPair: Bool { lefts > 0 && rights > 0 }

  @inlinable
  func isListedLeft(_ word: UInt32, _ model: NGramModel) -> Bool {
    lefts > 0 && model.listedPair(key.context.node1, word) >= 0
  }

  @inlinable
  func isListedRight(_ word: UInt32, _ model: NGramModel) -> Bool {
    key.count > 0 && model.listedPair(word, key.right[0]) >= 0
  }

  @inlinable
  func isListed(_ word: UInt32, _ model: NGramModel) -> Bool {
    isListedLeft(word, model) || isListedRight(word, model)
  }

  /// Whether a token that is listed on both sides is in a longer n-gram there.
  @inlinable
  func isSpecial(_ word: UInt32, _ model: NGramModel) -> Bool {
    if lefts > 1, model.child(2, of: key.context.node(ofLength: 2), word) != nil { return true }
    guard rights > 1 else { return false }
    let gram = model.listedPair(word, key.right[0])
    return gram >= 0 && model.child(2, of: gram, key.right[1]) != nil
  }

  /// Log-probability of the token and of everything after it that depends on it.
  @inlinable
  func logWeight(of word: UInt32, _ model: NGramModel) -> Double {
    var next = key.context
    var sum = model.advance(&next, scoring: Token(rawValue: word))
    for i in 0..<key.count { sum += model.advance(&next, scoring: Token(rawValue: key.right[i])) }
    return sum
  }

  /// Computes the masses and lists of a place.
  ///
  /// - Parameters:
  ///   - key: the place.
  ///   - pair: the tokens between its neighbours, if it has both.
  ///   - shared: buffers for lists.
  ///   - tables: the sums over the model's n-grams.
  ///   - model: the model.
  /// - Complexity: O(order + tokens listed after two tokens on the left or before two on the
  ///   right).
  mutating func fill(
    _ key: NGramPlaceKey, _ pair: borrowing NGramPair, _ shared: inout SharedGrams,
    _ tables: NGramPlaceTables, _ model: NGramModel
  ) {
    func exp10(_ value: Double) -> Double { LogSpace.exp(value * logOf10) }
    self.key = key
    isFilled = true
    let context = key.context
    let lefts = context.count
    // After a token before which it is not listed, the rest no longer depends on the place.
    rights = 0
    var follower = model.makeEmptyContext()
    var logs = SIMD8<Double>.zero
    for i in 0..<key.count {
      let word = key.right[i]
      logs[i] = model.advance(&follower, scoring: Token(rawValue: word))
      if i == 0 {
        rightNodes[0] = word
        rights = 1
      } else if rights == i, let node = model.child(i, of: Int(rightNodes[i - 1]), word) {
        rightNodes[i] = UInt32(truncatingIfNeeded: node)
        rights = i + 1
      }
    }
    // Probability of the text after its first j tokens, and back-off weights of contexts longer
    // than k tokens.
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
    masses.removeAll()
    masses.append(0)
    masses.append(hasPair ? pair.sum : 0)
    var neither = tables.unigramSum
    if lefts > 0 { neither -= tables.levels[1].leftSumsBelow[context.node(ofLength: 1)] }
    if rights > 0 { neither -= tables.levels[1].rightSumsBelow[rightNode(ofLength: 1)] }
    masses.append(neither + (hasPair ? pair.unigramSum : 0))
    for k in stride(from: 1, through: lefts, by: 1) {
      var mass = tables.levels[k].leftSums[context.node(ofLength: k)]
      if k < lefts { mass -= tables.levels[k + 1].leftSumsBelow[context.node(ofLength: k + 1)] }
      masses.append(mass - (hasPair && k == 1 ? pair.leftSum : 0))
    }
    for j in stride(from: 1, through: rights, by: 1) {
      var mass = tables.levels[j].rightSums[rightNode(ofLength: j)]
      if j < rights { mass -= tables.levels[j + 1].rightSumsBelow[rightNode(ofLength: j + 1)] }
      masses.append(mass - (hasPair && j == 1 ? pair.rightSum : 0))
    }
    specialWords.removeAll()
    specialWeights.removeAll()
    if hasPair {
      addSpecials(pair, longer[1], rests[1], rests[2], &shared, tables, model)
    }
    masses[1] *= longer[min(1, lefts)] * rests[min(1, key.count)]
    masses[2] *= longer[0] * rests[0]
    for k in stride(from: 1, through: lefts, by: 1) { masses[2 + k] *= longer[k] * rests[0] }
    for j in stride(from: 1, through: rights, by: 1) {
      masses[2 + lefts + j] *= longer[0] * rests[j]
    }
    // Rounding can make a difference negative. Results that are not numbers are left to the slow
    // form.
    var sum = 0.0
    isSound = true
    for i in 0..<masses.count {
      if !masses[i].isFinite { isSound = false }
      masses[i] = max(0, masses[i])
      sum += masses[i]
    }
    isSound = isSound && sum > 1e-280 && sum < .infinity
    logSum = isSound ? LogSpace.log(sum) : 0
  }

  /// Moves the pair's tokens with longer n-grams from the class sums to a list.
  private mutating func addSpecials(
    _ pair: borrowing NGramPair, _ longer: Double, _ rest: Double, _ restOfTwo: Double,
    _ shared: inout SharedGrams, _ tables: NGramPlaceTables, _ model: NGramModel
  ) {
    shared.removeAll()
    let lefts = lefts
    let listed = pair.list
    if lefts > 1 {
      let context = key.context.node(ofLength: 2)
      let (low, high) = model.children(2, of: context)
      forEachShared(
        listed, { pair.members[$0].word },
        SortedWords(low, high, tables.levels[2].leftMap(context)), { model.word(2, $0) }
      ) { shared.lefts.append(SharedGram(member: $0, place: $1)) }
    }
    if rights > 1 {
      let (low, high) = model.predecessors(2, of: rightNode(ofLength: 2))
      forEachShared(
        listed, { pair.members[$0].word },
        SortedWords(low, high, tables.levels[2].rightMap(rightNode(ofLength: 2))),
        { model.predecessorWord(2, $0) }
      ) { shared.rights.append(SharedGram(member: $0, place: $1)) }
    }
    guard shared.lefts.count + shared.rights.count > 0 else { return }
    let isTop = model.order == 3
    let leftWeights = unsafe tables.levels[2].leftWeights.pointer
    let entryWeights = unsafe tables.levels[2].entryWeights.pointer
    var i = 0
    var j = 0
    // The part of these tokens in the class sums of one token on each side.
    var (ofPair, ofLeft, ofRight, ofSpecials) = (0.0, 0.0, 0.0, 0.0)
    while i < shared.lefts.count || j < shared.rights.count {
      let left = i < shared.lefts.count ? shared.lefts[i].member : .max
      let right = j < shared.rights.count ? shared.rights[j].member : .max
      let found = min(left, right)
      let member = pair.members[found]
      let known = pair.weights[found]
      ofPair += known
      // The factors by which 3-grams replace a back-off, on the left and on the right.
      var factor = 1.0
      if left == found {
        let gram = shared.lefts[i].place
        i &+= 1
        ofLeft += member.leftWeight
        if isTop {
          let weight = unsafe leftWeights[gram]
          masses[4] -= weight
          factor = weight / member.leftWeight
        } else {
          takeLeft(member.word, gram, tables, model)
        }
      } else {
        factor = longer
      }
      if right == found {
        let entry = shared.rights[j].place
        j &+= 1
        ofRight += member.rightWeight
        if isTop {
          let weight = unsafe entryWeights[entry]
          masses[4 &+ lefts] -= weight
          factor *= weight / member.rightWeight * restOfTwo
        } else {
          takeRight(entry, tables, model)
        }
      } else {
        factor *= rest
      }
      let weight =
        isTop ? known * factor : LogSpace.exp(logWeight(of: member.word, model))
      specialWords.append(member.word)
      specialWeights.append(weight)
      ofSpecials += weight
    }
    masses[0] += ofSpecials
    masses[1] -= ofPair
    masses[3] += ofLeft
    masses[3 &+ lefts] += ofRight
  }

  /// Removes a token of the pair from the class of the longest context that lists it.
  private mutating func takeLeft(
    _ word: UInt32, _ gram: Int, _ tables: NGramPlaceTables, _ model: NGramModel
  ) {
    var gram = gram
    var k = 2
    while k < lefts, let deeper = model.child(k + 1, of: key.context.node(ofLength: k + 1), word) {
      k += 1
      gram = deeper
    }
    masses[2 + k] -= tables.levels[k].leftWeights[gram]
  }

  /// Removes a token of the pair from the class of the longest right side that lists it.
  private mutating func takeRight(
    _ entry: Int, _ tables: NGramPlaceTables, _ model: NGramModel
  ) {
    var gram = model.predecessorGram(2, entry)
    var j = 2
    while j < rights, let deeper = model.child(j + 1, of: gram, key.right[j]) {
      j += 1
      gram = deeper
    }
    masses[2 + lefts + j] -=
      j == 2 ? tables.levels[2].entryWeights[entry] : tables.levels[j].rightWeights[gram]
  }

  /// The tokens of a class with their weights.
  @usableFromInline
  func members(
    ofClass kind: Int, _ pair: borrowing NGramPair, _ model: NGramModel
  ) -> (words: [UInt32], weights: [Double]) {
    var words: [UInt32] = []
    if kind == 1 {
      words = (0..<pair.members.count).map { pair.members[$0].word }
    } else if kind == 2 {
      words = (0..<UInt32(model.vocabulary.count)).map { $0 }
    } else if kind <= 2 + lefts {
      let (low, high) = model.children(kind - 2, of: key.context.node(ofLength: kind - 2))
      for gram in low..<high { words.append(model.word(kind - 2, gram)) }
    } else {
      let j = kind - 2 - lefts
      let (low, high) = model.predecessors(j, of: rightNode(ofLength: j))
      for entry in low..<high { words.append(model.predecessorWord(j, entry)) }
    }
    var weights: [Double] = []
    for word in words {
      let belongs =
        model.vocabulary.isDrawable(Token(rawValue: word)) && isMember(word, kind, model)
      weights.append(belongs ? LogSpace.exp(logWeight(of: word, model) - logSum) : 0)
    }
    return (words, weights)
  }

  private func isMember(_ word: UInt32, _ kind: Int, _ model: NGramModel) -> Bool {
    if kind == 1 { return !isSpecial(word, model) }
    if kind == 2 { return !isListed(word, model) }
    if kind <= 2 + lefts {
      let k = kind - 2
      if isListedRight(word, model) { return false }
      return k == lefts || model.child(k + 1, of: key.context.node(ofLength: k + 1), word) == nil
    }
    let j = kind - 2 - lefts
    if isListedLeft(word, model) { return false }
    if j == rights { return true }
    var gram = Int(word)
    for i in 0..<j {
      guard let next = model.child(i + 1, of: gram, key.right[i]) else { return false }
      gram = next
    }
    return model.child(j + 1, of: gram, key.right[j]) == nil
  }
}
