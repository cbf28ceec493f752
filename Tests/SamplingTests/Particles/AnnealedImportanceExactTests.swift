// Licensed under the Apache License, Version 2.0.

import Sampling
import SamplingLaws
import Testing

@Suite struct AnnealedImportanceExactTests {
  /// Another language of the same letters: what is easy to draw from.
  static let easy = BigramTable(
    letters: ["a", "b"], rows: [[0.4, 0.4, 0.2], [0.3, 0.3, 0.4], [0.3, 0.4, 0.3]])

  static let words = UnigramTokens<ToyScorer>(Toy.toy.vocabulary, weights: [0, 0, 3, 1])
  typealias Bridge = BridgedScorer<ToyScorer, ToyScorer>
  static func bridged<P: Proposal<ToyScorer>>(
    _ proposal: P
  ) -> MetropolisHastings<BridgedProposal<P, ToyScorer>> {
    MetropolisHastings(BridgedProposal(proposal))
  }
  /// Moves that only the first target is asked for.
  static var firstMoves: some TransitionKernel<Bridge> {
    MetropolisHastings(
      FirstProposal<_, ToyScorer>(
        Mixture {
          Weighted(1, ReplaceToken(words))
          Weighted(1, InsertOrDeleteToken(words))
        }))
  }
  static var moves: some TransitionKernel<Bridge> {
    bridged(
      Mixture {
        Weighted(1, ReplaceToken(words))
        Weighted(1, InsertOrDeleteToken(words))
      })
  }

  /// Letters, at most two, of which one is b; soft weights too.
  static func space() -> EnumeratedTarget<SentenceTarget<Toy, TokenAutomaton>> {
    let toy = Toy.toy
    let b = toy.text("b")[0]
    let automaton = TokenAutomaton(toy, lengths: 1...2) { text in
      text.contains(b) ? 0.8 * Double(text.filter { $0 == b }.count) : -.infinity
    }
    return EnumeratedTarget(
      SentenceTarget(model: toy, constraint: automaton, fluency: 1.3),
      among: toy.texts(ofLengths: 0...2))
  }

  static func base(_ target: SentenceTarget<Toy, TokenAutomaton>) throws -> GuidedTexts<
    GuidedTokens<SentenceTarget<Toy, TokenAutomaton>, AutomatonLookAhead>
  > {
    let automaton = try #require(target.constraint)
    let flat = SentenceTarget(model: easy, constraint: automaton)
    return GuidedTexts(GuidedTokens(flat, AutomatonLookAhead(automaton, mostTokens: 2)))
  }

  static func annealed<Kernel: TransitionKernel>(
    _ kernel: Kernel, stages: Int, steps: Int = 1
  ) throws -> AnnealedImportance<
    GuidedTexts<GuidedTokens<SentenceTarget<Toy, TokenAutomaton>, AutomatonLookAhead>>,
    SentenceTarget<Toy, TokenAutomaton>, Kernel
  > {
    let target = space().target
    return AnnealedImportance(
      from: try base(target), to: target, kernel: kernel, stages: stages, steps: steps)
  }

