// Licensed under the Apache License, Version 2.0.

/// Why a chain has no text to begin with.
public struct NoStart: Error, Hashable, Sendable, CustomStringConvertible {
  /// The error.
  public init() {}

  /// A sentence.
  public var description: String {
    "the model gives no allowed text a positive probability"
  }
}

/// Runs chains of a plan side by side, each from an allowed text on a random path of its own.
///
/// ```swift
/// let records = try runChains(
///   of: RunPlan(seed: 1), target: target, kernel: NGramMoves(for: target), threads: 2)
/// ```
/// - Parameters:
///   - plan: how long they run and what they keep.
///   - target: what is sampled.
///   - kernel: the steps.
///   - quantities: a row of the trace for a chain's working copy.
///   - threads: how many run at once; the results do not depend on it.
///   - monitor: counts steps and asks to stop.
/// - Returns: what each chain kept, in order.
/// - Throws: ``NoStart`` where no allowed text was found.
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
  /// What share of the proposed steps of a kind the chains accepted; `nil` where none was proposed.
  public func acceptanceRate<State>(ofKind kind: Int) -> Double?
  where Element == ChainRecord<State> {
    let proposed = reduce(0) { $0 + $1.proposed[kind] }
    return proposed > 0 ? Double(reduce(0) { $0 + $1.accepted[kind] }) / Double(proposed) : nil
  }

  /// One of the traced quantities along all chains.
  public func traces<State>(ofQuantity index: Int) -> ChainTraces
  where Element == ChainRecord<State> {
    ChainTraces(map { $0.trace.map { $0[index] } })
  }
}
