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
        var logp: [Double]
        var end_logp: Double
        var log_masked: Double
      }
      var strings: [Text]
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
    func list<Model: ChainModel>(_ model: Model) throws -> (EnumeratedTexts, [Double]) {
      let list = try EnumeratedTexts(target.sentences(of: model), limit: 17)
      var results = ScoredRuns<Model.Context>()
      let start = try model.makeContext()
      try model.score(
        list.entries.map { TokenRun(start, $0.text.tokens, scoresEnd: true) }, into: &results)
      var digits: [Double] = []
      for (run, entry) in list.entries.enumerated() {
        let logs = results.logProbabilities(ofRun: run)
        // The same numbers, added up in another order.
        #expect(abs(logs.reduce(0, +) - entry.logModel) < 1e-9)
        digits.append(logs.dropLast().reduce(0, +))
      }
      return (list, digits)
    }
    let (listed, digits) = try list(model.chainModel)
    #expect(listed.entries.count == 17)
    // The reference knows one end token; the model adds up all that it has.
    var logs: [Double] = []
    for text in grammar.strings {
      let place = try #require(
        listed.entries.firstIndex { target.spelled($0.text) == text.s })
      // Five tokens in single precision, 1e-3 each.
      #expect(abs(digits[place] - text.logp.reduce(0, +)) < 5e-3)
      #expect(listed.entries[place].logModel >= digits[place] + text.end_logp - 1e-3)
      logs.append(digits[place] + text.end_logp)
    }
    let sum = LogSpace.sum(logs)
    var (divergence, distance) = (0.0, 0.0)
    for (log, text) in zip(logs, grammar.strings) {
      divergence += exp(text.log_masked) * (text.log_masked - (log - sum))
      distance += abs(exp(text.log_masked) - exp(log - sum)) / 2
    }
    // How far masking is from the law, as the reference states it.
    #expect(abs(divergence - 1.3457599201) < 5e-3)
    #expect(abs(distance - 0.4683717049) < 2e-3)
  }
}
