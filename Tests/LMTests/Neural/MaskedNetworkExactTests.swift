// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Sampling
import Testing

/// The small masked network of Tang poems against double precision.
@Suite struct MaskedNetworkExactTests {
  private struct Reference: Decodable {
    struct Text: Decodable {
      var text: String
      var ids: [Int]
      var per_token: [Double]
      var total: Double
    }
    var pseudo_log_likelihood: [Text]
  }

  private static func texts() throws -> [Reference.Text] {
    try JSONDecoder().decode(
      Reference.self,
      from: Data(contentsOf: URL(filePath: TestData.path("reference/tang-mlm.json")))
    ).pseudo_log_likelihood
  }

  @Test(TestData.isNeeded) func scoresAsTheReference() throws {
    let path = TestData.path("models/tang-mlm")
    #expect(try MaskedNetwork.isMasked(path: path))
    let network = try MaskedNetwork(path: path)
    var scorer = PseudoLineScorer(network)
    for text in try Self.texts() {
      let tokens = try network.tokens(of: text.text)
      #expect(tokens.map(\.index) == Array(text.ids.dropFirst().dropLast()))
      let logs = try network.pseudoLogProbabilities(of: tokens)
      for (log, expected) in zip(logs, text.per_token) {
        // Single precision: logits of this network are within 2e-4 of double precision.
        #expect(abs(log - expected) < 4e-4)
      }
      let score = try scorer.score(text.text)
      #expect(score.logProbability == logs.reduce(0, +))
      #expect(score.tokenCount == text.per_token.count)
    }
  }

  /// The energy and its scorer say the same as scoring anew, to the bit, and ignore what is hidden.
  @Test(TestData.isNeeded) func editsAreScoredAsAnew() throws {
    let network = try MaskedNetwork(path: TestData.path("models/tang-mlm"))
    let text = try network.tokens(of: "床前明月光")
    let energy = MaskedEnergy(model: network, spelling: network.spelling)
    var scorer = energy.makeScorer(at: text)
    for place in text.indices {
      var edited = scorer.state
      let edit = TokenSequence.Edit.replace(place, text[(place + 1) % text.count])
      edited.apply(edit)
      let row = network.logProbabilities(at: place, in: scorer.state)
      #expect(network.logProbabilities(at: place, in: edited) == row)
      #expect(
        network.logProbabilities(at: Array(edited.indices), in: edited)
          == edited.indices.map { network.logProbabilities(at: $0, in: edited) })
      _ = scorer.change(under: edit)
      scorer.commit(edit)
      #expect(scorer.logProbability == energy.logProbability(of: edited))
    }
    #expect(scorer.failure == nil)
  }

  @Test(TestData.isNeeded) func tooLongTextsAreFailuresOfTheScorer() throws {
    let network = try MaskedNetwork(path: TestData.path("models/tang-mlm"))
    let line = String(repeating: "月", count: network.longestText + 1)
    let text = try network.tokens(of: line)
    #expect(throws: LoadError.self) { try network.pseudoLogProbabilities(of: text) }
    let scorer = MaskedEnergy(model: network).makeScorer(at: text)
    #expect(scorer.failure != nil)
    #expect(scorer.logProbability == -.infinity)
  }
}
