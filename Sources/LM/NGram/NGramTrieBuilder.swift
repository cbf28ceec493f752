// Licensed under the Apache License, Version 2.0.

internal import Sampling

/// Builds an ``NGramTrie`` from n-grams in any order.
///
/// It sorts them, finds duplicates, and inserts the prefixes and suffixes that the source left out.
struct NGramTrieBuilder {
  /// An n-gram that is listed twice.
  struct Duplicate: Error {
    var order: Int
    /// The place of the second one among the n-grams of its order.
    var place: Int
  }

  /// An n-gram that is not listed and whose probability by backing off exceeds 1.
  struct Excess: Error {
    var gram: String
    var logProbability: Float
  }

  private struct Grams {
    var words: [UInt32]
    var logProbabilities: [Float]
    var backoffs: [Float]
  }

  private let vocabulary: Vocabulary
  private var orders: [Grams] = []

  /// Creates a builder without n-grams.
  init(vocabulary: Vocabulary) { self.vocabulary = vocabulary }

  /// Adds all n-grams of the next order.
  ///
  /// - Parameters:
  ///   - words: the words of all n-grams side by side; at order 1 token i stands at place i.
  ///   - logProbabilities: log10, one per n-gram.
  ///   - backoffs: log10, one per n-gram; empty at the highest order.
  mutating func append(words: [UInt32], logProbabilities: [Float], backoffs: [Float]) {
    let order = orders.count + 1
    precondition(words.count == logProbabilities.count * order, "words stand side by side")
    let filled =
      backoffs.isEmpty ? [Float](repeating: 0, count: logProbabilities.count) : backoffs
    orders.append(
      Grams(words: words, logProbabilities: logProbabilities, backoffs: filled))
  }

  /// Builds the model from everything that was added.
  ///
  /// - Throws: ``Duplicate`` or ``Excess``.
  /// - Complexity: O(n-grams x order).
  consuming func finish(description: [(key: String, value: String)]) throws -> NGramTrie {
    let highest = orders.count
    for order in stride(from: 2, through: highest, by: 1) { try sort(order) }
    // For each order, which entries were inserted; their probabilities come from backing off.
    var inserted = [[Bool]](repeating: [], count: highest)
    for order in stride(from: highest, to: 2, by: -1) {
      inserted[order - 2] = insertMissing(order - 1)
    }
    var levels: [NGramTrie.Level] = []
    for order in 1...highest {
      let grams = orders[order - 1]
      let count = grams.logProbabilities.count
      let isHighest = order == highest
      let words = FlatBuffer<UInt32>(count: count)
      for i in 0..<count { words[i] = grams.words[i * order + order - 1] }
      levels.append(
        NGramTrie.Level(
          words: words, logProbabilities: FlatBuffer(grams.logProbabilities),
          backoffs: isHighest ? FlatBuffer(count: 0) : FlatBuffer(grams.backoffs),
          firstChildren: isHighest ? FlatBuffer(count: 0) : firstChildren(order)))
      if inserted[order - 1].contains(true) {
        try fill(order, where: inserted[order - 1], in: levels)
      }
      // Free what is no longer needed. The next order still needs the words for its parents.
      orders[order - 1].logProbabilities = []
      orders[order - 1].backoffs = []
    }
    return NGramTrie(vocabulary: vocabulary, levels: levels, description: description)
  }

  private mutating func sort(_ order: Int) throws {
    let grams = orders[order - 1]
    let count = grams.logProbabilities.count
    let places = sortedPlaces(grams.words, width: order, columns: 0..<order)
    var sorted = Grams(words: [], logProbabilities: [], backoffs: [])
    sorted.words.reserveCapacity(grams.words.count)
    sorted.logProbabilities.reserveCapacity(count)
    sorted.backoffs.reserveCapacity(count)
    for (i, place) in places.enumerated() {
      let from = Int(place) * order
      if i > 0 {
        let before = Int(places[i - 1]) * order
        if (0..<order).allSatisfy({ grams.words[from + $0] == grams.words[before + $0] }) {
          throw Duplicate(order: order, place: Int(place))
        }
      }
      for column in 0..<order { sorted.words.append(grams.words[from + column]) }
      sorted.logProbabilities.append(grams.logProbabilities[Int(place)])
      sorted.backoffs.append(grams.backoffs[Int(place)])
    }
    orders[order - 1] = sorted
  }

  /// The numbers of the rows, sorted by some columns of words; stable.
  private func sortedPlaces(_ words: [UInt32], width: Int, columns: Range<Int>) -> [UInt32] {
    let count = words.count / width
    var places = (0..<UInt32(count)).map { $0 }
    var next = places
    for column in columns.reversed() {
      var heads = [UInt32](repeating: 0, count: vocabulary.count + 1)
      for i in 0..<count { heads[Int(words[i * width + column]) + 1] += 1 }
      for i in 1..<heads.count { heads[i] += heads[i - 1] }
      for place in places {
        let word = Int(words[Int(place) * width + column])
        next[Int(heads[word])] = place
        heads[word] += 1
      }
      swap(&places, &next)
    }
    return places
  }

