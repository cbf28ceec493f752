// Licensed under the Apache License, Version 2.0.

/// A dear target with a cheap one that screens moves for it.
public struct ScreenedTarget<Dear: Target, Cheap: Target>: Target where Cheap.State == Dear.State {
  /// What is sampled from.
  public let dear: Dear
  /// What is likely where the dear target is; it must allow whatever that allows.
  public let cheap: Cheap

  /// A target and its screen.
  public init(_ dear: Dear, screenedBy cheap: Cheap) {
    self.dear = dear
    self.cheap = cheap
  }

  /// That of the dear target.
  public func logProbability(of state: Dear.State) -> Double { dear.logProbability(of: state) }

  /// Working copies of both.
  public func makeScorer(at state: Dear.State) -> ScreenedScorer<Dear.Scorer, Cheap.Scorer> {
    ScreenedScorer(dear: dear.makeScorer(at: state), cheap: cheap.makeScorer(at: state))
  }
}

/// Working copies of one state under a dear target and under a cheap one.
public struct ScreenedScorer<Dear: Scorer, Cheap: Scorer>: Scorer where Cheap.State == Dear.State {
  /// That of the target.
  public var dear: Dear
  /// That of the screen.
  public var cheap: Cheap

  /// The state now.
  public var state: Dear.State { dear.state }
  /// Natural log of the dear target.
  public var logProbability: Double { dear.logProbability }

  /// What the edit would add to the dear target's log.
  public mutating func change(under edit: Dear.State.Edit, atLeast bound: Double) -> Double {
    dear.change(under: edit, atLeast: bound)
  }

  /// Makes the edit in both.
  public mutating func commit(_ edit: Dear.State.Edit) {
    _ = cheap.change(under: edit)
    cheap.commit(edit)
    dear.commit(edit)
  }
}

/// Moves that a cheap target accepts are put to the dear one, which decides by what the cheap one
/// left out.
///
/// **Keeps** the dear target, whatever the cheap one, as long as that allows all that the dear one
/// allows; else what it forbids is never reached. The dear target is looked at for moves alone that
/// pass the screen. Reference: Christen and Fox 2005, "Markov chain Monte Carlo using an
/// approximation".
public struct DelayedAcceptance<P: Proposal, Dear: Scorer>: TransitionKernel
where Dear.State == P.Scorer.State {
  /// A chain's working copies.
  public typealias Scorer = ScreenedScorer<Dear, P.Scorer>
  /// What is proposed, seen from the cheap target.
  public let proposal: P

  /// Delayed acceptance of proposals that look at the cheap target's working copy.
  public init(_ proposal: P) { self.proposal = proposal }

  /// The proposal's kinds of move.
  public var kinds: [String] { proposal.kinds }

  /// Proposes, screens, looks, decides.
  public func step(
    _ scorer: inout ScreenedScorer<Dear, P.Scorer>, using choices: inout some ChoiceSource
  ) -> StepReport {
    let move = proposal.propose(from: scorer.cheap, using: &choices)
    let rejected = StepReport(isAccepted: false, kind: move.kind)
    guard let edit = move.edit else { return rejected }
    let correction = move.logBackward - move.logForward
    let cheap = scorer.cheap.change(under: edit)
    guard choices.accepts({ _ in cheap + correction }) else { return rejected }
    let isAccepted = choices.accepts { threshold in
      scorer.dear.change(under: edit, atLeast: threshold + cheap) - cheap
    }
    guard isAccepted else { return rejected }
    scorer.commit(edit)
    return StepReport(isAccepted: true, kind: move.kind)
  }
}
