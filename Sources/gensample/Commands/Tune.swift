// Licensed under the Apache License, Version 2.0.

import LM
import Runs

enum Tune: Command {
  static let name = "tune"
  static let summary = "find the numbers of fluency and prefer that reach a goal"
  static let usage = "--constraints FILE --goal GOAL [options]"
  static let discussion = """
    Searches for numbers in the soft statements ('fluency', 'prefer') that reach a goal: how
    probable a statement is, or how many tokens texts have on average. It tries to reach several
    goals together. It prints all statements with the numbers found, as a constraint file.

    Each round sums over all texts exactly (as 'exact' does), draws texts, and reweights them to
    search nearby numbers. The values printed as reached are exact. A mean that no allowed text
    reaches is refused. The search gives up when some rounds in a row make no progress.

        gensample tune --constraints soft.txt --goal 'include "storm" = 0.5' > tuned.txt
        gensample tune --constraints soft.txt --goal 'tokens = 12' --goal 'include "sea" = 0.3'
    """
  static let options =
    TargetOptions.all.filter { $0.name != "each" } + [
      Option(
        "goal", "GOAL", isRepeatable: true,
        "STATEMENT = PROBABILITY, or tokens = MEAN, such as 'include \"sea\" = 0.5'"),
      Option(
        "within", "SHARE",
        "tolerance: absolute for a probability, relative for a mean (default 0.01)"),
      Option("rounds", "N", "give up after this many rounds (default 20)"),
      Option("draws", "N", "texts drawn for each goal in a round (default 4000)"),
      Option("steps", "N", "search steps in a round (default 100)"),
      Option("memory", "SIZE", "memory for the sums, such as 800M (default 4G)"),
      ParticleOptions.seed, ParticleOptions.threads,
    ] + OutputOptions.sampler

  static func run(_ arguments: Arguments) throws {
    let within = try arguments.number(
      "within", in: 1e-6...0.5, expected: "a share from 1e-6 to 0.5")
    let rounds = try arguments.integer("rounds", in: 1...100_000)
    let draws = try arguments.integer("draws", in: 100...10_000_000)
    let steps = try arguments.integer("steps", in: 1...1_000_000)
    let memory = try arguments.bytes("memory")
    let session = try SamplerSession(
      Self.self, arguments, nil, seed: try ParticleOptions.seed(arguments),
      refusingDivergence: false)
    let goals = try arguments.texts("goal").map { try TuningGoal($0, session.model.tree) }
    guard !goals.isEmpty else {
      throw CommandFailure.usage(
        "tune needs a goal, for example --goal 'include \"sea\" = 0.5' or --goal 'tokens = 12'")
    }
    var sampler = TuningSampler(
      goals, try TunedParameters(session.constraints, session.model.tree))
    sampler.within = within ?? sampler.within
    sampler.rounds = rounds ?? sampler.rounds
    sampler.draws = draws ?? sampler.draws
    sampler.steps = steps ?? sampler.steps
    sampler.memory = MemoryLimit(memory ?? 4 << 30, given: arguments.text("memory"))
    try session.run(sampler)
  }
}
