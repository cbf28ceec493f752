// Licensed under the Apache License, Version 2.0.

import LM
import Sampling
import SamplingLaws
import Testing

/// The kernels of n-gram models, by every branch of a step from every text of small spaces.
@Suite struct NGramMovesExactTests {
  enum Space: String, CaseIterable, Sendable {
    case lengths = "length 0..3 tokens"
    case keyword = "length ..3 tokens\ninclude \"w4\"\nprefer \"w3\" 0.7"
    case fluent = "length 1..2 tokens\nfluency 1.5"
    case pairs = "length 2..2 tokens"
    /// No single edit leads from one text to another.
    case fixed = "match /w3 w3|w4 w4/"

    func target(_ model: NGramModel) throws -> EnumeratedTarget<
      SentenceTarget<NGramModel, TokenAutomaton>
    > {
      let compiled = try CompiledConstraints(
        ConstraintFile.parse(rawValue, path: "test"), for: VocabularyTree(model.vocabulary))
      let words = [Token(3), Token(4)]
      var texts: [[Token]] = [[]]
      var layer: [[Token]] = [[]]
      for _ in 0..<3 {
        layer = layer.flatMap { text in words.map { text + [$0] } }
        texts += layer
      }
      return EnumeratedTarget(
        SentenceTarget(
          model: model, constraint: compiled.automaton, fluency: compiled.fluency),
        among: texts.map { TokenSequence($0) })
    }
  }

  /// Right words, and what it says of them is another model's.
  struct Mistold: GapTokens {
    var words: NGramLeftTokens<TokenAutomaton>
    var told: UnigramTokens<NGramScorer>

    func draw(
      for gap: Gap, in scorer: NGramScorer, memory: inout Void,
      using choices: inout some ChoiceSource
    ) -> (token: Token, logProbability: Double)? {
      words.draw(for: gap, in: scorer, using: &choices)
    }

    func logProbability(
      of token: Token, for gap: Gap, in scorer: NGramScorer, memory: inout Void
    ) -> Double {
      told.logProbability(of: token, for: gap, in: scorer)
    }
  }

  @Test(
    arguments: [(Space.fluent, 2), (.pairs, 2), (.fixed, 3)]
      + TestData.deep([
        (.lengths, 2), (.keyword, 2), (.pairs, 3), (.lengths, 3), (.keyword, 3), (.fluent, 3),
      ]))
  func movesKeepTheTarget(space: Space, order: Int) throws {
    let model = try NGramWordsExactTests.model(order: order, vocabulary: 5)
    let enumerated = try space.target(model)
    let kernel = NGramMoves(
      for: enumerated.target, left: NGramLeftTokens<TokenAutomaton>(model, attempts: 1))
    let matrix = TransitionMatrix(of: kernel, on: enumerated)
    #expect(enumerated.states.count > 1)
    // Probabilities of a step are sums of some thousand branches.
    #expect(matrix.normalisationDefect < 1e-12)
    #expect(matrix.invarianceDefect(of: enumerated.probabilities) < 1e-12)
    #expect(matrix.unreachableCount == 0)
  }

  @Test(
    arguments: [(Space.fluent, 2), (.pairs, 2)]
      + TestData.deep([(.lengths, 2), (.pairs, 3), (.lengths, 3), (.keyword, 3)]))
  func fullWordsKeepTheTarget(space: Space, order: Int) throws {
    let model = try NGramWordsExactTests.model(order: order, vocabulary: 5)
    let enumerated = try space.target(model)
    let words = NGramFullTokens<TokenAutomaton>(model, attempts: 1)
    let kernel = Mixture {
      Weighted(1, MetropolisHastings(ReplaceToken(words)))
      Weighted(1, MetropolisHastings(InsertOrDeleteToken(words)))
    }
    let matrix = TransitionMatrix(of: kernel, on: enumerated)
    #expect(matrix.normalisationDefect < 1e-12)
    #expect(matrix.invarianceDefect(of: enumerated.probabilities) < 1e-12)
    #expect(matrix.unreachableCount == 0)
  }

  @Test func anotherModelsProbabilitiesAreCaught() throws {
    let model = try NGramWordsExactTests.model(order: 3, vocabulary: 5)
    let enumerated = try Space.pairs.target(model)
    let words = Mistold(
      words: NGramLeftTokens<TokenAutomaton>(model, attempts: 1),
      told: UnigramTokens<NGramScorer>(model.vocabulary, weights: [1, 1, 1, 1, 20]))
    let matrix = TransitionMatrix(
      of: MetropolisHastings(ReplaceToken(words)), on: enumerated)
    #expect(matrix.invarianceDefect(of: enumerated.probabilities) > 1e-3)
  }

  /// Starts are allowed and differ from chain to chain, also where luck would not find one.
  @Test func startsAreSearchedFor() throws {
    let model = try BuiltInModel.english.load()
    let compiled = try CompiledConstraints(
      ConstraintFile.parse(
        "include \"sea\" \"war\" \"Holmes\"\nlength 3..9 words\nend \"?\"", path: "test"),
      for: VocabularyTree(model.vocabulary))
    let target = SentenceTarget(model: model, constraint: compiled.automaton)
    let starts = try (UInt64(0)..<(TestData.isDeep ? 4 : 2)).map { chain in
      var choices = RandomChoices(Philox(seed: 1).stream(chain))
      return try #require(try target.randomStart(using: &choices))
    }
    #expect(Set(starts).count == starts.count)
    #expect(starts.allSatisfy { target.logProbability(of: $0) > -.infinity })
    var choices = RandomChoices(seed: 1)
    let nothing = SentenceTarget(
      model: model,
      constraint: TokenAutomaton(
        start: 0, classes: [UInt32](repeating: 0, count: model.vocabulary.count), classCount: 1,
        transitions: [0], finalWeights: [-.infinity]))
    #expect(try nothing.randomStart(using: &choices) == nil)
  }
}
