// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Sampling
import Testing

/// N-grams over the tokens of the small English network.
@Suite struct CompanionFileExactTests {
  private static func loaded(_ name: String) throws -> LoadedModel {
    try LoadedModel(opening: TestData.path("models/\(name)"))
  }

  /// Trains n-grams over a network's tokens and opens them beside another.
  private static func companion(of owner: LoadedModel, beside model: LoadedModel) throws
    -> LoadedModel
  {
    let corpus = try TemporaryFile("corpus.txt", "The sea was calm.\nThe <s> wind was near.\n")
    let file = try TemporaryFile("small.gsm")
    var options = TrainingOptions(order: 3, tokenization: .characters)
    options.subwords = try owner.subwordTokens()
    try NGramTrainer(options).train([corpus.path]).trie.write(gsm: file.path, layout: .small)
    return try model.companion(file.path, for: "--screen")
  }

  @Test(TestData.isNeeded) func itsTokensAreThoseOfTheNetwork() throws {
    let model = try Self.loaded("english-llama")
    let companion = try Self.companion(of: model, beside: model)
    let vocabulary = companion.vocabulary
    #expect(vocabulary.count == model.vocabulary.count)
    #expect(vocabulary.end == model.vocabulary.end)
    #expect(vocabulary.controls == model.vocabulary.controls)
    let grams = try companion.ngrams(.backoff, for: "test")
    func log(_ text: String) -> Double {
      grams.logProbability(of: TokenSequence(model.tokens(of: text).compactMap { $0 }))
    }
    #expect(log("The sea was near.") > log("sea near was The.") + 5)
    // Tokens that steer are never drawn.
    #expect(
      grams.unigramWeights.indices.allSatisfy {
        vocabulary.isDrawable(Token($0)) || Token($0) == vocabulary.end
          || grams.unigramWeights[$0] >= 0
      })
  }

  @Test(TestData.isNeeded) func otherTokensAreRefusedByName() throws {
    let (english, stories) = try (
      Self.loaded("english-llama"), Self.loaded("llama-stories260K")
    )
    let error = #expect(throws: LoadError.self) {
      try Self.companion(of: stories, beside: english)
    }
    let message = error?.description ?? ""
    #expect(message.contains("has the tokens of '\(stories.name)' (vocabulary "))
    #expect(message.contains("but '\(english.name)' has others (vocabulary "))
    #expect(
      throws: LoadError(
        .badData,
        "--draft needs n-grams of the tokens of '\(english.name)', but 'english' has tokens of its "
          + "own. Train one with 'gensample train TEXT --tokenizer \(english.name) -o FILE.gsm'.")
    ) { try english.companion("english", for: "--draft") }
  }
}