  /// Adds the prefixes and suffixes of the order above that an order lacks.
  ///
  /// - Returns: for each n-gram, whether it was added; empty if none was.
  private mutating func insertMissing(_ order: Int) -> [Bool] {
    let upper = orders[order].words
    let width = order + 1
    let upperCount = upper.count / width
    let bySuffix = sortedPlaces(upper, width: width, columns: 1..<width)
    let own = orders[order - 1]
    let ownCount = own.logProbabilities.count
    var merged = Grams(words: [], logProbabilities: [], backoffs: [])
    var isInserted: [Bool] = []
    var prefix = 0
    var suffix = 0
    var mine = 0
    func isBefore(_ a: ArraySlice<UInt32>, _ b: ArraySlice<UInt32>) -> Bool {
      a.lexicographicallyPrecedes(b)
    }
    func prefixWords(_ i: Int) -> ArraySlice<UInt32> { upper[i * width..<i * width + order] }
    func suffixWords(_ i: Int) -> ArraySlice<UInt32> {
      let from = Int(bySuffix[i]) * width + 1
      return upper[from..<from + order]
    }
    func ownWords(_ i: Int) -> ArraySlice<UInt32> { own.words[i * order..<(i + 1) * order] }
    while true {
      var least: ArraySlice<UInt32>?
      if prefix < upperCount { least = prefixWords(prefix) }
      if suffix < upperCount {
        let words = suffixWords(suffix)
        if least.map({ isBefore(words, $0) }) ?? true { least = words }
      }
      if mine < ownCount {
        let words = ownWords(mine)
        if least.map({ !isBefore($0, words) }) ?? true { least = words }
      }
      guard let words = least else { break }
      let isMine = mine < ownCount && ownWords(mine).elementsEqual(words)
      merged.words.append(contentsOf: words)
      merged.logProbabilities.append(isMine ? own.logProbabilities[mine] : 0)
      merged.backoffs.append(isMine ? own.backoffs[mine] : 0)
      isInserted.append(!isMine)
      if isMine { mine += 1 }
      while prefix < upperCount, prefixWords(prefix).elementsEqual(words) { prefix += 1 }
      while suffix < upperCount, suffixWords(suffix).elementsEqual(words) { suffix += 1 }
    }
    guard isInserted.contains(true) else { return [] }
    orders[order - 1] = merged
    return isInserted
  }

  /// The place of each n-gram's first child in the order above.
  private func firstChildren(_ order: Int) -> FlatBuffer<UInt32> {
    let own = orders[order - 1].words
    let upper = orders[order].words
    let count = own.count / order
    let upperCount = upper.count / (order + 1)
    let heads = FlatBuffer<UInt32>(count: count + 1)
    var child = 0
    for i in 0..<count {
      heads[i] = UInt32(child)
      while child < upperCount,
        (0..<order).allSatisfy({ upper[child * (order + 1) + $0] == own[i * order + $0] })
      {
        child += 1
      }
    }
    heads[count] = UInt32(child)
    return heads
  }

  /// Gives inserted n-grams their probabilities by backing off.
  private func fill(_ order: Int, where isInserted: [Bool], in levels: [NGramTrie.Level]) throws {
    let words = orders[order - 1].words
    for i in isInserted.indices where isInserted[i] {
      let gram = words[i * order..<(i + 1) * order]
      guard let parent = find(gram.dropLast(), in: levels),
        let suffix = find(gram.dropFirst(), in: levels)
      else { preconditionFailure("prefixes and suffixes were inserted before") }
      let value = levels[order - 2].backoffs[parent] + levels[order - 2].logProbabilities[suffix]
      // Printed weights are rounded; beyond that, no distribution backs off to more than 1.
      guard value < 1e-3 else {
        let words = gram.map { vocabulary.spelling(of: Token(rawValue: $0)) }
        throw Excess(gram: words.joined(separator: " "), logProbability: value)
      }
      levels[order - 1].logProbabilities[i] = min(0, value)
    }
  }

  private func find(_ words: ArraySlice<UInt32>, in levels: [NGramTrie.Level]) -> Int? {
    guard var node = words.first.map({ Int($0) }) else { return nil }
    for (depth, word) in words.dropFirst().enumerated() {
      let level = levels[depth]
      var low = Int(level.firstChildren[node])
      var high = Int(level.firstChildren[node + 1])
      while low < high {
        let middle = (low + high) / 2
        if levels[depth + 1].words[middle] < word { low = middle + 1 } else { high = middle }
      }
      guard low < Int(level.firstChildren[node + 1]), levels[depth + 1].words[low] == word else {
        return nil
      }
      node = low
    }
    return node
  }
}
