// Licensed under the Apache License, Version 2.0.

/// A state under two targets and a bridge between them.
///
/// The bridge is the first target to the power 1 - b times the second to the power b.
public struct BridgedScorer<First: Scorer, Last: Scorer>: Scorer where First.State == Last.State {
  /// The working copy under the first target.
  public var first: First
  /// The working copy under the last target.
  public var last: Last
  /// The position b on the bridge, from 0 to 1.
  public var power: Double

  /// Combines two working copies of the same state.
  @inlinable
  public init(_ first: First, _ last: Last, power: Double) {
    self.first = first
    self.last = last
    self.power = power
  }

  /// The current state.
  @inlinable
  public var state: Last.State { last.state }

  /// Natural log of the bridge at the current state.
  @inlinable
  public var logProbability: Double { bridge(first.logProbability, last.logProbability) }

  /// The log of the last target minus that of the first, in nats.
  public var logRatio: Double { last.logProbability - first.logProbability }

  /// The first error of either working copy.
  public var failure: (any Error)? { last.failure ?? first.failure }

  /// What the edit would add to the log of the bridge, in nats.
  @inlinable
  public mutating func change(under edit: Last.State.Edit, atLeast bound: Double) -> Double {
    guard power < 1 else { return last.change(under: edit, atLeast: bound) }
    guard power > 0 else { return first.change(under: edit, atLeast: bound) }
    // The first target costs less, and says how much the last one must add.
    let own = first.change(under: edit)
    guard own > -.infinity else { return own }
    let needed = (bound - (1 - power) * own) / power
    return bridge(own, last.change(under: edit, atLeast: needed))
  }

  /// Makes the edit in both working copies.
  @inlinable
  public mutating func commit(_ edit: Last.State.Edit) {
    first.commit(edit)
    last.commit(edit)
  }

  @inlinable
  func bridge(_ a: Double, _ b: Double) -> Double {
    // An end of the bridge knows nothing of the other one.
    if power == 0 { return a }
    if power == 1 { return b }
    return a == -.infinity || b == -.infinity ? -.infinity : (1 - power) * a + power * b
  }
}

/// Makes the proposals of the last target on a bridge.
public struct BridgedProposal<P: Proposal, First: Scorer>: ProposalWithMemory
where First.State == P.Scorer.State {
  /// The proposal, which sees the last target's working copy.
  public let proposal: P

  /// Creates the same proposals for every bridge.
  public init(_ proposal: P) { self.proposal = proposal }

  /// The names of the proposal's kinds of move.
  public var kinds: [String] { proposal.kinds }

  /// The proposal's memory.
  @inlinable
  public func start(at scorer: BridgedScorer<First, P.Scorer>) -> P.Memory {
    proposal.start(at: scorer.last)
  }

  /// Makes a move from the last target's working copy.
  @inlinable
  public func propose(
    from scorer: BridgedScorer<First, P.Scorer>, memory: inout P.Memory,
    using choices: inout some ChoiceSource
  ) -> Move<First.State.Edit?> {
    proposal.propose(from: scorer.last, memory: &memory, using: &choices)
  }
}

/// Makes the proposals of the first target on a bridge, where the last one costs much more.
public struct FirstProposal<P: Proposal, Last: Scorer>: ProposalWithMemory
where Last.State == P.Scorer.State {
  /// The proposal, which sees the first target's working copy.
  public let proposal: P

  /// Creates the same proposals for every bridge.
  public init(_ proposal: P) { self.proposal = proposal }

  /// The names of the proposal's kinds of move.
  public var kinds: [String] { proposal.kinds }

  /// The proposal's memory.
  @inlinable
  public func start(at scorer: BridgedScorer<P.Scorer, Last>) -> P.Memory {
    proposal.start(at: scorer.first)
  }

  /// Makes a move from the first target's working copy.
  @inlinable
  public func propose(
    from scorer: BridgedScorer<P.Scorer, Last>, memory: inout P.Memory,
    using choices: inout some ChoiceSource
  ) -> Move<Last.State.Edit?> {
    proposal.propose(from: scorer.first, memory: &memory, using: &choices)
  }
}

