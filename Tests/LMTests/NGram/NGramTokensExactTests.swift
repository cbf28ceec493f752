// Licensed under the Apache License, Version 2.0.

import LM
import Sampling
import SamplingLaws
import Testing

/// Fast tokens against their slow twins, on models with all that ARPA files hold.
@Suite struct NGramTokensExactTests {
  @Test(arguments: [1, 2, 3], [1, 2])
  func tokensAreTheModels(order: Int, attempts: Int) throws {
    let model = try NGramWordsExactTests.model(order: order)
    let source = NGramTokens(NGramLeftTokens<TokenAutomaton>(model, attempts: attempts))
    for text in NGramWordsExactTests.texts(model) {
      var context = model.makeContext()
      for token in text { model.advance(&context, by: token) }
      var logs = [Double](repeating: 0, count: model.vocabulary.count)
      var span = logs.mutableSpan
      model.logProbabilities(in: context, into: &span)
      var slow: [Token: Double] = [:]
      for i in logs.indices where logs[i] > -.infinity { slow[Token(i)] = LogSpace.exp(logs[i]) }
      let total = slow.values.reduce(0, +)
      slow = slow.mapValues { $0 / total }
      let law = outcomes { source.draw(in: context, using: &$0).token }
      // Sums of some dozens of terms.
      #expect(totalVariation(law, slow) < 1e-12)
    }
  }

  private func defect(
    _ space: NGramMovesExactTests.Space, order: Int, attempts: Int,
    lookAhead other: AutomatonLookAhead? = nil
  ) throws -> Double {
    let model = try NGramWordsExactTests.model(order: order, vocabulary: 8)
    let target = try space.target(model).target
    let automaton = try #require(target.constraint)
    let lookAhead = AutomatonLookAhead(
      automaton, mostTokens: 3, weights: model.unigramWeights, vocabulary: model.vocabulary)
    let slow = GuidedTokens(target, other ?? lookAhead)
    let fast = NGramGuidedTokens(
      target, lookAhead, source: NGramTokens(NGramLeftTokens<TokenAutomaton>(model, attempts: 1)),
      attempts: attempts, longestList: 100)
    var worst = 0.0
    for tokens in [[], [Token(3)], [Token(4), Token(3)]] {
      var prefix = try slow.makePrefix()
      for token in tokens where automaton.next(prefix.state, token) != nil {
        prefix.append(token, model, automaton)
      }
      guard prefix.tokens == tokens else { continue }
      let here = lookAhead.logExpectation(prefix.state)
      var expected: [Token: Double] = [:]
      for (i, value) in slow.logValues(after: prefix).enumerated() where value > -.infinity {
        expected[Token(i)] = LogSpace.exp(value - here)
      }
      guard !expected.isEmpty else { continue }
      worst = max(
        worst,
        weightDefect(expected) { choices in
          fast.draw(after: prefix, using: &choices).map { ($0.token, $0.logWeight) }
        })
    }
    return worst
  }

  @Test(arguments: NGramMovesExactTests.Space.allCases, [1, 2])
  func guidedTokensWeighProperly(space: NGramMovesExactTests.Space, attempts: Int) throws {
    for order in [2, 3] {
      // A difference of sums of some dozens of terms, a millionth of them at least.
      #expect(try defect(space, order: order, attempts: attempts) < 1e-10)
    }
  }

  /// Held against values that expect nothing.
  @Test func anotherLookAheadIsSeen() throws {
    let model = try NGramWordsExactTests.model(order: 2, vocabulary: 8)
    let automaton = try #require(
      try NGramMovesExactTests.Space.keyword.target(model).target.constraint)
    let blind = AutomatonLookAhead(automaton, mostTokens: 3)
    #expect(try defect(.keyword, order: 2, attempts: 1, lookAhead: blind) > 1e-3)
  }
}
