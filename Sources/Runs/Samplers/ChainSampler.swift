// Licensed under the Apache License, Version 2.0.

import LM
import Sampling

/// A sampler that runs chains; what differs between them is the kernel.
package protocol ChainSampler: Sampler {
  var options: ChainOptions { get }
  /// How many texts each chain steps at once.
  var copies: Int { get }
  /// Whether the chains keep the target.
  var keepsTarget: Bool { get }
  /// Remarks for people.
  var notes: [String] { get }
  /// Whether `exact` could sample from the same target, if it can read the model.
  var mayHaveExactSums: Bool { get }

  /// Runs the chains of one target.
  func runChains(_ work: ChainWork, folder: KeptRun?) throws -> ChainsDone
}

extension ChainSampler {
  package static var unit: String { "steps" }
  package var copies: Int { 1 }
  package var keepsTarget: Bool { true }
  package var notes: [String] { [] }
  package var mayHaveExactSums: Bool { true }
  package var chainOptions: ChainOptions? { options }
  package var areDraws: Bool { keepsTarget && options.choice.areDraws }

  package var work: Int {
    options.plan.totalSteps(of: options.chains, copies: copies) ?? .max
  }

  package var figures: RunFigures {
    .chains(
      ChainReport(options.plan, chains: options.chains, copies: copies, choice: options.choice))
  }

  package func run(_ task: SamplingTask) throws -> RunReport {
    try task.target.check(start: options.start)
    let work = ChainWork(
      task.target, options, seed: task.seed, threads: task.threads, monitor: task.monitor)
    let done = try runChains(work, folder: task.folder)
    var report = task.report
    report.notes = notes
    report.texts = ChainResults.draws(done.records).map { ChainResults.text($0, of: task.target) }
    if let count = options.choice.best {
      report.best = ChainResults.best(done.records.flatMap(\.best), count).map {
        ChainResults.text($0, of: task.target)
      }
    }
    // What was drawn is printed even if the folder can no longer take it.
    report.failure = done.failure
    do {
      try keep(done, of: work, report, in: task.folder)
    } catch let error as RunError {
      report.failure = error
    }
    report.figures = .chains(try chainReport(done, work))
    report.isStopped = task.monitor.isStopping
    report.shortfall =
      report.isStopped ? stoppedShortfall(of: report.texts.count) : bestShortfall(report.best)
    report.missing = ChainResults.missing(done.records, isStopped: report.isStopped)
    return report
  }

  /// Keeps the chains' checkpoints, draws and traces in the folder.
  private func keep(
    _ done: ChainsDone, of work: ChainWork, _ report: RunReport, in kept: KeptRun?
  ) throws {
    guard let kept else { return }
    if let failure = done.checkpoints?.failure { throw failure }
    try done.checkpoints?.saveAll()
    for text in report.texts { try kept.write(text.object(ofLine: report.target)) }
    try kept.folder.write(
      traces: done.records, plan: options.plan, model: report.model, quantities: work.quantities)
  }

  private func chainReport(_ done: ChainsDone, _ work: ChainWork) throws -> ChainReport {
    var chains = ChainReport(
      options.plan, chains: options.chains, copies: copies, choice: options.choice)
    chains.moves = ChainResults.moves(done.records, kinds: done.kinds)
    chains.quantities = try ChainResults.summaries(
      done.records, work.quantities, threads: work.threads)
    chains.hardStatements = work.quantities.compactMap { quantity in
      quantity.part?.constraint.isSoft == false ? quantity.name : nil
    }
    chains.ladders = done.ladders
    chains.hasExactSums = mayHaveExactSums && work.target.model.capabilities.contains(.exact)
    chains.isKnown = true
    return chains
  }

  /// That draws of the plan are missing.
  private func stoppedShortfall(of found: Int) -> Shortfall? {
    guard case .draws = options.plan.extent, options.choice.best == nil else { return nil }
    return Shortfall(
      of: found, asked: options.chains.reduce(0) { $0 + options.plan.draws(ofChain: $1) },
      stoppedReason)
  }

  /// Fewer texts than `--best` asked for.
  private func bestShortfall(_ best: [SampledText]) -> Shortfall? {
    options.choice.best.flatMap {
      Shortfall(of: best.count, asked: $0, "the chains have seen no more different texts")
    }
  }
}
