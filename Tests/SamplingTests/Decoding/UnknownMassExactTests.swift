// Licensed under the Apache License, Version 2.0.

import Sampling
import Testing

/// A model without memory, given by the logs of its tokens' weights; it need not add up to one.
private struct Weights: FiniteContextModel {
  let vocabulary: Vocabulary
  let logWeights: [Double]

  init(_ weights: [(String, Double)], hasUnknown: Bool) {
    vocabulary = Vocabulary(
      spellings: (["<s>", "</s>", "<unk>"] + weights.dropFirst(2).map(\.0)).map { Array($0.utf8) },
      spacing: .joined, start: Token(0), end: Token(1), unknown: hasUnknown ? Token(2) : nil)
    let (end, unknown) = (weights[0].1, weights[1].1)
    logWeights =
      [0, LogSpace.log(end), LogSpace.log(unknown)]
      + weights.dropFirst(2).map { LogSpace.log($0.1) }
  }

  /// Half of the mass is the unknown word's.
  static let half = Weights(
    [("</s>", 0.025), ("<unk>", 0.5), ("a", 0.25), ("b", 0.15), ("c", 0.075)], hasUnknown: true)
  /// The same without it.
  static let whole = Weights(
    [("</s>", 0.05), ("<unk>", 0), ("a", 0.5), ("b", 0.3), ("c", 0.15)], hasUnknown: true)

  func makeContext() -> Int { 0 }
  func advance(_ context: inout Int, by token: Token) {}
  func logProbability(of token: Token, in context: Int) -> Double { logWeights[token.index] }
  var contextLimit: Int { 0 }
}

/// The unknown word goes before transforms act, and what is left adds up to one.
@Suite struct UnknownMassExactTests {
  private static let a = Token(3)

  static let transforms: [@Sendable () throws -> any NextTokenTransform] = [
    { try RepetitionPenalty(2) }, { try RepetitionPenalty(0.5) },
    { try EndDecay(start: 0, factor: 1.5) },
    { try Temperature(0.7) }, { try Nucleus(0.7) }, { try MinP(0.2) }, { try EpsilonCutoff(0.1) },
    { try EtaCutoff(0.2) }, { try TopNSigma(1) }, { try LocallyTypical(0.6) }, { try TopA(0.5) },
    { try TailFree(0.9) }, { try TopH(0.5) }, { Entmax() }, { try SparseSoftmax(3) },
    { try DynamicTemperature(low: 0.5, high: 2, exponent: 1) }, { try FrequencyPenalty(0.3) },
    { try SelfTerminating(0.1) }, { try NonMonotoneTermination(0.1) },
    { try RepeatedSuffixPenalty(multiplier: 0.5, allowedLength: 1) },
  ]

  @Test(arguments: transforms.indices)
  func transformsActOnWhatIsLeft(index: Int) throws {
    let rules = try DecodingRules(transforms: [Self.transforms[index]()], maxTokens: 2)
    let prompt = TokenSequence([Self.a, Self.a])
    for seed in UInt64(0)..<8 {
      var choices = (RandomChoices(seed: seed), RandomChoices(seed: seed))
      let sampler = AncestralSampler(rules)
      let half = try sampler.draw(from: Weights.half, after: prompt, using: &choices.0)
      let whole = try sampler.draw(from: Weights.whole, after: prompt, using: &choices.1)
      #expect(half.text == whole.text)
      // Some roundings of numbers of size 3.
      #expect(abs(half.logDrawn - whole.logDrawn) < 1e-14)
    }
    let scores = try [Weights.half, .whole].map { model in
      try BeamSearch(width: 3, rules).decode(model, after: prompt).map(\.score)
    }
    #expect(zip(scores[0], scores[1]).allSatisfy { abs($0 - $1) < 1e-14 })
  }

  @Test func repetitionPenaltyByHand() throws {
    let rules = try DecodingRules(transforms: [RepetitionPenalty(2)], maxTokens: 1)
    let prompt = TokenSequence([Self.a])
    var seen: [Token: Double] = [:]
    for seed in UInt64(0)..<60 {
      var choices = RandomChoices(seed: seed)
      let drawn = try AncestralSampler(rules).draw(
        from: Weights.half, after: prompt, using: &choices)
      if drawn.text.count == 2 { seen[drawn.text.tokens[1]] = drawn.logDrawn }
    }
    // .5 becomes .25 beside .3, .15 and .05.
    #expect(abs(try #require(seen[Self.a]) - LogSpace.log(1 / 3.0)) < 1e-15 * 4)
  }

  /// Weights under a constraint are those of the model's own probabilities.
  @Test func constrainedWeightsAreTheModels() throws {
    let automaton = try TokenAutomaton(lengths: 1...2, vocabulary: Weights.half.vocabulary)
    let rules = try DecodingRules(
      maxTokens: 3, constraint: DecodingConstraint(automaton, fluency: 0.5))
    for seed in UInt64(0)..<8 {
      var choices = RandomChoices(seed: seed)
      let drawn = try AncestralSampler(rules).draw(from: Weights.half, using: &choices)
      #expect(abs(drawn.logTransformed - 0.5 * drawn.logModel) < 1e-14)
    }
  }
}
