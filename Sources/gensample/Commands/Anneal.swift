// Licensed under the Apache License, Version 2.0.

import Runs
import Sampling

enum Anneal: Command {
  static let name = "anneal"
  static let summary = "simulated annealing: finds very likely texts (they are not draws)"
  static let usage = "[--constraints FILE] [options]"
  static let discussion = """
    Searches for the texts that are likeliest under rho. Each of --restarts chains starts from an
    allowed text of its own and samples rho^b, while the power b rises from --from to --to. The
    command prints the best texts of all restarts, the likeliest first, each text once. They are
    not draws from rho.

        gensample anneal --constraints examples/constraints/sea.txt --restarts 8
        gensample anneal --include sea --include storm --schedule adaptive --steps 1000000
    """
  static let options =
    TargetOptions.all + [
      Option(
        "start", "TEXT", "the text that every restart starts from (default: a random text each)"),
      Option("restarts", "N", "how many chains to run (default 8)"),
      Option("steps", "N", "how many steps each restart takes (default 500000)"),
      Option(
        "schedule", "KIND",
        AnnealingSchedule.allCases.map(\.rawValue).joined(separator: ", ")
          + " (default geometric)"),
      Option("from", "B", "the first power of rho (default 0.3)"),
      Option("to", "B", "the last power of rho (default 20)"),
      Option("stages", "N", "how many different powers to use (default 100)"),
      Option("best", "N", "how many texts to print (default: the best one of each restart)"),
      ParticleOptions.seed, ParticleOptions.threads,
    ] + FolderOptions.plain + OutputOptions.sampler

  static func run(_ given: Arguments) throws {
    let resumed = try ResumedRun(Self.self, given)
    let arguments = resumed?.arguments ?? given
    var sampler = AnnealingSampler()
    sampler.restarts = try arguments.integer("restarts", in: 1...1_000_000) ?? sampler.restarts
    sampler.stages = try arguments.integer("stages", in: 2...1_000_000) ?? sampler.stages
    sampler.steps = try arguments.integer("steps", in: 1...1 << 50) ?? sampler.steps
    sampler.schedule =
      try arguments.choice("schedule", as: AnnealingSchedule.self) ?? sampler.schedule
    let from = try arguments.number("from", in: 1e-6...1e6, expected: "a power from 1e-6 to 1e6")
    let to = try arguments.number("to", in: 1e-6...1e6, expected: "a power from 1e-6 to 1e6")
    guard CheckedNumbers.product(sampler.restarts, sampler.steps) != nil else {
      throw PlanOptions.tooManySteps(
        "--restarts \(sampler.restarts) with --steps \(sampler.steps)")
    }
    let (low, high) = (from ?? sampler.bounds.lowerBound, to ?? sampler.bounds.upperBound)
    guard low <= high else {
      throw CommandFailure.usage(
        "--from \(low) is above --to \(high), but the power of rho must rise")
    }
    sampler.bounds = low...high
    sampler.best = try arguments.integer("best", in: 1...1_000_000)
    let session = try SamplerSession(
      Self.self, arguments, resumed, seed: try ParticleOptions.seed(arguments))
    sampler.start = try arguments.text("start").map {
      try CompiledTarget.tokens(of: $0, model: session.model, option: "--start")
    }
    try session.run(sampler)
  }
}
