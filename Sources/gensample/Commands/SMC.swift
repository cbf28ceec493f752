// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Runs
import Sampling

enum SMC: Command {
  static let name = TokenDrawing.command
  static let summary = "sequential Monte Carlo: grows texts in parallel, resamples the good ones"
  static let usage = "[--constraints FILE] [options]"
  static let discussion = """
    Grows --particles texts in parallel, token by token. The weight of a particle is the target so
    far, times what the constraints' automaton predicts for the rest. When the weights become too
    uneven, particles are resampled: copies of good ones replace bad ones. The predictions are
    learnt from --pilot texts, which does not change the law. The evidence is unbiased for any
    number of particles. Texts resampled by weight follow rho as that number grows.

    --tokens rejection draws tokens without reading the whole vocabulary and looks ahead by words.
    --redraw makes copies differ: before each token it redraws up to N last tokens, and
    Metropolis-Hastings accepts or rejects them. --rejuvenate runs mh for some steps from each final
    text. --runs repeats the run to estimate the error of the evidence. The summary says if runs
    disagree or too few particles carry the weight.

        gensample smc --include sea --include storm --length 6..14
        gensample smc --model tang --match '.{5}，.{5}。' --particles 2000 --resampling residual
    """
  static let options =
    TargetOptions.all.filter { $0.name != ModelOptions.tokens.name } + [
      ParticleOptions.samples, ParticleOptions.particles,
      Option("runs", "N", "independent runs; their spread is the error (default \(defaultRuns))"),
      Option(
        "resampling", "KIND",
        Resampling.allCases.map(\.rawValue).joined(separator: ", ") + " (default systematic)"),
      Option("threshold", "SHARE", "resample if ESS / particles is below this (default 0.5)"),
      Option(
        "tokens", "KIND", isRepeatable: true,
        "guided or rejection: how tokens are drawn (default guided); characters: the words of the "
          + "ARPA file are single characters"),
      Option(
        "pilot", "N",
        "texts to learn predictions from, before the runs (default \(defaultPilot))"),
      Option("redraw", "N", "redraw up to N last tokens before each token (default 0)"),
      Option("rejuvenate", "STEPS", "steps of mh from each final text (default 0)"),
      WeightedChoice.weighted, WeightedChoice.withoutReplacement, ParticleOptions.lookAhead,
      ParticleOptions.memory,
      ParticleOptions.maxTokens,
      ParticleOptions.seed, ParticleOptions.threads,
    ] + KeptRun.options + OutputOptions.sampler

  private static let defaultRuns = 4
  private static let defaultPilot = 200

  static func run(_ given: Arguments) throws {
    let kept = try KeptRun(Self.self, given)
    let arguments = kept.arguments
    let plan = try Plan(arguments)
    let choice = try WeightedChoice(arguments)
    let run = try SamplerRun(
      Self.self, arguments, seed: try ParticleOptions.seed(arguments),
      threads: try PlanOptions.threads(arguments), kept: kept)
    let shared = LeftToRightModel(run.model)
    try run.each(
      unit: "tokens", total: 0,
      head: { summary, effort in
        summary.add("particles", .integer(plan.particles))
        summary.add("runs", .integer(plan.runs))
        summary.add("tokens_drawn", .integer(effort.count))
        choice.summarise(&summary)
      },
      lines: { effort in
        [
          "\(counted(plan.runs, "run")) of \(counted(plan.particles, "particle")), "
            + counted(effort.count, "token") + String(format: " in %.2f s", effort.seconds)
            + ", seed \(effort.seed)"
        ]
      }
    ) { compiled, line, seed in
      var texts = try plan.texts(compiled, shared, arguments, run.monitor)
      let random = Philox(seed: seed)
      let results = try plan.results(&texts, random, threads: run.threads, run.monitor)
      let finished = results.filter { !$0.isStopped }
      var all = WeightedTexts()
      for result in finished {
        all.draws += result.texts.draws
        all.zeroCount += result.texts.zeroCount
      }
      if plan.steps > 0 {
        all.draws = try rejuvenated(
          all.draws, texts, steps: plan.steps, random: random.stream(UInt64(plan.runs) + 1),
          threads: run.threads, run.monitor)
      }
      var choices = RandomChoices(random.stream(UInt64(plan.runs)))
      var outcome = try choice.outcome(
        all, texts, compiled, line: line,
        evidence: EvidenceOfRuns(finished, isRedrawn: plan.redraw > 0),
        isStopped: run.monitor.isStopping, using: &choices)
      if finished.count < plan.runs {
        outcome.missing.append(
          MissingPart("other runs", "\(stoppedReason) after \(finished.count) of \(plan.runs)"))
      }
      return outcome
    }
  }

