// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Runs
import Sampling
import SamplingLaws
import Testing

/// N-grams over the tokens of another model: what they do leaves its law as it is.
@Suite struct CompanionExactTests {
  private static let model = RememberingModel()

  private struct Letters: TextEncoder {
    func tokens(of text: String) throws -> [Token] { Array(RememberingModel().text(text)) }
  }

  /// Trained on texts of letters, as `train --tokenizer` does it.
  private static func grams(order: Int, _ name: String = "remembering") throws -> NGramModel {
    let path = FileManager.default.temporaryDirectory.path + "/companion-\(UUID().uuidString).txt"
    try "ab\nba\naab\nb\nabba\n".write(toFile: path, atomically: true, encoding: .utf8)
    defer { try? FileManager.default.removeItem(atPath: path) }
    var options = TrainingOptions(order: order, tokenization: .characters)
    options.subwords = SubwordTokens(model.vocabulary, Letters(), name: name)
    return try NGramModel(NGramTrainer(options).train([path]).trie)
  }

  private static func automaton() throws -> TokenAutomaton {
    let tree = VocabularyTree(model.vocabulary)
    let compiled = try CompiledConstraints(
      ConstraintFile.parse("length 0..2 tokens\nprefer /ab/ 0.7\nexclude \"bb\"", path: "test"),
      for: tree)
    return try #require(compiled.automaton)
  }

  private static func target(fluency: Double) throws -> PrefixTarget<
    RememberingModel, TokenAutomaton
  > { PrefixTarget(model: model, constraint: try automaton(), fluency: fluency) }

  private static func guide(
    _ grams: NGramModel, _ target: PrefixTarget<RememberingModel, TokenAutomaton>
  ) throws -> BigramLookAhead {
    let plain = AutomatonLookAhead(
      try automaton(), mostTokens: 2, weights: grams.unigramWeights,
      vocabulary: grams.vocabulary, fluency: target.fluency)
    return BigramLookAhead(
      plain, BigramLookAhead.Tables(grams.makeBackoffAutomaton(fluency: target.fluency)))
  }

  /// The numbers of the tokens are those of the model, and the probabilities sum to one.
  @Test func tokensKeepTheirNumbers() throws {
    let grams = try Self.grams(order: 2)
    #expect(grams.vocabulary.count == Self.model.vocabulary.count)
    #expect(grams.vocabulary.end == Self.model.vocabulary.end)
    #expect(grams.ownerOfTokens == "remembering")
    var row = [Double](repeating: 0, count: grams.vocabulary.count)
    var span = row.mutableSpan
    grams.logProbabilities(in: grams.makeContext(), into: &span)
    // Single precision in the file.
    #expect(abs(row.reduce(0) { $0 + LogSpace.exp($1) } - 1) < 1e-6)
    // No text of the corpus is empty.
    #expect(row[1] < min(row[2], row[3]))
  }

  /// Texts that are steered by n-grams have rho as their weights' mean.
  @Test(arguments: [1, 3], [1.0, 0.7])
  func lookingAheadLeavesTheLaw(order: Int, fluency: Double) throws {
    let target = try Self.target(fluency: fluency)
    let guide = try Self.guide(Self.grams(order: order), target)
    let space = EnumeratedTarget(target, among: Self.model.texts(upTo: 2))
    for bigrams in [guide, nil] {
      let texts = GuidedTexts(TwistedTokens(target, guide.lookAhead, bigrams: bigrams))
      #expect(
        try properWeightDefect(on: space) { choices in
          try texts.draw(using: &choices).map { ($0.text, $0.logWeight) }
        } < 1e-12)
    }
  }

  /// Where the n-grams are the model, every text has the same weight.
  @Test func theModelsOwnBigramsLeaveNothingToChance() throws {
    let grams = try Self.grams(order: 2)
    let target = SentenceTarget(model: grams, constraint: try Self.automaton())
    let z = try NGramInference(target: target).logEvidence
    let plain = AutomatonLookAhead(
      try Self.automaton(), mostTokens: 2, weights: grams.unigramWeights,
      vocabulary: grams.vocabulary)
    let guide = BigramLookAhead(
      plain, BigramLookAhead.Tables(grams.makeBackoffAutomaton(fluency: 1)))
    let texts = GuidedTexts(TwistedTokens(target, plain, bigrams: guide))
    let weights = try outcomes { try texts.draw(using: &$0).map(\.logWeight) }.keys
    #expect(weights.allSatisfy { abs(($0 ?? 0) - z) < 1e-12 })
  }

  /// Moves that n-grams screen keep the target.
  @Test(arguments: [1, 2]) func screeningLeavesTheLaw(order: Int) throws {
    let target = try Self.target(fluency: 1)
    let grams = try Self.grams(order: order)
    let surrogate = grams.makeTarget(constraint: try Self.automaton(), fluency: 1)
    let space = EnumeratedTarget(
      ScreenedTarget(target, screenedBy: surrogate), among: Self.model.texts(upTo: 2))
    let words = UnigramTokens<NGramScorer>(grams.vocabulary, weights: [0, 0, 3, 1])
    let matrix = TransitionMatrix(
      of: DelayedAcceptance<_, PrefixScorer<RememberingModel, TokenAutomaton>>(
        Mixture {
          Weighted(1, ReplaceToken(words))
          Weighted(1, InsertOrDeleteToken(words))
        }), on: space)
    #expect(matrix.invarianceDefect(of: space.probabilities) < 1e-12)
    #expect(matrix.unreachableCount == 0)
  }

  /// Texts that n-grams draft are draws from the model.
  @Test(arguments: [1, 2]) func draftingLeavesTheLaw(order: Int) throws {
    let rules = try DecodingRules(maxTokens: 2)
    let decoder = try SpeculativeDecoder(length: 2, rules)
    let grams = try Self.grams(order: order)
    let drafted = try outcomes { choices in
      var tally = SpeculativeDecoder.Tally()
      return try decoder.draw(from: Self.model, draft: grams, using: &choices, tally: &tally).text
    }
    let plain = try outcomes { choices in
      try AncestralSampler(rules).draw(from: Self.model, using: &choices).text
    }
    #expect(totalVariation(drafted, plain) < 1e-12)
  }

  /// A run by n-grams over the same tokens, and what its report says of them.
  @Test func samplersTakeACompanion() throws {
    let grams = LoadedModel(try Self.grams(order: 2), name: "small.gsm", checksum: 9)
    var importance = ImportanceSampler()
    importance.lookAhead.companion = grams
    #expect(importance.furtherModels.map(\.name) == ["small.gsm"])
    var chains = MetropolisHastingsSampler(
      ChainOptions(RunPlan(chains: 1, warmup: 1, thin: 1, extent: .draws(1), seed: 1)))
    chains.screen = grams
    #expect(chains.furtherModels.map(\.option) == ["screen"])
  }
}
