// Licensed under the Apache License, Version 2.0.

import Sampling
import SamplingLaws
import Testing

private let toy = BigramTable.toy

/// A text without numbers that rounding moves.
private struct Told: Hashable {
  let text: TokenSequence
  let ending: Ending
}

private func told(_ decoded: DecodedText?) -> Told? {
  decoded.map { Told(text: $0.text, ending: $0.ending) }
}

/// The law of plain sampling.
private func plainLaw(_ rules: DecodingRules) -> [Told?: Double] {
  outcomes { told(try? AncestralSampler(rules).draw(from: toy, using: &$0)) }
}

@Suite struct SpeculativeDecoderExactTests {
  /// One that agrees, one that seldom does, and one that never proposes b.
  static let drafts = [
    toy,
    BigramTable(
      letters: ["a", "b"], rows: [[0.1, 0.7, 0.2], [0.7, 0.1, 0.2], [0.1, 0.1, 0.8]]),
    BigramTable(letters: ["a", "b"], rows: [[0.5, 0, 0.5], [0.9, 0, 0.1], [1, 0, 0]]),
  ]

  static func rules() throws -> [DecodingRules] {
    try [
      DecodingRules(maxTokens: 3),
      DecodingRules(
        transforms: [Temperature(0.5), Nucleus(0.9), FrequencyPenalty(0.3)], maxTokens: 3),
      DecodingRules(
        transforms: [TopChoiceExclusion(probability: 0.5, threshold: 0.2)], maxTokens: 2),
      DecodingRules(maxTokens: 3, stopTexts: StopTexts(["ab"])),
    ]
  }

  @Test(arguments: drafts.indices, 1...3)
  func keepsTheModel(draft: Int, length: Int) throws {
    for rules in try Self.rules() {
      let decoder = try SpeculativeDecoder(length: length, rules)
      let law = outcomes { choices in
        var tally = SpeculativeDecoder.Tally()
        return told(
          try? decoder.draw(from: toy, draft: Self.drafts[draft], using: &choices, tally: &tally))
      }
      #expect(totalVariation(law, plainLaw(rules)) < 1e-12)
    }
  }

  /// Mutants: what is refused is drawn from p again, or nothing is ever refused.
  @Test func mutants() throws {
    let rules = try DecodingRules(maxTokens: 3)
    let expected = plainLaw(rules)
    for forgetsResidual in [true, false] {
      let law = outcomes { choices -> Told? in
        var text: [Token] = []
        while text.count < 3 {
          let row = text.last.map { $0.index - 1 } ?? 0
          let (p, q) = (toy.rows[row], Self.drafts[1].rows[row])
          var column = choices.index(weights: q)
          if forgetsResidual, !choices.chance(min(1, p[column] / q[column])) {
            column = choices.index(weights: p)
          }
          if column == p.count - 1 {
            return Told(text: TokenSequence(text), ending: .end(toy.vocabulary.end))
          }
          text.append(Token(column + 2))
        }
        return Told(text: TokenSequence(text), ending: .limit)
      }
      #expect(totalVariation(law, expected) > 1e-3)
    }
  }

  @Test(arguments: drafts.indices)
  func greedyIsGreedy(draft: Int) throws {
    for text in toy.texts(ofLengths: 0...3) {
      for length in [1, 3] {
        let rules = try DecodingRules(transforms: [FrequencyPenalty(0.4)], maxTokens: 6)
        var tally = SpeculativeDecoder.Tally()
        let decoded = try SpeculativeDecoder(length: length, rules).decode(
          toy, draft: Self.drafts[draft], after: text, tally: &tally)
        #expect(decoded == (try GreedyDecoder(rules).decode(toy, after: text)))
        #expect(tally.accepted <= tally.proposed && tally.rounds >= 1)
        // A draft that is the model itself is always right.
        if draft == 0 { #expect(tally.accepted == tally.proposed) }
      }
    }
  }

  /// A draft in other tokens, one of them unknown to it: "b" is no word of its own.
  @Test func respelled() throws {
    let base = BigramTable(
      letters: ["c", "a"], rows: [[0.2, 0.3, 0.5], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]])
    let draft = RespelledModel(base, in: toy.vocabulary)
    #expect(draft.sharedCount == 1)
    #expect(
      abs(draft.logProbability(of: Token(2), in: draft.makeContext()) - LogSpace.log(0.3)) < 1e-12)
    #expect(draft.logProbability(of: Token(3), in: draft.makeContext()) == -.infinity)
    let rules = try DecodingRules(maxTokens: 3)
    let decoder = try SpeculativeDecoder(length: 2, rules)
    let law = outcomes { choices in
      var tally = SpeculativeDecoder.Tally()
      return told(try? decoder.draw(from: toy, draft: draft, using: &choices, tally: &tally))
    }
    #expect(totalVariation(law, plainLaw(rules)) < 1e-12)
  }

  @Test func refuses() throws {
    #expect(throws: DecodingError.self) { try SpeculativeDecoder(length: 0) }
    let other = BigramTable(letters: ["a"], rows: [[0.5, 0.5], [0.5, 0.5]])
    var tally = SpeculativeDecoder.Tally()
    var choices = RandomChoices(seed: 1)
    #expect(throws: DecodingError.self) {
      try SpeculativeDecoder().draw(from: toy, draft: other, using: &choices, tally: &tally)
    }
  }
}
