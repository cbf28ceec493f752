// Licensed under the Apache License, Version 2.0.

/// Multiple-try Metropolis: proposes several moves, chooses one by weight, and decides about it.
///
/// The weight of a try is target(there) x backward. One try fewer is then drawn from the chosen
/// state; the state left behind is the last. The move is accepted with probability min(1, sum of
/// the weights there / sum of those here). The tries of each side are one batch.
///
/// **Keeps** the scorer's target. Reference: Liu, Liang and Wong 2000, "The multiple-try method and
/// local optimization in Metropolis sampling", with lambda = 1.
public struct MultipleTry<P: Proposal>: KernelWithMemory {
  /// The proposal that makes the tries.
  public let proposal: P
  /// The number of tries per step, positive; 1 is Metropolis-Hastings.
  public let trials: Int

  /// Creates a kernel from a proposal and a number of tries.
  public init(_ proposal: P, trials: Int) {
    precondition(trials > 0, "a step has tries")
    self.proposal = proposal
    self.trials = trials
  }

  /// The names of the proposal's kinds of move.
  public var kinds: [String] { proposal.kinds }

  /// The proposal's memory, and buffers for the tries.
  public struct Memory {
    var proposal: P.Memory
    var moves: [Move<P.Scorer.State.Edit?>] = []
    var edits: [P.Scorer.State.Edit] = []
    var changes: [Double] = []
    var logs: [Double] = []
    var logsBack: [Double] = []
  }

  /// The memory of a new chain.
  public func start(at scorer: P.Scorer) -> Memory { Memory(proposal: proposal.start(at: scorer)) }

  /// Proposes, chooses a try, goes there, proposes again, and returns if the move is refused.
  public func step(
    _ scorer: inout P.Scorer, memory: inout Memory, using choices: inout some ChoiceSource
  ) -> StepReport {
    propose(trials, &scorer, &memory, using: &choices)
    swap(&memory.logs, &memory.logsBack)
    memory.logs.removeAll(keepingCapacity: true)
    let logThere = LogSpace.sum(memory.logsBack)
    guard logThere > -.infinity else {
      return StepReport(isAccepted: false, kind: memory.moves[0].kind)
    }
    let chosen = choices.index(weights: memory.logsBack.map { LogSpace.exp($0 - logThere) })
    let move = memory.moves[chosen]
    guard let edit = move.edit else { return StepReport(isAccepted: false, kind: move.kind) }
    let change = memory.logsBack[chosen] - move.logBackward
    var before = scorer.state
    let undo = before.apply(edit)
    scorer.commit(edit)
    propose(trials - 1, &scorer, &memory, using: &choices)
    // The way back undoes the edit; logs are relative to the target here.
    for i in memory.logs.indices { memory.logs[i] += change }
    memory.logs.append(move.logForward)
    let ratio = logThere - LogSpace.sum(memory.logs)
    if scorer.failure == nil, choices.accepts({ _ in ratio }) {
      return StepReport(isAccepted: true, kind: move.kind)
    }
    scorer.commit(undo)
    return StepReport(isAccepted: false, kind: move.kind)
  }

  /// Proposes tries, and writes the log of the target there plus that of the move back into the
  /// memory.
  ///
  /// Logs are relative to the target here.
  private func propose(
    _ count: Int, _ scorer: inout P.Scorer, _ memory: inout Memory,
    using choices: inout some ChoiceSource
  ) {
    memory.moves.removeAll(keepingCapacity: true)
    memory.edits.removeAll(keepingCapacity: true)
    memory.logs.removeAll(keepingCapacity: true)
    for _ in 0..<count {
      let move = proposal.propose(from: scorer, memory: &memory.proposal, using: &choices)
      memory.moves.append(move)
      if let edit = move.edit { memory.edits.append(edit) }
    }
    guard count > 0 else { return }
    scorer.changes(under: memory.edits, into: &memory.changes)
    var place = 0
    for move in memory.moves {
      guard move.edit != nil else {
        memory.logs.append(-.infinity)
        continue
      }
      memory.logs.append(memory.changes[place] + move.logBackward)
      place += 1
    }
  }
}
