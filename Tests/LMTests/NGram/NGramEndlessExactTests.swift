// Licensed under the Apache License, Version 2.0.

import LM
import Sampling
import SamplingLaws
import Testing

/// Sums over texts of any length against sums forwards, token by token, over all that the model and
/// the automaton can remember.
@Suite struct NGramEndlessExactTests {
  struct Space: Sendable, CustomTestStringConvertible {
    var order: Int
    var automaton: Kind
    var fluency: Double

    enum Kind: Sendable { case none, keyword, soft }

    var testDescription: String { "order \(order), \(automaton), fluency \(fluency)" }

    func target() throws -> SentenceTarget<NGramModel, TokenAutomaton> {
      let model = try NGramWordsExactTests.model(order: order)
      let automaton: TokenAutomaton? =
        switch automaton {
        case .none: nil
        case .keyword: try NGramEndlessExactTests.keyword(model, weight: 0)
        // Each keyword after the first makes a text less likely.
        case .soft: try NGramEndlessExactTests.keyword(model, weight: -1.5)
        }
      return SentenceTarget(model: model, constraint: automaton, fluency: fluency)
    }
  }

  /// Exponents at which longer texts count.
  static let spaces = [(1, 0.5), (2, 0.3), (3, 0.3)].flatMap { order, fluency in
    [
      Space(order: order, automaton: .none, fluency: fluency),
      Space(order: order, automaton: .keyword, fluency: fluency),
      Space(order: order, automaton: .soft, fluency: fluency),
    ]
  }

  /// Texts with a word, whose first state is not the automaton's first.
  static func keyword(_ model: NGramModel, weight: Double) throws -> TokenAutomaton {
    let word = try #require(model.vocabulary.token("w3"))
    let classes = (0..<model.vocabulary.count).map { token -> UInt32 in
      token == word.index ? 0 : model.vocabulary.isDrawable(Token(token)) ? 1 : 2
    }
    return TokenAutomaton(
      start: 1, classes: classes, classCount: 3,
      transitions: [0, 0, TokenAutomaton.dead, 0, 1, TokenAutomaton.dead],
      weights: [weight, 0, 0, 0, 0, 0], finalWeights: [0, -.infinity])
  }

  /// What a beginning leaves to be told apart.
  struct Memory: Hashable {
    var last: [Token]
    var state: TokenAutomaton.State
  }

  /// The sum of all texts' weights with a beginning, over the beginning's; the shares of lengths.
  static func sum(
    _ target: SentenceTarget<NGramModel, TokenAutomaton>, after beginning: [Token] = [],
    tokens: Int = 2000
  ) -> (all: Double, lengths: [Double]) {
    let model = target.model
    let automaton = target.constraint ?? TokenAutomaton(every: model.vocabulary)
    let words = (0..<model.vocabulary.count).map { Token($0) }.filter(model.vocabulary.isDrawable)
    func log(_ text: [Token], _ token: Token) -> Double {
      var context = model.makeContext()
      for word in text { model.advance(&context, by: word) }
      return target.fluency * model.logProbability(of: token, in: context)
    }
    var known: [Memory: [(to: Memory, weight: Double)]] = [:]
    var ends: [Memory: Double] = [:]
    func look(_ memory: Memory) {
      // Before the first tokens the context is the start's own.
      known[memory] = words.compactMap { word in
        let next = automaton.following(memory.state, word)
        guard next != TokenAutomaton.dead else { return nil }
        return (
          Memory(last: memory.last + [word], state: next),
          LogSpace.exp(log(memory.last, word) + automaton.weight(memory.state, word))
        )
      }
      ends[memory] = LogSpace.exp(
        log(memory.last, model.vocabulary.end) + automaton.finalWeights[Int(memory.state)])
    }
    var state = automaton.start
    for token in beginning { state = automaton.following(state, token) }
    var layer = [Memory(last: beginning, state: state): 1.0]
    // Texts share what is kept of them once they are as long as the model remembers.
    func shortened(_ memory: Memory) -> Memory {
      Memory(last: Array(memory.last.suffix(model.order)), state: memory.state)
    }
    var lengths: [Double] = []
    var all = 0.0
    for _ in 0..<tokens {
      var next: [Memory: Double] = [:]
      var ended = 0.0
      for (memory, weight) in layer {
        if known[memory] == nil { look(memory) }
        ended += weight * (ends[memory] ?? 0)
        for (to, step) in known[memory] ?? [] { next[shortened(to), default: 0] += weight * step }
      }
      all += ended
      lengths.append(ended)
      if next.values.reduce(0, +) < 1e-16 * all { break }
      layer = next
    }
    return (all, lengths)
  }

  @Test(arguments: spaces)
  func evidenceIsTheSumWithinTheTail(space: Space) throws {
    let target = try space.target()
    let truth = Self.sum(target).all
    for tolerance in [1e-1, 1e-3, 1e-6, 1e-12] {
      let exact = try NGramInference(target: target, tolerance: tolerance)
      #expect(exact.tail > 0 && exact.tail <= tolerance)
      let short = truth / LogSpace.exp(exact.logEvidence) - 1
      // Rounding aside.
      #expect(short > -1e-12 && short < exact.tail + 1e-12)
    }
  }

