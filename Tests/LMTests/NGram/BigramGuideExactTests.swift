// Licensed under the Apache License, Version 2.0.

import LM
import Sampling
import SamplingLaws
import Testing

/// A look-ahead that knows the last word, on models with all that ARPA files hold and on trained
/// ones, whose corrections are positive.
@Suite struct BigramGuideExactTests {
  enum Source: CaseIterable, Sendable {
    case random, trained

    func model(order: Int) throws -> NGramModel {
      switch self {
      case .random: return try NGramWordsExactTests.model(order: order, vocabulary: 8)
      case .trained:
        let corpus = """
          w3 w4 w5 w3
          w4 w4 w3
          w5 w6 w7 w3 w4
          w7 w3 w4 w5
          w6 w4
          w3 w5 w5 w7
          """
        let file = try TemporaryFile("corpus.txt", corpus)
        return try NGramModel(NGramTrainer(.init(order: order)).train([file.path]).0)
      }
    }
  }

  static func automaton(_ vocabulary: Vocabulary, isSoft: Bool, bound: Int?) throws
    -> TokenAutomaton
  {
    let random = NGramInferenceExactTests.random(vocabulary, seed: isSoft ? 8 : 3, isSoft: isSoft)
    guard let bound else { return random }
    return try random.product(TokenAutomaton(lengths: 0...bound, vocabulary: vocabulary))
  }

  static func guide(
    _ target: SentenceTarget<NGramModel, TokenAutomaton>, mostTokens: Int
  ) throws -> BigramLookAhead {
    let automaton = try #require(target.constraint)
    let model = target.model
    let plain = AutomatonLookAhead(
      automaton, mostTokens: mostTokens, weights: model.unigramWeights,
      vocabulary: model.vocabulary, fluency: target.fluency)
    return BigramLookAhead(
      plain, BigramLookAhead.Tables(model.makeBackoffAutomaton(fluency: target.fluency)))
  }

  /// How far tokens are from the weights that their definition says, given what is expected.
  private func defect(
    _ tokens: BigramGuidedTokens<NGramModel>,
    _ expectation: (TokenAutomaton.State, Token) -> Double
  ) throws -> Double {
    let model = tokens.target.model
    let automaton = tokens.lookAhead.constraint
    let words = (0..<model.vocabulary.count).map { Token($0) }
      .filter(model.vocabulary.isDrawable)
    var worst = 0.0
    for text in [[], [words[0]], [words[1]], [words[0], words[1]], [words[1], words[2]]] {
      var prefix = try tokens.makePrefix()
      for token in text where automaton.next(prefix.state, token) != nil {
        prefix.append(token, model, automaton)
      }
      guard prefix.tokens == text else { continue }
      let here = expectation(prefix.state, prefix.tokens.last ?? model.vocabulary.start)
      var expected: [Token: Double] = [:]
      for word in words {
        let next = automaton.following(prefix.state, word)
        guard next != TokenAutomaton.dead,
          Int(automaton.distances[Int(next)]) < tokens.lookAhead.mostTokens - text.count
        else { continue }
        expected[word] = LogSpace.exp(
          tokens.target.fluency * model.logProbability(of: word, in: prefix.context)
            + automaton.weight(prefix.state, word) + expectation(next, word) - here)
      }
      let end = automaton.finalWeights[Int(prefix.state)]
      if end > -.infinity {
        expected[model.vocabulary.end] = LogSpace.exp(
          tokens.target.fluency
            * model.logProbability(of: model.vocabulary.end, in: prefix.context) + end - here)
      }
      guard !expected.isEmpty else { continue }
      worst = max(
        worst,
        weightDefect(expected) { choices in
          tokens.draw(after: prefix, using: &choices).map { ($0.token, $0.logWeight) }
        })
    }
    return worst
  }

  @Test(arguments: Source.allCases, [1, 2, 3])
  func tokensWeighProperly(source: Source, order: Int) throws {
    let model = try source.model(order: order)
    for (isSoft, bound, fluency) in [(false, 3, 1.0), (true, nil, 1.3), (true, 4, 0.7)] {
      let target = SentenceTarget(
        model: model,
        constraint: try Self.automaton(model.vocabulary, isSoft: isSoft, bound: bound),
        fluency: fluency)
      // Of these bounds the last two forbid tokens that the automaton would allow.
      for most in [20, 3, 2] {
        let guide = try Self.guide(target, mostTokens: most)
        // Sums of some dozens of terms.
        for attempts in 1...2 {
          let tokens = BigramGuidedTokens(target, guide, attempts: attempts)
          #expect(try defect(tokens) { guide.logExpectation($0, after: $1) } < 1e-12)
        }
      }
    }
  }

