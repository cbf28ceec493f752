// Licensed under the Apache License, Version 2.0.

import Sampling
import SamplingLaws
import Testing

extension BigramTable {
  fileprivate func analysis(
    _ strategy: ContextChoice, _ transforms: [any NextTokenTransform] = [],
    after prompt: String = ""
  ) throws -> TerminationAnalysis<Token> {
    let root = text(prompt).last ?? vocabulary.start
    return TerminationAnalysis(
      try ContextChain(self, strategy, transforms: transforms, roots: [root]))
  }
}

/// ^{a .5, c .3, $ .2} a{a .5, b .3, $ .2} b{a .5, b .3, $ .2} c{$ .6, a .3, c .1}.
private let fourRows = BigramTable(
  letters: ["a", "b", "c"],
  rows: [[0.5, 0, 0.3, 0.2], [0.5, 0.3, 0, 0.2], [0.5, 0.3, 0, 0.2], [0.3, 0, 0.1, 0.6]])

private let oneLetter = BigramTable(letters: ["a"], rows: [[0.6, 0.4], [0.6, 0.4]])

/// A table whose rows are made by a rule, some letters never ending.
private func table(of count: Int) -> BigramTable {
  var random = RandomChoices(seed: 5)
  let rows = (0...count).map { row -> [Double] in
    var weights = (0...count).map { _ in
      random.chance(0.1) ? Double(1 + random.index(below: 9)) : 0
    }
    if row > count - 4 {
      // The last three letters keep among themselves.
      for i in weights.indices { weights[i] = i >= count - 3 && i < count ? 1 : 0 }
    }
    weights[0] += weights.allSatisfy { $0 == 0 } ? 1 : 0
    let sum = weights.reduce(0, +)
    return weights.map { $0 / sum }
  }
  return BigramTable(letters: (0..<count).map { "<\($0)>" }, rows: rows)
}

@Suite struct TerminationAnalysisExactTests {
  /// The worst difference to what iterating the table's own rows gives.
  private func defect(
    _ analysis: TerminationAnalysis<Token>, rows: [[Double]]
  ) -> Double {
    let letters = rows.count - 1
    var alive = [1.0] + [Double](repeating: 0, count: letters)
    var tokens = 0.0
    for step in 1... {
      var following = [Double](repeating: 0, count: letters + 1)
      for (row, mass) in alive.enumerated() where mass > 0 {
        for letter in 0..<letters { following[letter + 1] += mass * rows[row][letter] }
        tokens += Double(step) * mass * rows[row][letters]
      }
      let change = zip(alive, following).map { abs($0 - $1) }.max() ?? 0
      alive = following
      // What is left keeps among itself; what could still end is below rounding.
      if change < 1e-17 { break }
    }
    let root = analysis.chain.roots[0]
    return max(
      abs(analysis.neverEnds[root] - alive.reduce(0, +)),
      abs(analysis.tokensIfEnding[root] - tokens))
  }

  @Test func sheet() throws {
    let top = try fourRows.analysis(.sampled, [TopK(2)])
    let root = top.chain.roots[0]
    #expect(abs(top.neverEnds[root] - 0.75) < 1e-12)
    #expect(top.loops.count == 1 && top.loops[0].stateCount == 1 + 1)
    #expect(TokenSequence(top.loops[0].witness) == fourRows.text("a"))
    #expect(TokenSequence(top.loops[0].round) == fourRows.text("a"))
    for transforms: [any NextTokenTransform] in [[], [try TopK(2, keepsEnd: true)]] {
      let ending = try fourRows.analysis(.sampled, transforms)
      #expect(ending.neverEnds[ending.chain.roots[0]] == 0 && ending.loops.isEmpty)
    }
    for transform: any NextTokenTransform in [try TopK(1), try Nucleus(0.6), try Nucleus(0.1)] {
      let analysis = try oneLetter.analysis(.sampled, [transform])
      #expect(analysis.neverEnds[0] == 1)
    }
    #expect(try oneLetter.analysis(.greedy).neverEnds[0] == 1)
    #expect(try oneLetter.analysis(.sampled, [Nucleus(0.61)]).neverEnds[0] == 0)
    #expect(abs(try oneLetter.analysis(.sampled).tokensIfEnding[0] - 2.5) < 1e-12)
    // A beam of 2 takes the end at once; of the finished texts the empty one is the best.
    let beam = try BeamSearch(width: 2, DecodingRules(maxTokens: 9)).decode(oneLetter)
    #expect(beam.first?.decoded.text.isEmpty == true && beam.first?.decoded.isFinished == true)
    // E[length] = 30/13, and the end.
    let toy = try BigramTable.toy.analysis(.sampled)
    #expect(abs(toy.tokensIfEnding[toy.chain.roots[0]] - 43.0 / 13) < 1e-12)
    let greedy = try BigramTable.toy.analysis(.greedy)
    #expect(greedy.neverEnds[0] == 0 && greedy.tokensIfEnding[0] == 3)
  }

