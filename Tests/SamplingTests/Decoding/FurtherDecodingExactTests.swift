// Licensed under the Apache License, Version 2.0.

import Sampling
import SamplingLaws
import Testing

private let toy = BigramTable.toy

/// Three letters whose rows differ enough for contexts to resemble each other more or less.
private let three = BigramTable(
  letters: ["a", "b", "c"],
  rows: [
    [0.4, 0.3, 0.25, 0.05], [0.45, 0.2, 0.3, 0.05], [0.5, 0.3, 0.1, 0.1], [0.1, 0.2, 0.3, 0.4],
  ])

@Suite struct FurtherDecodingExactTests {
  // MARK: Dynamic temperature

  private static let places = [
    TransformPlace([0, 1, 2, 0.5]), TransformPlace([3, 3, 3]),
    TransformPlace([0, -.infinity, 5, 4]),
    TransformPlace([-.infinity, 2]),
  ]

  @Test func dynamicTemperatureHasItsLaw() throws {
    func defect(exponent: Double, _ transform: DynamicTemperature) -> Double {
      transformDefect(of: [transform], at: Self.places) { probabilities, _ in
        let left = probabilities.filter { $0 > 0 }
        guard left.count > 1 else { return probabilities }
        let entropy = left.reduce(0) { $0 - $1 * LogSpace.log($1) }
        let share = entropy / LogSpace.log(Double(left.count))
        let temperature = 0.5 + 1.5 * LogSpace.exp(exponent * LogSpace.log(share))
        return probabilities.map { $0 > 0 ? LogSpace.exp(LogSpace.log($0) / temperature) : 0 }
      }
    }
    let transform = try DynamicTemperature(low: 0.5, high: 2, exponent: 1.5)
    #expect(defect(exponent: 1.5, transform) < 1e-12)
    // Mutants: another exponent, a fixed temperature.
    #expect(defect(exponent: 1, transform) > 1e-3)
    #expect(defect(exponent: 1.5, try DynamicTemperature(low: 1, high: 1)) > 1e-3)
    // All the same: the high temperature, which changes nothing; one token: nothing to change.
    #expect(
      law(of: TransformChain([try DynamicTemperature(low: 0, high: 1)]), at: Self.places[3])?[1]
        == 1)
  }

  @Test func dynamicTemperatureRefuses() {
    for (low, high, exponent) in [
      (-1.0, 1.0, 1.0), (2, 1, 1), (0, .infinity, 1), (.nan, 1, 1), (0, 1, 0), (0, 1, .nan),
    ] {
      #expect(throws: DecodingError.self) {
        try DynamicTemperature(low: low, high: high, exponent: exponent)
      }
    }
  }

  // MARK: Copies

  /// Every text that a chain can draw of a table, with its probability.
  private func texts(
    _ transforms: [any NextTokenTransform], _ model: BigramTable, maxTokens: Int
  ) throws -> [DecodedText: Double] {
    let sampler = AncestralSampler(try DecodingRules(transforms: transforms, maxTokens: maxTokens))
    let law = outcomes { choices in try? sampler.draw(from: model, using: &choices) }
    return law.reduce(into: [:]) { law, one in
      if let text = one.key { law[text] = one.value }
    }
  }

  /// The share of drawn texts that hold a run of so many tokens which the source does not.
  private func strayShare(
    _ transforms: [any NextTokenTransform], of source: [Token], length: Int
  ) throws -> Double {
    let grams = Set((0...source.count - length).map { Array(source[$0..<$0 + length]) })
    return try texts(transforms, three, maxTokens: 5).reduce(0) { sum, one in
      let tokens = one.key.text.tokens
      guard tokens.count >= length else { return sum }
      let all = (0...tokens.count - length).map { Array(tokens[$0..<$0 + length]) }
      return sum + (all.allSatisfy(grams.contains) ? 0 : one.value)
    }
  }

  @Test(arguments: [1, 2, 3])
  func copiesStandInTheSource(length: Int) throws {
    // It ends as it begins, so that no span ends for want of a continuation.
    let source = three.text("abcab").tokens
    let copies = try CopiedSpans(of: [source], length: length)
    #expect(try strayShare([copies], of: source, length: length) == 0)
    let sparse = try SparseSoftmax(1)
    #expect(try strayShare([copies, sparse], of: source, length: length) == 0)
    // Mutant: spans of one token less.
    guard length > 1 else { return }
    let short = try CopiedSpans(of: [three.text("abbcab").tokens], length: length - 1)
    #expect(try strayShare([short], of: three.text("abbcab").tokens, length: length) > 1e-3)
  }

  @Test func aSpanBeginsAnewAtTheSourcesEnd() throws {
    // Behind b the source ends, so a new span may begin, but not by c.
    let copies = try CopiedSpans(of: [three.text("ab").tokens], length: 2)
    let law = try texts([copies], three, maxTokens: 3).filter { $0.key.text.count == 3 }
    #expect(Set(law.keys.map(\.text)) == Set(["aba", "abb", "bab", "bba", "bbb"].map(three.text)))
    // Between two runs nothing is copied.
    let apart = try CopiedSpans(of: [three.text("ab").tokens, three.text("cc").tokens], length: 2)
    #expect(
      try texts([apart], three, maxTokens: 2).keys.allSatisfy { $0.text != three.text("bc") }
        == false)
    #expect(try texts([apart], three, maxTokens: 2).keys.allSatisfy { $0.text != three.text("ac") })
    #expect(throws: DecodingError.self) { try CopiedSpans(of: [[]], length: 2) }
    #expect(throws: DecodingError.self) { try CopiedSpans(of: [[Token(2)]], length: 0) }
  }

  // MARK: Best of several

  /// The distance between the law of the best of n and that which the sampler's own law implies.
  private func bestDefect(_ n: Int, against m: Int) throws -> Double {
    let rules = try DecodingRules(maxTokens: 3)
    let sampler = AncestralSampler(rules)
    let score: @Sendable (DecodedText) -> Double = { Double($0.text.count { $0 == Token(2) }) }
    let best = try BestOf(n, of: sampler, score: score)
    let found = outcomes { choices in try? best.draw(from: toy, using: &choices).text }
    let own = outcomes { choices in try? sampler.draw(from: toy, using: &choices) }
    var expected: [DecodedText?: Double] = [:]
    for (text, probability) in own {
      guard let text else { continue }
      func below(_ limit: Double, orEqual: Bool) -> Double {
        own.reduce(0) { sum, one in
          let other = one.key.map(score) ?? 0
          return sum + (other < limit || (orEqual && other == limit) ? one.value : 0)
        }
      }
      func power(_ base: Double) -> Double { (0..<m).reduce(1) { product, _ in product * base } }
      let all = below(score(text), orEqual: true)
      let worse = below(score(text), orEqual: false)
      // The best score is this one, and the first text that has it is as any that has it.
      expected[text] = (power(all) - power(worse)) * probability / (all - worse)
    }
    return totalVariation(found, expected)
  }

  @Test func theBestHasTheLawOfAMaximum() throws {
    for n in 1...3 { #expect(try bestDefect(n, against: n) < 1e-12) }
    // Mutant: one text less.
    #expect(try bestDefect(3, against: 2) > 1e-3)
    #expect(throws: DecodingError.self) {
      try BestOf(0, of: AncestralSampler(), score: { _ in 0 })
    }
  }

  // MARK: Contrastive search

  /// The search by its definition, every number made anew.
  private func naive(
    _ model: BigramTable, after prompt: TokenSequence, candidates: Int, penalty: Double,
    window: Int,
    maxTokens: Int
  ) -> TokenSequence {
    let end = model.vocabulary.end
    func row(_ token: Token) -> [Double] {
      (0..<model.vocabulary.count).map {
        LogSpace.exp(model.logProbability(of: Token($0), in: token))
      }
    }
    var text = prompt.tokens
    for _ in 0..<maxTokens {
      let here = row(text.last ?? model.vocabulary.start)
      let first = here.indices.sorted { (here[$1], $0) < (here[$0], $1) }.filter { here[$0] > 0 }
      let scores = first.prefix(candidates).map { number -> Double in
        let token = Token(number)
        let resemblance =
          token == end
          ? 0
          : text.suffix(window).map { earlier in
            zip(row(token), row(earlier)).reduce(0) { $0 + ($1.0 * $1.1).squareRoot() }
          }.max() ?? 0
        return (1 - penalty) * here[number] - penalty * resemblance
      }
      var best = 0
      for i in scores.indices where scores[i] > scores[best] { best = i }
      if Token(first[best]) == end { break }
      text.append(Token(first[best]))
    }
    return TokenSequence(text)
  }

  // At a penalty of 1 rounding chooses among contexts that resemble earlier ones wholly.
  @Test(arguments: [0, 0.2, 0.35, 0.6, 0.9], [1, 3])
  func contrastiveSearchIsItsDefinition(penalty: Double, window: Int) throws {
    let rules = try DecodingRules(maxTokens: 9)
    for prompt in three.texts(ofLengths: 0...3) {
      for candidates in 1...4 {
        let search = try ContrastiveSearch(
          candidates: candidates, penalty: penalty, window: window, rules)
        let found = try search.decode(three, after: prompt)
        #expect(
          found.text
            == naive(
              three, after: prompt, candidates: candidates, penalty: penalty, window: window,
              maxTokens: 9))
        if penalty == 0 || candidates == 1 {
          #expect(try found == GreedyDecoder(rules).decode(three, after: prompt))
        }
      }
    }
  }

  @Test func contrastiveSearchMutants() throws {
    let rules = try DecodingRules(maxTokens: 9)
    func texts(_ window: Int, _ penalties: [Double] = [0.2, 0.35, 0.6, 0.9]) throws
      -> [TokenSequence]
    {
      try penalties.flatMap { penalty in
        try three.texts(ofLengths: 0...3).map {
          try ContrastiveSearch(candidates: 3, penalty: penalty, window: window, rules)
            .decode(three, after: $0).text
        }
      }
    }
    let right = try texts(3)
    #expect(try right != texts(3, [0, 0, 0, 0]))
    #expect(try right != texts(1))
    for (candidates, penalty, window) in [(0, 0.5, 9), (2, -0.1, 9), (2, .nan, 9), (2, 0.5, 0)] {
      #expect(throws: DecodingError.self) {
        try ContrastiveSearch(candidates: candidates, penalty: penalty, window: window)
      }
    }
  }

  // MARK: Beams

  /// With a beam that holds every text, the best completion is the best of all texts that have it.
  @Test(arguments: [1, 2, 3])
  func alternativesAreCompletedAtBest(place: Int) throws {
    let search = try BeamSearch(width: 300, DecodingRules(maxTokens: 5))
    let best = try #require(try search.decode(three).first?.decoded.text.tokens)
    guard place <= best.count + 1 else {
      #expect(throws: DecodingError.self) { try search.alternatives(9, at: place, in: three) }
      return
    }
    let found = try search.alternatives(9, at: place, in: three)
    let before = Array(best.prefix(place - 1))
    #expect(found.count == 4)
    #expect(found.map(\.logProbability) == found.map(\.logProbability).sorted(by: >))
    for one in found {
      #expect(
        abs(
          one.logProbability
            - three.logProbability(of: one.token, in: before.last ?? three.vocabulary.start))
          < 1e-12)
      let rivals = three.texts(ofLengths: 0...4).filter { text in
        let tokens = text.tokens + [three.vocabulary.end]
        return Array(tokens.prefix(place)) == before + [one.token]
      }
      let most = rivals.map { three.logProbability(of: $0) }.max() ?? 0
      #expect(abs(one.result.score - most) < 1e-12)
      #expect(abs(one.result.decoded.logModel - most) < 1e-12)
    }
    // The best text itself is one of them.
    #expect(found.contains { $0.result.decoded.text.tokens == best })
    #expect(throws: DecodingError.self) {
      try search.alternatives(1, at: best.count + 2, in: three)
    }
  }

  @Test func coverageIsWhatItSays() throws {
    let source = three.text("aab")
    let penalty = try CoveragePenalty(of: source, weight: 2, floor: 0.1)
    // Half of both a's, and no b.
    let half = 2 * (2 * LogSpace.log(0.5) + LogSpace.log(0.1))
    #expect(abs(penalty.gain(of: three.text("ac")) - half) < 1e-12)
    #expect(penalty.gain(of: three.text("babaa")) == 0)
    let rules = try DecodingRules(maxTokens: 4)
    let search = try BeamSearch(width: 300, coverage: penalty, rules)
    let results = try search.decode(three).filter(\.decoded.isFinished)
    for result in results {
      let text = result.decoded.text
      #expect(
        abs(result.score - three.logProbability(of: text) - penalty.gain(of: text)) < 1e-12)
    }
    let best = three.texts(ofLengths: 0...3).max {
      three.logProbability(of: $0) + penalty.gain(of: $0)
        < three.logProbability(of: $1) + penalty.gain(of: $1)
    }
    #expect(results.first?.decoded.text == best)
    // Mutant: a search that forgets the source.
    #expect(try BeamSearch(width: 300, rules).decode(three).first?.decoded.text != best)
    for (weight, floor) in [(-1.0, 0.1), (.infinity, 0.1), (1, 0), (1, 1.5), (1, .nan)] {
      #expect(throws: DecodingError.self) {
        try CoveragePenalty(of: source, weight: weight, floor: floor)
      }
    }
    #expect(throws: DecodingError.self) { try CoveragePenalty(of: [], weight: 1, floor: 0.1) }
  }
}
