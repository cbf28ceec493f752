// Licensed under the Apache License, Version 2.0.

import Sampling
import SamplingLaws
import Testing

@Suite struct ResamplingExactTests {
  static let weights: [[Double]] = [[1], [1, 1], [0.1, 0.7, 0.2], [0, 3, 0, 1], [5, 0, 0.5]]

  /// The largest difference between a particle's mean number of copies and what it is due.
  private func defect(
    _ weights: [Double], count: Int, _ act: (inout EnumeratedChoices) -> [Int]
  ) -> Double {
    var means = [Double](repeating: 0, count: weights.count)
    for (chosen, probability) in outcomes(of: act) {
      #expect(chosen.count == count)
      for i in chosen { means[i] += probability }
    }
    let total = weights.reduce(0, +)
    return zip(means, weights).map { abs($0 - $1 / total * Double(count)) }.max() ?? 0
  }

  @Test(arguments: Resampling.allCases, weights)
  func copiesAreDue(resampling: Resampling, weights: [Double]) {
    for count in 1...4 {
      let defect = defect(weights, count: count) {
        resampling.ancestors(of: weights, count: count, using: &$0)
      }
      #expect(defect < 1e-12)
    }
  }

  /// Whole parts alone, the rest going to the heaviest.
  @Test func favouringTheHeaviestIsSeen() {
    let weights = [0.1, 0.7, 0.2]
    #expect(defect(weights, count: 2) { _ in [1, 1] } > 1e-3)
  }

  /// Systematic resampling gives each its whole part or one more.
  @Test(arguments: [Resampling.systematic, .residual])
  func copiesAreNearlyDue(resampling: Resampling) {
    let weights = [0.1, 0.7, 0.2]
    for chosen in outcomes(of: { resampling.ancestors(of: weights, count: 4, using: &$0) }).keys {
      for (i, weight) in weights.enumerated() {
        #expect(chosen.count { $0 == i } >= Int(weight * 4))
      }
    }
  }

  @Test func withoutReplacementDrawsDifferentOnes() {
    let law = outcomes { drawWithoutReplacement([0.5, 0, 0.3, 0.2], count: 2, using: &$0) }
    #expect(law.keys.allSatisfy { Set($0).count == 2 && !$0.contains(1) })
    // First 0 with .5, then 2 with .3 of the .5 that is left.
    #expect(abs((law[[0, 2]] ?? 0) - 0.3) < 1e-12)
    #expect(outcomes { drawWithoutReplacement([1, 0], count: 3, using: &$0) } == [[0]: 1])
  }
}

@Suite struct ParticleFilterExactTests {
  /// Spaces with few enough runs of two particles to play all.
  static func space(_ weight: Double, lengths: ClosedRange<Int>) -> EnumeratedTarget<
    SentenceTarget<Toy, TokenAutomaton>
  > {
    let toy = Toy.toy
    let b = toy.text("b")[0]
    let automaton = TokenAutomaton(toy, lengths: lengths) { text in
      text.contains(b) ? weight * Double(text.filter { $0 == b }.count) : -.infinity
    }
    return EnumeratedTarget(
      SentenceTarget(model: toy, constraint: automaton), among: toy.texts(ofLengths: 0...3))
  }

  private func defect(
    _ space: EnumeratedTarget<SentenceTarget<Toy, TokenAutomaton>>, count: Int,
    _ run: (inout EnumeratedChoices) throws -> WeightedTexts
  ) rethrows -> (texts: Double, evidence: Double) {
    let expected = Dictionary(
      uniqueKeysWithValues: space.states.map {
        ($0, LogSpace.exp(space.target.logProbability(of: $0)))
      })
    return try particleDefect(expected, count: count, run)
  }

  /// The mean of the evidence is Z, and each text has its share of it.
  @Test(arguments: Resampling.allCases, [0, 0.8, 1])
  func weightsAreProper(resampling: Resampling, threshold: Double) throws {
    for (weight, lengths) in [(0.0, 0...2), (0.9, 1...2)] {
      let space = Self.space(weight, lengths: lengths)
      let automaton = try #require(space.target.constraint)
      let guided = AutomatonLookAhead(
        automaton, mostTokens: 2, weights: [0, 0.3, 0.4, 0.3], vocabulary: Toy.toy.vocabulary)
      for lookAhead in [AutomatonLookAhead(automaton, mostTokens: 2), guided] {
        let filter = ParticleFilter(
          GuidedTokens(space.target, lookAhead), resampling: resampling, threshold: threshold)
        let defect = try defect(space, count: 2) { try filter.run(count: 2, using: &$0).texts }
        #expect(defect.texts < 1e-12)
        #expect(defect.evidence < 1e-12)
      }
    }
  }