  /// Elimination below 65 states, sweeps above.
  @Test(arguments: [8, 40, 64, 90])
  func iteratedRows(letters: Int) throws {
    let model = table(of: letters)
    let analysis = try model.analysis(.sampled)
    let found = defect(analysis, rows: model.rows)
    // Iterating adds up hundreds of terms, each to 1e-16 of the sum, and drops as much.
    #expect(found < 1e-11)
    #expect(analysis.error < 1e-12 && analysis.tokensError < 1e-11)
    // Mutant: another first row.
    #expect(defect(analysis, rows: [model.rows[1]] + model.rows.dropFirst()) > 1e-3)
  }

  /// What is simulated without end is what the analysis says, at every step.
  @Test func survival() throws {
    let analysis = try fourRows.analysis(.sampled, [TopK(2)])
    let survival = analysis.survival(ofRoots: 0..<1, limit: 40)
    let sampler = AncestralSampler(try DecodingRules(transforms: [TopK(2)], maxTokens: 3))
    let law = outcomes { choices in
      try? sampler.draw(from: fourRows, using: &choices)
    }
    let cut = law.reduce(0) { $0 + ($1.key?.isFinished == true ? 0 : $1.value) }
    #expect(abs(survival[3] - cut) < 1e-12)
    #expect(abs(survival[40] - 0.75) < 1e-12)
    #expect(abs(analysis.loopProbabilities(ofRoot: 0)[0] - 0.75) < 1e-12)
    #expect(survival[0] == 1)
  }

  /// Each loop has its share of what never ends, whatever comes before it.
  @Test func sharesOfLoops() throws {
    let model = BigramTable(
      letters: ["a", "b", "c"],
      rows: [[0.2, 0.3, 0.3, 0.2], [1, 0, 0, 0], [0, 1, 0, 0], [0.1, 0.2, 0.5, 0.2]])
    let analysis = try model.analysis(.sampled)
    let shares = analysis.loopProbabilities(ofRoot: 0)
    // Behind c: .1 and .2 of the .5 that leave it; what is dropped is a billionth.
    let expected = ["a": 0.2 + 0.3 * 0.1 / 0.5, "b": 0.3 + 0.3 * 0.2 / 0.5]
    #expect(shares.count == 2)
    for (loop, share) in zip(analysis.loops, shares) {
      let letter = model.vocabulary.text(of: loop.round)
      #expect(abs(share - (expected[letter] ?? 0)) < 1e-9)
      // Mutant: after a few choices.
      #expect(abs(share - (letter == "a" ? 0.23 : 0.36)) > 1e-3)
    }
  }

  /// What is not explored is open, and the truth lies in between.
  @Test func unknownStates() throws {
    let model = table(of: 40)
    let whole = try model.analysis(.sampled)
    let truth = whole.neverEnds[whole.chain.roots[0]]
    for limit in [0, 20, 60, 120] {
      let chain = try ContextChain(
        model, .sampled, roots: [model.vocabulary.start], limit: limit)
      #expect(!chain.isComplete)
      let part = TerminationAnalysis(chain)
      let low = part.neverEnds[0]
      #expect(low <= truth + 1e-12 && truth <= low + part.unknown[0] + 1e-12)
    }
  }

