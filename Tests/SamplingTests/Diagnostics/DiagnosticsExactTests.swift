// Licensed under the Apache License, Version 2.0.

import SamplingLaws
import Testing

@testable import Sampling

/// What is known of a trace without any other tool.
@Suite struct ChainTracesExactTests {
  @Test func constantChainsThatDifferHaveAnInfiniteRHat() {
    let traces = ChainTraces([[1, 1, 1, 1, 1, 1], [2, 2, 2, 2, 2, 2]])
    for rHat in [
      traces.rHat, traces.bulkRHat, traces.splitRHat, traces.unsplitRHat,
      traces.nestedRHat(superchainsOf: 1),
    ] {
      #expect(rHat == .value(.infinity))
    }
  }

  @Test(
    arguments: [
      ([[1, 1, 1, 1], [1, 1, 1, 1]], "all draws are the same"),
      ([[1, 2], [2, 1]], "a chain has 2 draws, but 4 are needed"),
      ([[1], [2]], "a chain has 1 draw, but 4 are needed"),
      ([[1, 2, .nan, 3], [1, 2, 3, 4]], "a draw is not a number"),
      ([], "there are no chains"),
      ([[], []], "a chain has 0 draws, but 4 are needed"),
    ] as [([[Double]], String)])
  func aReasonStandsWhereThereIsNoRHat(chains: [[Double]], reason: String) {
    #expect(ChainTraces(chains).rHat == .undefined(reason))
  }