  /// Held against what is expected without context.
  @Test(arguments: Source.allCases) func anotherLookAheadIsSeen(source: Source) throws {
    let model = try source.model(order: 2)
    let target = SentenceTarget(
      model: model, constraint: try Self.automaton(model.vocabulary, isSoft: true, bound: 4))
    let guide = try Self.guide(target, mostTokens: 4)
    #expect(
      try defect(BigramGuidedTokens(target, guide, attempts: 1)) { state, _ in
        guide.lookAhead.logExpectation(state)
      } > 1e-3)
  }

  /// Under a bigram model what is expected at the start is the evidence, and so is every weight.
  @Test(arguments: Source.allCases, [1, 2])
  func bigramsLeaveNothingToChance(source: Source, order: Int) throws {
    let model = try source.model(order: order)
    let target = SentenceTarget(
      model: model, constraint: try Self.automaton(model.vocabulary, isSoft: true, bound: 3),
      fluency: 1.2)
    let z = try NGramInference(target: target).logEvidence
    let guide = try Self.guide(target, mostTokens: 3)
    #expect(
      abs(
        guide.logExpectation(guide.lookAhead.constraint.start, after: model.vocabulary.start) - z)
        < 1e-12)
    let texts = GuidedTexts(BigramGuidedTokens(target, guide, attempts: 1))
    let weights = try outcomes { try texts.draw(using: &$0).map(\.logWeight) }.keys
    #expect(weights.allSatisfy { abs(($0 ?? 0) - z) < 1e-12 })
  }

  /// Texts of a longer model have rho as their weights' mean, after learning too.
  @Test(arguments: Source.allCases, [false, true])
  func textsWeighProperly(source: Source, hasLearnt: Bool) throws {
    let model = try source.model(order: 3)
    let target = SentenceTarget(
      model: model, constraint: try Self.automaton(model.vocabulary, isSoft: true, bound: 2))
    var guide = try Self.guide(target, mostTokens: 2)
    if hasLearnt {
      var choices = RandomChoices(seed: 1)
      let texts = GuidedTexts(BigramGuidedTokens(target, guide))
      guide = guide.refined(
        by: try (0..<20).flatMap { _ in try texts.observation(using: &choices) })
    }
    let words = (0..<model.vocabulary.count).map { Token($0) }
      .filter(model.vocabulary.isDrawable)
    let candidates =
      [TokenSequence()] + words.map { TokenSequence([$0]) }
      + words.flatMap { a in words.map { TokenSequence([a, $0]) } }
    let space = EnumeratedTarget(target, among: candidates)
    let texts = GuidedTexts(BigramGuidedTokens(target, guide, attempts: 1))
    #expect(
      try properWeightDefect(on: space) { choices in
        try texts.draw(using: &choices).map { ($0.text, $0.logWeight) }
      } < 1e-12)
  }

  /// Ends of any length written under such a look-ahead keep a power of the model.
  @Test(arguments: Source.allCases, [true] + TestData.deep([false]))
  func suffixesKeepThePower(source: Source, isSoft: Bool) throws {
    let model = try source.model(order: 3)
    let target = SentenceTarget(
      model: model, constraint: try Self.automaton(model.vocabulary, isSoft: isSoft, bound: 2),
      fluency: 1.3)
    let words = (0..<model.vocabulary.count).map { Token($0) }
      .filter(model.vocabulary.isDrawable)
    let space = EnumeratedTarget(
      target,
      among: [TokenSequence()] + words.map { TokenSequence([$0]) }
        + words.flatMap { a in words.map { TokenSequence([a, $0]) } })
    let proposal = ResampleSuffix<_, NGramScorer>(
      BigramGuidedTokens(target, try Self.guide(target, mostTokens: 2), attempts: 1))
    #expect(proposalDefect(of: proposal, on: space) < 1e-12)
    let matrix = TransitionMatrix(of: MetropolisHastings(proposal), on: space)
    #expect(matrix.invarianceDefect(of: space.probabilities) < 1e-12)
  }
}
