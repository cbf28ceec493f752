// Licensed under the Apache License, Version 2.0.

import Sampling
import SamplingLaws
import Testing

private let toy = BigramTable.toy

/// Nothing ends a text before it has so many tokens.
@Suite struct MinimumLengthExactTests {
  /// Where the end alone is left by a truncation, wherever the length is asked for.
  static let orders: [@Sendable () throws -> [any NextTokenTransform]] = [
    { [try TopK(1), try MinimumLength(4)] }, { [try MinimumLength(4), try TopK(1)] },
    { [try Nucleus(0.1), try MinimumLength(4)] },
    { [try Temperature(0), try MinimumLength(4)] },
    { [try MinimumLength(4), try SelfTerminating(0.9)] },
    { [try SelfTerminating(0.9), try MinimumLength(4)] },
    { [try NonMonotoneTermination(0.9), try TopK(1, keepsEnd: true), try MinimumLength(4)] },
    { [Entmax(), try MinimumLength(4)] }, { [try SparseSoftmax(1), try MinimumLength(4)] },
  ]

  @Test(arguments: orders.indices)
  func noEndBeforeTheLength(index: Int) throws {
    let rules = try DecodingRules(transforms: Self.orders[index](), maxTokens: 8)
    #expect(rules.minTokens == 4)
    for seed in UInt64(0)..<8 {
      var choices = RandomChoices(seed: seed)
      let text = try AncestralSampler(rules).draw(
        from: toy, after: toy.text("b"), using: &choices)
      #expect(text.text.count >= 5, "\(text)")
    }
    let greedy = try GreedyDecoder(rules).decode(toy, after: toy.text("b"))
    #expect(greedy.text.count >= 5)
    for result in try BeamSearch(width: 3, rules).decode(toy, after: toy.text("b")) {
      #expect(result.decoded.text.count >= 5)
    }
  }

  /// What is forbidden is removed before anything is truncated.
  @Test func forbiddenTokensLeaveTruncationsSomething() throws {
    let (a, b) = (Token(2), Token(3))
    for forbidden in [
      try ForbiddenSequences([[a]]) as any NextTokenTransform, try NoRepeatNGram(1),
      try CopiedSpans(of: [[b, b, b]], length: 2),
    ] {
      let rules = try DecodingRules(transforms: [TopK(1), forbidden], maxTokens: 1)
      let text = try GreedyDecoder(rules).decode(toy, after: toy.text("a"))
      #expect(text.text.tokens.last != a || text.text.count == 1)
    }
  }

  @Test func stopTextsWaitForTheLength() throws {
    // The greedy text is abababab...
    let table = BigramTable(
      letters: ["a", "b"], rows: [[1, 0, 0], [0, 0.9, 0.1], [0.9, 0, 0.1]])
    func text(_ least: Int, _ stop: String) throws -> (count: Int, ending: Ending) {
      let rules = try DecodingRules(
        transforms: [MinimumLength(least)], maxTokens: 12, stopTexts: StopTexts([stop]))
      for search in [true, false] {
        let found =
          search
          ? try BeamSearch(width: 1, rules).decode(table)[0].decoded
          : try GreedyDecoder(rules).decode(table)
        if !search { return (found.bytes(in: table.vocabulary).count, found.ending) }
      }
      return (0, .limit)
    }
    #expect(try text(0, "ba") == (1, .stop("ba", byteCount: 1)))
    #expect(try text(5, "ba") == (5, .stop("ba", byteCount: 5)))
    #expect(try text(4, "ba") == (5, .stop("ba", byteCount: 5)))
    #expect(try text(5, "abab") == (6, .stop("abab", byteCount: 6)))
    #expect(try text(12, "ba").ending == .limit)
  }

  @Test func loopsWaitForTheLength() throws {
    let rules = try DecodingRules(
      transforms: [MinimumLength(20)], maxTokens: 40, loops: LoopDetector())
    let table = BigramTable(letters: ["a"], rows: [[1, 0], [1, 0]])
    let text = try GreedyDecoder(rules).decode(table)
    #expect(text.text.count == 20 && text.ending == .loop(table.text("a")))
  }

  /// A copy of the text at each step took seconds for 25,000 tokens and a minute for 100,000.
  @Test(.timeLimit(.minutes(1))) func longTextsTakeTimeInProportion() throws {
    let table = BigramTable(
      letters: ["a", "b"], rows: [[0.5, 0.5, 0], [0.5, 0.5, 0], [0.5, 0.5, 0]])
    var choices = RandomChoices(seed: 1)
    let count = TestData.isDeep ? 100_000 : 25_000
    let text = try AncestralSampler(DecodingRules(maxTokens: count)).draw(
      from: table, using: &choices)
    #expect(text.text.count == count)
  }
}
