// Licensed under the Apache License, Version 2.0.

import Foundation

/// What is measured: `swift run -c release --package-path Benchmarks benchmarks NAME [options]`.
@main
enum Benchmarks {
  static let all: [(name: String, says: String, run: @Sendable (Setting) throws -> Void)] = [
    (
      "steps", "Metropolis-Hastings steps a second, by the way of choosing words",
      { try StepsBenchmark.run($0) }
    ), ("effective", "effective samples a second, by kernel", { try EffectiveBenchmark.run($0) }),
    ("decoding", "transforms and the draw of a token", { try DecodingBenchmark.run($0) }),
    ("models", "estimating, sizes, opening, scoring, drawing", { try ModelsBenchmark.run($0) }),
    (
      "targets", "effective samples a second, by kernel, on four targets",
      { try TargetsBenchmark.run($0) }
    ),
    (
      "samplers", "evidences and marginals by every sampler, beside the exact ones",
      { try SamplersBenchmark.run($0) }
    ),
    (
      "particles", "tokens of particles a second, by size of vocabulary",
      { try ParticlesBenchmark.run($0) }
    ),
    (
      "networks", "tokens of a neural model a second, beside llama.cpp",
      { try NetworksBenchmark.run($0) }
    ),
    ("exact", "sums over all texts, and independent draws", { try ExactBenchmark.run($0) }),
  ]

  static func main() throws {
    var words = Array(CommandLine.arguments.dropFirst())
    if words.first == "loop" { return try LoopBenchmark.run(Array(words.dropFirst())) }
    if words.first == "train-once" {
      return try ModelsBenchmark.trainOnce(Array(words.dropFirst()))
    }
    if words.first == "exact-once" {
      return try ExactBenchmark.once(Array(words.dropFirst()))
    }
    let setting = try Setting(&words)
    guard let name = words.first, let benchmark = all.first(where: { $0.name == name }) else {
      say(
        "usage: benchmarks NAME [--data DIR] [--peers DIR] [--steps N] [--model FILE] [--only PART OF A LINE]\n")
      for benchmark in all { say("  \(benchmark.name)  \(benchmark.says)") }
      say("\n--data holds corpora/en/wikitext2; --peers is an environment made by tools/peers")
      exit(words.isEmpty ? 0 : 64)
    }
    try benchmark.run(setting)
  }
}

/// Where data and peers are, and how long to measure.
struct Setting {
  var data = "../shared/data"
  var peers: String?
  var steps: Int?
  var only: String?
  /// A neural model's file.
  var model: String?

  init(_ words: inout [String]) throws {
    func take(_ name: String) -> String? {
      guard let i = words.firstIndex(of: name), i + 1 < words.count else { return nil }
      defer { words.removeSubrange(i...i + 1) }
      return words[i + 1]
    }
    data = take("--data") ?? data
    peers = take("--peers")
    steps = take("--steps").flatMap { Int($0) }
    only = take("--only")
    model = take("--model")
  }

  /// A file of the data folder, or an end with a message.
  func file(_ name: String) -> String {
    let path = data + "/" + name
    guard FileManager.default.fileExists(atPath: path) else {
      say("'\(path)' is not there; say with --data where the data is")
      exit(66)
    }
    return path
  }
}

/// Seconds of the fastest of several runs.
func fastest(of runs: Int = 5, _ work: () throws -> Void) rethrows -> Double {
  var best = Double.infinity
  for _ in 0..<runs {
    let began = ContinuousClock.now
    try work()
    best = min(best, began.duration(to: .now) / .seconds(1))
  }
  return best
}

/// A number with its thousands, millions or milliseconds.
func short(_ number: Double) -> String {
  switch number {
  case 1e6...: String(format: "%.2f M", number / 1e6)
  case 1e3...: String(format: "%.1f k", number / 1e3)
  default: String(format: "%.3g", number)
  }
}

/// Prints a line that is seen at once, also through a pipe.
func say(_ line: String) {
  print(line)
  fflush(nil)
}
