// Licensed under the Apache License, Version 2.0.

/// A random step that leaves a distribution as it is.
///
/// A kernel is immutable and shared by all chains. The scorer is a chain's working copy; a step
/// changes it or leaves it.
public protocol TransitionKernel<Scorer>: Sendable {
  /// A chain's working copy.
  associatedtype Scorer: Sampling.Scorer

  /// What the kinds of step are called, in the order of ``StepReport/kind``.
  var kinds: [String] { get }

  /// One step. A rejected one leaves the state, which counts as a draw once more.
  func step(_ scorer: inout Scorer, using choices: inout some ChoiceSource) -> StepReport
}

/// What a step did.
@frozen
public struct StepReport: Hashable, Sendable {
  /// Whether the proposed state was taken.
  public var isAccepted: Bool
  /// Which of the kernel's kinds of step it was.
  public var kind: Int

  /// A report.
  @inlinable
  public init(isAccepted: Bool, kind: Int) {
    self.isAccepted = isAccepted
    self.kind = kind
  }
}

/// Metropolis-Hastings: a proposed move is made with probability
/// min(1, target(there) x backward / (target(here) x forward)).
///
/// **Keeps** the scorer's target, whatever the proposal, as long as its moves say the truth about
/// their probabilities. Reference: Hastings 1970.
public struct MetropolisHastings<P: Proposal>: TransitionKernel {
  /// What is proposed.
  public let proposal: P

  /// Metropolis-Hastings with these proposals.
  public init(_ proposal: P) { self.proposal = proposal }

  /// The proposal's kinds of move.
  public var kinds: [String] { proposal.kinds }

  /// Proposes, looks, decides and perhaps makes one move.
  @inlinable
  public func step(
    _ scorer: inout P.Scorer, using choices: inout some ChoiceSource
  ) -> StepReport {
    let move = proposal.propose(from: scorer, using: &choices)
    guard let edit = move.edit else { return StepReport(isAccepted: false, kind: move.kind) }
    let correction = move.logBackward - move.logForward
    let isAccepted = choices.accepts { threshold in
      scorer.change(under: edit, atLeast: threshold - correction) + correction
    }
    if isAccepted { scorer.commit(edit) }
    return StepReport(isAccepted: isAccepted, kind: move.kind)
  }
}

/// One of two kernels at each step, drawn with fixed probabilities; nest it for more.
///
/// **Keeps** what both keep.
public struct Mixture<First: TransitionKernel, Second: TransitionKernel>: TransitionKernel
where First.Scorer == Second.Scorer {
  /// Taken with ``probabilityOfFirst``.
  public let first: First
  /// Taken else.
  public let second: Second
  /// How often the first is taken, from 0 to 1.
  public let probabilityOfFirst: Double
  @usableFromInline let offset: Int

  /// A mixture.
  ///
  /// - Precondition: the probability lies in 0 ... 1.
  public init(_ first: First, _ second: Second, probabilityOfFirst: Double) {
    precondition(0 <= probabilityOfFirst && probabilityOfFirst <= 1, "a probability")
    self.first = first
    self.second = second
    self.probabilityOfFirst = probabilityOfFirst
    offset = first.kinds.count
  }

  /// The kinds of the first, then those of the second.
  public var kinds: [String] { first.kinds + second.kinds }

  /// Draws a kernel and takes its step.
  @inlinable
  public func step(
    _ scorer: inout First.Scorer, using choices: inout some ChoiceSource
  ) -> StepReport {
    if choices.chance(probabilityOfFirst) { return first.step(&scorer, using: &choices) }
    var report = second.step(&scorer, using: &choices)
    report.kind += offset
    return report
  }
}

/// Two kernels one after the other, as one step; nest it for more.
///
/// **Keeps** what both keep, though it is not reversible in general.
public struct Cycle<First: TransitionKernel, Second: TransitionKernel>: TransitionKernel
where First.Scorer == Second.Scorer {
  /// The first half.
  public let first: First
  /// The second half.
  public let second: Second

  /// A cycle.
  public init(_ first: First, _ second: Second) {
    self.first = first
    self.second = second
  }

  /// `cycle`.
  public var kinds: [String] { ["cycle"] }

  /// Both steps; accepted if one of them was.
  @inlinable
  public func step(
    _ scorer: inout First.Scorer, using choices: inout some ChoiceSource
  ) -> StepReport {
    let a = first.step(&scorer, using: &choices)
    let b = second.step(&scorer, using: &choices)
    return StepReport(isAccepted: a.isAccepted || b.isAccepted, kind: 0)
  }
}
