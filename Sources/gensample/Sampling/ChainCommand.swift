// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Runs
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
  private let choice: ResultChoice
  private let start: TokenSequence?
  private let folder: RunFolder?
  private let resumed: ResumedRun?
  private let description: RunDescription
  private let checksums: [UInt64]
  private let checkpointInterval: Duration
  private let patterns: [CompiledConstraints.Part]
  /// Those of the run, which may have begun before this command.
  let arguments: Arguments

  /// A run of chains.
  ///
  /// - Parameters:
  ///   - command: whose.
  ///   - given: the arguments; those of a run that goes on are read from its folder.
  ///   - isSlow: whether the arguments ask for slow steps, of which there are fewer by default.
  ///   - further: further models that the chains depend on.
  /// - Throws: what is wrong with the arguments, before anything is written.
  init(
    _ command: any Command.Type, _ given: Arguments,
    isSlow: (Arguments) throws -> Bool = { _ in false },
    further: (Arguments, NGramModel) throws -> [FurtherModel] = { _, _ in [] }
  ) throws {
    resumed = try ResumedRun(command, given)
    let arguments = resumed?.arguments ?? given
    self.arguments = arguments
    checkpointInterval = .seconds(
      try arguments.number("checkpoint-every", in: 0...1e9, expected: "seconds such as 5") ?? 5)
    choice = try ResultOptions.choice(arguments)
    var plan = try PlanOptions.plan(
      arguments,
      otherwise: isSlow(arguments) ? PlanOptions.slowDefaults : PlanOptions.defaults)
    plan.best = choice.best ?? 0
    self.plan = plan
    chains = try PlanOptions.chainRange(arguments, plan)
    sampler = try SamplerRun(
      command, arguments, seed: plan.seed, threads: try PlanOptions.threads(arguments),
      constraints: resumed?.constraints)
    let model = sampler.model
    patterns = try Self.patterns(arguments, tree: sampler.loaded.tree)
    let loaded = sampler.loaded
    start = try arguments.text("start").map {
      try CompiledTarget.tokens(of: $0, model: loaded, option: "--start")
    }
    if let single = sampler.single { try single.check(start: start) }
    let others = try further(arguments, model)
    checksums = [model.checksum] + others.map(\.checksum)
    description = RunDescription(
      command: command.name, model: sampler.modelName,
      checksums: checksums, constraints: sampler.constraints,
      options: ResumedRun.words(arguments, seed: plan.seed),
      plan: plan, chains: chains, start: arguments.text("start"))
    if let resumed {
      try resumed.check(description, others)
      folder = resumed.folder
      return
    }
    guard let path = arguments.text("run") else {
      guard !arguments.has("checkpoint-every") else {
        throw CommandFailure.usage(
          "--checkpoint-every keeps a run to be resumed, in a folder; give --run DIR with it")
      }
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
  func makeWords() -> NGramLeftTokens<TokenAutomaton> {
    NGramLeftTokens<TokenAutomaton>(sampler.model)
  }

  /// The model, in the layout of chains.
  var model: NGramModel { sampler.model }

  /// Says when to stop.
  var monitor: RunMonitor { sampler.monitor }

  /// Runs the chains of each target by its kernel.
  func callAsFunction<Kernel: TransitionKernel<IncrementalScorer<NGramModel, TokenAutomaton>>>(
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
    try run(areDraws: areDraws, notes: notes) { work, makeCheckpoints in
      let sampled = try makeTarget(work.target)
      let kernel = try kernel(work.target)
      let checkpoints = try makeCheckpoints(kernel.kinds.count)
      let (records, failure) = try keepingOthers(work, kinds: kernel.kinds.count) {
        try runChains(
          work.chains, of: work.plan, target: sampled, kernel: kernel,
          quantities: { ChainResults.row(work.quantities, $0) }, threads: work.threads,
          monitor: work.monitor, checkpoints: checkpoints, start: work.start)
      }
      return ChainsDone(
        records: records, kinds: kernel.kinds, checkpoints: checkpoints, failure: failure)
    }
  }

  /// Runs chains of whatever kind.
  ///
  /// - Parameters:
  ///   - copies: how many texts each chain steps at once.
  ///   - areDraws: whether the chains keep the target.
  ///   - notes: what people are told of them.
  ///   - runChains: runs the chains of one target, given where chains of so many kinds of step leave
  ///     their checkpoints, `nil` where no folder keeps them.
  /// - Throws: what that throws, and the failure to exit with.
  func run(
    copies: Int = 1, areDraws: Bool = true, notes: [String] = [],
    _ runChains: (
      ChainWork, _ makeCheckpoints: (_ kinds: Int) throws -> ChainCheckpoints<TokenSequence>?
    ) throws -> ChainsDone
  ) throws {
    let samples = try folder?.stream("samples.jsonl")
    let earlier = resumed?.checkpoint
    sampler.earlierSeconds = earlier?.seconds ?? 0
    let taken = CheckedNumbers.sum(of: (earlier?.chains ?? []).map(\.record.steps))
    sampler.monitor.add(taken.flatMap { CheckedNumbers.product($0, copies) } ?? 0)
    let steps = plan.totalSteps(of: chains, copies: copies) ?? .max
    try sampler.each(
      unit: "steps", total: CheckedNumbers.product(steps, sampler.targetCount) ?? .max,
      head: { summary, effort in
        summary.add("steps", .integer(effort.count))
        summary.add(
          "steps_per_second", .number(Double(effort.count) / max(effort.seconds, 1e-9)))
        summary.add("draws", .boolean(choice.areDraws && areDraws))
      },
      lines: { effort in
        [
          counted(chains.count, "chain") + (copies > 1 ? " of \(copies) copies" : "") + ", "
            + counted(effort.count, "step")
            + String(
              format: " in %.2f s (%.2f M/s)", effort.seconds,
              Double(effort.count) / effort.seconds / 1e6) + ", seed \(effort.seed)"
        ]
      },
      finish: { summary, last, effort in
        if let folder {
          var report = last.report ?? report(copies: copies, areDraws: areDraws, notes: notes)
          report.seconds = effort.seconds
          report.steps = effort.count
          try folder.write(report)
        }
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
      let quantities = ChainResults.quantities(target, patterns: patterns)
      let done = try runChains(
        ChainWork(
          target: target, chains: chains, plan: plan.seeded(seed), quantities: quantities,
          threads: sampler.threads, monitor: monitor,
          start: { choices in
            if let start { return start }
            return try target.randomStart(target.target.model, monitor: monitor, using: &choices)
          })
      ) { try checkpoints(target, quantities.count, $0) }
      var report = report(copies: copies, areDraws: areDraws, notes: notes)
      report.target = line
      report.seed = seed
      try add(done, of: target, quantities, to: &report, samples: samples)
      return SamplerOutcome(report)
    }
  }

  /// A report of a run that has done nothing yet.
  private func report(copies: Int, areDraws: Bool, notes: [String]) -> RunReport {
    var report = RunReport(
      command: sampler.command, model: sampler.modelName, checksums: checksums,
      seed: sampler.seed, statements: sampler.constraints,
      chains: ChainReport(plan, chains: chains, copies: copies, choice: choice))
    report.areDraws = areDraws && choice.areDraws
    report.chains.hasExactSums = !arguments.has("masked")
    report.notes = notes
    report.isStopped = sampler.monitor.isStopping
    return report
  }

  /// Keeps what chains did in the folder, and adds it to the report.
  private func add(
    _ done: ChainsDone, of target: CompiledTarget, _ quantities: [ChainResults.Quantity],
    to report: inout RunReport, samples: ResultStream?
  ) throws {
    let records = done.records
    report.texts = ChainResults.draws(records).map { ChainResults.text($0, of: target) }
    if let count = choice.best {
      report.best = ChainResults.best(records.flatMap(\.best), count).map {
        ChainResults.text($0, of: target)
      }
    }
    // What was drawn is printed even where the folder can no longer take it.
    report.failure = done.failure
    do {
      if let failure = done.checkpoints?.failure { throw failure }
      try done.checkpoints?.saveAll()
      for text in report.texts {
        try samples?.writeLine(text.object(ofLine: report.target).text)
      }
      if let folder {
        try folder.write(
          traces: records, plan: plan, model: sampler.modelName, quantities: quantities)
      }
    } catch let error as CommandFailure {
      report.failure = error
    }
    report.chains.moves = ChainResults.moves(records, kinds: done.kinds)
    report.chains.quantities = try ChainResults.summaries(
      records, quantities, threads: sampler.threads)
    report.chains.hardStatements = quantities.compactMap { quantity in
      quantity.part?.constraint.isSoft == false ? quantity.name : nil
    }
    report.chains.ladders = done.ladders
    report.chains.isKnown = true
    report.isStopped = sampler.monitor.isStopping
    report.shortfall =
      report.isStopped ? stoppedShortfall(of: report.texts.count) : bestShortfall(report.best)
    report.missing = ChainResults.missing(records, isStopped: report.isStopped)
    report.problems = report.chains.problems
  }
}

extension ChainCommand {
  /// That the plan's draws are not all there.
  private func stoppedShortfall(of found: Int) -> Shortfall? {
    guard case .draws = plan.extent, choice.best == nil else { return nil }
    return Shortfall(
      of: found, asked: chains.reduce(0) { $0 + plan.draws(ofChain: $1) }, stoppedReason)
  }

  /// Fewer texts than `--best` asked for.
  private func bestShortfall(_ best: [SampledText]) -> Shortfall? {
    choice.best.flatMap {
      Shortfall(of: best.count, asked: $0, "the chains have seen no more different texts")
    }
  }

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
