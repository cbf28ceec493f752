// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Sampling

enum Importance: Command {
  static let name = "importance"
  static let summary = "texts with weights: estimates, and the evidence with its error"
  static let usage = "[--constraints FILE] [options]"
  static let discussion = """
    Writes --particles texts from left to right, steered towards what is asked for, each with the
    weight rho(x) / q(x) that makes up for how it was drawn. What is printed are --samples of them,
    drawn again by weight, or with --weighted all of them with their weights. The summary has the log
    of the evidence Z with its error, the effective size, and k, the shape of the weights' tail:
    above .7 nothing of this can be trusted, and more particles, smc or mh are needed.

    --anneal N draws the texts from the model's bigrams under the same constraints and leads each to
    rho over N distributions between both, a step of Metropolis-Hastings on each: annealed importance
    sampling, whose weights grow more even with N and whose evidence is unbiased for any. The mean of
    the log weights lies below the log evidence in expectation, less so for means of groups of texts;
    --upper M leads M exact draws from rho the other way, which bounds it from above.

        gensample importance --include sea --include storm --length 6..14
        gensample importance --constraints examples/constraints/sea.txt --weighted --format jsonl
        gensample importance --include sea --length 6..14 --max-tokens 20 --anneal 500 --upper 100
    """
  static let options =
    TargetOptions.all + [
      ParticleOptions.samples, ParticleOptions.particles,
      Option("anneal", "N", "lead texts to rho over N distributions (default: draw them outright)"),
      Option("upper", "M", "bound the evidence by M exact draws led back; needs --anneal"),
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
      throw CommandFailure.usage("--upper leads texts back over the distributions of --anneal")
    }
    let choice = try WeightedChoice(arguments)
    let run = try SamplerRun(
      Self.self, arguments, seed: try ParticleOptions.seed(arguments),
      threads: try PlanOptions.threads(arguments), kept: kept)
    let shared = LeftToRightModel(run.model)
    try run.each(
      unit: "texts", total: (particles + (upper ?? 0)) * run.targetCount,
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
      // Streams behind those of the texts.
      var choices = RandomChoices(random.stream(UInt64(particles)))
      func outcome(_ drawn: WeightedTexts) throws -> SamplerOutcome {
        var outcome = try choice.outcome(
          drawn, texts, compiled, line: line, isStopped: run.monitor.isStopping, using: &choices)
        outcome.drawn.count = drawn.count
        if drawn.count < particles {
          outcome.missing.append(
            ("other texts", "\(stoppedReason) after \(drawn.count) of \(particles)"))
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
        outcome.missing.append(("upper_bound", stoppedReason))
        return outcome
      }
      let bound: UpperBound
      do {
        bound = try UpperBound(
          annealed, length: 0...texts.lookAhead.mostTokens, count: upper,
          memory: ExactMemory(arguments, otherwise: 1 << 30),
          random: random.stream(UInt64(particles) + 1), threads: run.threads, run.monitor)
      } catch {
        // What was drawn is printed where the bound alone was stopped.
        guard run.monitor.isStopping else { throw error }
        outcome.missing.append(("upper_bound", stoppedReason))
        return outcome
      }
      let summarise = outcome.summarise
      outcome.summarise = { summary in
        summarise(&summary)
        bound.add(to: &summary)
      }
      outcome.lines += [bound.line].compactMap { $0 }
      if let missing = bound.missing { outcome.missing.append(("upper_bound", missing)) }
      return outcome
    }
  }

  /// Each text by a stream of its own; where it is stopped, some of them.
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
        // What was given up on the way has no weight.
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
