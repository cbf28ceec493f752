// Licensed under the Apache License, Version 2.0.

internal import Sampling

/// Interpolated modified Kneser-Ney estimates from adjusted counts.
///
/// `p(w | h) = (a(h w) - D(a)) / a(h .) + gamma(h) p(w | h')`, words without context being
/// interpolated with the uniform distribution over all words but the start symbol. Discounts come
/// from the counts of counts of each order. Reference: Chen and Goodman 1998, section 4.1.6 and
/// equation 26; Heafield et al. 2013.
struct KneserNey<Key: PackedKey> {
  let options: NGramTrainer.Options
  let bits: Int
  let vocabulary: Vocabulary

  /// Probabilities of one order and weights of the contexts of the order below it.
  private struct Estimate {
    var probabilities: [Double]
    var isKept: [Bool]
  }

  /// The model, and what was used for it.
  func estimate(
    _ given: [CountedLevel<Key>]
  ) throws -> (trie: NGramTrie, discounts: [NGramTrainer.Discounts]) {
    var counted = given
    let order = counted.count
    listVocabulary(in: &counted)
    let discounts = (0..<order).map { level in
      self.discounts(of: counted[level], order: level + 1)
    }
    var lower: [Double] = []
    var levels: [NGramTrie.Level] = []
    var keptParents: [UInt32] = []
    var backoffs: [Double] = []
    for m in 1...order {
      if options.isCancelled() { throw LoadError(.cancelled, "stopped") }
      let level = counted[m - 1]
      let count = level.keys.count
      let threshold = options.threshold(ofOrder: m)
      var probabilities = [Double](repeating: 0, count: count)
      let parentKeys = m > 1 ? counted[m - 2].keys : []
      backoffs = [Double](repeating: 0, count: m > 1 ? parentKeys.count : 0)
      let firstChildren = m > 1 ? children(of: parentKeys, in: level.keys) : []
      let table = discounts[m - 1].table
      func isKept(_ i: Int) -> Bool { threshold == 0 || Int(level.raw[i]) > threshold }
      func gammaAndSum(_ range: Range<Int>) -> (gamma: Double, sum: Double) {
        var sum = 0.0
        var discounted = 0.0
        for i in range {
          let count = Int(level.adjusted[i])
          sum += Double(count)
          discounted += isKept(i) ? table[min(count, 3)] : Double(count)
        }
        return (discounted / sum, sum)
      }
      if m == 1 {
        // Everything but the start symbol can follow.
        let (gamma, sum) = gammaAndSum(0..<count)
        let uniform = gamma / Double(count - 1)
        for i in 0..<count {
          let a = Int(level.adjusted[i])
          probabilities[i] = (Double(a) - table[min(a, 3)]) / sum + uniform
        }
        probabilities[vocabulary.start.index] = 1
      } else {
        for parent in parentKeys.indices {
          let range = Int(firstChildren[parent])..<Int(firstChildren[parent + 1])
          if range.isEmpty { continue }
          let (gamma, sum) = gammaAndSum(range)
          // A weight of 0 has no logarithm; ARPA files write 10^-99.
          backoffs[parent] = max(-99, LogSpace.log(gamma) / logOf10)
          for i in range {
            let a = Int(level.adjusted[i])
            probabilities[i] =
              (Double(a) - table[min(a, 3)]) / sum + gamma * lower[Int(level.suffixes[i])]
          }
        }
      }
      // The order below is finished: its weights are known now.
      if m > 1 {
        let below = levels[m - 2]
        for (place, parent) in keptParents.enumerated() {
          below.backoffs[place] = Float(backoffs[Int(parent)])
        }
      }
      let isHighest = m == order
      var kept: [UInt32] = []
      kept.reserveCapacity(count)
      for i in 0..<count where m == 1 || isKept(i) { kept.append(UInt32(i)) }
      let words = FlatBuffer<UInt32>(count: kept.count)
      let logs = FlatBuffer<Float>(count: kept.count)
      let mask = Key.mask(bits)
      for (place, i) in kept.enumerated() {
        words[place] = level.keys[Int(i)].and(mask).low - 1
      }
      let parts = options.threads
      _ = try concurrently(parts, threads: parts) { [kept, probabilities] part in
        for place in kept.count * part / parts..<kept.count * (part + 1) / parts {
          logs[place] = Float(LogSpace.log(probabilities[Int(kept[place])]) / logOf10)
        }
      }
      if m > 1 {
        let heads = levels[m - 2].firstChildren
        var child = 0
        for (place, parent) in keptParents.enumerated() {
          heads[place] = UInt32(child)
          let stop = firstChildren[Int(parent) + 1]
          while child < kept.count, kept[child] < stop { child += 1 }
        }
        heads[keptParents.count] = UInt32(child)
      }
      levels.append(
        NGramTrie.Level(
          words: words, logProbabilities: logs,
          backoffs: FlatBuffer(count: isHighest ? 0 : kept.count),
          firstChildren: FlatBuffer(count: isHighest ? 0 : kept.count + 1)))
      keptParents = kept
      lower = probabilities
      if m > 1 { counted[m - 2] = CountedLevel() }
    }
    // Pruning may leave the highest orders empty.
    while levels.count > 1, levels[levels.count - 1].count == 0 {
      levels.removeLast()
      levels[levels.count - 1].backoffs = FlatBuffer(count: 0)
      levels[levels.count - 1].firstChildren = FlatBuffer(count: 0)
    }
    return (NGramTrie(vocabulary: vocabulary, levels: levels), discounts)
  }