  /// Ends too improbable for a number leave a loop, and by their logarithm it is known how seldom.
  @Test(arguments: [-700, -2000])
  func vanishingEnds(bias: Double) throws {
    let end = oneLetter.vocabulary.end
    let analysis = try oneLetter.analysis(.sampled, [TokenBias([end: bias])])
    // Mutant: what -700 gives is a number, and no loop.
    #expect(analysis.loops.count == (bias < -708 ? 1 : 0))
    #expect(analysis.neverEnds[0] == (bias < -708 ? 1 : 0))
    for loop in analysis.loops {
      #expect(abs(loop.logEnd - (LogSpace.log(0.4 / 0.6) + bias)) < 1e-12 * abs(bias))
      #expect(loop.logSteps == -.infinity && loop.logLeaving == loop.logEnd)
    }
    let strict = try oneLetter.analysis(.sampled, [TopK(1)])
    #expect(strict.loops.count == 1 && strict.loops[0].logLeaving == -.infinity)
    // At a low temperature other steps vanish, too.
    let cold = try fourRows.analysis(.sampled, [Temperature(1e-4)])
    #expect(cold.loops.count == 1)
    #expect(abs(cold.loops[0].logSteps - 1e4 * LogSpace.log(0.3 / 0.5)) < 1e-8)
    #expect(abs(cold.loops[0].logEnd - 1e4 * LogSpace.log(0.2 / 0.5)) < 1e-8)
  }

  @Test func cures() throws {
    let looping = try oneLetter.analysis(.sampled, [Nucleus(0.1)])
    #expect(abs(try #require(looping.largestMassThatLoops) - 0.6) < 1e-12)
    let floor = try oneLetter.analysis(.sampled, [EpsilonCutoff(0.5)])
    #expect(abs(try #require(floor.smallestFloorThatLoops) - 0.4) < 1e-12)
    #expect(try oneLetter.analysis(.sampled, [Nucleus(0.7)]).largestMassThatLoops == nil)
  }

  /// Uniform over n: 1/(n - 1); the sheet's other matrices; a certain round has no end.
  @Test func repetition() throws {
    func middle(_ rows: [[Double]]) -> Double {
      let range = RepetitionMeasures(rows: rows).repetition
      return (range.lowerBound + range.upperBound) / 2
    }
    for n in [2, 5, 50] {
      let row = [Double](repeating: 1 / Double(n), count: n)
      #expect(abs(middle([[Double]](repeating: row, count: n)) - 1 / Double(n - 1)) < 1e-12)
    }
    #expect(abs(middle([[0.9, 0.1], [0.2, 0.8]]) - 6.088235) < 5e-7)
    let three = [[0.5, 0.3, 0.1], [0.2, 0.2, 0.5], [0.3, 0.3, 0.3]]
    #expect(abs(middle(three) - 0.558004) < 5e-7)
    #expect(middle([[0, 1], [1, 0]]) == .infinity)
    // A mutant that does not square.
    #expect(abs(middle([[0.81, 0.01], [0.04, 0.64]]) - 6.088235) > 1e-3)
    // A chain too large to compute: the truth, n / (n - 1) x 1/n for each, lies in the bounds.
    let n = RepetitionMeasures.largestComputed + 1
    let row = [Double](repeating: 1 / Double(n), count: n)
    let bounds = RepetitionMeasures(rows: [[Double]](repeating: row, count: n)).repetition
    #expect(bounds.contains(1 / Double(n - 1)))
  }

  /// The ends of an interval are where a tail has half of what is left to error.
  @Test func intervals() {
    let interval = binomialInterval(3, of: 10, confidence: 0.95)
    // Tabulated: .0667 to .6525.
    #expect(abs(interval.lowerBound - 0.0667) < 5e-5 && abs(interval.upperBound - 0.6525) < 5e-5)
    let none = binomialInterval(0, of: 100, confidence: 0.99)
    #expect(none.lowerBound == 0)
    // (1 - p)^100 = .005.
    #expect(abs(none.upperBound - (1 - LogSpace.exp(LogSpace.log(0.005) / 100))) < 1e-9)
    #expect(binomialInterval(7, of: 7).upperBound == 1)
  }
}
