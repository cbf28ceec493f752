// Licensed under the Apache License, Version 2.0.

internal import Sampling

/// Interpolated modified Kneser-Ney estimates from adjusted counts.
///
/// `p(w | h) = (a(h w) - D(a)) / a(h .) + gamma(h) p(w | h')`. Unigrams are interpolated with the
/// uniform distribution over all tokens except the start symbol. The discounts follow from the
/// counts of counts of each order. Reference: Chen and Goodman 1998, section 4.1.6 and equation 26;
/// Heafield et al. 2013.
struct KneserNey {
  let options: TrainingOptions
  let budget: MemoryBudget
  let vocabulary: Vocabulary

  /// The model and the discounts that were used.
  func estimate(
    _ given: consuming [CountedOrder]
  ) throws -> (trie: NGramTrie, discounts: [KneserNeyDiscounts]) {
    let order = given.count
    let discounts = try (1...order).map { try self.discounts(of: given[$0 - 1], order: $0) }
    var (lower, level) = try estimateWords(given[0], discounts[0])
    var levels: [NGramTrie.Level] = []
    var parents = Array(given.reversed())
    given = []
    for m in stride(from: 2, through: order, by: 1) {
      let (below, own) = (parents.removeLast(), parents[parents.count - 1])
      let step = Step(
        parents: below, own: own, lower: lower, discount: discounts[m - 1].table,
        parentThreshold: m == 2 ? 0 : options.threshold(ofOrder: m - 1),
        threshold: options.threshold(ofOrder: m), isHighest: m == order, options: options,
        budget: budget)
      let made = try step.run()
      level.backoffs = made.backoffs
      level.firstChildren = made.firstChildren
      levels.append(level)
      level = made.level
      if let probabilities = made.probabilities { lower = probabilities }
      options.progress(0.75 + 0.25 * Double(m) / Double(order))
    }
    levels.append(level)
    // Pruning may leave the highest orders empty.
    while levels.count > 1, levels[levels.count - 1].count == 0 {
      levels.removeLast()
      levels[levels.count - 1].backoffs = FlatBuffer(count: 0)
      levels[levels.count - 1].firstChildren = FlatBuffer(count: 0)
    }
    return (NGramTrie(vocabulary: vocabulary, levels: levels), discounts)
  }

  /// Estimates order 1: every token except the start symbol can follow.
  private func estimateWords(
    _ words: CountedOrder, _ discounts: KneserNeyDiscounts
  ) throws -> (Column<Double>, NGramTrie.Level) {
    let count = words.count
    let probabilities = try budget.column(of: Double.self, count)
    let logs = try budget.column(of: Float.self, count)
    let table = discounts.table
    var sum = 0.0
    var discounted = 0.0
    for i in 0..<count {
      let a = unsafe Int(words.adjusted.pointer[i])
      sum += Double(a)
      discounted += table[min(a, 3)]
    }
    let uniform = discounted / sum / Double(count - 1)
    for i in 0..<count {
      let a = unsafe Int(words.adjusted.pointer[i])
      let p =
        i == vocabulary.start.index ? 1 : (Double(a) - table[min(a, 3)]) / sum + uniform
      unsafe probabilities.pointer[i] = p
      unsafe logs.pointer[i] = Float(LogSpace.log(p) / logOf10)
    }
    let level = NGramTrie.Level(
      words: words.words.keep(), logProbabilities: logs.keep(), backoffs: FlatBuffer(count: 0),
      firstChildren: FlatBuffer(count: 0))
    return (probabilities, level)
  }

  private func discounts(
    of counted: CountedOrder, order: Int
  ) throws -> KneserNeyDiscounts {
    if options.isCancelled() { throw LoadError(.cancelled, "stopped") }
    var n = [Int](repeating: 0, count: 5)
    let adjusted = unsafe counted.adjusted.pointer
    for range in steps(counted.count) {
      for i in range {
        let count = unsafe adjusted[i]
        if count < 5 { n[Int(count)] += 1 }
      }
      counted.adjusted.release(range)
    }
    if n[1] > 0, n[2] > 0, n[3] > 0 {
      let y = Double(n[1]) / Double(n[1] + 2 * n[2])
      let amounts = (1...3).map { j in
        Double(j) - Double(j + 1) * y * Double(n[j + 1]) / Double(n[j])
      }
      if zip(1...3, amounts).allSatisfy({ $1 >= 0 && $1 <= Double($0) }) {
        return KneserNeyDiscounts(order: order, amounts: amounts, isFallback: false)
      }
    }
    return KneserNeyDiscounts(order: order, amounts: [0.5, 1, 1.5], isFallback: true)
  }
}