  /// The figure is that of R's posterior: `rhat(1:100)`.
  @Test func aSingleChainIsComparedHalfWithHalf() throws {
    let trend = ChainTraces([(1...100).map(Double.init)])
    #expect(abs(try #require(trend.rHat.value) - 2.131) < 5e-4)
    #expect(
      trend.unsplitRHat
        == .undefined("one chain that is not split cannot be compared with others"))
    let halves = ChainTraces([(1...50).map(Double.init), (51...100).map(Double.init)])
    #expect(halves.unsplitRHat.value == trend.splitRHat.value)
  }

  /// Ranks know infinite draws; means do not.
  @Test func infiniteDrawsHaveRanks() {
    let traces = ChainTraces([[1, 4, 2, 3, 6, 5], [3, .infinity, 1, 2, 5, 4]])
    let large = ChainTraces([[1, 4, 2, 3, 6, 5], [3, 7, 1, 2, 5, 4]])
    #expect(traces.bulkRHat == large.bulkRHat && traces.bulkRHat.value != nil)
    #expect(traces.bulkEffectiveSize == large.bulkEffectiveSize)
    #expect(traces.mean == .undefined("a draw is infinite"))
    #expect(traces.meanEffectiveSize == .undefined("a draw is infinite"))
    let mostly = ChainTraces([[.infinity, .infinity, 1, .infinity], [.infinity, 2, 1, .infinity]])
    #expect(mostly.quantile(0.9) == .undefined("the draws are too large to compute with"))
    #expect(mostly.rHat.value != nil)
  }

  /// In units of a power of two nothing is rounded, so that all figures are the same to the bit.
  @Test(arguments: [0x1p1000, 0x1p-1000])
  func figuresDoNotDependOnTheUnit(unit: Double) {
    let chains: [[Double]] = [[1, 4, 2, 3, 6, 5, 2, 1], [3, 7, 1, 2, 5, 4, -3, 6]]
    let one = ChainTraces(chains)
    let other = ChainTraces(chains.map { $0.map { $0 * unit } })
    for (a, b) in [
      (one.mean, other.mean), (one.meanError, other.meanError), (one.deviation, other.deviation),
      (one.deviationError, other.deviationError), (one.quantile(0.3), other.quantile(0.3)),
      (one.error(ofQuantile: 0.5), other.error(ofQuantile: 0.5)),
    ] {
      #expect(a.value != nil && a.map { $0 * unit } == b)
    }
    for (a, b) in [
      (one.rHat, other.rHat), (one.splitRHat, other.splitRHat),
      (one.bulkEffectiveSize, other.bulkEffectiveSize),
      (one.meanEffectiveSize, other.meanEffectiveSize),
      (one.autocorrelation(ofChain: 1, lag: 2), other.autocorrelation(ofChain: 1, lag: 2)),
      (one.nestedRHat(superchainsOf: 1), other.nestedRHat(superchainsOf: 1)),
    ] {
      #expect(a.value != nil && a == b)
    }
  }

  /// The largest numbers of either sign have a mean and a median between them.
  @Test func largestNumbersHaveFigures() {
    let traces = ChainTraces([[1e308, -1e308, 1e308, -1e308], [1e308, 1e308, -1e308, -1e308]])
    #expect(traces.mean == .value(0) && traces.quantile(0.5) == .value(0))
    #expect(traces.splitRHat.value != nil && traces.deviation.value ?? 0 > 1e308)
  }

  /// Sorting by digits against sorting by comparison, with ties, both zeros and both infinities.
  @Test(arguments: [0, 1, 5, 3000])
  func digitsSortAsComparisonsDo(count: Int) {
    var choices = RandomChoices(seed: 4)
    let some = [
      0, -0.0, .infinity, -.infinity, Double.leastNonzeroMagnitude, -Double.leastNonzeroMagnitude,
      1e308, -1e308,
    ]
    let values = (0..<count).map { i in
      i < some.count
        ? some[i] : LogSpace.exp(Double(choices.index(below: 200)) - 100) * (i % 3 == 0 ? -1 : 1)
    }
    let (sorted, places) = ascending(values)
    let slow = values.enumerated().sorted { ($0.element, $0.offset) < ($1.element, $1.offset) }
    #expect(sorted == slow.map(\.element))
    #expect(places.map { Int($0) } == slow.map(\.offset))
  }

  /// Ranks that are looked for once are those looked for each time.
  @Test func bulkIsTheSameTogether() {
    var choices = RandomChoices(seed: 2)
    let traces = ChainTraces(
      (0..<3).map { _ in (0..<41).map { _ in Double(choices.index(below: 30)) } })
    #expect(traces.bulk.rHat == traces.bulkRHat && traces.bulkRHat.value != nil)
    #expect(traces.bulk.effectiveSize == traces.bulkEffectiveSize)
    let short = ChainTraces([[1, 2], [3, 4]])
    #expect(short.bulk.rHat == short.bulkRHat)
  }

  /// The transform gives what the sums give; 1e-12 of the variance is rounding of a few thousand
  /// terms.
  @Test(arguments: [5, 64, 100, 1000])
  func transformAgreesWithSums(draws: Int) {
    var choices = RandomChoices(seed: 1)
    let chains = (0..<3).map { _ in (0..<draws).map { _ in Double(choices.index(below: 100)) } }
    let covariance = Autocovariance(chains)
    let transformed = covariance.byTransform()
    let defect = (0..<draws).map { abs(transformed[$0] - covariance.direct($0)) }.max() ?? 1
    #expect(defect < 1e-12 * covariance.direct(0))
    // Without room for the lags the ends of a chain would meet.
    let wrapped = (0..<draws).map { lag in
      chains.reduce(0) { sum, chain in
        let centre = average(chain)
        return sum
          + chain.indices.reduce(0) {
            $0 + (chain[$1] - centre) * (chain[($1 + lag) % draws] - centre)
          } / Double(draws * 3)
      }
    }
    #expect(
      (1..<draws).contains { abs(transformed[$0] - wrapped[$0]) > 1e-3 * covariance.direct(0) })
  }

  /// Nested R-hat by the words of its definition, and the mistake of one superchain for each chain.
  @Test(arguments: [1, 2, 3])
  func nestedRHatIsItsDefinition(draws: Int) throws {
    var choices = RandomChoices(seed: 2)
    let chains = (0..<12).map { _ in (0..<draws).map { _ in Double(choices.index(below: 9)) } }
    func spread(_ x: [Double]) -> Double {
      let mean = x.reduce(0, +) / Double(x.count)
      return x.count < 2
        ? 0 : x.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / Double(x.count - 1)
    }
    func mean(_ x: [Double]) -> Double { x.reduce(0, +) / Double(x.count) }
    func nested(_ size: Int) -> Double {
      let groups = (0..<12 / size).map { Array(chains[$0 * size..<($0 + 1) * size]) }
      let between = spread(groups.map { mean($0.map(mean)) })
      let within = mean(groups.map { spread($0.map(mean)) + mean($0.map(spread)) })
      return (1 + between / within).squareRoot()
    }
    let found = try #require(ChainTraces(chains).nestedRHat(superchainsOf: 4).value)
    #expect(abs(found - nested(4)) < 1e-12)
    #expect(abs(found - nested(2)) > 1e-3)
  }

  @Test func nestedRHatNeedsWholeSuperchains() {
    let traces = ChainTraces([[1], [2], [3]])
    #expect(
      traces.nestedRHat(superchainsOf: 2)
        == .undefined("3 chains don't divide into superchains of 2"))
    #expect(
      traces.nestedRHat(superchainsOf: 3)
        == .undefined("there is only one superchain"))
    #expect(
      traces.nestedRHat(superchainsOf: 1)
        == .undefined("superchains of one chain with one draw have no spread within"))
  }

  /// R's qnorm to all its digits; one ulp at 2 is 4e-16.
  @Test(arguments: [
    (0.975, 1.959963984540054), (0.5, 0), (1e-10, -6.361340902404056), (0.9, 1.2815515655446004),
  ])
  func quantiles(p: Double, x: Double) {
    #expect(abs(normalQuantile(p) - x) <= 4e-15)
  }

  /// With two degrees of freedom the tail is exp(-x / 2), and each two more add a Poisson term.
  @Test(arguments: [0.01, 0.5, 1, 3, 10, 40, 300])
  func chiSquareTailIsAPoissonSum(x: Double) {
    var term = LogSpace.exp(-x / 2)
    var sum = 0.0
    for k in 1...30 {
      sum += term
      #expect(abs(chiSquareTail(x, degrees: Double(2 * k)) - sum) <= 1e-13 + 1e-12 * sum)
      term *= x / 2 / Double(k)
    }
  }

  /// For whole numbers a beta probability is a tail of the binomial distribution.
  @Test(arguments: [(1, 1), (2, 5), (7, 3), (20, 30)])
  func betaProbabilityIsABinomialSum(a: Int, b: Int) {
    let n = a + b - 1
    for x in [0.001, 0.1, 0.37, 0.5, 0.9, 0.999] {
      var sum = 0.0
      for j in a...n {
        var term = 1.0
        for i in 0..<j { term *= Double(n - i) / Double(j - i) * x }
        for _ in 0..<n - j { term *= 1 - x }
        sum += term
      }
      let found = betaProbability(x, Double(a), Double(b))
      #expect(abs(found - sum) < 1e-13, "\(x)")
      let quantile = betaQuantile(found, Double(a), Double(b))
      #expect(abs(betaProbability(quantile, Double(a), Double(b)) - found) < 1e-13, "\(x)")
    }
  }
}

