// Licensed under the Apache License, Version 2.0.

import Foundation
import Sampling

/// The cost of one token after its logits are there in single precision, one thread: reading them from
/// memory that other rows have passed through since, checking them, setting the text, all transforms and the draw with
/// its log-probability.
enum DecodingBenchmark {
  static func run(_ setting: Setting) throws {
    say("microseconds a token, logits normal with a deviation of 3; one thread\n")
    for size in [32_000, 50_257, 128_256] {
      for (name, transforms) in try chains() where setting.only.map(name.contains) ?? true {
        let seconds = try measure(size, transforms, steps: setting.steps ?? 40)
        say("\(size)  \(String(format: "%8.1f", seconds * 1e6))  \(name)")
      }
      guard setting.only.map("mask".contains) ?? true else { continue }
      for (name, seconds) in try measureMasks(size, steps: setting.steps ?? 400) {
        say("\(size)  \(String(format: "%8.3f", seconds * 1e6))  \(name)")
      }
    }
  }

  /// The mask of a state met before, and its effect on logits in double precision.
  private static func measureMasks(_ size: Int, steps: Int) throws -> [(String, Double)] {
    var random = RandomChoices(seed: 1)
    // Class 0 goes on, class 1 is forbidden in one of two states: a wide mask and, behind class 2,
    // one of few tokens.
    let automaton = TokenAutomaton(
      start: 0, classes: (0..<size).map { $0 % 100 == 0 ? 2 : $0 % 3 == 0 ? 1 : 0 }, classCount: 3,
      transitions: [0, TokenAutomaton.dead, 1, TokenAutomaton.dead, TokenAutomaton.dead, 0],
      finalWeights: [0, 0])
    let row = (0..<size).map { _ in
      3 * normalQuantile((Double(random.index(below: 1 << 30)) + 0.5) / Double(1 << 30))
    }
    var next = NextTokens(count: size, ends: [Token(1)])
    var sum = 0
    let fetch = fastest(of: 40) {
      for step in 0..<steps { sum += automaton.mask(TokenAutomaton.State(step & 1)).count }
    }
    let begin = try fastest(of: 40) { for _ in 0..<steps { try next.begin(row) } }
    func apply(_ state: TokenAutomaton.State) throws -> Double {
      try fastest(of: 40) {
        for _ in 0..<steps {
          try next.begin(row)
          next.keep(automaton.mask(state))
        }
      }
    }
    let (wide, narrow) = (try apply(0), try apply(1))
    precondition(sum > 0)
    return [
      ("fetch the mask of a state met before", fetch / Double(steps)),
      ("apply a mask of two tokens in three", (wide - begin) / Double(steps)),
      ("apply a mask of one token in 100", (narrow - begin) / Double(steps)),
    ]
  }

  private static func chains() throws -> [(String, [any NextTokenTransform])] {
    let penalties: [any NextTokenTransform] = try [
      RepetitionPenalty(1.1, scope: RepetitionScope(window: 256)),
      FrequencyPenalty(0.1, scope: RepetitionScope(window: 256)),
    ]
    let short: [any NextTokenTransform] = try [TopK(40), Nucleus(0.95), Temperature(0.8)]
    return [
      ("temperature, top-p .95, draw", try [Temperature(0.8), Nucleus(0.95)]),
      ("top-k 40, top-p, temperature, draw", short),
      ("penalties 256, the same", penalties + short), ("draw", []),
      ("min-p .05, draw", [try MinP(0.05)]), ("epsilon 3e-4, draw", [try EpsilonCutoff(3e-4)]),
      ("top-a .1, draw", [try TopA(0.1)]), ("eta 3e-4, draw", [try EtaCutoff(3e-4)]),
      ("top-n-sigma 1, draw", [try TopNSigma(1)]), ("top-h .4, draw", [try TopH(0.4)]),
      ("typical .9, draw", [try LocallyTypical(0.9)]),
    ]
  }

  private static func measure(
    _ size: Int, _ transforms: [any NextTokenTransform], steps: Int
  ) throws -> Double {
    var random = RandomChoices(seed: 1)
    // Eight rows, so that no branch predictor learns one by heart.
    let rows = (0..<8).map { _ in
      (0..<size).map { _ in
        Float(3 * normalQuantile((Double(random.index(below: 1 << 30)) + 0.5) / Double(1 << 30)))
      }
    }
    let text = (0..<512).map { _ in Token(random.index(below: size)) }
    var chain = TransformChain(transforms)
    var next = NextTokens(count: size, ends: [Token(0)])
    var sum = 0.0
    // Short runs, so that other work on the machine leaves some of them alone.
    let seconds = try fastest(of: 40) {
      for step in 0..<steps {
        next.setText(text, promptCount: 0)
        try next.begin(rows[step % 8])
        sum += try chain.draw(from: &next, using: &random).logProbability
      }
    }
    // Nothing is left out as unused.
    precondition(sum.isFinite)
    return seconds / Double(steps)
  }
}
