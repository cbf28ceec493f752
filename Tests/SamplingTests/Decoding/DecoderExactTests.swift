// Licensed under the Apache License, Version 2.0.

import Sampling
import SamplingLaws
import Testing

private let toy = BigramTable.toy

/// The law of what a sampler draws; `nil` for what it throws.
private func law(
  _ rules: DecodingRules, _ model: BigramTable, after prompt: TokenSequence = []
) throws -> [DecodedText?: Double] {
  let sampler = AncestralSampler(rules)
  return outcomes { choices in try? sampler.draw(from: model, after: prompt, using: &choices) }
}

/// The largest difference between a law and the probabilities that its texts say of themselves.
private func weightDefect(
  _ law: [DecodedText?: Double], _ told: (DecodedText) -> Double
) -> Double {
  law.map { text, probability in
    text.map { abs(LogSpace.exp(told($0)) - probability) } ?? .infinity
  }.max() ?? .infinity
}

/// The largest difference between a law on texts and the product of rows of a table, up to a limit.
private func rowDefect(_ law: [DecodedText?: Double], rows: [[Double]], limit: Int) -> Double {
  var expected: [[Token]: (Double, Bool)] = [:]
  func walk(_ text: [Token], _ p: Double) {
    guard p > 0 else { return }
    if text.count == limit {
      expected[text] = (p, false)
      return
    }
    let row = rows[text.last.map { $0.index - 1 } ?? 0]
    for i in 0..<row.count - 1 { walk(text + [Token(i + 2)], p * row[i]) }
    if row[row.count - 1] > 0 { expected[text] = (p * row[row.count - 1], true) }
  }
  walk([], 1)
  var worst = 0.0
  var seen = 0
  for (text, probability) in law {
    guard let text, let (p, isFinished) = expected[text.text.tokens],
      isFinished == text.isFinished
    else { return .infinity }
    seen += 1
    worst = max(worst, abs(p - probability))
  }
  return seen == expected.count ? worst : .infinity
}

@Suite struct DecoderExactTests {
  @Test func greedy() throws {
    let decoded = try GreedyDecoder().decode(toy)
    #expect(decoded.text == toy.text("ab"))
    #expect(decoded.isFinished && decoded.logDrawn == 0)
    #expect(abs(decoded.logModel - LogSpace.log(0.15)) < 1e-12)
    let prompted = try GreedyDecoder().decode(toy, after: toy.text("bba"))
    #expect(prompted.text == toy.text("bbab") && prompted.promptCount == 3)
    #expect(abs(prompted.logPrompt - LogSpace.log(0.3 * 0.1 * 0.4)) < 1e-12)
    #expect(abs(prompted.logModel - LogSpace.log(0.25)) < 1e-12)
  }

  @Test(arguments: [2, 3])
  func beam(width: Int) throws {
    let results = try BeamSearch(width: width).decode(toy)
    #expect(results.count == width)
    #expect(results[0].decoded.text == toy.text("a"))
    #expect(abs(results[0].score - LogSpace.log(0.18)) < 1e-12)
    #expect(results.allSatisfy { $0.decoded.isFinished })
    let normalized = try BeamSearch(width: width, lengthPenalty: 1).decode(toy)
    #expect(normalized[0].decoded.text == toy.text("ab"))
    #expect(abs(normalized[0].score - -0.6324) < 5e-5)
  }

  /// Mean log-probabilities, the end counted.
  @Test(arguments: [("ab", -0.6324), ("a", -0.8574), ("b", -0.9486), ("", -2.3026)])
  func scores(text: String, score: Double) throws {
    let results = try BeamSearch(width: 10, lengthPenalty: 1, DecodingRules(maxTokens: 3))
      .decode(toy)
    let result = try #require(results.first { $0.decoded.text == toy.text(text) })
    #expect(abs(result.score - score) < 5e-5)
  }

  @Test func aBeamOfOneIsGreedy() throws {
    for text in toy.texts(ofLengths: 0...3) {
      let greedy = try GreedyDecoder().decode(toy, after: text)
      #expect(try BeamSearch(width: 1).decode(toy, after: text).map(\.decoded) == [greedy])
    }
  }