/// The test of chains of few values.
@Suite struct HomogeneityExactTests {
  /// With two classes the mean design effect is the one autocorrelation time of their indicator.
  @Test func twoClassesGivePearsonsStatisticOverTheirTime() throws {
    var choices = RandomChoices(seed: 3)
    let chains = (0..<3).map { _ in (0..<60).map { _ in choices.chance(0.4) ? 1.0 : 0 } }
    let ones = chains.map { $0.reduce(0, +) }
    let share = ones.reduce(0, +) / 180
    let pearson = ones.reduce(0) { sum, count in
      sum + (count - 60 * share) * (count - 60 * share) / (60 * share * (1 - share))
    }
    let covariance = Autocovariance(chains)
    let time = initialMonotoneTime(draws: 60) { covariance.direct($0) / covariance.direct(0) }
    guard case .result(let result) = ChainTraces(chains).homogeneity() else {
      Issue.record("no result")
      return
    }
    #expect(result.degrees == 2)
    #expect(abs(result.statistic - pearson / time) < 1e-12)
    #expect(abs(result.statistic - pearson) > 1e-3)
    #expect(result.pValue == chiSquareTail(result.statistic, degrees: 2))
  }

  @Test func valuesThatAreRareAreTakenTogether() {
    let rare: [Double] = [3] + (0..<99).map { Double($0 % 2) }
    guard case .result(let result) = ChainTraces([rare, rare]).homogeneity() else {
      Issue.record("no result")
      return
    }
    #expect(result.degrees == 1 && result.statistic == 0 && result.pValue == 1)
    #expect(
      ChainTraces([[0, 0, 0, 1], [0, 0, 0, 1]]).homogeneity()
        == .undefined(
          "the chains are too short: the test needs two values with 5 expected draws in every chain"
        ))
    #expect(
      ChainTraces([[Double](repeating: 0, count: 50), [Double](repeating: 1, count: 50)])
        .homogeneity()
        == .undefined("the chains never move, so their autocorrelation times are unknown"))
  }
}

@Suite struct TextDiversityExactTests {
  static let texts = ["a b c d e", "a b c d f", "a b", "", "x y z x y z x y", "a b c d e"].map {
    $0.split(separator: " ").map(String.init)
  }

