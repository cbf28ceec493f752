// Licensed under the Apache License, Version 2.0.

import Sampling
import SamplingLaws
import Testing

/// Selection by threshold against its slow twin, which sorts; vocabularies large enough that the
/// threshold is bracketed before it is looked for.
@Suite struct SelectionExactTests {
  /// Logits with ties and removed tokens.
  private func rows() -> [[Double]] {
    var random = RandomChoices(seed: 3)
    return (0..<12).map { row in
      (0..<1500).map { token in
        if row % 3 == 1, token % 7 == 0 { return -.infinity }
        let value = normalQuantile((Double(random.index(below: 1000)) + 0.5) / 1000)
        // Every other row has few values and many ties.
        return row % 2 == 0 ? 3 * value : value.rounded()
      }
    }
  }

  private func sorted(_ row: [Double]) -> [Int] {
    row.indices.filter { row[$0] > -.infinity }.sorted { (row[$1], $0) < (row[$0], $1) }
  }

  private func kept(
    _ transforms: [any NextTokenTransform], _ row: [Double]
  ) throws -> [Int] {
    var chain = TransformChain(transforms)
    var choices = RandomChoices(seed: 1)
    var next = NextTokens(count: row.count, ends: [])
    try next.begin(row)
    try chain.apply(to: &next, using: &choices)
    let removed = row.indices.filter { next[Token($0)] == -.infinity }
    let left = next.candidates.map(\.index)
    #expect(removed.count + left.count == row.count)
    for i in left { #expect(next[Token(i)] == row[i]) }
    return left
  }

  @Test(arguments: [1, 2, 40, 300, 1499, 1500, 1900])
  func topK(k: Int) throws {
    for row in rows() {
      #expect(try kept([TopK(k)], row) == sorted(row).prefix(k).sorted())
      // Behind another transform the tokens are listed.
      let first = Array(sorted(row).prefix(max(k, 100)))
      #expect(
        try kept([TopK(max(k, 100)), TopK(k)], row) == first.prefix(k).sorted())
    }
  }

  @Test(arguments: [0, 0.1, 0.5, 0.9, 0.95, 0.999])
  func nucleus(mass: Double) throws {
    for row in rows() {
      let order = sorted(row)
      let total = LogSpace.sum(row)
      var sum = 0.0
      var expected: [Int] = []
      for token in order {
        expected.append(token)
        sum += LogSpace.exp(row[token] - total)
        // No sum of these rows lies within rounding of these masses.
        if sum >= mass { break }
      }
      #expect(try kept([Nucleus(mass)], row) == expected.sorted())
      #expect(try kept([TopK(row.count - 1), Nucleus(mass)], row).isEmpty == false)
      // Mutant: one token fewer is another set.
      #expect(try kept([Nucleus(mass)], row) != expected.dropLast().sorted())
    }
  }

  /// Twice the spacing of doubles at 1, relative to libm.
  @Test func exponentials() {
    let numbers = (0..<4001).map { -0.173 * Double($0) } + [-.infinity, 0]
    var weights = [Double](repeating: .nan, count: numbers.count)
    let sum = DenseNumbers.exponentials(
      of: numbers, first: numbers.count, minus: 0, into: &weights)
    for (x, weight) in zip(numbers, weights) {
      let exact = LogSpace.exp(x)
      if x < -700 { #expect(weight == 0) } else { #expect(abs(weight / exact - 1) < 4.5e-16) }
    }
    #expect(abs(sum / weights.reduce(0, +) - 1) < 1e-13)
  }
}
