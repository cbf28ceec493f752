// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Sampling
import Testing

/// The small English network against double precision.
@Suite struct NeuralModelExactTests {
  private struct Reference: Decodable {
    struct Score: Decodable {
      var text: String
      var ids: [Int]
      var logp: [Double]
      var end_logp: Double
      var total_with_end: Double
    }
    var scores: [Score]
  }

  private static func reference() throws -> Reference {
    try JSONDecoder().decode(
      Reference.self,
      from: Data(contentsOf: URL(filePath: TestData.path("reference/english-llama.json"))))
  }

  private static func model(anyTokens: Bool = false) throws -> NeuralModel {
    var options = NeuralModel.Options()
    options.allowsAnyTokens = anyTokens
    return try NeuralModel(path: TestData.path("models/english-llama"), options: options)
  }

  @Test(TestData.isNeeded) func scoresAsTheReference() throws {
    let model = try Self.model()
    let loaded = LoadedModel(model, name: "english-llama", checksum: 0)
    let start = try model.makeContext()
    var results = ScoredRuns<NeuralModel.Context>()
    for score in try Self.reference().scores {
      let tokens = loaded.tokens(of: score.text).compactMap { $0 }
      #expect(tokens.map(\.index) == score.ids)
      try model.score([TokenRun(start, tokens, scoresEnd: true)], into: &results)
      let logs = Array(results.logProbabilities(ofRun: 0))
      for (log, expected) in zip(logs, score.logp + [score.end_logp]) {
        // Single precision: 1.2e-4 a token is what the same pass loses elsewhere.
        #expect(abs(log - expected) < 5e-4)
      }
      #expect(model.vocabulary.text(of: tokens) == score.text)
    }
  }

  /// A run's answers are the same to the bit with rows, in a batch, and cut in two.
  @Test(TestData.isNeeded) func answersAreTheSameInEveryBatch() throws {
    let model = try Self.model()
    let start = try model.makeContext()
    let texts = try Self.reference().scores.map { $0.ids.map { Token($0) } }
    var alone = ScoredRuns<NeuralModel.Context>()
    var together = ScoredRuns<NeuralModel.Context>()
    try model.score(
      texts.map { TokenRun(start, $0, scoresEnd: true, rows: .all) }, into: &together)
    for (number, text) in texts.enumerated() {
      try model.score([TokenRun(start, text, scoresEnd: true)], into: &alone)
      #expect(alone.logProbabilities(ofRun: 0) == together.logProbabilities(ofRun: number)[...])
      let half = text.count / 2
      guard half > 0 else { continue }
      let middle = alone.context(ofRun: 0, behind: half)
      let whole = Array(alone.logProbabilities(ofRun: 0))
      try model.score(
        [TokenRun(middle, Array(text[half...]), scoresEnd: true)], into: &alone)
      #expect(Array(alone.logProbabilities(ofRun: 0)) == Array(whole[half...]))
      let row = together.row(half, ofRun: number)
      #expect(row[row.startIndex + text[half].index] == whole[half])
      // Rows of a network sum to one up to single precision.
      #expect(abs(row.reduce(0) { $0 + exp($1) } - 1) < 1e-5)
    }
  }

  /// Of all sequences that spell a text, only the tokenizer's own has weight.
  @Test(TestData.isNeeded) func targetsAreOverTexts() throws {
    let model = try Self.model()
    let loaded = LoadedModel(model, name: "english-llama", checksum: 0)
    let own = TokenSequence(loaded.tokens(of: "The sea was near.").compactMap { $0 })
    var letters: [Token] = []
    for character in "The sea was near." {
      letters.append(try #require(model.vocabulary.token(String(character))))
    }
    let apart = TokenSequence(letters)
    #expect(model.vocabulary.text(of: apart) == model.vocabulary.text(of: own))
    let target = model.makeTarget(constraint: nil, fluency: 1)
    #expect(target.logProbability(of: own) > -.infinity)
    #expect(target.logProbability(of: apart) == -.infinity)
    let any = try Self.model(anyTokens: true).makeTarget(constraint: nil, fluency: 1)
    #expect(any.logProbability(of: apart) > -.infinity)
    // A scorer's local answer is that of the whole text.
    let scorer = target.makeScorer(at: own)
    let word = try #require(model.vocabulary.token(" sea"))
    #expect(scorer.change(under: .insert(1, word), atLeast: -.infinity) > -.infinity)
    let part = try #require(model.vocabulary.token("s"))
    let rest = try #require(model.vocabulary.token("ea"))
    #expect(
      scorer.change(under: .rewrite(1..<2, [part, rest]), atLeast: -.infinity) == -.infinity)
  }
}
