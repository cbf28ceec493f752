// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
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
    ] + KeptRun.options + OutputOptions.sampler

  static func run(_ given: Arguments) throws {
    let kept = try KeptRun(Self.self, given)
    let arguments = kept.arguments
    let restarts = try arguments.integer("restarts", in: 1...1_000_000) ?? 8
    let stages = try arguments.integer("stages", in: 2...1_000_000) ?? 100
    let steps = try arguments.integer("steps", in: 1...1 << 50) ?? 500_000
    let schedule = try arguments.choice("schedule", as: AnnealingSchedule.self) ?? .geometric
    let from = try arguments.number("from", in: 1e-6...1e6, expected: "a power from 1e-6 to 1e6")
    let to = try arguments.number("to", in: 1e-6...1e6, expected: "a power from 1e-6 to 1e6")
    guard let total = CheckedNumbers.product(restarts, steps) else {
      throw PlanOptions.tooManySteps("--restarts \(restarts) with --steps \(steps)")
    }
    let (low, high) = (from ?? 0.3, to ?? 20)
    guard low <= high else {
      throw CommandFailure.usage(
        "--from \(low) is above --to \(high), but the power of rho must rise")
    }
    let best = try arguments.integer("best", in: 1...1_000_000)
    let run = try SamplerRun(
      Self.self, arguments, seed: try ParticleOptions.seed(arguments),
      threads: try PlanOptions.threads(arguments), kept: kept)
    let model = run.model
    let start = try arguments.text("start").map {
      try CompiledTarget.tokens(of: $0, model: run.loaded, option: "--start")
    }
    let words = NGramLeftTokens<TokenAutomaton>(model)
    let monitor = run.monitor
    try run.each(
      unit: "steps", total: CheckedNumbers.product(total, run.targetCount) ?? .max,
      head: { summary, effort in
        summary.add("steps", .integer(effort.count))
        summary.add("schedule", .string(schedule.rawValue))
        summary.add("draws", .boolean(false))
      },
      lines: { effort in
        [
          "\(counted(restarts, "restart")), \(counted(effort.count, "step")) in "
            + String(format: "%.2f s", effort.seconds) + ", seed \(effort.seed)",
          "  these are the likeliest texts found; they are not draws from rho",
        ]
      }
    ) { compiled, line, seed in
      try compiled.check(start: start)
      let annealing = Annealing(
        compiled.target, schedule: schedule, bounds: low...high, stages: stages)
      let random = Philox(seed: seed)
      var failure: CommandFailure?
      let runs: [Annealing<SentenceTarget<NGramModel, TokenAutomaton>>.Result?]
      do {
        runs = try concurrently(
          restarts, threads: run.threads, stoppingBy: { monitor.stop() }
        ) { number in
          var choices = RandomChoices(random.stream(UInt64(number)))
          guard
            let text = try start ?? compiled.randomStart(model, monitor: monitor, using: &choices)
          else { return nil as Annealing<SentenceTarget<NGramModel, TokenAutomaton>>.Result? }
          return try annealing.run(
            from: text, steps: steps, kernel: { NGramMoves(for: $0, left: words) },
            monitor: monitor, using: &choices)
        }
      } catch let partial
        as PartialFailure<Annealing<SentenceTarget<NGramModel, TokenAutomaton>>.Result?>
      {
        runs = partial.results.compactMap { $0 }
        failure = partial.failure as? CommandFailure
        guard failure != nil, runs.contains(where: { $0 != nil }) else { throw partial.failure }
      }
      let found = runs.compactMap { $0 }
      let draws = found.enumerated().map { number, result in
        Draw(
          chain: number, step: result.step, state: result.best,
          logProbability: result.logProbability)
      }
      let shown = ChainResults.best(draws, best ?? restarts)
      return SamplerOutcome(
        results: shown.map { draw in
          (
            model.vocabulary.text(of: draw.state),
            ChainResults.text(draw, of: compiled).object(ofLine: line)
          )
        },
        summarise: { summary in
          summary.add("restarts", .integer(restarts))
          summary.add("best", found.map(\.logProbability).max().map { .number($0) } ?? .null)
          summary.add("best_of_restarts", .numbers(found.map(\.logProbability)))
          summary.add("last_powers", .numbers(found.map(\.inverseTemperature)))
        },
        lines: Self.lines(found),
        // It is normal for restarts to end at the same text, unless more texts were asked for.
        shortfall: monitor.isStopping
          ? nil
          : best.flatMap {
            Shortfall(
              of: shown.count, asked: $0,
              "\(counted(found.count, "restart")) found no more different texts; "
                + "try more --restarts")
          },
        failure: failure,
        missing: found.count < restarts
          ? [
            MissingPart(
              "other restarts", "\(stoppedReason) before \(restarts - found.count) of them began")
          ]
          : [])
    }
  }
  /// The lines of the text summary about the restarts that began.
  private static func lines(_ found: [Annealing<SentenceTarget<NGramModel, TokenAutomaton>>.Result])
    -> [String]
  {
    let logs = found.map(\.logProbability)
    guard let best = logs.max(), let worst = logs.min(),
      let power = found.map(\.inverseTemperature).min()
    else { return [] }
    return [
      String(
        format: "  log_probability: best %.2f, worst restart %.2f; last power %.3g", best, worst,
        power)
    ]
  }
}
