// Licensed under the Apache License, Version 2.0.

import Sampling
import SamplingLaws
import Testing

@Suite struct ChoiceSourceExactTests {
  @Test func everyBranchIsPlayedOnce() {
    let law = outcomes { choices in
      [choices.index(below: 3), choices.chance(0.25) ? 1 : 0, choices.index(weights: [1, 0, 3])]
    }
    #expect(law.count == 12)
    #expect(law[[2, 1, 2]] == 1.0 / 3 * 0.25 * 0.75)
    #expect(abs(law.values.reduce(0, +) - 1) < 1e-15)
  }

  @Test func sumsChangeNoLaw() {
    let law = outcomes { choices in
      choices.index(weights: [1, 0, 2, 1].span, sums: [1, 1, 3, 4].span)
    }
    #expect(law == [0: 0.25, 2: 0.5, 3: 0.25])
  }

  /// The search finds what a walk along the sums finds, for all numbers of them.
  @Test func sumsAreSearched() {
    var choices = RandomChoices(seed: 1)
    for count in 1...70 {
      for _ in 0..<20 {
        var weights: [Double] = []
        var sums: [Double] = []
        for _ in 0..<count {
          let weight = choices.index(below: 3) == 0 ? 0 : Double(choices.index(below: 9))
          weights.append(weight)
          sums.append((sums.last ?? 0) + weight)
        }
        weights[count - 1] += 1
        sums[count - 1] += 1
        var copy = choices.random
        let mark = Double(copy.next() >> 11) * 0x1p-53 * sums[count - 1]
        #expect(
          choices.index(weights: weights.span, sums: sums.span) == sums.firstIndex { $0 > mark })
      }
    }
  }

  @Test func acceptanceIsTheCappedRatio() {
    let law = outcomes { choices in choices.accepts { _ in LogSpace.log(0.3) } }
    #expect(abs((law[true] ?? 0) - 0.3) < 1e-15)
    #expect(outcomes { choices in choices.accepts { _ in 5 } } == [true: 1])
    #expect(outcomes { choices in choices.accepts { _ in -.infinity } } == [false: 1])
  }

  /// Rounding in the table's construction is a few ulps of 1.
  @Test(arguments: [[1.0], [1, 0], [0, 1, 0, 2], [3, 1, 4, 1, 5, 9, 2, 6], [1e-300, 1, 1e300]])
  func aliasTableKeepsItsWeights(weights: [Double]) {
    let table = AliasTable(weights: weights)
    let total = weights.reduce(0, +)
    let law = outcomes { choices in table.draw(using: &choices) }
    for (i, weight) in weights.enumerated() {
      #expect(abs(law[i, default: 0] - weight / total) < 1e-14)
      if weight == 0 { #expect(law[i] == nil) }
    }
  }
}

@Suite struct RandomChoicesStatisticalTests {
  /// False-alarm rate 1e-6 a test (9 degrees of freedom: 44.81); 20,000 draws find a total
  /// variation of .05 with probability above .999.
  @Test(arguments: [101, 102, 103] as [UInt64])
  func weightsAreKept(seed: UInt64) {
    let weights: [Double] = (1...10).map { Double($0) }
    var choices = RandomChoices(seed: seed)
    let table = AliasTable(weights: weights)
    var inverse = [Double](repeating: 0, count: 10)
    var alias = inverse
    var equal = inverse
    for _ in 0..<20_000 {
      inverse[choices.index(weights: weights)] += 1
      alias[table.draw(using: &choices)] += 1
      equal[choices.index(below: 10)] += 1
    }
    func chiSquare(_ counts: [Double], _ expected: (Int) -> Double) -> Double {
      counts.indices.reduce(0) {
        $0 + (counts[$1] - expected($1)) * (counts[$1] - expected($1)) / expected($1)
      }
    }
    #expect(chiSquare(inverse) { 20_000 * weights[$0] / 55 } < 44.81)
    #expect(chiSquare(alias) { 20_000 * weights[$0] / 55 } < 44.81)
    #expect(chiSquare(equal) { _ in 2_000 } < 44.81)
  }
}
