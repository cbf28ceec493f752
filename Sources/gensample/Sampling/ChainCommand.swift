// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Sampling

/// A command that runs chains: everything but the kernel.
struct ChainCommand {
  static let options =
    TargetOptions.all + [
      Option("start", "TEXT", "the text that every chain starts from (default: a random one each)")
    ] + PlanOptions.all + [
      Option(
        "trace", "REGEX", isRepeatable: true,
        "trace how often this occurs; of what is drawn it says nothing")
    ] + ResultOptions.all + [
      Option("run", "DIR", "keep plan, results and traces in a folder"),
      Option(flag: "resume", "go on with the run in --run DIR as if it had never been stopped"),
      Option(
        "checkpoint-every", "SECONDS", "how often a run is kept, to be resumed (default 5)"),
    ] + OutputOptions.sampler

  private let sampler: SamplerRun
  private let plan: RunPlan
  private let chains: ClosedRange<Int>
  private let choice: ResultOptions
  private let start: TokenSequence?
  private let folder: RunFolder?
  private let resumed: ResumedRun?
  private let description: RunDescription
  private let checkpointInterval: Duration
  private let patterns: [CompiledConstraints.Part]
  /// Those of the run, which may have begun before this command.
  let arguments: Arguments

  /// A run of chains.
  ///
  /// - Parameters:
  ///   - command: whose.
  ///   - given: the arguments; those of a run that goes on are read from its folder.
  ///   - further: what tells further models from others that the chains depend on.
  /// - Throws: what is wrong with the arguments, before anything is written.
  init(
    _ command: any Command.Type, _ given: Arguments,
    further: (Arguments, NGramModel) throws -> [UInt64] = { _, _ in [] }
  ) throws {
    resumed = try ResumedRun(command, given)
    let arguments = resumed?.arguments ?? given
    self.arguments = arguments
    checkpointInterval = .seconds(
      try arguments.number("checkpoint-every", in: 0...1e9, expected: "seconds such as 5") ?? 5)
    choice = try ResultOptions(arguments)
    var plan = try PlanOptions.plan(arguments)
    plan.best = choice.best ?? 0
    self.plan = plan
    chains = try PlanOptions.chainRange(arguments, plan)
    sampler = try SamplerRun(
      command, arguments, seed: plan.seed, threads: try PlanOptions.threads(arguments),
      constraints: resumed?.constraints)
    let model = sampler.model
    patterns = try Self.patterns(arguments, tree: sampler.tree)
    start = try arguments.text("start").map {
      try CompiledTarget.tokens(of: $0, model: model, option: "--start")
    }
    if let single = sampler.single { try single.check(start: start) }
    let checksums = [model.checksum] + (try further(arguments, model))
    description = RunDescription(
      command: command.name, model: sampler.modelName, checksums: checksums,
      constraints: sampler.constraints, options: ResumedRun.words(arguments, seed: plan.seed),
      plan: plan, chains: chains, start: arguments.text("start"))
    if let resumed {
      try resumed.check(description)
      folder = resumed.folder
      return
    }
    guard let path = arguments.text("run") else {
      folder = nil
      return
    }
    guard !sampler.hasSets else {
      throw CommandFailure.usage("--run keeps one target; give --each or --run")
    }
    let folder = try RunFolder(path)
    try folder.write(description)
    self.folder = folder
  }

  /// The model's left conditional, made once for all targets.
  func makeWords() -> NGramLeftWords { NGramLeftWords(sampler.model) }

  /// The model, in the layout of chains.
  var model: NGramModel { sampler.model }

  /// Says when to stop.
  var monitor: RunMonitor { sampler.monitor }

  /// Runs the chains of each target by its kernel.
  func callAsFunction<Kernel: TransitionKernel<SentenceScorer<NGramModel>>>(
    _ kernel: (CompiledTarget) throws -> Kernel
  ) throws {
    try run(of: { $0.target }, by: kernel)
  }

