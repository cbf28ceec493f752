// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Sampling

/// Tokens that particles draw a second under a regular expression, by size of vocabulary.
enum ParticlesBenchmark {
  static let particles = 100
  static let mostTokens = 50

  /// Tokens of fixed probabilities whatever stands before them: a model that costs nothing.
  struct ToyModel: FiniteContextModel {
    let vocabulary: Vocabulary
    let logs: [Double]
    let table: AliasTable

    /// A vocabulary of random strings of letters, digits and spaces, Zipf's law for weights.
    init(_ count: Int) {
      var choices = RandomChoices(seed: 1)
      let letters = Array("abcdefghijklmnopqrstuvwxyz      0123456789".utf8)
      var spellings: Set<[UInt8]> = []
      var listed: [[UInt8]] = []
      while listed.count < count - 2 {
        let spelling = (0..<1 + choices.index(below: 6)).map { _ in
          letters[choices.index(below: letters.count)]
        }
        if spellings.insert(spelling).inserted { listed.append(spelling) }
      }
      vocabulary = Vocabulary(
        spellings: [Array("^".utf8), Array("$".utf8)] + listed, spacing: .none, start: Token(0),
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

    func draw<Constraint: TokenConstraint>(
      after prefix: Prefix<ToyModel, Constraint>, using choices: inout some ChoiceSource
    ) -> DrawnToken {
      let index = model.table.draw(using: &choices)
      return DrawnToken(Token(index), logProbability: model.logs[index], logSum: 0)
    }
  }

  static func run(_ setting: Setting) throws {
    say("token-particles a second, \(particles) particles, match /([a-z]+ )*[a-z]+/, one thread\n")
    say("vocabulary   by rejection   by vectors   genlm-control, AWRS")
    for size in [256, 5_000, 50_257] {
      let model = ToyModel(size)
      let statements = try ConstraintFile.parse("match /([a-z]+ )*[a-z]+/", path: "benchmark")
      let target = try SentenceTarget(model: model, constraints: statements)
      guard let automaton = target.constraint else { continue }
      let lookAhead = AutomatonLookAhead(
        automaton, mostTokens: mostTokens, weights: model.logs.map(LogSpace.exp),
        vocabulary: model.vocabulary)
      let fast = try rate(RejectedTokens(target, lookAhead, source: ToyTokens(model: model)))
      let slow = try rate(GuidedTokens(target, lookAhead))
      say(
        String(size).padding(toLength: 13, withPad: " ", startingAt: 0)
          + short(fast).padding(toLength: 15, withPad: " ", startingAt: 0)
          + short(slow).padding(toLength: 13, withPad: " ", startingAt: 0)
          + (try setting.peers.map { short(try peer($0, model)) } ?? ""))
    }
  }

  /// The same in genlm-control, by its adaptive weighted rejection, whose published figures are
  /// 5.6 k, 2-3 k and .4-.5 k.
  private static func peer(_ peers: String, _ model: ToyModel) throws -> Double {
    struct Toy: Encodable {
      var tokens: [[UInt8]]
      var logs: [Double]
      var end: Double
    }
    let tokens = (2..<model.vocabulary.count).map(Token.init)
    let file = FileManager.default.temporaryDirectory.path + "/gensample-particles.json"
    defer { try? FileManager.default.removeItem(atPath: file) }
    try JSONEncoder().encode(
      Toy(
        tokens: tokens.map { Array(model.vocabulary.bytes(of: $0)) },
        logs: tokens.map { model.logs[$0.index] }, end: model.logs[model.vocabulary.end.index])
    ).write(to: URL(fileURLWithPath: file))
    let script = """
      import asyncio, json, sys, time
      import numpy as np
      from genlm.control import AWRS, BoolFSA, SMC
      from genlm.control.potential.base import Potential
      toy = json.load(open(sys.argv[1]))
      tokens, logs = [bytes(t) for t in toy["tokens"]], np.array(toy["logs"] + [toy["end"]])
      class Toy(Potential):
          def __init__(self):
              super().__init__(tokens)
              self.row = self.make_lazy_weights(logs)
              self.places = {t: i for i, t in enumerate(tokens)}
          async def prefix(self, context): return float(sum(logs[self.places[t]] for t in context))
          async def complete(self, context): return await self.prefix(context) + float(logs[-1])
          async def logw_next(self, context): return self.row
      async def main():
          model = Toy()
          form = BoolFSA.from_regex(r"([a-z]+ )*[a-z]+").coerce(model, f=b"".join)
          filter = SMC(AWRS(model, form))
          async def run():
              done = await filter(n_particles=\(particles), ess_threshold=0.5, max_tokens=\(mostTokens))
              return sum(len(context) for context in done.contexts)
          await run()
          count, began = 0, time.perf_counter()
          while time.perf_counter() - began < 4: count += await run()
          print(count / (time.perf_counter() - began))
      asyncio.run(main())
      """
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(fileURLWithPath: peers + "/bin/python")
    process.arguments = ["-c", script, file]
    process.standardOutput = output
    try process.run()
    let printed = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    let text = String(decoding: printed, as: UTF8.self).split(separator: "\n").last
    return text.flatMap { Double($0) } ?? .nan
  }

  private static func rate(_ tokens: some TokenProposal) throws -> Double {
    let filter = ParticleFilter(tokens)
    let goal = Duration.seconds(2)
    let monitor = RunMonitor()
    let began = ContinuousClock.now
    var number: UInt64 = 0
    while began.duration(to: .now) < goal {
      _ = try filter.run(
        count: particles, random: Philox(seed: number), threads: 1, monitor: monitor)
      number += 1
    }
    return Double(monitor.steps) / (began.duration(to: .now) / .seconds(1))
  }
}
