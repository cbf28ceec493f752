// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Sampling

/// Tokens that particles draw a second under a regular expression, by size of vocabulary.
enum ParticlesBenchmark {
  static let particles = 100
  static let mostTokens = 50

  /// Tokens of fixed probabilities whatever stands before them: a model that costs nothing.
  struct ToyModel: LanguageModel {
    let vocabulary: Vocabulary
    let logs: [Double]
    let table: AliasTable

    /// A vocabulary of random strings of letters, digits and spaces, Zipf's law for weights.
    init(_ count: Int) {
      var choices = RandomChoices(seed: 1)
      let letters = Array("abcdefghijklmnopqrstuvwxyz      0123456789".utf8)
      var spellings: Set<[UInt8]> = []
      while spellings.count < count - 2 {
        spellings.insert(
          (0..<1 + choices.index(below: 6)).map { _ in letters[choices.index(below: letters.count)]
          })
      }
      let sorted = spellings.sorted { $0.lexicographicallyPrecedes($1) }
      vocabulary = Vocabulary(
        spellings: [Array("^".utf8), Array("$".utf8)] + sorted, spacing: .none, start: Token(0),
        end: Token(1), unknown: nil)
      var weights = (0..<count).map { 1 / Double($0 + 2) }
      weights[0] = 0
      weights[1] = 0.02 * weights.reduce(0, +)
      let sum = weights.reduce(0, +)
      logs = weights.map { LogSpace.log($0 / sum) }
      table = AliasTable(weights: weights)
    }

    func makeContext() -> Bool { true }
    func advance(_ context: inout Bool, by token: Token) {}
    func logProbability(of token: Token, in context: Bool) -> Double { logs[token.index] }
    var contextLimit: Int { 0 }
  }

  struct ToyTokens: TokenSource {
    let model: ToyModel

    func draw(in context: Bool, using choices: inout some ChoiceSource) -> DrawnToken {
      let index = model.table.draw(using: &choices)
      return DrawnToken(Token(index), logProbability: model.logs[index], logSum: 0)
    }
  }

  static func run(_ setting: Setting) throws {
    say("token-particles a second, \(particles) particles, match /([a-z]+ )*[a-z]+/, one thread\n")
    say("vocabulary   by rejection   by vectors")
    for size in [256, 5_000, 50_257] {
      let model = ToyModel(size)
      let statements = try ConstraintFile.parse("match /([a-z]+ )*[a-z]+/", path: "benchmark")
      let target = try SentenceTarget(model: model, constraints: statements)
      guard let automaton = target.automaton else { continue }
      let lookAhead = LookAhead(
        automaton, mostTokens: mostTokens, weights: model.logs.map(LogSpace.exp),
        vocabulary: model.vocabulary)
      let fast = rate(RejectedTokens(target, lookAhead, source: ToyTokens(model: model)))
      let slow = rate(GuidedTokens(target, lookAhead))
      say(
        String(size).padding(toLength: 13, withPad: " ", startingAt: 0)
          + short(fast).padding(toLength: 15, withPad: " ", startingAt: 0) + short(slow))
    }
  }

  private static func rate(_ tokens: some TokenProposal) -> Double {
    let filter = ParticleFilter(tokens)
    let goal = Duration.seconds(2)
    let monitor = RunMonitor()
    let began = ContinuousClock.now
    var number: UInt64 = 0
    while began.duration(to: .now) < goal {
      _ = filter.run(
        count: particles, random: Philox(seed: number), threads: 1, monitor: monitor)
      number += 1
    }
    return Double(monitor.steps) / (began.duration(to: .now) / .seconds(1))
  }
}
