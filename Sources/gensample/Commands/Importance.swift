// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Runs
import Sampling

enum Importance: Command {
  static let name = "importance"
  static let summary = "importance sampling: weighted texts, estimates, and the evidence"
  static let usage = "[--constraints FILE] [options]"
  static let discussion = """
    Draws --particles texts from left to right, guided towards the constraints. Each text has the
    weight rho(x) / q(x), which corrects for how it was drawn. The command prints --samples texts
    that are drawn again by weight, or with --weighted all texts with their weights. The summary
    holds the log of the evidence Z with its error, the effective sample size, and k, the shape of
    the weights' tail. If k is above 0.7, do not trust the figures: use more particles, smc or mh.

    --anneal N (annealed importance sampling) draws each text from the model's bigrams under the
    same constraints and moves it to rho through N intermediate distributions, with one step of
    Metropolis-Hastings for each. Larger N give more even weights; the evidence is unbiased for any
    N. In expectation, the mean of the log weights is below the log evidence, and means of groups of
    texts are closer to it. --upper M moves M exact draws from rho the other way, which gives an
    upper bound.

        gensample importance --include sea --include storm --length 6..14
        gensample importance --constraints examples/constraints/sea.txt --weighted --format jsonl
        gensample importance --include sea --length 6..14 --max-tokens 20 --anneal 500 --upper 100
    """
  static let options =
    TargetOptions.all + [
      ParticleOptions.samples, ParticleOptions.particles,
      Option("anneal", "N", "move texts to rho through N distributions (default: draw directly)"),
      Option("upper", "M", "upper bound of the evidence from M exact draws; needs --anneal"),
      WeightedChoice.weighted,
      WeightedChoice.withoutReplacement, ParticleOptions.lookAhead, ParticleOptions.memory,
      ParticleOptions.maxTokens, ParticleOptions.seed,
      ParticleOptions.threads,
    ] + KeptRun.options + OutputOptions.sampler

  static func run(_ given: Arguments) throws {
    let kept = try KeptRun(Self.self, given)
    let arguments = kept.arguments
    let particles = try ParticleOptions.particles(arguments)
    let stages = try arguments.integer("anneal", in: 1...1_000_000_000)
    let upper = try arguments.integer("upper", in: 2...100_000_000)
    guard upper == nil || stages != nil else {
      throw CommandFailure.usage("--upper needs --anneal")
    }
    let choice = try WeightedChoice(arguments)
    let run = try SamplerRun(
      Self.self, arguments, seed: try ParticleOptions.seed(arguments),
      threads: try PlanOptions.threads(arguments), kept: kept)
    let shared = LeftToRightModel(run.model)
    try run.each(
      unit: "texts",
      total: CheckedNumbers.product(particles + (upper ?? 0), run.targetCount) ?? .max,
      head: { summary, _ in
        summary.add("particles", .integer(particles))
        if let stages { summary.add("anneal", .integer(stages)) }
        choice.summarise(&summary)
      },
      lines: { effort in
        [
          counted(effort.drawn.count, "text") + String(format: " in %.2f s", effort.seconds)
            + ", seed \(effort.seed)"
        ]
      }
    ) { compiled, line, seed in
      let texts = try LeftToRight(compiled.target, shared, arguments, run.monitor)
      let random = Philox(seed: seed)
      // The texts use the streams below this one.
      var choices = RandomChoices(random.stream(UInt64(particles)))
      func outcome(_ drawn: WeightedTexts) throws -> SamplerOutcome {
        var outcome = try choice.outcome(
          drawn, texts, compiled, line: line, isStopped: run.monitor.isStopping, using: &choices)
        outcome.drawn.count = drawn.count
        if drawn.count < particles {
          outcome.missing.append(
            MissingPart("other texts", "\(stoppedReason) after \(drawn.count) of \(particles)"))
        }
        return outcome
      }
      guard let stages else {
        return try outcome(
          draw(particles, texts.guided, random, threads: run.threads, run.monitor))
      }
      let annealed = try texts.annealed(shared, arguments, stages: stages, run.monitor)
      var outcome = try outcome(
        draw(particles, annealed, random, threads: run.threads, run.monitor))
      guard let upper else { return outcome }
      guard !run.monitor.isStopping else {
        outcome.missing.append(MissingPart("upper_bound", stoppedReason))
        return outcome
      }
      let bound: UpperBound
      do {
        bound = try UpperBound(
          annealed, length: 0...texts.lookAhead.mostTokens, count: upper,
          memory: ExactMemory(arguments, otherwise: 1 << 30),
          random: random.stream(UInt64(particles) + 1), threads: run.threads, run.monitor)
      } catch {
        // Print the texts if only the bound was interrupted.
        guard run.monitor.isStopping else { throw error }
        outcome.missing.append(MissingPart("upper_bound", stoppedReason))
        return outcome
      }
      let summarise = outcome.summarise
      outcome.summarise = { summary in
        summarise(&summary)
        bound.add(to: &summary)
      }
      outcome.lines += [bound.line].compactMap { $0 }
      if let missing = bound.missing { outcome.missing.append(MissingPart("upper_bound", missing)) }
      return outcome
    }
  }

  /// Draws each text from its own random stream; an interrupt leaves fewer than `count`.
  static func draw(
    _ count: Int, _ texts: some TextProposal, _ random: Philox, threads: Int,
    _ monitor: RunMonitor
  ) throws -> WeightedTexts {
    let size = 64
    let pieces = try concurrently((count + size - 1) / size, threads: threads) { piece in
      var drawn: [WeightedText?] = []
      for number in piece * size..<min(count, (piece + 1) * size) {
        if monitor.isStopping { return drawn }
        var choices = RandomChoices(random.stream(UInt64(number)))
        let text = try texts.draw(using: &choices)
        // A text that was interrupted has no weight.
        if monitor.isStopping { return drawn }
        drawn.append(text)
        monitor.add(1)
      }
      return drawn
    }
    var all = WeightedTexts()
    for draw in pieces.joined() { all.append(draw) }
    return all
  }
}
