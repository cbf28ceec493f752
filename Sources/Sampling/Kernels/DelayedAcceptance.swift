// Licensed under the Apache License, Version 2.0.

/// A full target with a surrogate that screens moves for it.
public struct ScreenedTarget<Full: Target, Surrogate: Target>: Target
where Surrogate.State == Full.State {
  /// What is sampled from.
  public let full: Full
  /// What is likely where the full target is, and costs less; it must allow whatever that allows.
  public let surrogate: Surrogate

  /// A target and its surrogate.
  public init(_ full: Full, screenedBy surrogate: Surrogate) {
    self.full = full
    self.surrogate = surrogate
  }

  /// That of the full target.
  public func logProbability(of state: Full.State) -> Double { full.logProbability(of: state) }

  /// Working copies of both.
  public func makeScorer(
    at state: Full.State
  ) -> ScreenedScorer<Full.Scorer, Surrogate.Scorer> {
    ScreenedScorer(
      full: full.makeScorer(at: state), surrogate: surrogate.makeScorer(at: state))
  }
}

/// Working copies of one state under a full target and under its surrogate.
public struct ScreenedScorer<Full: Scorer, Surrogate: Scorer>: Scorer
where Surrogate.State == Full.State {
  /// That of the full target.
  public var full: Full
  /// That of the surrogate.
  public var surrogate: Surrogate

  /// The state now.
  public var state: Full.State { full.state }
  /// Natural log of the full target.
  public var logProbability: Double { full.logProbability }
  /// What kept one of them from looking.
  public var failure: (any Error)? { full.failure ?? surrogate.failure }

  /// What the edit would add to the full target's log.
  public mutating func change(under edit: Full.State.Edit, atLeast bound: Double) -> Double {
    full.change(under: edit, atLeast: bound)
  }

  /// What each of some edits would add to the full target's log.
  public mutating func changes(
    under edits: [Full.State.Edit], into changes: inout [Double]
  ) {
    full.changes(under: edits, into: &changes)
  }

  /// Makes the edit in both.
  public mutating func commit(_ edit: Full.State.Edit) {
    surrogate.commit(edit)
    full.commit(edit)
  }
}

/// Moves that a surrogate accepts are put to the full target, which decides by what the surrogate
/// left out.
///
/// **Keeps** the full target, whatever the surrogate, as long as that allows all that the full one
/// allows; else what it forbids is never reached. Only moves that pass the screen cost a look at the
/// full target. Reference: Christen and Fox 2005, "Markov chain Monte Carlo using an
/// approximation".
public struct DelayedAcceptance<P: Proposal, Full: Scorer>: KernelWithMemory
where Full.State == P.Scorer.State {
  /// A chain's working copies.
  public typealias Scorer = ScreenedScorer<Full, P.Scorer>
  /// What is proposed, seen from the surrogate.
  public let proposal: P

  /// Delayed acceptance of proposals that look at the surrogate's working copy.
  public init(_ proposal: P) { self.proposal = proposal }

  /// The proposal's kinds of move.
  public var kinds: [String] { proposal.kinds }

  /// What the proposal remembers.
  public func start(at scorer: Scorer) -> P.Memory { proposal.start(at: scorer.surrogate) }

  /// Proposes, screens, looks, decides.
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
