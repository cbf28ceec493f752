// Licensed under the Apache License, Version 2.0.

import Foundation
import Runs
import Sampling

/// Options of a chain run, and how results are shown.
enum PlanOptions {
  static let defaults = RunPlan(seed: 0)
  /// Where a step takes a millisecond and not less than a microsecond.
  static let slowDefaults = RunPlan(warmup: 2_000, thin: 2_000, seed: 0)

  /// For neural models, where a step takes some milliseconds or more.
  static let neuralDefaults = RunPlan(warmup: 500, thin: 200, seed: 0)

  static let all = [
    Option("samples", "N", "how many results in all (default 5)"),
    Option("steps", "N", "how long each chain runs after its warm-up, instead of --samples"),
    Option(
      "chains", "N", "independent chains (default \(defaults.chains); no more than --samples)"),
    Option(
      "warmup", "N",
      "steps before the first result (default \(defaults.warmup)\(slow), "
        + "\(neuralDefaults.warmup) with a neural model)"),
    Option(
      "thin", "N",
      "steps between a chain's results (default \(defaults.thin)\(slow), "
        + "\(neuralDefaults.thin) with a neural model)"),
    Option("trace-every", "N", "steps between rows of the trace (default: 1000 rows a chain)"),
    Option("chain-range", "A..B", "only these chains of the plan, from 0, both ends included"),
    Option("seed", "N", "the same seed gives the same results (default: a random one, printed)"),
    threads,
  ]

  private static let slow = ", or \(slowDefaults.warmup) where steps are slow"

  static let threads = Option("threads", "N", "how many work at once (default: all cores)")

  static func plan(
    _ arguments: Arguments, otherwise defaults: RunPlan = defaults
  ) throws(CommandFailure) -> RunPlan {
    guard !arguments.has("samples") || !arguments.has("steps") else {
      throw .usage("--samples says how many results there are, --steps how long; give one of them")
    }
    let chains = try arguments.integer("chains", in: 1...RunPlan.mostChains) ?? defaults.chains
    let samples = try arguments.integer("samples", in: 0...1_000_000_000) ?? 5
    let steps = try arguments.integer("steps", in: 0...1 << 50)
    let thin = try arguments.integer("thin", in: 1...1 << 40) ?? defaults.thin
    let warmup = try arguments.integer("warmup", in: 0...1 << 50) ?? defaults.warmup
    let plan = RunPlan(
      chains: chains, warmup: warmup, thin: thin,
      extent: steps.map { .steps($0) } ?? .draws(samples),
      traceEvery: try arguments.integer("trace-every", in: 1...1 << 50),
      seed: try arguments.seed("seed") ?? UInt64.random(in: 0...UInt64.max))
    // What the copies of `temper` make of it, too.
    guard plan.totalSteps(copies: RunPlan.mostCopies) != nil else {
      let given = ["chains", "samples", "steps", "warmup", "thin"].compactMap { name in
        arguments.text(name).map { "--\(name) \($0)" }
      }
      throw tooManySteps(given.joined(separator: " with "))
    }
    return plan
  }

  /// That so many steps cannot be counted.
  static func tooManySteps(_ options: String) -> CommandFailure {
    .usage("\(options): these are more steps than can be counted; ask for fewer")
  }

  static func chainRange(
    _ arguments: Arguments, _ plan: RunPlan
  ) throws(CommandFailure) -> ClosedRange<Int> {
    let range = try wholeChainRange(arguments, plan)
    // A chain whose share of the draws is nothing would warm up for nothing.
    let last = range.last { plan.steps(ofChain: $0) > 0 } ?? range.lowerBound
    return range.lowerBound...last
  }

  private static func wholeChainRange(
    _ arguments: Arguments, _ plan: RunPlan
  ) throws(CommandFailure) -> ClosedRange<Int> {
    guard let text = arguments.text("chain-range") else { return 0...plan.chains - 1 }
    let ends = text.split(separator: ".", omittingEmptySubsequences: false)
    guard ends.count == 3, ends[1].isEmpty, let low = Int(ends[0]), let high = Int(ends[2]),
      low >= 0, low <= high, high < plan.chains
    else {
      throw .usage(
        "--chain-range takes two of the plan's chains such as 0..\(plan.chains - 1), got '\(text)'")
    }
    return low...high
  }

  static func threads(_ arguments: Arguments) throws(CommandFailure) -> Int {
    try arguments.integer("threads", in: 1...4096) ?? ProcessInfo.processInfo.activeProcessorCount
  }
}
