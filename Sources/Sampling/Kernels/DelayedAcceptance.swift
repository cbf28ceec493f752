// Licensed under the Apache License, Version 2.0.

/// A full target with a surrogate target that screens moves for it.
public struct ScreenedTarget<Full: Target, Surrogate: Target>: Target
where Surrogate.State == Full.State {
  /// The full target, which is sampled.
  public let full: Full
  /// The surrogate target, which costs less and must allow everything that the full target allows.
  public let surrogate: Surrogate

  /// Combines a full target with its surrogate.
  public init(_ full: Full, screenedBy surrogate: Surrogate) {
    self.full = full
    self.surrogate = surrogate
  }

  /// The log of the full target.
  public func logProbability(of state: Full.State) -> Double { full.logProbability(of: state) }

  /// Creates working copies under both targets.
  public func makeScorer(
    at state: Full.State
  ) -> ScreenedScorer<Full.Scorer, Surrogate.Scorer> {
    ScreenedScorer(
      full: full.makeScorer(at: state), surrogate: surrogate.makeScorer(at: state))
  }
}

/// Working copies of one state under a full target and its surrogate.
public struct ScreenedScorer<Full: Scorer, Surrogate: Scorer>: Scorer
where Surrogate.State == Full.State {
  /// The working copy under the full target.
  public var full: Full
  /// The working copy under the surrogate.
  public var surrogate: Surrogate

  /// The current state.
  public var state: Full.State { full.state }
  /// Natural log of the full target.
  public var logProbability: Double { full.logProbability }
  /// The first error of either working copy.
  public var failure: (any Error)? { full.failure ?? surrogate.failure }

  /// What the edit would add to the full target's log, in nats.
  public mutating func change(under edit: Full.State.Edit, atLeast bound: Double) -> Double {
    full.change(under: edit, atLeast: bound)
  }

  /// What each edit would add to the full target's log, in nats.
  public mutating func changes(
    under edits: [Full.State.Edit], into changes: inout [Double]
  ) {
    full.changes(under: edits, into: &changes)
  }

  /// Makes the edit in both working copies.
  public mutating func commit(_ edit: Full.State.Edit) {
    surrogate.commit(edit)
    full.commit(edit)
  }
}

/// Screens moves by a surrogate, and asks the full target only about those that pass.
///
/// The full target decides by the ratio that the surrogate left out. **Keeps** the full target
/// under any surrogate that allows everything the full target allows; otherwise some texts are
/// never reached. Reference: Christen and Fox 2005, "Markov chain Monte Carlo using an
/// approximation".
public struct DelayedAcceptance<P: Proposal, Full: Scorer>: KernelWithMemory
where Full.State == P.Scorer.State {
  /// The working copies under both targets.
  public typealias Scorer = ScreenedScorer<Full, P.Scorer>
  /// The proposal, which sees the surrogate's working copy.
  public let proposal: P

  /// Screens the moves of a proposal that reads the surrogate's working copy.
  public init(_ proposal: P) { self.proposal = proposal }

  /// The names of the proposal's kinds of move.
  public var kinds: [String] { proposal.kinds }

  /// The proposal's memory.
  public func start(at scorer: Scorer) -> P.Memory { proposal.start(at: scorer.surrogate) }

  /// Proposes, screens, asks the full target and decides.
  public func step(
    _ scorer: inout Scorer, memory: inout P.Memory, using choices: inout some ChoiceSource
  ) -> StepReport {
    let move = proposal.propose(from: scorer.surrogate, memory: &memory, using: &choices)
    let rejected = StepReport(isAccepted: false, kind: move.kind)
    guard let edit = move.edit else { return rejected }
    let correction = move.logBackward - move.logForward
    let screened = scorer.surrogate.change(under: edit)
    guard choices.accepts({ _ in screened + correction }) else { return rejected }
    let isAccepted = choices.accepts { threshold in
      scorer.full.change(under: edit, atLeast: threshold + screened) - screened
    }
    guard isAccepted else { return rejected }
    scorer.commit(edit)
    return StepReport(isAccepted: true, kind: move.kind)
  }
}
