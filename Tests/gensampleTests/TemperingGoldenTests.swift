// Licensed under the Apache License, Version 2.0.

import Foundation
import Testing

/// Gibbs sampling, replica exchange and annealing, run as users run them.
@Suite struct TemperingGoldenTests {
  static func arguments(_ command: String, _ options: String...) -> [String] {
    [command, "--model", SmallModel.path, "--seed", "1", "--quiet", "--format", "jsonl"] + options
  }

  /// The mean log-probability by these chains is that by plain ones, within their stated errors.
  @Test(
    arguments: [
      (["gibbs"], 2000), (["gibbs", "--scan", "systematic"], 2000),
      (["gibbs", "--block", "2"], 2000), (["temper", "--replicas", "4", "--every", "10"], 2000),
      (["mh", "--screen", "1"], 2000), (["mh", "--moves", "suffix"], 500),
      (["mh", "--moves", "informed", "--balancing", "barker"], 500),
    ])
  func meansAreThoseOfPlainChains(options: [String], thin: Int) throws {
    func quantity(_ options: [String], thin: Int) throws -> (mean: Double, error: Double) {
      // By default a fifth of the steps, and so larger errors.
      let thin = TestData.isDeep ? thin : thin / 5
      let outcome = try Program.run(
        [options[0], "--model", SmallModel.path, "--seed", "1", "--quiet", "--format", "jsonl"]
          + ["--include", "sea", "--length", "2..6", "--warmup", "2000", "--samples", "40"]
          + ["--trace-every", "20", "--thin", "\(thin)"] + options.dropFirst())
      #expect(outcome.code == 0, "\(outcome.errors)")
      let summary = try #require(try outcome.objects().last)
      let quantities = try #require(summary["quantities"] as? [String: [String: Any]])
      let one = try #require(quantities["log_probability"])
      return (
        try #require(one["mean"] as? Double, "\(one)"), try #require(one["mcse"] as? Double)
      )
    }
    let plain = try quantity(["mh"], thin: 2000)
    let other = try quantity(options, thin: thin)
    let error = (plain.error * plain.error + other.error * other.error).squareRoot()
    // Five errors: a false alarm in a million runs, and the seeds are fixed.
    #expect(abs(plain.mean - other.mean) < 5 * error)
  }

  @Test func laddersAndRoundTripsAreTold() throws {
    let outcome = try Program.run(
      Self.arguments(
        "temper", "--include", "sea", "--length", "..6", "--replicas", "3", "--warmup", "1000",
        "--thin", "1000", "--chains", "2"))
    #expect(outcome.code == 0)
    let summary = try #require(try outcome.objects().last)
    let ladders = try #require(summary["ladders"] as? [[String: Any]])
    #expect(ladders.count == 2)
    for ladder in ladders {
      #expect((ladder["powers"] as? [Double])?.first == 1)
      #expect((ladder["powers"] as? [Double])?.last.map { abs($0 - 0.3) < 1e-12 } ?? false)
      #expect((ladder["exchange_rates"] as? [Double])?.count == 2)
      #expect(ladder["round_trips"] is Int)
    }
  }

  @Test(arguments: ["geometric", "linear", "logarithmic", "adaptive"])
  func annealingPrintsTheBestFirst(schedule: String) throws {
    let outcome = try Program.run(
      Self.arguments(
        "anneal", "--include", "sea", "--length", "2..6", "--steps", "5000", "--restarts", "3",
        "--schedule", schedule))
    #expect(outcome.code == 0)
    let objects = try outcome.objects()
    let logs = objects.dropLast().compactMap { $0["log_probability"] as? Double }
    #expect(!logs.isEmpty && logs == logs.sorted(by: >))
    #expect(objects.last?["draws"] as? Bool == false)
    #expect((objects.last?["best_of_restarts"] as? [Double])?.count == 3)
  }

  @Test(arguments: ["gibbs", "temper", "anneal"])
  func resultsDoNotDependOnThreads(command: String) throws {
    let options = command == "anneal" ? ["--steps", "2000"] : ["--warmup", "400", "--thin", "400"]
    let runs = try ["1", "3"].map { threads in
      try Program.run(
        Self.arguments(command, "--include", "sea", "--length", "..6", "--threads", threads)
          + options)
    }
    #expect(runs[0].lines.count > 1)
    #expect(runs[0].lines.dropLast() == runs[1].lines.dropLast())
  }

  static let badInput: [([String], String)] = [
    (["gibbs", "--scan", "up"], "--scan takes one of random, systematic, got 'up'"),
    (["gibbs", "--block", "1"], "--block takes a whole number from 2 to 64, got '1'"),
    (["temper", "--hottest", "2"], "--hottest takes a power from 1e-6 to 1, got '2'"),
    (
      ["temper", "--thin", "150"],
      "--thin 150 is no multiple of --every 100; chains are looked at after exchanges"
    ),
    (
      ["temper", "--steps", "150"],
      "--steps 150 is no multiple of --every 100; chains are looked at after exchanges"
    ),
    (
      ["anneal", "--from", "3", "--to", "2"],
      "--from 3.0 is above --to 2.0, but the power of rho must rise"
    ),
    (
      ["anneal", "--schedule", "cubic"],
      "--schedule takes one of geometric, linear, logarithmic, adaptive, got 'cubic'"
    ),
  ]

  @Test(arguments: badInput)
  func badInputIsSaid(arguments: [String], message: String) throws {
    let outcome = try Program.run(
      [arguments[0], "--model", SmallModel.path] + arguments.dropFirst())
    #expect(outcome.code == 64)
    #expect(outcome.errors == "gensample: \(message)\n")
  }

  @Test(arguments: ["gibbs", "temper", "anneal"])
  func interruptedRunPrintsWhatItHas(command: String) throws {
    let steps = command == "anneal" ? ["--steps", "1000000000"] : ["--samples", "1000000"]
    let outcome = try Program.run(
      [command, "--model", SmallModel.path, "--include", "sea", "--length", "..6", "--quiet"]
        + steps, interrupt: (SIGINT, { _ in true }))
    #expect(outcome.code == 130)
  }
}
