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

        gensample importance --include sea --include storm --length 6..14
        gensample importance --constraints examples/constraints/sea.txt --weighted --format jsonl
    """
  static let options =
    TargetOptions.all + [
      ParticleOptions.samples, ParticleOptions.particles, WeightedChoice.weighted,
      WeightedChoice.withoutReplacement, ParticleOptions.lookAhead, ParticleOptions.memory,
      ParticleOptions.maxTokens, ParticleOptions.seed,
      ParticleOptions.threads,
    ] + OutputOptions.sampler

  static func run(_ arguments: Arguments) throws {
    let particles = try ParticleOptions.particles(arguments)
    let choice = try WeightedChoice(arguments)
    let run = try SamplerRun(
      Self.self, arguments, seed: try ParticleOptions.seed(arguments),
      threads: try PlanOptions.threads(arguments))
    let shared = LeftToRightModel(run.model)
    try run.each(
      unit: "texts", total: particles * run.targetCount,
      head: { summary, _ in
        summary.add("particles", .integer(particles))
        choice.summarise(&summary)
      },
      lines: { seconds in
        [
          "\n\(run.monitor.steps) texts in " + String(format: "%.2f s", seconds)
            + ", seed \(run.seed)"
        ]
      }
    ) { compiled, line, seed in
      let texts = try LeftToRight(compiled, shared, arguments, run.monitor)
      let random = Philox(seed: seed)
      let drawn = try draw(particles, texts.guided, random, threads: run.threads, run.monitor)
      // A stream behind those of the texts.
      var choices = RandomChoices(random.stream(UInt64(particles)))
      return try choice.outcome(
        drawn, texts, compiled, line: line, isStopped: run.monitor.isStopping, using: &choices)
    }
  }

  /// Each text by a stream of its own; where it is stopped, the first ones.
  private static func draw(
    _ count: Int, _ texts: some TextProposal, _ random: Philox, threads: Int,
    _ monitor: RunMonitor
  ) throws -> WeightedTexts {
    let size = 64
    let pieces = try concurrently((count + size - 1) / size, threads: threads) { piece in
      var drawn: [WeightedText?] = []
      for number in piece * size..<min(count, (piece + 1) * size) {
        if monitor.isStopping { return drawn }
        var choices = RandomChoices(random.stream(UInt64(number)))
        drawn.append(texts.draw(using: &choices))
        monitor.add(1)
      }
      return drawn
    }
    var all = WeightedTexts()
    for draw in pieces.joined() { all.append(draw) }
    return all
  }
}
