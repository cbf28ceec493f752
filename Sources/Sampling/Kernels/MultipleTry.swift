// Licensed under the Apache License, Version 2.0.

/// Several moves proposed, one chosen by weight, and accepted by what would be proposed from there:
/// multiple-try Metropolis.
///
/// The weight of a try is target(there) x backward. From the chosen state as many tries less one are
/// drawn, the state left behind being the last; the move is accepted with probability
/// min(1, sum of the weights there / sum of those here). The tries of each side are one batch.
///
/// **Keeps** the scorer's target. Reference: Liu, Liang and Wong 2000, "The multiple-try method and
/// local optimization in Metropolis sampling", with lambda = 1.
public struct MultipleTry<P: Proposal>: KernelWithMemory {
  /// What is proposed.
  public let proposal: P
  /// How many tries a step has, positive; 1 is Metropolis-Hastings.
  public let trials: Int

  /// Multiple-try Metropolis with these proposals.
  public init(_ proposal: P, trials: Int) {
    precondition(trials > 0, "a step has tries")
    self.proposal = proposal
    self.trials = trials
  }

  /// The proposal's kinds of move.
  public var kinds: [String] { proposal.kinds }

  /// What the proposal remembers, and room for the tries.
  public struct Memory {
    var proposal: P.Memory
    var moves: [Move<P.Scorer.State.Edit?>] = []
    var edits: [P.Scorer.State.Edit] = []
    var changes: [Double] = []
    var logs: [Double] = []
    var logsBack: [Double] = []
  }

  /// The memory of a chain that begins.
  public func start(at scorer: P.Scorer) -> Memory { Memory(proposal: proposal.start(at: scorer)) }

  /// Proposes, chooses, goes there, proposes again, and perhaps comes back.
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
    // The way back is the one that undoes the edit, in units of the target here.
    for i in memory.logs.indices { memory.logs[i] += change }
    memory.logs.append(move.logForward)
    let ratio = logThere - LogSpace.sum(memory.logs)
    if scorer.failure == nil, choices.accepts({ _ in ratio }) {
      return StepReport(isAccepted: true, kind: move.kind)
    }
    scorer.commit(undo)
    return StepReport(isAccepted: false, kind: move.kind)
  }

  /// Some tries, and of each the log of the target there and the move back, in units of the target
  /// here, into the memory's logs.
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