  /// The runs as the options describe them.
  struct Plan {
    let particles: Int
    let runs: Int
    let resampling: Resampling
    let threshold: Double
    let tokens: TokenDrawing
    /// The steps of `mh` from each final text.
    let steps: Int
    let redraw: Int
    let pilot: Int

    init(_ arguments: Arguments) throws(CommandFailure) {
      particles = try ParticleOptions.particles(arguments)
      runs = try arguments.integer("runs", in: 1...10_000) ?? defaultRuns
      resampling = try arguments.choice("resampling", as: Resampling.self) ?? .systematic
      threshold =
        try arguments.number("threshold", in: 0...1, expected: "a share from 0 to 1") ?? 0.5
      // What is no kind of drawing says what the model's words are, and is judged with the model.
      tokens = arguments.texts("tokens").compactMap { TokenDrawing(rawValue: $0) }.last ?? .guided
      steps = try arguments.integer("rejuvenate", in: 0...1 << 40) ?? 0
      redraw = try arguments.integer("redraw", in: 0...1_000_000) ?? 0
      guard redraw == 0 || tokens == .guided else {
        throw .usage(
          "--redraw needs --tokens guided, whose weights do not depend on the token drawn")
      }
      pilot = try arguments.integer("pilot", in: 0...10_000_000) ?? defaultPilot
    }

    /// The target, prepared for drawing from left to right.
    func texts(
      _ compiled: CompiledTarget, _ shared: LeftToRightModel, _ arguments: Arguments,
      _ monitor: RunMonitor
    ) throws(CommandFailure) -> LeftToRight {
      let texts = try LeftToRight(
        compiled.target, shared, arguments, monitor,
        allowed: tokens == .guided ? [.bigrams, .words] : [.words])
      guard tokens == .guided || texts.target.fluency >= 1 else {
        throw .usage("--tokens rejection needs a fluency of at least 1")
      }
      return texts
    }

    /// Learns the predictions, then makes the independent runs.
    func results(
      _ texts: inout LeftToRight, _ random: Philox, threads: Int, _ monitor: RunMonitor
    ) throws -> [ParticleSummary] {
      try texts.learn(
        from: pilot, random: random.stream(UInt64(runs) + 2), threads: threads, monitor)
      return try (0..<runs).map { number in
        let own = random.stream(UInt64(number))
        switch tokens {
        case .guided:
          let tokens = texts.guided.tokens
          return try ParticleFilter(
            tokens, resampling: resampling, threshold: threshold,
            rejuvenation: redraw > 0 ? RedrawnTail(tokens, length: redraw) : nil
          ).run(count: particles, random: own, threads: threads, monitor: monitor).summary
        case .rejection:
          return try ParticleFilter(
            RejectedTokens(texts.target, texts.lookAhead, source: texts.source),
            resampling: resampling, threshold: threshold
          ).run(count: particles, random: own, threads: threads, monitor: monitor).summary
        }
      }
    }
  }

  /// Moves each text by a chain that keeps rho, within the lengths that were allowed.
  private static func rejuvenated(
    _ draws: [WeightedText], _ texts: LeftToRight, steps: Int, random: Philox, threads: Int,
    _ monitor: RunMonitor
  ) throws -> [WeightedText] {
    let target = try texts.bounded()
    let kernel = NGramMoves(for: target, left: texts.words)
    return try concurrently(draws.count, threads: threads) { i in
      var choices = RandomChoices(random.stream(UInt64(i)))
      var scorer = target.makeScorer(at: draws[i].text)
      for step in 0..<steps {
        if step % 1024 == 0, monitor.isStopping { break }
        _ = kernel.step(&scorer, using: &choices)
      }
      return WeightedText(scorer.state, logWeight: draws[i].logWeight)
    }
  }
}
