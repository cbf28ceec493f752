// Licensed under the Apache License, Version 2.0.

import LM
package import Sampling

/// Which chains run and for how long, where they start, and what is kept of them.
package struct ChainOptions: Sendable {
  package var plan: RunPlan
  /// The chains that run here.
  package var chains: ClosedRange<Int>
  package var choice: ResultChoice
  /// The text that every chain starts from; `nil` for a random one each.
  package var start: TokenSequence?
  /// What is traced beside the target's own quantities.
  package var patterns: [CompiledConstraints.Part]

  /// All chains of a plan, which also keeps as many best texts as are printed.
  package init(
    _ plan: RunPlan, chains: ClosedRange<Int>? = nil, choice: ResultChoice = ResultChoice(),
    start: TokenSequence? = nil, patterns: [CompiledConstraints.Part] = []
  ) {
    self.plan = plan
    self.plan.best = choice.best ?? 0
    self.chains = chains ?? 0...plan.chains - 1
    self.choice = choice
    self.start = start
    self.patterns = patterns
  }
}

/// What chains of one target are to do.
package struct ChainWork: Sendable {
  package let target: CompiledTarget
  package let chains: ClosedRange<Int>
  package let plan: RunPlan
  package let quantities: [ChainResults.Quantity]
  package let threads: Int
  package let monitor: RunMonitor
  /// The text that every chain starts from; `nil` for a random one each.
  package let start: TokenSequence?

  /// The chains of some options, by a seed of their own.
  package init(
    _ target: CompiledTarget, _ options: ChainOptions, seed: UInt64, threads: Int,
    monitor: RunMonitor
  ) {
    self.target = target
    chains = options.chains
    plan = options.plan.seeded(seed)
    quantities = ChainResults.quantities(target, patterns: options.patterns)
    self.threads = threads
    self.monitor = monitor
    start = options.start
  }

  /// A chain's first text; `nil` if the run was stopped before one was found.
  func firstText(
    _ model: some ChainModel, using choices: inout some ChoiceSource
  ) throws -> TokenSequence? {
    if let start { return start }
    return try target.randomStart(model, monitor: monitor, using: &choices)
  }

  /// Where chains leave checkpoints; `nil` if no folder keeps them.
  func checkpoints(
    _ folder: KeptRun?, kinds: Int
  ) throws -> ChainCheckpoints<TokenSequence>? {
    try folder?.makeCheckpoints(
      chains, vocabulary: target.model.vocabulary.count, columns: quantities.count, kinds: kinds)
  }

  /// Runs chains of one text each.
  func run<Target: Sampling.Target<TokenSequence>, Kernel: TransitionKernel>(
    _ model: some ChainModel, target: Target, kernel: Kernel, folder: KeptRun?
  ) throws -> ChainsDone where Kernel.Scorer == Target.Scorer {
    let checkpoints = try checkpoints(folder, kinds: kernel.kinds.count)
    let (records, failure) = try keepingOthers(kinds: kernel.kinds.count) {
      try runChains(
        chains, of: plan, target: target, kernel: kernel,
        quantities: { ChainResults.row(quantities, $0) }, threads: threads, monitor: monitor,
        checkpoints: checkpoints, start: { try firstText(model, using: &$0) })
    }
    return ChainsDone(
      records: records, kinds: kernel.kinds, checkpoints: checkpoints, failure: failure)
  }

  /// Runs chains of which some may fail, and keeps what the others did.
  ///
  /// - Parameters:
  ///   - kinds: the number of kinds of move.
  ///   - run: runs all chains; it throws a `PartialFailure` if one fails.
  /// - Returns: the records, empty ones for chains that failed or did not begin, and why one failed.
  /// - Throws: the failure if no chain has done anything.
  func keepingOthers(
    kinds: Int, _ run: () throws -> [ChainResults.Record]
  ) throws -> (records: [ChainResults.Record], failure: RunError?) {
    do {
      return (try run(), nil)
    } catch let partial as PartialFailure<ChainResults.Record> {
      guard partial.results.contains(where: { ($0?.steps ?? 0) > 0 }) else {
        throw partial.failure
      }
      let records = zip(chains, partial.results).map { chain, record in
        record ?? ChainResults.Record(chain: chain, kinds: kinds)
      }
      let failed = zip(chains, partial.results).first { $1 == nil || $1?.failure != nil }
      let known = partial.failure as? RunError
      return (
        records,
        RunError(
          known?.kind ?? .failed,
          "chain \(failed?.0 ?? chains.lowerBound) failed: "
            + "\(known?.message ?? "\(partial.failure)"); the others were stopped, what they drew "
            + "is printed")
      )
    }
  }
}

/// What chains did.
package struct ChainsDone {
  package var records: [ChainResults.Record]
  /// The kinds of move.
  package var kinds: [String]
  package var checkpoints: ChainCheckpoints<TokenSequence>?
  /// Why one of the chains failed; `nil` if none did.
  package var failure: RunError?
  /// The powers of tempered chains.
  package var ladders: [LadderReport]?
}
