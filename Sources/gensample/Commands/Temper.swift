// Licensed under the Apache License, Version 2.0.

import Runs
import Sampling

enum Temper: Command {
  static let name = "temper"
  static let summary = "replica exchange: chains at several temperatures that swap their texts"
  static let usage = "[--constraints FILE] [options]"
  static let discussion = """
    Draws texts from rho, as mh does, for targets whose likely texts are far apart, for example with
    a fluency above 1. Each chain has --replicas copies. The first samples rho, the others sample
    rho^b with b down to --hottest. Neighbours exchange their texts every --every steps. During the
    first half of the warm-up, the powers b are adjusted until all neighbours exchange about equally
    often. The summary shows the powers, the exchange rate of each pair, and how often a text went
    to the hottest copy and back. Hard constraints hold in every copy. --steps, --thin and --warmup
    count the steps of one copy, in multiples of --every.

        gensample temper --constraints examples/constraints/sea.txt --hottest 0.4
    """
  static let options =
    ChainArguments.options + [
      Option("replicas", "N", "copies of each chain (default \(Tempering().replicas))"),
      Option(
        "hottest", "B",
        "the lowest power of rho, above 0 and at most 1 (default \(Tempering().hottest))"),
      Option(
        "every", "STEPS", "steps of each copy between exchanges (default \(Tempering().every))"),
    ]

  static func run(_ given: Arguments) throws {
    let resumed = try ResumedRun(Self.self, given)
    let arguments = resumed?.arguments ?? given
    let chains = try ChainArguments(arguments)
    let tempering = try tempering(arguments, chains.plan)
    let session = try SamplerSession(Self.self, arguments, resumed, seed: chains.plan.seed)
    try session.run(TemperingSampler(try chains.options(session.model), tempering))
  }

  /// The options of the copies, which have to fit the plan.
  private static func tempering(
    _ arguments: Arguments, _ plan: RunPlan
  ) throws(CommandFailure) -> Tempering {
    var tempering = Tempering()
    tempering.replicas =
      try arguments.integer("replicas", in: 1...RunPlan.mostCopies) ?? tempering.replicas
    tempering.hottest =
      try arguments.number("hottest", in: 1e-6...1, expected: "a power from 1e-6 to 1")
      ?? tempering.hottest
    tempering.every = try arguments.integer("every", in: 1...1 << 30) ?? tempering.every
    var counts = [("warmup", plan.warmup), ("thin", plan.thin)]
    if case .steps(let steps) = plan.extent { counts.append(("steps", steps)) }
    for (name, steps) in counts where steps % tempering.every != 0 {
      throw .usage(
        "--\(name) \(steps) is no multiple of --every \(tempering.every); chains are looked at after "
          + "exchanges")
    }
    return tempering
  }
}