  /// Puts words that were never counted, the start symbol among them, into order 1.
  private func listVocabulary(in counted: inout [CountedLevel<Key>]) {
    let unigrams = counted[0]
    var adjusted = [UInt32](repeating: 0, count: vocabulary.count)
    var raw = [UInt32](repeating: 0, count: vocabulary.count)
    for (i, key) in unigrams.keys.enumerated() {
      adjusted[Int(key.low) - 1] = unigrams.adjusted[i]
      if !unigrams.raw.isEmpty { raw[Int(key.low) - 1] = unigrams.raw[i] }
    }
    // The start symbol is counted as a beginning, not as a word.
    adjusted[vocabulary.start.index] = 0
    if counted.count > 1 {
      for i in counted[1].suffixes.indices {
        counted[1].suffixes[i] = unigrams.keys[Int(counted[1].suffixes[i])].low - 1
      }
    }
    counted[0] = CountedLevel(
      keys: (0..<UInt32(vocabulary.count)).map { Key(word: $0 + 1) }, adjusted: adjusted, raw: raw)
  }

  private func children(of parents: [Key], in keys: [Key]) -> [UInt32] {
    var heads = [UInt32](repeating: 0, count: parents.count + 1)
    var child = 0
    for (i, parent) in parents.enumerated() {
      heads[i] = UInt32(child)
      while child < keys.count, keys[child].down(bits) == parent { child += 1 }
    }
    heads[parents.count] = UInt32(child)
    precondition(child == keys.count, "every n-gram's beginning is an n-gram")
    return heads
  }

  private func discounts(
    of level: CountedLevel<Key>, order: Int
  ) -> NGramTrainer.Discounts {
    var n = [Int](repeating: 0, count: 5)
    for count in level.adjusted where count < 5 { n[Int(count)] += 1 }
    if n[1] > 0, n[2] > 0, n[3] > 0 {
      let y = Double(n[1]) / Double(n[1] + 2 * n[2])
      let amounts = (1...3).map { j in
        Double(j) - Double(j + 1) * y * Double(n[j + 1]) / Double(n[j])
      }
      if zip(1...3, amounts).allSatisfy({ $1 >= 0 && $1 <= Double($0) }) {
        return NGramTrainer.Discounts(order: order, amounts: amounts, isFallback: false)
      }
    }
    return NGramTrainer.Discounts(order: order, amounts: [0.5, 1, 1.5], isFallback: true)
  }
}