  /// Each text's weights have rho there as their mean; so the evidence is unbiased.
  @Test(arguments: [(1, 0), (1, 1), (2, 1)] + TestData.deep([(3, 1)]))
  func weightsAreProper(stages: Int, steps: Int) throws {
    let annealed = try Self.annealed(Self.moves, stages: stages, steps: steps)
    #expect(
      try properWeightDefect(on: Self.space()) { choices in
        try annealed.draw(using: &choices).map { ($0.text, $0.logWeight) }
      } < 1e-12)
  }

  @Test func movesOfTheFirstTargetLeaveWeightsProper() throws {
    let annealed = try Self.annealed(Self.firstMoves, stages: 2)
    #expect(
      try properWeightDefect(on: Self.space()) { choices in
        try annealed.draw(using: &choices).map { ($0.text, $0.logWeight) }
      } < 1e-12)
  }

  /// Bridges keep their powers, at both ends too.
  @Test(arguments: [0, 0.3, 1]) func movesKeepTheBridge(power: Double) throws {
    let space = Self.space()
    let first = try Self.base(space.target).target
    var law: [TokenSequence: Double] = [:]
    var next: [TokenSequence: Double] = [:]
    for text in space.states {
      let log =
        (1 - power) * first.logProbability(of: text)
        + power * space.target.logProbability(of: text)
      law[text] = LogSpace.exp(log)
      let moved = outcomes { choices in
        var scorer = BridgedScorer(
          first.makeScorer(at: text), space.target.makeScorer(at: text), power: power)
        _ = Self.moves.step(&scorer, using: &choices)
        return scorer.state
      }
      for (state, probability) in moved {
        next[state, default: 0] += LogSpace.exp(log) * probability
      }
    }
    let total = law.values.reduce(0, +)
    #expect(
      totalVariation(law.mapValues { $0 / total }, next.mapValues { $0 / total }) < 1e-12)
  }

  /// A kernel whose steps keep the last target, wherever on the bridge.
  private struct Hasty: TransitionKernel {
    var kinds: [String] { AnnealedImportanceExactTests.moves.kinds }

    func step(
      _ scorer: inout Bridge, using choices: inout some ChoiceSource
    ) -> StepReport {
      let power = scorer.power
      scorer.power = 1
      defer { scorer.power = power }
      return AnnealedImportanceExactTests.moves.step(&scorer, using: &choices)
    }
  }

  @Test func stepsOfAnotherBridgeAreSeen() throws {
    let annealed = try Self.annealed(Hasty(), stages: 2)
    #expect(
      try properWeightDefect(on: Self.space()) { choices in
        try annealed.draw(using: &choices).map { ($0.text, $0.logWeight) }
      } > 1e-3)
  }

  /// A draw led back weighs the first evidence over the last in the mean, and the logs of both ways
  /// hold the evidence between them, closer with more stages.
  @Test func bothWaysBoundTheEvidence() throws {
    let space = Self.space()
    let first = try Self.base(space.target).target
    let z = evidence(of: space)
    let firstZ = space.states.reduce(0) { $0 + LogSpace.exp(first.logProbability(of: $1)) }
    var gap = Double.infinity
    for stages in 1...(TestData.isDeep ? 3 : 2) {
      let annealed = try Self.annealed(Self.moves, stages: stages)
      var mean = 0.0
      var logMean = 0.0
      for text in space.states {
        let share = space.probabilities[text] ?? 0
        for (log, probability) in outcomes(of: {
          annealed.logWeightBack(from: text, using: &$0) ?? .nan
        }) {
          mean += share * probability * LogSpace.exp(log)
          logMean += share * probability * log
        }
      }
      #expect(abs(mean - firstZ / z) < 1e-12 * firstZ / z)
      let upper = LogSpace.log(firstZ) - logMean
      var lower = 0.0
      for (log, probability) in try outcomes(of: {
        try annealed.draw(using: &$0)?.logWeight
      }) {
        lower += probability * (log ?? -.infinity)
      }
      #expect(lower < LogSpace.log(z) && LogSpace.log(z) < upper)
      #expect(upper - lower < gap)
      gap = upper - lower
    }
  }

  /// By enumeration: a mean log lies below the evidence, and the nearer the more draws a group has.
  @Test func lowerBoundsRise() throws {
    let texts = try Self.base(Self.space().target)
    let z = LogSpace.log(
      Self.space().states.reduce(0) {
        $0 + LogSpace.exp(texts.target.logProbability(of: $1))
      })
    var last = -Double.infinity
    for size in 1...3 {
      var mean = 0.0
      let law = try outcomes { choices in
        var drawn = WeightedTexts()
        for _ in 0..<size { drawn.append(try texts.draw(using: &choices)) }
        return drawn.lowerBound(groupsOf: size)?.value ?? 0
      }
      for (bound, probability) in law { mean += probability * bound }
      #expect(last < mean && mean < z)
      last = mean
    }
  }

  @Test func lowerBoundsOfFewDrawsHaveReasons() {
    let draws = WeightedTexts([WeightedText([], logWeight: 1)], zeroCount: 1)
    #expect(draws.lowerBound(groupsOf: 3) == nil)
    #expect(draws.lowerBound(groupsOf: 2)?.error == .undefined("one group has no spread"))
    #expect(abs((draws.lowerBound(groupsOf: 2)?.value ?? 0) - (1 - LogSpace.log(2))) < 1e-15)
    #expect(draws.lowerBound(groupsOf: 1)?.value == -.infinity)
  }
}