  /// Runs chains whose target is made of the compiled one.
  ///
  /// - Parameters:
  ///   - makeTarget: makes what is sampled from; it allows the texts that the compiled target allows.
  ///   - areDraws: whether the kernel keeps that.
  ///   - notes: what people are told of it.
  ///   - kernel: the steps.
  /// - Throws: what these throw, and the failure to exit with.
  func run<Target: Sampling.Target<TokenSequence>, Kernel: TransitionKernel>(
    of makeTarget: (CompiledTarget) throws -> Target, areDraws: Bool = true, notes: [String] = [],
    by kernel: (CompiledTarget) throws -> Kernel
  ) throws where Kernel.Scorer == Target.Scorer {
    let samples = try folder?.stream("samples.jsonl")
    let earlier = resumed?.checkpoint
    sampler.earlierSeconds = earlier?.seconds ?? 0
    sampler.monitor.add(earlier?.chains.reduce(0) { $0 + $1.record.steps } ?? 0)
    let steps =
      chains.reduce(0) { $0 + plan.warmup + plan.steps(ofChain: $1) } * sampler.targetCount
    try sampler.each(
      unit: "steps", total: steps,
      head: { summary, seconds in
        summary.add("steps", .integer(sampler.monitor.steps))
        summary.add(
          "steps_per_second", .number(Double(sampler.monitor.steps) / max(seconds, 1e-9)))
        summary.add("draws", .boolean(choice.areDraws && areDraws))
      },
      lines: { seconds in
        [
          "\n\(chains.count) chain\(chains.count == 1 ? "" : "s"), \(sampler.monitor.steps) steps in "
            + String(
              format: "%.2f s (%.2f M/s)", seconds, Double(sampler.monitor.steps) / seconds / 1e6)
            + ", seed \(plan.seed)"
        ] + (sampler.hasSets ? choice.lines + notes : [])
      },
      finish: { summary in
        try samples?.writeLine(summary.text)
        try samples?.finish()
        // Last: who reads that a run is finished finds all of it.
        if !sampler.monitor.isStopping {
          try folder?.write(CheckpointFile(run: description.checksum, isFinished: true))
        }
      }
    ) { target, line, seed in
      let start = start
      let monitor = sampler.monitor
      try target.check(start: start)
      let own = plan.seeded(seed)
      let sampled = try makeTarget(target)
      let kernel = try kernel(target)
      let quantities = ChainResults.quantities(target, patterns: patterns)
      let checkpoints = try checkpoints(target, quantities.count, kernel.kinds.count)
      let records = try runChains(
        chains, of: own, target: sampled, kernel: kernel,
        quantities: { ChainResults.row(quantities, $0) }, threads: sampler.threads,
        monitor: sampler.monitor, checkpoints: checkpoints
      ) { choices in
        if let start { return start }
        return try target.randomStart(monitor: monitor, using: &choices)
      }
      let all = ChainResults.draws(records)
      // What was drawn is printed even where the folder can no longer take it.
      var failure: CommandFailure?
      do {
        if let failure = checkpoints?.failure { throw failure }
        try checkpoints?.saveAll()
        for draw in all {
          try samples?.writeLine(ChainResults.object(draw, target, number: line).text)
        }
        if let folder {
          for record in records {
            try folder.write(
              trace: record, plan: plan, model: sampler.modelName, quantities: quantities)
          }
        }
      } catch let error as CommandFailure {
        failure = error
      }
      // Of many targets each has results, and none a summary.
      let summaries =
        sampler.hasSets
        ? [] : try ChainResults.summaries(records, quantities, threads: sampler.threads)
      return SamplerOutcome(
        results: choice.chosen(all, records).map { draw in
          (
            target.target.model.vocabulary.text(of: draw.state),
            ChainResults.object(draw, target, number: line)
          )
        },
        summarise: {
          ChainResults.add(to: &$0, records, kinds: kernel.kinds, summaries: summaries)
        },
        lines: [
          ChainResults.summary(
            records, kinds: kernel.kinds, quantities: quantities, summaries: summaries)
        ]
          + choice.lines + notes,
        failure: failure)
    }
  }
}

