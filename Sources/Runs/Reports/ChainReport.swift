// Licensed under the Apache License, Version 2.0.

package import Sampling

/// What the chains of a run did.
public struct ChainReport: Codable, Sendable {
  /// The plan of the whole run.
  public var plan: Plan
  /// The number of copies that each chain steps at once.
  public var copies: Int
  /// Which texts are printed.
  public var choice: ResultChoice
  /// Proposed and accepted steps by kind of move.
  public var moves: [MoveReport] = []
  /// The estimates for each traced quantity.
  public var quantities: [QuantitySummary] = []
  /// The names of the quantities that are hard statements, which all draws meet.
  public var hardStatements: [String] = []
  /// The powers of each tempered chain that began; `nil` for chains without copies.
  public var ladders: [LadderReport]?
  /// Whether `exact` can sample from this target, too.
  public var hasExactSums = true
  /// Whether the chains got so far that these figures are known.
  public var isKnown = false

  /// Which chains run, and for how long.
  public struct Plan: Codable, Hashable, Sendable {
    /// The number of chains of the whole run.
    public var chains: Int
    /// The first chain that ran here.
    public var firstChain: Int
    /// The last chain that ran here.
    public var lastChain: Int
    /// Steps of each chain before its first result.
    public var warmup: Int
    /// Steps from one result of a chain to the next.
    public var thin: Int
    /// The number of results of all chains; `nil` if `steps` is given.
    public var samples: Int?
    /// Steps of each chain after its warm-up; `nil` if `samples` is given.
    public var steps: Int?
    /// Steps from one row of the trace to the next.
    public var traceEvery: Int
  }

  /// A report of chains that have not begun.
  package init(
    _ plan: RunPlan, chains: ClosedRange<Int>, copies: Int = 1, choice: ResultChoice
  ) {
    self.plan = Plan(
      chains: plan.chains, firstChain: chains.lowerBound, lastChain: chains.upperBound,
      warmup: plan.warmup, thin: plan.thin, traceEvery: plan.traceInterval)
    switch plan.extent {
    case .draws(let count): self.plan.samples = count
    case .steps(let count): self.plan.steps = count
    }
    self.copies = copies
    self.choice = choice
  }

  /// What is wrong with the figures, each a sentence.
  package var problems: [String] {
    moves.compactMap(\.problem) + quantities.flatMap(\.problems)
  }
}

/// Which of the drawn texts are printed.
public struct ResultChoice: Codable, Hashable, Sendable {
  /// The number of most probable texts to print; `nil` for draws.
  public var best: Int?
  /// Whether each text is printed once.
  public var isUnique: Bool

  /// All draws, unless the arguments say otherwise.
  public init(best: Int? = nil, isUnique: Bool = false) {
    self.best = best
    self.isUnique = isUnique
  }

  /// Whether the printed texts are draws from the target.
  public var areDraws: Bool { best == nil && !isUnique }
}

/// The powers of a tempered chain, and how often its copies exchanged texts.
public struct LadderReport: Codable, Hashable, Sendable {
  /// The chain.
  public var chain: Int
  /// The power of the target that each copy samples.
  public var powers: [Double]
  /// The share of exchanges that were accepted, for each pair of neighbours.
  public var exchangeRates: [Double]
  /// How often a text went to the hottest copy and back.
  public var roundTrips: Int

  /// The figures of a chain.
  public init(chain: Int, powers: [Double], exchangeRates: [Double], roundTrips: Int) {
    self.chain = chain
    self.powers = powers
    self.exchangeRates = exchangeRates
    self.roundTrips = roundTrips
  }
}
