// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Runs
import Sampling
import Testing

/// 17 binary strings under SmolLM2: all of them listed, beside the law in double precision.
@Suite struct ListedGrammarExactTests {
  private static let environment = ProcessInfo.processInfo.environment
  private static let data = environment["GENSAMPLE_TEST_DATA"]
  private static let models = environment["GENSAMPLE_TEST_MODELS"]

  private struct Reference: Decodable {
    struct Grammar: Decodable {
      struct Text: Decodable {
        var s: String
        var log_target: Double
        var log_masked: Double
      }
      var strings: [Text]
      var log_valid_mass: Double
    }
    var grammar: Grammar
  }

  @Test(
    .enabled(
      if: data != nil && models != nil,
      "set GENSAMPLE_TEST_MODELS to the folder with real models, and GENSAMPLE_TEST_DATA, to run this"
    ))
  func theLawIsThatOfTheReference() throws {
    let grammar = try JSONDecoder().decode(
      Reference.self,
      from: Data(contentsOf: URL(filePath: (Self.data ?? "") + "/reference/smollm2.json"))
    ).grammar
    var options = NeuralModel.Options()
    options.chat = ChatTurn(
      user:
        "Be a helpful assistant. Generate a random binary string of length 5? Directly show the "
        + "generated string without explanation.",
      system: "You are a helpful AI assistant named SmolLM, trained by Hugging Face")
    let model = try LoadedModel(opening: (Self.models ?? "") + "/smollm2.gguf", options: options)
    let target = try CompiledTarget(
      ConstraintFile.parse(
        "match /" + grammar.strings.map(\.s).joined(separator: "|") + "/", path: "test"),
      for: model)
    func list<Model: ChainModel>(_ model: Model) throws -> EnumeratedTexts {
      try EnumeratedTexts(target.sentences(of: model), limit: 17)
    }
    let listed = try list(model.chainModel)
    #expect(listed.entries.count == 17)
    var (divergence, distance) = (0.0, 0.0)
    for text in grammar.strings {
      let entry = try #require(listed.entries.first { target.spelled($0.text) == text.s })
      let log = entry.logProbability - listed.logEvidence
      // Six tokens in single precision; other end tokens add what they are worth.
      #expect(abs(log - text.log_target) < 3e-3)
      divergence += exp(text.log_masked) * (text.log_masked - log)
      distance += abs(exp(text.log_masked) - exp(log)) / 2
    }
    // How far masking is from the law, as the reference states it.
    #expect(abs(divergence - 1.3457599201) < 5e-3)
    #expect(abs(distance - 0.4683717049) < 2e-3)
  }
}