extension ChainCommand {
  /// What is traced beside the target's own quantities: counts, as statements that add one nat.
  private static func patterns(
    _ arguments: Arguments, tree: VocabularyTree
  ) throws -> [CompiledConstraints.Part] {
    try arguments.texts("trace").compactMap { value in
      let text = NFC.of(value)
      let constraint = Constraint(
        .prefer(.expression(try TargetOptions.expression(text, option: "trace")), 1),
        text: "trace /\(TargetOptions.escapingSlashes(text))/", origin: "--trace")
      do throws(ConstraintError) {
        return try constraint.automaton(for: tree).map {
          CompiledConstraints.Part(constraint: constraint, automaton: $0)
        }
      } catch {
        throw CommandFailure.usage("--trace '\(value)': \(error)")
      }
    }
  }

  /// Where the chains leave their checkpoints; `nil` where no folder keeps the sampler.
  private func checkpoints(
    _ target: CompiledTarget, _ columns: Int, _ kinds: Int
  ) throws -> ChainCheckpoints<TokenSequence>? {
    guard let folder else { return nil }
    let began = ContinuousClock.now
    let earlier = sampler.earlierSeconds
    let checksum = description.checksum
    let checkpoints = ChainCheckpoints(
      resumed: try resumed?.chains(
        chains, vocabulary: target.target.model.vocabulary.count, columns: columns, kinds: kinds)
        ?? [],
      every: checkpointInterval
    ) { chains in
      try folder.write(
        CheckpointFile(
          run: checksum, seconds: earlier + began.duration(to: .now) / .seconds(1),
          chains: chains))
    }
    // A folder that takes no checkpoint is better known before hours of work than after.
    try checkpoints.saveAll()
    return checkpoints
  }
}

/// Which results are printed.
struct ResultOptions {
  static let all = [
    Option("best", "N", "the N most probable texts seen, which are no draws"),
    Option(flag: "unique", "each text once, which makes them no draws"),
  ]

  let best: Int?
  private let isUnique: Bool

  init(_ arguments: Arguments) throws(CommandFailure) {
    best = try arguments.integer("best", in: 1...1_000_000)
    isUnique = arguments.has("unique")
  }

  /// Whether what is printed are draws from the target.
  var areDraws: Bool { best == nil && !isUnique }

  /// What is printed of all draws, or of all texts that the chains have seen.
  func chosen(
    _ draws: [Draw<TokenSequence>], _ records: [ChainResults.Record]
  ) -> [Draw<TokenSequence>] {
    if let best { return ChainResults.best(records.flatMap(\.best), best) }
    return isUnique ? ChainResults.unique(draws) : draws
  }

  /// What people are told of that.
  var lines: [String] {
    if best != nil { return ["  these are the most probable texts seen, no draws from rho"] }
    return isUnique ? ["  each text is shown once: these are no draws from rho"] : []
  }
}

extension CompiledTarget {
  /// Says why a chain cannot start from a text.
  func check(start: TokenSequence?) throws(CommandFailure) {
    guard let start else { return }
    if let unmet = firstUnmet(by: start) {
      throw CommandFailure(
        .data,
        "--start: '\(target.model.vocabulary.text(of: start))' does not meet "
          + "\(unmet.constraint.origin): \(unmet.constraint.text); a chain begins at an allowed "
          + "text")
    }
    guard target.logProbability(of: start) > -.infinity else {
      throw CommandFailure(.data, "--start: the model gives this text no probability")
    }
  }

  /// An allowed text on a random path; `nil` where the run was stopped before one was found.
  func randomStart(
    monitor: RunMonitor, using choices: inout some ChoiceSource
  ) throws(CommandFailure) -> TokenSequence? {
    let text = target.randomStart(isCancelled: { monitor.isStopping }, using: &choices)
    guard text != nil || monitor.isStopping else {
      throw CommandFailure(.failed, "the model gives no allowed text a positive probability")
    }
    return text
  }
}