  /// Mutant: texts above some length are left out, and nothing is said of them.
  @Test(arguments: spaces)
  func textsLeftOutAreCaught(space: Space) throws {
    let target = try space.target()
    let mutant = try NGramInference(target: target, length: 0...2)
    let short = Self.sum(target).all / LogSpace.exp(mutant.logEvidence) - 1
    #expect(short - mutant.tail > 1e-3)
  }

  @Test(arguments: spaces.filter { TestData.isDeep || $0.order < 3 })
  func drawsFollowTheTarget(space: Space) throws {
    let target = try space.target()
    let exact = try NGramInference(target: target, attempts: 1)
    var defect = 0.0
    for beginning in [[], ["w3"], ["w5", "w4"], ["w3", "w3", "w7"]] {
      let tokens = try beginning.map { try #require(target.model.vocabulary.token($0)) }
      let law = outcomes { choices in exact.inference.drawToken(after: tokens, using: &choices) }
      func mass(_ text: [Token]) -> Double {
        // The first token's weight is the quotient of two prefixes' weights.
        var context = target.model.makeContext()
        for token in tokens { target.model.advance(&context, by: token) }
        let state = tokens.reduce((target.constraint?.start ?? 0)) {
          target.constraint?.following($0, $1) ?? 0
        }
        guard let token = text.last, text.count > tokens.count else { return 0 }
        guard target.constraint?.following(state, token) != TokenAutomaton.dead else { return 0 }
        return LogSpace.exp(
          target.fluency * target.model.logProbability(of: token, in: context)
            + (target.constraint?.weight(state, token) ?? 0)) * Self.sum(target, after: text).all
      }
      let all = Self.sum(target, after: tokens).all
      for (token, share) in law {
        guard let token else { continue }
        let truth = mass(tokens + [token]) / all
        defect = max(defect, abs(share / truth - 1))
      }
      #expect(abs(law.values.reduce(0, +) - 1) < 1e-12)
    }
    // Some dozens of contexts that are backed off to, each within the tail.
    #expect(defect < 1e-11)
  }

  @Test(arguments: spaces)
  func marginalsAreSharesOfAllTexts(space: Space) throws {
    let target = try space.target()
    let (all, lengths) = Self.sum(target)
    let marginals = try NGramInference(target: target).marginals()
    for (length, weight) in lengths.enumerated() {
      let found = marginals.lengths.indices.contains(length) ? marginals.lengths[length] : 0
      #expect(abs(found - weight / all) < 1e-11)
    }
  }

  @Test(arguments: spaces)
  func bestAreThoseOfLargestWeight(space: Space) throws {
    let target = try space.target()
    let (all, lengths) = Self.sum(target)
    let texts = NGramInferenceExactTests.texts(target, 0...4)
    let longer = all - lengths.prefix(5).reduce(0, +)
    let sure = texts.values.filter { $0 > longer }.count
    // As many as no longer text can be among.
    let exact = try NGramInference(target: target)
    let best = try exact.best(20)
    #expect(best.count == 20 && Set(best).count == 20)
    let weights = best.map { LogSpace.exp(target.logProbability(of: $0)) }
    #expect(zip(weights, weights.dropFirst()).allSatisfy { $0 >= $1 * (1 - 1e-12) })
    let largest = texts.values.sorted(by: >)
    for i in 0..<min(sure, 20) {
      #expect(abs(weights[i] / largest[i] - 1) < 1e-12)
    }
    // None of the shorter ones is missed.
    for (text, weight) in texts where weight > (weights.last ?? 0) * (1 + 1e-12) {
      #expect(best.contains(text))
    }
  }

  /// A model without contexts sums to a geometric series, whose limit is known.
  @Test func divergenceIsDecidedAtOne() throws {
    let model = try NGramWordsExactTests.model(order: 1)
    func growth(_ fluency: Double) -> Double {
      (0..<model.vocabulary.count).filter { model.vocabulary.isDrawable(Token($0)) }.reduce(0) {
        $0
          + LogSpace.exp(
            fluency * model.logProbability(of: Token($1), in: model.makeContext()))
      }
    }
    var low = 0.01
    var high = 3.0
    for _ in 0..<60 {
      let middle = (low + high) / 2
      if growth(middle) > 1 { low = middle } else { high = middle }
    }
    #expect(throws: ExactInference.Fault.divergent) {
      try NGramInference(target: SentenceTarget(model: model, fluency: low - 0.01))
    }
    let exact = try NGramInference(target: SentenceTarget(model: model, fluency: high + 0.01))
    let end = LogSpace.exp(
      (high + 0.01) * model.logProbability(of: model.vocabulary.end, in: model.makeContext()))
    // The series' terms shrink by a hundredth each: hundreds are added up.
    #expect(
      abs(LogSpace.exp(exact.logEvidence) * (1 - growth(high + 0.01)) / end - 1) < 1e-10)
    // So near that its limit is not seen so soon.
    #expect(throws: ExactInference.Fault.unproved(horizon: 64)) {
      try NGramInference(target: SentenceTarget(model: model, fluency: high + 1e-4), horizon: 64)
    }
  }
}