  /// The same with tokens that are rejected one by one.
  @Test func rejectedTokensKeepWeightsProper() throws {
    let space = Self.space(0.5, lengths: 0...1)
    let automaton = try #require(space.target.constraint)
    let filter = ParticleFilter(
      RejectedTokens(
        space.target, AutomatonLookAhead(automaton, mostTokens: 1), source: VectorTokens(Toy.toy),
        attempts: 1), threshold: 1)
    let defect = try defect(space, count: 2) { try filter.run(count: 2, using: &$0).texts }
    #expect(defect.texts < 1e-12)
    #expect(defect.evidence < 1e-12)
  }

  /// Three particles, of which some finish before others.
  @Test func threeParticlesWeighProperly() throws {
    let space = Self.space(0, lengths: 0...2)
    let automaton = try #require(space.target.constraint)
    let filter = ParticleFilter(
      GuidedTokens(space.target, AutomatonLookAhead(automaton, mostTokens: 2)), threshold: 1)
    let defect = try defect(space, count: 3) { try filter.run(count: 3, using: &$0).texts }
    #expect(defect.texts < 1e-12)
    #expect(defect.evidence < 1e-12)
  }

  /// Copies that are parted between steps, by new tails of one token and of two.
  @Test(arguments: [1, 2])
  func rejuvenationKeepsWeightsProper(length: Int) throws {
    let space = Self.space(0.4, lengths: 1...2)
    let automaton = try #require(space.target.constraint)
    let tokens = GuidedTokens(space.target, AutomatonLookAhead(automaton, mostTokens: 2))
    let filter = ParticleFilter(
      tokens, threshold: 1, rejuvenation: RedrawnTail(tokens, length: length))
    let defect = try defect(space, count: 2) { try filter.run(count: 2, using: &$0).texts }
    #expect(defect.texts < 1e-12)
    #expect(defect.evidence < 1e-12)
  }

  /// The mutant of a tail that is always taken.
  private struct TakenTail<Tokens: TokenProposal>: PrefixKernel {
    var tokens: Tokens

    func step(
      _ prefix: inout Prefix<Tokens.Model, Tokens.Constraint>,
      using choices: inout some ChoiceSource
    ) throws -> Bool {
      var new = try tokens.makePrefix()
      for _ in prefix.tokens {
        guard let next = tokens.draw(after: new, using: &choices),
          next.token != tokens.target.model.vocabulary.end
        else { return false }
        new.append(next.token, tokens.target.model, tokens.lookAhead.constraint)
      }
      prefix = new
      return true
    }
  }

  private struct Words: Hashable {
    var tokens: [Token]
  }

  /// How far a step is from keeping what live prefixes of a length stand for.
  private func prefixDefect<Kernel: PrefixKernel<Toy, TokenAutomaton>>(
    _ kernel: Kernel, _ tokens: some TokenProposal<SentenceTarget<Toy, TokenAutomaton>>, count: Int
  ) throws -> Double {
    let toy = Toy.toy
    let automaton = tokens.lookAhead.constraint
    var law: [Words: Double] = [:]
    var next: [Words: Double] = [:]
    for text in toy.texts(ofLengths: count...count) {
      var prefix = try tokens.makePrefix()
      var log = 0.0
      for token in text where automaton.next(prefix.state, token) != nil {
        log +=
          tokens.target.fluency * toy.logProbability(of: token, in: prefix.context)
          + automaton.weight(prefix.state, token)
        prefix.append(token, toy, automaton)
      }
      guard prefix.tokens.count == count else { continue }
      let weight = LogSpace.exp(log + tokens.logExpectation(after: prefix))
      law[Words(tokens: text.tokens)] = weight
      let moved = try outcomes { choices in
        var copy = prefix
        try kernel.step(&copy, using: &choices)
        return Words(tokens: copy.tokens)
      }
      for (words, probability) in moved { next[words, default: 0] += weight * probability }
    }
    let total = law.values.reduce(0, +)
    return totalVariation(law.mapValues { $0 / total }, next.mapValues { $0 / total })
  }

