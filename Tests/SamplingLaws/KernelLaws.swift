// Licensed under the Apache License, Version 2.0.

public import Sampling

/// A target on a space small enough to list: its states and their exact probabilities.
public struct EnumeratedTarget<Target: Sampling.Target>: Sendable {
  /// What is sampled.
  public let target: Target
  /// Every state of positive probability.
  public let states: [Target.State]
  /// Their probabilities, adding up to one.
  public let probabilities: [Target.State: Double]

  /// The target on those of the states that it allows.
  public init(_ target: Target, among candidates: some Sequence<Target.State>) {
    self.target = target
    let logs = candidates.map { (state: $0, log: target.logProbability(of: $0)) }
      .filter { $0.log > -.infinity }
    let logTotal = LogSpace.sum(logs.map(\.log))
    states = logs.map(\.state)
    probabilities = Dictionary(
      uniqueKeysWithValues: logs.map { ($0.state, LogSpace.exp($0.log - logTotal)) })
  }
}

/// A kernel's exact transition probabilities out of each state of a space.
public struct TransitionMatrix<State: Hashable & Sendable>: Sendable {
  /// From state to state.
  public let rows: [State: [State: Double]]

  /// Plays every branch of one step from every state.
  public init<Target: Sampling.Target, Kernel: TransitionKernel>(
    of kernel: Kernel, on space: EnumeratedTarget<Target>
  ) where Target.State == State, Kernel.Scorer == Target.Scorer {
    rows = Dictionary(
      uniqueKeysWithValues: space.states.map { state in
        let row = outcomes { choices in
          var scorer = space.target.makeScorer(at: state)
          _ = kernel.step(&scorer, using: &choices)
          return scorer.state
        }
        return (state, row)
      })
  }

  /// How far the rows are from adding up to one.
  public var normalisationDefect: Double {
    rows.values.map { abs($0.values.reduce(0, +) - 1) }.max() ?? 0
  }

  /// Total variation between a distribution and what one step makes of it.
  public func invarianceDefect(of law: [State: Double]) -> Double {
    var next: [State: Double] = [:]
    for (state, probability) in law {
      for (other, chance) in rows[state] ?? [:] {
        next[other, default: 0] += probability * chance
      }
    }
    return totalVariation(law, next)
  }

  /// The largest difference between the flow one way and the flow back.
  public func reversibilityDefect(of law: [State: Double]) -> Double {
    var worst = 0.0
    for (a, row) in rows {
      for (b, chance) in row {
        let there = (law[a] ?? 0) * chance
        let back = (law[b] ?? 0) * (rows[b]?[a] ?? 0)
        worst = max(worst, abs(there - back))
      }
    }
    return worst
  }

  /// The number of states that cannot be reached from some other one; 0 for an irreducible kernel.
  public var unreachableCount: Int {
    var unreachable: Set<State> = []
    for origin in rows.keys {
      var seen: Set<State> = [origin]
      var stack = [origin]
      while let state = stack.popLast() {
        for (other, chance) in rows[state] ?? [:] where chance > 0 {
          if seen.insert(other).inserted { stack.append(other) }
        }
      }
      unreachable.formUnion(rows.keys.filter { !seen.contains($0) })
    }
    return unreachable.count
  }
}

private struct Proposed<Edit: Hashable>: Hashable {
  var edit: Edit?
  var logForward: Double
  var logBackward: Double
}

/// Total variation between steps with one lasting scorer and memory, and steps with new ones each.
///
/// A cache of a scorer or a kernel that goes stale shows here, and in no law that starts afresh.
///
/// - Parameters:
///   - kernel: the kernel to check.
///   - space: the target's states and probabilities.
///   - state: the state in which the steps begin.
///   - steps: the number of steps; all their branches are played, so a few are enough.
/// - Returns: the total variation; 0 if no cache goes stale.
public func stalenessDefect<Target: Sampling.Target, Kernel: TransitionKernel>(
  of kernel: Kernel, on space: EnumeratedTarget<Target>, from state: Target.State, steps: Int
) -> Double where Kernel.Scorer == Target.Scorer {
  let kept = outcomes { choices in
    var scorer = space.target.makeScorer(at: state)
    var memory = kernel.start(at: scorer)
    for _ in 0..<steps { _ = kernel.step(&scorer, memory: &memory, using: &choices) }
    return scorer.state
  }
  let afresh = outcomes { choices in
    var state = state
    for _ in 0..<steps {
      var scorer = space.target.makeScorer(at: state)
      var memory = kernel.start(at: scorer)
      _ = kernel.step(&scorer, memory: &memory, using: &choices)
      state = scorer.state
    }
    return state
  }
  return totalVariation(kept, afresh)
}

/// The largest disagreement between what moves say of their probabilities and what is played.
///
/// Each move's `logForward` is held against the probability of proposing its edit, its
/// `logBackward` against that of proposing the undoing edit from the edited state.
/// - Parameters:
///   - proposal: what is judged.
///   - space: where it is judged; moves out of it are not judged.
/// - Returns: the largest relative error of a ratio of backward to forward probability.
public func proposalDefect<Target: Sampling.Target, P: Proposal>(
  of proposal: P, on space: EnumeratedTarget<Target>
) -> Double where P.Scorer == Target.Scorer, Target.State.Edit: Hashable {
  func law(at state: Target.State) -> [Proposed<Target.State.Edit>: Double] {
    let scorer = space.target.makeScorer(at: state)
    return outcomes { choices in
      let move = proposal.propose(from: scorer, using: &choices)
      return Proposed(
        edit: move.edit, logForward: move.logForward, logBackward: move.logBackward)
    }
  }
  let laws = Dictionary(uniqueKeysWithValues: space.states.map { ($0, law(at: $0)) })
  var worst = 0.0
  for (state, law) in laws {
    for (move, _) in law {
      guard let edit = move.edit else { continue }
      var edited = state
      let undo = edited.apply(edit)
      guard let back = laws[edited] else { continue }
      let forward = law.filter { $0.key.edit == edit }.values.reduce(0, +)
      let backward = back.filter { $0.key.edit == undo }.values.reduce(0, +)
      // Factors common to both ways may be left out of both, so ratios are held together.
      let told = LogSpace.exp(move.logBackward - move.logForward)
      let played = backward / forward
      worst = max(worst, abs(told - played) / max(1, played))
    }
  }
  return worst
}