  @Test func figuresByHand() {
    let diversity = TextDiversity(Self.texts)
    // 25 words, of which a, b, c, d, e, f, x, y, z differ.
    #expect(diversity.distinct(1) == .value(9.0 / 25))
    // 4 + 4 + 1 + 7 + 4 pairs; ab bc cd de df xy yz zx differ.
    #expect(diversity.distinct(2) == .value(8.0 / 20))
    #expect(diversity.distinctTexts == .value(5.0 / 6))
    // Of the pairs of five texts only xy, yz and zx are repeated: 4 of 7.
    #expect(diversity.repeated(2) == .value((4.0 / 7) / 5))
    #expect(diversity.distinct(9) == .undefined("no text has 9 tokens"))
    #expect(diversity.repeated(9) == .undefined("no text has 9 tokens"))
    // The reference sheet's: a b c four times.
    let round = TextDiversity([(0..<4).flatMap { _ in Array("abc") }])
    let shares = (1...4).map { 1 - 3 / Double(13 - $0) }
    #expect((1...4).map { round.repeated($0) } == shares.map { .value($0) })
    #expect(zip(shares, [0.75, 0.7273, 0.7, 0.6667]).allSatisfy { abs($0 - $1) < 5e-5 })
    let none = TextDiversity<String>([])
    #expect(none.distinctTexts == .undefined("there are no texts"))
    #expect(none.selfBLEU() == .undefined("there is only one text"))
    #expect(TextDiversity([[], [Int]()]).selfBLEU() == .undefined("all texts are empty"))
    #expect(TextDiversity([["a", "b"], ["a", "b"]]).selfBLEU() == .value(1))
  }

  /// Self-BLEU of pairwise maxima as the definition has it; leaving the text itself among its
  /// references, a common mistake, gives 1 for all.
  @Test(arguments: 1...5)
  func selfBLEUIsItsDefinition(order: Int) throws {
    let texts = Self.texts
    func bleu(_ i: Int, itself: Bool) -> Double {
      let others = texts.indices.filter { itself || $0 != i }.map { texts[$0] }
      func counts(_ text: [String], _ n: Int) -> [[String]: Int] {
        var table: [[String]: Int] = [:]
        for start in 0..<max(0, text.count - n + 1) {
          table[Array(text[start..<start + n]), default: 0] += 1
        }
        return table
      }
      var sum = 0.0
      var orders = 0.0
      for n in 1...order where texts[i].count >= n {
        var matched = 0
        for (gram, count) in counts(texts[i], n) {
          matched += min(count, others.map { counts($0, n)[gram] ?? 0 }.max() ?? 0)
        }
        let whole = Double(texts[i].count - n + 1)
        sum += LogSpace.log((matched == 0 ? 0.1 : Double(matched)) / whole)
        orders += 1
      }
      let own = texts[i].count
      let near =
        others.map(\.count).min { (abs($0 - own), $0) < (abs($1 - own), $1) } ?? own
      return LogSpace.exp(sum / orders + (own >= near ? 0 : 1 - Double(near) / Double(own)))
    }
    let written = texts.indices.filter { !texts[$0].isEmpty }
    let slow = written.map { bleu($0, itself: false) }.reduce(0, +) / Double(written.count)
    let mutant = written.map { bleu($0, itself: true) }.reduce(0, +) / Double(written.count)
    let found = try #require(TextDiversity(texts).selfBLEU(order).value)
    #expect(abs(found - slow) < 1e-12)
    #expect(abs(found - mutant) > 1e-3)
  }
}

@Suite struct HomogeneityStatisticalTests {
  /// Chains from one law are told from chains of different laws, however sticky they are.
  ///
  /// Under the null hypothesis 1 of 1e6 p-values lies below 1e-6. The other four chains have a
  /// noncentrality of about 300 at 3 degrees of freedom, where p-values above 1e-6 are rarer still.
  @Test(arguments: [1] + TestData.deep([2, 3]) as [UInt64])
  func stickyChainsOfOneLawPassAndOthersDoNot(seed: UInt64) throws {
    func chain(_ probability: Double, stay: Double, _ choices: inout RandomChoices) -> [Double] {
      var value = choices.chance(probability) ? 1.0 : 0
      return (0..<20_000).map { _ in
        if !choices.chance(stay) { value = choices.chance(probability) ? 1 : 0 }
        return value
      }
    }
    var choices = RandomChoices(seed: seed)
    let alike = (0..<4).map { _ in chain(0.3, stay: 0.9, &choices) }
    let apart = [0.3, 0.3, 0.3, 0.6].map { chain($0, stay: 0.9, &choices) }
    guard case .result(let same) = ChainTraces(alike).homogeneity(),
      case .result(let different) = ChainTraces(apart).homogeneity()
    else {
      Issue.record("no result")
      return
    }
    #expect(same.pValue > 1e-6)
    #expect(different.pValue < 1e-6)
    // Forgetting the dependence, which multiplies the statistic by 19, would condemn the first.
    let effect = 1.9 / 0.1
    #expect(chiSquareTail(same.statistic * effect, degrees: 3) < same.pValue)
  }
}