  @Test(arguments: [1, 2, 3])
  func tailsKeepWhatPrefixesStandFor(count: Int) throws {
    for space in Space.allCases {
      let tokens = GuidedTokens(space.space.target, space.guided)
      for length in 1...3 {
        #expect(
          try prefixDefect(RedrawnTail(tokens, length: length), tokens, count: count) < 1e-12)
      }
    }
    let tokens = GuidedTokens(Space.soft.space.target, Space.soft.lookAhead)
    if count == 2 {
      #expect(try prefixDefect(TakenTail(tokens: tokens), tokens, count: 2) > 1e-3)
    }
  }

  /// A mutant: weights forgotten where particles are copied, as if they were 1.
  @Test func forgottenMeanWeightIsSeen() throws {
    let space = Self.space(0, lengths: 0...2)
    let automaton = try #require(space.target.constraint)
    let tokens = GuidedTokens(space.target, AutomatonLookAhead(automaton, mostTokens: 2))
    let defect = try defect(space, count: 2) { choices in
      let result = try ParticleFilter(tokens, threshold: 1).run(count: 2, using: &choices)
      guard result.resamplings > 0 else { return result.texts }
      return WeightedTexts(
        result.texts.draws.map { WeightedText($0.text, logWeight: 0) },
        zeroCount: result.texts.zeroCount)
    }
    #expect(defect.evidence > 1e-3)
  }

  /// What threads do is what one does, and no text is cut off.
  @Test func threadsChangeNothing() throws {
    let space = Space.containsB.space
    let filter = ParticleFilter(
      GuidedTokens(space.target, Space.containsB.lookAhead), threshold: 0.9)
    let runs = try [1, 2, 5].map {
      try filter.run(count: 50, random: Philox(seed: 1), threads: $0).texts.draws
    }
    #expect(runs[0] == runs[1] && runs[1] == runs[2])
    #expect(runs[0].allSatisfy { space.probabilities[$0.text] != nil })
  }
}

@Suite struct WeightedTextsExactTests {
  static let draws = WeightedTexts(
    [2.0, 1, 1].map { WeightedText([], logWeight: LogSpace.log($0)) }, zeroCount: 1)

  /// By hand: mean 1, squares of deviations 1, 0, 0, 1, so the error is (2/3/4)^.5.
  @Test func evidenceAndItsError() throws {
    #expect(abs(Self.draws.logEvidence) < 1e-15)
    let error = try #require(Self.draws.logEvidenceError.value)
    #expect(abs(error - (1.0 / 6).squareRoot()) < 1e-12)
    #expect(abs(Self.draws.effectiveSize - 16.0 / 6) < 1e-12)
  }

  @Test func nothingDrawnHasAReason() {
    let none = WeightedTexts([], zeroCount: 3)
    #expect(none.logEvidence == -.infinity)
    #expect(none.logEvidenceError == .undefined("all weights are zero"))
    #expect(none.effectiveSize == 0)
    #expect(none.mean { _ in 1 } == nil)
    #expect(WeightedTexts([], zeroCount: 1).logEvidenceError.reason != nil)
  }

  @Test func weightedMeans() throws {
    let texts = WeightedTexts(
      [
        WeightedText([Token(2)], logWeight: LogSpace.log(3)), WeightedText([], logWeight: 0),
      ], zeroCount: 0)
    let mean = try #require(texts.mean { Double($0.count) })
    #expect(abs(mean.value - 0.75) < 1e-12)
    // (9 x (1/4)^2 + (3/4)^2)^.5 / 4.
    #expect(abs(mean.error - (18.0 / 16).squareRoot() / 4) < 1e-12)
  }
}

/// Figures of a separate program by the formulas of the paper and of ArviZ 0.23.
@Suite struct ParetoSmoothedWeightsGoldenTests {
  @Test(
    arguments: [
      (0.3, 0.34903697147398866, 1.797439364132401, 60.04918378906998),
      (0.6, 0.5683599980639865, 3.5172230374872497, 119.33627982822492),
      (1.2, 1.0071479113212276, 6.5760313732439055, 236.54325862013826),
    ])
  func paretoTails(exponent: Double, shape: Double, largest: Double, sum: Double) throws {
    let logs = (0..<200).map { i in
      -exponent * LogSpace.log(1 - (Double(i * 37 % 200) + 0.5) / 200)
    }
    let smoothed = ParetoSmoothedWeights(logs)
    // Logarithms near 1 of one program and the other.
    #expect(abs(try #require(smoothed.shape.value) - shape) < 1e-9)
    #expect(abs((smoothed.logWeights.max() ?? 0) - largest) < 1e-9)
    #expect(abs(smoothed.logWeights.reduce(0, +) - sum) < 1e-7)
  }

  @Test func noTailHasAReason() {
    #expect(
      ParetoSmoothedWeights([0, 1]).shape == .undefined("2 weights are too few for a tail of 5"))
    #expect(
      ParetoSmoothedWeights([Double](repeating: 0, count: 100)).shape
        == .undefined("the largest weights are the same"))
    #expect(
      ParetoSmoothedWeights([Double](repeating: -.infinity, count: 100)).shape
        == .undefined("all weights are zero"))
  }
}
