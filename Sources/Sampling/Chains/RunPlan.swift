// Licensed under the Apache License, Version 2.0.

/// How many chains run for how long, and which of their states are kept.
///
/// Chain c takes the stream c of the seed for its steps, so what it draws depends on neither the
/// number of threads nor on which machine it runs.
public struct RunPlan: Hashable, Sendable {
  /// What decides how long a chain runs after its warm-up.
  public enum Extent: Hashable, Sendable {
    /// So many draws in all, shared among the chains, the first ones taking the remainder.
    case draws(Int)
    /// So many steps of each chain.
    case steps(Int)
  }

  /// The number of chains.
  public var chains: Int
  /// Steps before the first that is kept.
  public var warmup: Int
  /// Steps from one draw to the next.
  public var thin: Int
  /// How long a chain runs after its warm-up.
  public var extent: Extent
  /// Steps from one row of the trace to the next; `nil` for about 1,000 rows a chain.
  public var traceEvery: Int?
  /// So many of the most probable states seen are kept beside the draws, each once.
  public var best = 0
  /// What all randomness comes from.
  public var seed: UInt64

  /// A plan.
  ///
  /// - Precondition: all counts are positive, but for a warm-up or an extent of 0.
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

  /// The same plan with another seed.
  public func seeded(_ seed: UInt64) -> RunPlan {
    var plan = self
    plan.seed = seed
    return plan
  }

  /// How many draws a chain of the plan keeps.
  public func draws(ofChain chain: Int) -> Int {
    switch extent {
    case .draws(let total): total / chains + (chain < total % chains ? 1 : 0)
    case .steps(let steps): steps / thin
    }
  }

  /// How many steps a chain takes after its warm-up; the largest number where there are more.
  public func steps(ofChain chain: Int) -> Int {
    switch extent {
    case .draws: CheckedNumbers.product(draws(ofChain: chain), thin) ?? .max
    case .steps(let steps): steps
    }
  }

  /// The steps of some chains in all, their warm-ups among them.
  ///
  /// - Parameters:
  ///   - chains: which of the plan's; `nil` for all.
  ///   - copies: how many texts each chain steps at once.
  /// - Returns: `nil` where they are too many to be counted.
  public func totalSteps(of chains: ClosedRange<Int>? = nil, copies: Int = 1) -> Int? {
    var total = 0
    for chain in chains ?? 0...self.chains - 1 {
      guard let steps = CheckedNumbers.sum(warmup, steps(ofChain: chain)),
        let next = CheckedNumbers.sum(total, steps)
      else { return nil }
      total = next
    }
    // Room for one interval more, which chains compute with.
    let most = Int.max - (1 << 60)
    return CheckedNumbers.product(total, copies).flatMap { $0 <= most ? $0 : nil }
  }

  /// Steps from one row of the trace to the next.
  public var traceInterval: Int {
    traceEvery ?? max(1, (0..<chains).map { steps(ofChain: $0) }.max().map { $0 / 1000 } ?? 1)
  }
}
