// Licensed under the Apache License, Version 2.0.

/// Several moves proposed, one chosen by weight, and accepted by what would be proposed from there:
/// multiple-try Metropolis.
///
/// A trial's weight is target(there) x backward. From the chosen state as many trials less one are
/// drawn, the state left behind being the last; the move is accepted with probability
/// min(1, sum of the weights there / sum of those here).
///
/// **Keeps** the scorer's target. Reference: Liu, Liang and Wong 2000, "The multiple-try method and
/// local optimization in Metropolis sampling", with lambda = 1.
public struct MultipleTry<P: Proposal>: TransitionKernel {
  /// What is proposed.
  public let proposal: P
  /// How many trials a step has, positive; 1 is Metropolis-Hastings.
  public let trials: Int

  /// Multiple-try Metropolis with these proposals.
  public init(_ proposal: P, trials: Int) {
    precondition(trials > 0, "a step has trials")
    self.proposal = proposal
    self.trials = trials
  }

  /// The proposal's kinds of move.
  public var kinds: [String] { proposal.kinds }

  /// Proposes, chooses, goes there, proposes again, and perhaps comes back.
  public func step(
    _ scorer: inout P.Scorer, using choices: inout some ChoiceSource
  ) -> StepReport {
    var moves: [Move<P.Scorer.State.Edit?>] = []
    var logs: [Double] = []
    for _ in 0..<trials {
      let move = proposal.propose(from: scorer, using: &choices)
      moves.append(move)
      logs.append(logWeight(of: move, &scorer))
    }
    let logThere = LogSpace.sum(logs)
    guard logThere > -.infinity else { return StepReport(isAccepted: false, kind: moves[0].kind) }
    let chosen = choices.index(weights: logs.map { LogSpace.exp($0 - logThere) })
    let move = moves[chosen]
    guard let edit = move.edit else { return StepReport(isAccepted: false, kind: move.kind) }
    let change = scorer.change(under: edit)
    var before = scorer.state
    let undo = before.apply(edit)
    scorer.commit(edit)
    // The way back is the one that undoes the edit, in units of the target here.
    var logsBack = [move.logForward]
    for _ in 1..<trials {
      let move = proposal.propose(from: scorer, using: &choices)
      logsBack.append(change + logWeight(of: move, &scorer))
    }
    let ratio = logThere - LogSpace.sum(logsBack)
    if choices.accepts({ _ in ratio }) { return StepReport(isAccepted: true, kind: move.kind) }
    _ = scorer.change(under: undo)
    scorer.commit(undo)
    return StepReport(isAccepted: false, kind: move.kind)
  }

  /// Of the target there and the move back, in units of the target here.
  private func logWeight(
    of move: Move<P.Scorer.State.Edit?>, _ scorer: inout P.Scorer
  ) -> Double {
    guard let edit = move.edit else { return -.infinity }
    return scorer.change(under: edit) + move.logBackward
  }
}
