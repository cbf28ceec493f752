// Licensed under the Apache License, Version 2.0.

import LM
import Runs
import Sampling

/// What chains of one target are to do.
struct ChainWork: Sendable {
  let target: CompiledTarget
  let chains: ClosedRange<Int>
  let plan: RunPlan
  let quantities: [ChainResults.Quantity]
  let threads: Int
  let monitor: RunMonitor
  /// A chain's first text; `nil` where the run was stopped before one was found.
  let start: @Sendable (inout RandomChoices) throws -> TokenSequence?
}

/// Runs chains that may fail, and keeps what the others did.
///
/// - Parameters:
///   - work: which chains.
///   - kinds: how many kinds of step there are.
///   - run: runs them all; it throws a `PartialFailure` where one fails.
/// - Returns: the records, empty ones of chains that failed or did not begin, and why one failed.
/// - Throws: the failure where no chain has done anything.
func keepingOthers(
  _ work: ChainWork, kinds: Int, _ run: () throws -> [ChainResults.Record]
) throws -> (records: [ChainResults.Record], failure: CommandFailure?) {
  do {
    return (try run(), nil)
  } catch let partial as PartialFailure<ChainResults.Record> {
    guard partial.results.contains(where: { ($0?.steps ?? 0) > 0 }) else { throw partial.failure }
    let records = zip(work.chains, partial.results).map { chain, record in
      record ?? ChainResults.Record(chain: chain, kinds: kinds)
    }
    let failed = zip(work.chains, partial.results).first { $1 == nil || $1?.failure != nil }
    let number = failed?.0 ?? work.chains.lowerBound
    let message = (partial.failure as? CommandFailure)?.message ?? "\(partial.failure)"
    return (
      records,
      CommandFailure(
        (partial.failure as? CommandFailure)?.kind ?? .failed,
        "chain \(number) failed: \(message); the others were stopped, what they drew is printed")
    )
  }
}

/// What they did.
struct ChainsDone {
  var records: [ChainResults.Record]
  var kinds: [String]
  var checkpoints: ChainCheckpoints<TokenSequence>?
  /// Why one of them failed; `nil` where none did.
  var failure: CommandFailure?
  /// The powers of tempered chains.
  var ladders: [LadderReport]?
}