/// Annealed importance sampling: a text of a target that is easy to draw from, led to another target
/// over a bridge of distributions by a chain's steps, its weight telling how far it was behind.
///
/// ```swift
/// let annealed = AnnealedImportance(
///   from: easyTexts, to: target, kernel: MetropolisHastings(BridgedProposal(moves)), stages: 200)
/// for _ in 0..<1000 { weighted.append(annealed.draw(using: &choices)) }
/// print(weighted.logEvidence)
/// ```
///
/// **Keeps** rho in the sense of ``TextProposal``: the mean over draws of the weight where the text
/// is x is rho(x), whatever the kernel that keeps each bridge, and however short the run; so the
/// evidence is unbiased. The texts to begin with need proper weights only.
/// **Assumes** that the first target allows all that the last one does.
/// Reference: Neal 2001, "Annealed importance sampling", equations 3 to 7; the bridges are geometric.
public struct AnnealedImportance<Base: TextProposal, Target: TextTarget, Kernel: TransitionKernel>:
  TextProposal
where Kernel.Scorer == BridgedScorer<Base.Target.Scorer, Target.Scorer> {
  /// Texts of the first target with proper weights.
  public let base: Base
  /// The target to sample.
  public let target: Target
  /// The kernel that keeps each bridge.
  public let kernel: Kernel
  /// The number of bridges, including the last target.
  public let stages: Int
  /// The number of steps on each bridge.
  public let steps: Int
  @usableFromInline let isCancelled: @Sendable () -> Bool

  /// Creates a sampler that leads texts from one target to another.
  ///
  /// - Parameters:
  ///   - base: weighted texts of the first target.
  ///   - target: the distribution to sample.
  ///   - kernel: keeps each bridge.
  ///   - stages: the number of bridges at equal distances, positive; one is importance sampling.
  ///   - steps: the number of steps on each bridge.
  ///   - isCancelled: called from time to time; a text that is given up is no draw.
  public init(
    from base: Base, to target: Target, kernel: Kernel, stages: Int,
    steps: Int = 1, isCancelled: @escaping @Sendable () -> Bool = { false }
  ) {
    precondition(stages > 0 && steps >= 0, "a bridge has stages, and steps are not negative")
    self.base = base
    self.target = target
    self.kernel = kernel
    self.stages = stages
    self.steps = steps
    self.isCancelled = isCancelled
  }

  /// Draws a weighted text; `nil` if the base gave none, or it was given up.
  @inlinable
  public func draw(using choices: inout some ChoiceSource) throws -> WeightedText? {
    guard let drawn = try base.draw(using: &choices) else { return nil }
    var scorer = BridgedScorer(
      base.target.makeScorer(at: drawn.text), target.makeScorer(at: drawn.text), power: 0)
    var memory = kernel.start(at: scorer)
    var logWeight = drawn.logWeight
    for stage in 1...stages {
      logWeight += scorer.logRatio / Double(stages)
      guard logWeight > -.infinity else { return nil }
      scorer.power = Double(stage) / Double(stages)
      for _ in 0..<steps { _ = kernel.step(&scorer, memory: &memory, using: &choices) }
      if stage % 256 == 0, isCancelled() { return nil }
    }
    if let failure = scorer.failure { throw failure }
    return WeightedText(scorer.state, logWeight: logWeight)
  }

  /// A draw from the target led back: the log of a weight whose mean is the first target's evidence
  /// over the target's.
  ///
  /// So the first one's log evidence less the mean of these logs is in expectation an upper bound of
  /// the target's, as the mean of the logs of ``draw(using:)`` is a lower one.
  /// Reference: Grosse, Ghahramani and Adams 2015, "Sandwiching the marginal likelihood using
  /// bidirectional Monte Carlo".
  ///
  /// - Parameters:
  ///   - text: a draw from the target, by exact inference or a chain that has converged.
  ///   - choices: what draws.
  /// - Returns: nats; `nil` where it was given up.
  @inlinable
  public func logWeightBack(
    from text: TokenSequence, using choices: inout some ChoiceSource
  ) -> Double? {
    var scorer = BridgedScorer(
      base.target.makeScorer(at: text), target.makeScorer(at: text), power: 1)
    var memory = kernel.start(at: scorer)
    var logWeight = 0.0
    for stage in stride(from: stages, to: 0, by: -1) {
      scorer.power = Double(stage) / Double(stages)
      for _ in 0..<steps { _ = kernel.step(&scorer, memory: &memory, using: &choices) }
      logWeight -= scorer.logRatio / Double(stages)
      if stage % 256 == 0, isCancelled() { return nil }
    }
    return logWeight
  }
}