  /// A beam as wide as a step has continuations is a search of all texts.
  @Test(arguments: [-0.5, 0, 0.7, 2])
  func aWideBeamFindsTheBest(penalty: Double) throws {
    let results = try BeamSearch(width: 48, lengthPenalty: penalty, DecodingRules(maxTokens: 5))
      .decode(toy)
    let expected = toy.texts(ofLengths: 0...4).map { text in
      toy.logProbability(of: text)
        / LogSpace.exp(penalty * LogSpace.log(Double(text.count + 1)))
    }.sorted(by: >)
    #expect(results.count { $0.decoded.isFinished } == 31)
    for (result, score) in zip(results, expected) { #expect(abs(result.score - score) < 1e-12) }
  }

  @Test func samplingKeepsTheModel() throws {
    let law = try law(DecodingRules(maxTokens: 5), toy)
    #expect(rowDefect(law, rows: toy.rows, limit: 5) < 1e-12)
    #expect(weightDefect(law) { $0.logDrawn } < 1e-12)
    #expect(weightDefect(law) { $0.logModel } < 1e-12)
    // Mutants: another table, and a probability that forgets the end.
    #expect(rowDefect(law, rows: [toy.rows[0], toy.rows[2], toy.rows[1]], limit: 5) > 1e-3)
    #expect(weightDefect(law) { $0.logDrawn - ($0.isFinished ? LogSpace.log(0.3) : 0) } > 1e-3)
  }

  @Test func topTwo() throws {
    let law = try law(DecodingRules(transforms: [TopK(2)], maxTokens: 5), toy)
    let rows: [[Double]] = [[2.0 / 3, 1.0 / 3, 0], [0, 0.625, 0.375], [4.0 / 9, 0, 5.0 / 9]]
    #expect(rowDefect(law, rows: rows, limit: 5) < 1e-12)
    #expect(weightDefect(law) { $0.logDrawn } < 1e-12)
    #expect(weightDefect(law) { $0.logModel } > 1e-3)
    for text in law.keys {
      let text = try #require(text)
      let model =
        text.isFinished
        ? toy.logProbability(of: text.text)
        : toy.logProbability(of: text.text)
          - toy.logProbability(of: toy.vocabulary.end, in: text.text.tokens[text.text.count - 1])
      #expect(abs(text.logModel - model) < 1e-12)
    }
  }

  @Test func consistentTopOne() throws {
    let law = try law(DecodingRules(transforms: [TopK(1, keepsEnd: true)], maxTokens: 5), toy)
    let rows: [[Double]] = [[6.0 / 7, 0, 1.0 / 7], [0, 0.625, 0.375], [0, 0, 1]]
    #expect(rowDefect(law, rows: rows, limit: 5) < 1e-12)
    let plain = try DecoderExactTests.unfinished(TopK(1), toy, after: 5)
    #expect(plain == 0)
  }

  private static func unfinished(
    _ transform: (any NextTokenTransform)?, _ model: BigramTable, after limit: Int
  ) throws -> Double {
    try law(DecodingRules(transforms: [transform].compactMap { $0 }, maxTokens: limit), model)
      .reduce(0) { $0 + ($1.key?.isFinished == true ? 0 : $1.value) }
  }

  /// ^{a .5, c .3, $ .2} a{a .5, b .3, $ .2} b{a .5, b .3, $ .2} c{$ .6, a .3, c .1}.
  @Test func truncationThatNeverEnds() throws {
    let model = BigramTable(
      letters: ["a", "b", "c"],
      rows: [[0.5, 0, 0.3, 0.2], [0.5, 0.3, 0, 0.2], [0.5, 0.3, 0, 0.2], [0.3, 0, 0.1, 0.6]])
    for limit in [3, 6] {
      #expect(abs(try Self.unfinished(TopK(2), model, after: limit) - 0.75) < 1e-12)
      let bound = (0..<limit).reduce(1) { p, _ in p * 0.8 } + 1e-12
      #expect(try Self.unfinished(nil, model, after: limit) < bound)
      #expect(try Self.unfinished(TopK(2, keepsEnd: true), model, after: limit) < bound)
    }
  }

  /// a -> {a .6, $ .4}.
  @Test func oneLoop() throws {
    let model = BigramTable(letters: ["a"], rows: [[0.6, 0.4], [0.6, 0.4]])
    #expect(try !GreedyDecoder().decode(model).isFinished)
    for transform: any NextTokenTransform in [try TopK(1), try Nucleus(0.6), try Nucleus(0.1)] {
      #expect(try Self.unfinished(transform, model, after: 20) == 1)
    }
    #expect(try Self.unfinished(Nucleus(0.61), model, after: 20) < 1e-4)
    #expect(try Self.unfinished(Nucleus(0.1, keepsEnd: true), model, after: 20) < 1e-4)
    // .6^80 is 2e-18.
    let mean = try law(DecodingRules(maxTokens: 80), model).reduce(0) {
      $0 + $1.value * Double(($1.key?.text.count ?? 0) + 1)
    }
    #expect(abs(mean - 2.5) < 1e-12)
    let beam = try BeamSearch(width: 2).decode(model)
    #expect(beam[0].decoded.text == [] && beam[0].decoded.isFinished)
    let wrapped = try GreedyDecoder(DecodingRules(transforms: [SelfTerminating(0)])).decode(model)
    #expect(wrapped.text == model.text("a") && wrapped.isFinished)
    #expect(abs(wrapped.logTransformed - LogSpace.log(0.6 * 0.64)) < 1e-12)
    #expect(abs(wrapped.logModel - LogSpace.log(0.6 * 0.4)) < 1e-12)
  }

  @Test func everyTextHasItsOwnState() throws {
    // Three texts of one beam, each with the wrapper's state of its own path.
    let rules = try DecodingRules(transforms: [SelfTerminating(0.1)], maxTokens: 4)
    for result in try BeamSearch(width: 30, rules).decode(toy) {
      var survival = 1.0
      var p = 1.0
      var row = 0
      for token in result.decoded.text {
        let e = toy.rows[row][2]
        survival *= 0.9 * (1 - e)
        p *= survival * toy.rows[row][token.index - 2] / (1 - e)
        row = token.index - 1
      }
      if result.decoded.isFinished { p *= 1 - survival * 0.9 * (1 - toy.rows[row][2]) }
      #expect(abs(LogSpace.exp(result.decoded.logTransformed) - p) < 1e-12)
    }
  }

  @Test func stops() throws {
    let rules = try DecodingRules(stops: [Token(3)])
    let decoded = try GreedyDecoder(rules).decode(toy)
    #expect(decoded.text == toy.text("a") && decoded.end == Token(3))
    #expect(abs(decoded.logModel - LogSpace.log(0.3)) < 1e-12)
  }

  /// Finished texts end the search before better ones could come.
  @Test func patience() throws {
    let hasty = try BeamSearch(width: 2, patience: 0.5).decode(toy)
    #expect(hasty.map(\.decoded.text) == [toy.text("a")])
    let one = try BeamSearch(width: 2, patience: 1).decode(toy)
    #expect(one.map(\.decoded.text) == [toy.text("a"), toy.text("ab")])
    #expect(try BeamSearch(width: 2, patience: 3).decode(toy).count == 6)
  }

  /// By hand: the first group takes a, b, $; the second then avoids a at the first place and b at
  /// the second.
  @Test func groupsAvoidEachOther() throws {
    let apart = try BeamSearch(width: 2, groups: 2, diversity: 9).decode(toy)
    #expect(Set(apart.map(\.decoded.text)) == [toy.text("ab"), toy.text("b")])
    #expect(apart.allSatisfy { abs($0.score - LogSpace.log(0.15)) < 1e-12 })
    #expect(Set(apart.map(\.group)) == [0, 1])
  }

  @Test func messages() throws {
    func message(_ act: () throws -> Void) -> String {
      do {
        try act()
        return "nothing thrown"
      } catch {
        return "\(error)"
      }
    }
    let xtc = try DecodingRules(transforms: [
      Temperature(2), TopChoiceExclusion(probability: 0.5, threshold: 0.1),
    ])
    #expect(
      message { _ = try GreedyDecoder(xtc) }
        == "xtc 0.5,0.1 draws at random, which greedy decoding cannot; leave it out or sample")
    #expect(
      message { _ = try BeamSearch(xtc) }
        == "xtc 0.5,0.1 draws at random, which beam search cannot; leave it out or sample")
    #expect(
      message { _ = try BeamSearch(width: 0) } == "width: a beam has at least 1 text, got 0")
    #expect(
      message { _ = try DecodingRules(maxTokens: 0) }
        == "max-tokens: a text has room for at least 1 token, got 0")
    #expect(
      message { _ = try BeamSearch(width: 4, groups: 3) }
        == "groups: a beam of 4 is no 3 groups of equal width")
    #expect(
      message { _ = try BeamSearch(patience: 0) }
        == "patience: a factor is positive and finite, got 0.0")
    #expect(
      message { _ = try GreedyDecoder().decode(toy, after: [Token(1)]) }
        == "a prompt holds tokens of the model other than start and end, got 1")
    let masked = try DecodingRules(transforms: [NoRepeatNGram(1), MinimumLength(5)])
    #expect(
      message { _ = try GreedyDecoder(masked).decode(toy) }
        == "min-tokens 5 removed the last possible token; use a weaker setting "
        + "(token 3, behind 'ab')")
  }
}