/// The largest difference between a scorer's looks and its oracle's over all given edits.
///
/// Edits are looked at with and without bounds, one by one and in a batch, and again after one and
/// after two commits. After a commit only every fifth edit is looked at, starting from another one
/// for each commit: the many commits cover them all, and looking at all each time would take
/// minutes.
///
/// - Parameters:
///   - target: the target whose scorer is checked; its log-probabilities from scratch are the oracle.
///   - states: the states in which the scorer begins.
///   - interval: after a commit, only every so many edits are looked at, beginning with another one for
///     each commit. All are looked at over the many commits; 1 looks at all each time.
///   - edits: returns the edits of a state.
/// - Returns: the difference in nats, relative to 1 where the values are large.
public func scorerDefect<Target: Sampling.Target>(
  of target: Target, at states: [Target.State], every interval: Int = 5,
  edits: (Target.State) -> [Target.State.Edit]
) -> Double {
  func difference(_ a: Double, _ b: Double) -> Double {
    a == b ? 0 : abs(a - b)
  }
  /// Of bounded and unbounded looks at some edits of a scorer's state.
  func looks(_ scorer: inout Target.Scorer, _ edits: [Target.State.Edit]) -> Double {
    let state = scorer.state
    let here = target.logProbability(of: state)
    var worst = difference(scorer.logProbability, here)
    var expected: [Double] = []
    for edit in edits {
      var edited = state
      edited.apply(edit)
      let change = target.logProbability(of: edited) - here
      expected.append(change)
      // Bounded looks come first: they must not lean on what an unbounded one has just found.
      for bound in [change + 1, change - 0.25, change - 1] where bound.isFinite {
        let bounded = scorer.change(under: edit, atLeast: bound)
        // At the bound itself rounding decides.
        if change > bound {
          worst = max(worst, difference(bounded, change))
        } else if change < bound, bounded >= bound {
          worst = max(worst, bounded - bound + 1)
        }
      }
      worst = max(worst, difference(scorer.change(under: edit), change))
    }
    var changes: [Double] = []
    scorer.changes(under: edits, into: &changes)
    for (change, expected) in zip(changes, expected) {
      worst = max(worst, difference(change, expected))
    }
    return worst
  }
  func some(_ edits: [Target.State.Edit], _ number: Int) -> [Target.State.Edit] {
    stride(from: number % interval, to: edits.count, by: interval).map { edits[$0] }
  }
  var worst = 0.0
  for state in states {
    let first = edits(state)
    for (number, edit) in first.enumerated() {
      var scorer = target.makeScorer(at: state)
      worst = max(worst, looks(&scorer, number == 0 ? first : some(first, number)))
      var edited = state
      edited.apply(edit)
      guard target.logProbability(of: edited) > -.infinity else { continue }
      // What is committed was looked at last, or long ago, or never.
      if number % 2 == 0 { _ = scorer.change(under: edit) }
      scorer.commit(edit)
      if scorer.state != edited { return .infinity }
      let second = edits(edited)
      worst = max(worst, looks(&scorer, some(second, number)))
      // One further commit, a different one each time.
      let allowed = second.filter { edit in
        var last = edited
        last.apply(edit)
        return target.logProbability(of: last) > -.infinity
      }
      guard !allowed.isEmpty else { continue }
      scorer.commit(allowed[number % allowed.count])
      worst = max(worst, looks(&scorer, some(edits(scorer.state), number)))
    }
  }
  return worst
}

/// The largest difference between what a scorer says of each place of a text and what its model says
/// from scratch: the log-probability of what stands there, and the row before it.
public func placeDefect<Target: TextTarget>(of target: Target, at texts: [TokenSequence]) -> Double
{
  var worst = 0.0
  for text in texts {
    let scorer = target.makeScorer(at: text)
    var sum = 0.0
    for place in 0...text.count {
      let token = place == text.count ? target.model.vocabulary.end : text[place]
      let row = scorer.nextTokenLogProbabilities(before: place)
      let log = scorer.logProbability(at: place)
      sum += log
      if row[token.index] != log { worst = max(worst, abs(row[token.index] - log)) }
      worst = max(worst, abs(row.reduce(0) { $0 + LogSpace.exp($1) } - 1))
    }
    worst = max(worst, abs(sum - scorer.logModel))
    if let all = try? target.model.scoredLogProbability(of: text) {
      worst = max(worst, abs(sum - all))
    } else {
      return .infinity
    }
  }
  return worst
}

/// The number of edits whose undoing does not bring the state back.
public func undoDefect<State: Editable>(
  at states: [State], edits: (State) -> [State.Edit]
) -> Int {
  var broken = 0
  for state in states {
    for edit in edits(state) {
      var copy = state
      let undo = copy.apply(edit)
      copy.apply(undo)
      if copy != state { broken += 1 }
    }
  }
  return broken
}
