// Licensed under the Apache License, Version 2.0.

/// The number of chains, their length, and which of their states are kept.
///
/// Chain c uses stream c of the seed for its steps, so its draws depend neither on the number of
/// threads nor on the machine.
public struct RunPlan: Hashable, Sendable {
  /// How the length of a chain after its warm-up is given.
  public enum Extent: Hashable, Sendable {
    /// The total number of draws, shared among the chains; the first ones take the remainder.
    case draws(Int)
    /// The number of steps of each chain.
    case steps(Int)
  }

  /// The number of chains.
  public var chains: Int
  /// Steps before the first that is kept.
  public var warmup: Int
  /// The number of steps from one draw to the next.
  public var thin: Int
  /// How long a chain runs after its warm-up.
  public var extent: Extent
  /// The number of steps from one row of the trace to the next; `nil` for about 1,000 rows a chain.
  public var traceEvery: Int?
  /// How many of the most probable states to keep beside the draws, each once.
  public var best = 0
  /// The seed of all random choices.
  public var seed: UInt64

  /// Creates a plan.
  ///
  /// - Precondition: all counts are positive, except that warm-up and extent may be 0.
  public init(
    chains: Int = 4, warmup: Int = 500_000, thin: Int = 2_000_000, extent: Extent = .draws(5),
    traceEvery: Int? = nil, seed: UInt64
  ) {
    precondition(chains > 0 && thin > 0 && warmup >= 0, "a plan has chains and steps")
    precondition(traceEvery.map { $0 > 0 } ?? true, "a trace has steps between its rows")
    self.chains = chains
    self.warmup = warmup
    self.thin = thin
    self.extent = extent
    self.traceEvery = traceEvery
    self.seed = seed
  }

  /// The same plan with a different seed.
  public func seeded(_ seed: UInt64) -> RunPlan {
    var plan = self
    plan.seed = seed
    return plan
  }

  /// The number of draws that a chain of the plan keeps.
  public func draws(ofChain chain: Int) -> Int {
    switch extent {
    case .draws(let total): total / chains + (chain < total % chains ? 1 : 0)
    case .steps(let steps): steps / thin
    }
  }

  /// The number of steps after a chain's warm-up; `Int.max` if there are more.
  public func steps(ofChain chain: Int) -> Int {
    switch extent {
    case .draws: CheckedNumbers.product(draws(ofChain: chain), thin) ?? .max
    case .steps(let steps): steps
    }
  }

  /// The total number of steps of some chains, including their warm-ups.
  ///
  /// - Parameters:
  ///   - chains: numbers of the chains; `nil` for all.
  ///   - copies: the number of texts that each chain steps at once.
  /// - Returns: `nil` if the number is too large for an `Int`.
  public func totalSteps(of chains: ClosedRange<Int>? = nil, copies: Int = 1) -> Int? {
    var total = 0
    for chain in chains ?? 0...self.chains - 1 {
      guard let steps = CheckedNumbers.sum(warmup, steps(ofChain: chain)),
        let next = CheckedNumbers.sum(total, steps)
      else { return nil }
      total = next
    }
    // Chains compute with one more interval, which must not overflow.
    let most = Int.max - (1 << 60)
    return CheckedNumbers.product(total, copies).flatMap { $0 <= most ? $0 : nil }
  }

  /// The number of steps from one row of the trace to the next.
  public var traceInterval: Int {
    traceEvery ?? max(1, (0..<chains).map { steps(ofChain: $0) }.max().map { $0 / 1000 } ?? 1)
  }
}
