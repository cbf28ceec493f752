// Licensed under the Apache License, Version 2.0.

/// The error of a chain for which no allowed text was found to start from.
public struct NoStart: Error, Hashable, Sendable, CustomStringConvertible {
  /// Creates the error, which has no details.
  public init() {}

  /// The message, as a full sentence.
  public var description: String {
    "the model gives no allowed text a positive probability"
  }
}

/// Runs chains of a plan in parallel, each from its own random allowed text.
///
/// ```swift
/// let records = try runChains(
///   of: RunPlan(seed: 1), target: target, kernel: NGramMoves(for: target), threads: 2)
/// ```
/// - Parameters:
///   - plan: how long they run and which states they keep.
///   - target: the distribution to sample.
///   - kernel: makes the steps.
///   - quantities: appends a row of the trace for the current state.
///   - threads: how many chains run at once; results do not depend on it.
///   - monitor: counts steps and can ask the run to stop.
/// - Returns: the record of each chain, in order.
/// - Throws: ``NoStart`` if no allowed text was found.
@inlinable
public func runChains<Target: TextTarget, Kernel: TransitionKernel>(
  of plan: RunPlan, target: Target, kernel: Kernel,
  quantities: @Sendable (Target.Scorer) -> [Double] = {
    [$0.logProbability]
  },
  threads: Int, monitor: RunMonitor = RunMonitor()
) throws -> [ChainRecord<TokenSequence>]
where Kernel.Scorer == Target.Scorer {
  try runChains(
    of: plan, target: target, kernel: kernel, quantities: quantities, threads: threads,
    monitor: monitor
  ) { choices in
    let text = try target.randomStart(isCancelled: { monitor.isStopping }, using: &choices)
    guard text != nil || monitor.isStopping else { throw NoStart() }
    return text
  }
}

extension Collection {
  /// The share of a kind's proposed steps that were accepted; `nil` if none was proposed.
  public func acceptanceRate<State>(ofKind kind: Int) -> Double?
  where Element == ChainRecord<State> {
    let proposed = reduce(0) { $0 + $1.proposed[kind] }
    return proposed > 0 ? Double(reduce(0) { $0 + $1.accepted[kind] }) / Double(proposed) : nil
  }

  /// The traces of one quantity, one for each chain.
  public func traces<State>(ofQuantity index: Int) -> ChainTraces
  where Element == ChainRecord<State> {
    ChainTraces(map { $0.trace.map { $0[index] } })
  }
}
