// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Sampling

/// Sums over all texts of WikiText-2 models under keywords, and draws by them.
enum ExactBenchmark {
  static let keywords = ["war", "river", "album"]

  static func run(_ setting: Setting) throws {
    let wanted = setting.only
    func isWanted(_ name: String) -> Bool { wanted.map { name.contains($0) } ?? true }
    let model = try wikiText(setting)
    let target = try keywordTarget(model, keywords)
    say("WikiText-2 trigram, keywords \(keywords.joined(separator: ", ")), up to 20 words\n")
    // First: a process takes over the peak of the one that begins it.
    if isWanted("memory") {
      for memory in ["4096", "500"] {
        let peak = try ModelsBenchmark.peakMemory(
          CommandLine.arguments[0], ["exact-once", setting.data, memory])
        say("peak memory of set-up and draws, memory \(memory) MB: \(peak >> 20) MB")
      }
    }
    if isWanted("set-up") {
      for threads in [1, 2] {
        let seconds = try fastest(of: 3) {
          _ = try NGramInference(target: target, threads: threads)
        }
        say("set-up, \(threads) thread\(threads == 1 ? "" : "s"): \(format(seconds)) s")
      }
    }
    if isWanted("draws") {
      let exact = try NGramInference(target: target, threads: 2)
      say("log Z \(exact.logEvidence)")
      let count = setting.steps ?? 20_000
      var logs: [Double] = []
      let single = fastest(of: 2) {
        for number in 0..<count {
          var choices = RandomChoices(Philox(seed: 1).stream(UInt64(number)))
          logs.append(target.logProbability(of: exact.draw(using: &choices)))
        }
      }
      let mean = logs.reduce(0, +) / Double(logs.count)
      let variance = logs.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(logs.count)
      say(
        "draws/s, one after another: \(short(Double(count) / single)); mean log p \(format(mean)) "
          + "+- \(format((variance / Double(count)).squareRoot()))")
      for threads in [1, 2] {
        let seconds = fastest(of: 2) {
          _ = exact.draws(0..<count * 4, random: Philox(seed: 1), threads: threads)
        }
        say("draws/s, together, \(threads) thread(s): \(short(Double(count * 4) / seconds))")
      }
    }
    if isWanted("64 states") {
      let six = try keywordTarget(model, keywords + ["king", "storm", "island"])
      let seconds = try fastest(of: 1) { _ = try NGramInference(target: six, threads: 2) }
      say("64 automaton states, two threads: \(format(seconds)) s")
    }
    if isWanted("order 5") {
      let five = try wikiText(setting, order: 5)
      let target = try keywordTarget(five, keywords)
      let seconds = try fastest(of: 1) { _ = try NGramInference(target: target, threads: 2) }
      say("order 5, two threads: \(format(seconds)) s")
    }
  }

  private static func format(_ number: Double) -> String { String(format: "%.3f", number) }

  /// Sets up and draws once, then prints the peak.
  static func once(_ arguments: [String]) throws {
    guard arguments.count == 2, let memory = Int(arguments[1]) else { return }
    var words = ["--data", arguments[0]]
    let model = try wikiText(Setting(&words))
    let exact = try NGramInference(
      target: keywordTarget(model, keywords), memory: memory << 20, threads: 2)
    _ = exact.draws(0..<10_000, random: Philox(seed: 1), threads: 2)
    printPeakMemory()
  }
}
