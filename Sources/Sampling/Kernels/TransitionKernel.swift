// Licensed under the Apache License, Version 2.0.

/// A random step that leaves a distribution as it is.
///
/// The scorer is a chain's working copy; a step changes it or leaves it. A kernel that saves work
/// between steps conforms to ``KernelWithMemory``; all others implement ``step(_:using:)`` alone.
public protocol TransitionKernel<Scorer>: ChainComponent {
  // Declared anew, so that the compiler infers them from the methods below.
  associatedtype Scorer
  associatedtype Memory

  /// One step. A rejected one leaves the state, which counts as a draw once more.
  func step(_ scorer: inout Scorer, using choices: inout some ChoiceSource) -> StepReport

  /// The same with the chain's memory: what a run of many steps calls.
  func step(
    _ scorer: inout Scorer, memory: inout Memory, using choices: inout some ChoiceSource
  ) -> StepReport
}

extension TransitionKernel where Memory == Void {
  /// A step without a memory.
  @inlinable
  public func step(
    _ scorer: inout Scorer, memory: inout Void, using choices: inout some ChoiceSource
  ) -> StepReport {
    step(&scorer, using: &choices)
  }
}

/// A kernel that remembers something between steps, or is made of what may.
public protocol KernelWithMemory<Scorer>: TransitionKernel {}

extension KernelWithMemory {
  /// A step with a memory that is used once.
  @inlinable
  public func step(
    _ scorer: inout Scorer, using choices: inout some ChoiceSource
  ) -> StepReport {
    var memory = start(at: scorer)
    return step(&scorer, memory: &memory, using: &choices)
  }
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
public struct MetropolisHastings<P: Proposal>: KernelWithMemory {
  /// What is proposed.
  public let proposal: P

  /// Metropolis-Hastings with these proposals.
  public init(_ proposal: P) { self.proposal = proposal }

  /// The proposal's kinds of move.
  public var kinds: [String] { proposal.kinds }

  /// What the proposal remembers.
  @inlinable
  public func start(at scorer: P.Scorer) -> P.Memory { proposal.start(at: scorer) }

  /// Proposes, looks, decides and perhaps makes one move.
  @inlinable
  public func step(
    _ scorer: inout P.Scorer, memory: inout P.Memory, using choices: inout some ChoiceSource
  ) -> StepReport {
    let move = proposal.propose(from: scorer, memory: &memory, using: &choices)
    guard let edit = move.edit else { return StepReport(isAccepted: false, kind: move.kind) }
    let correction = move.logBackward - move.logForward
    let isAccepted = choices.accepts { threshold in
      scorer.change(under: edit, atLeast: threshold - correction) + correction
    }
    if isAccepted { scorer.commit(edit) }
    return StepReport(isAccepted: isAccepted, kind: move.kind)
  }
}

/// Two kernels one after the other, as one step; nest it for more.
///
/// **Keeps** what both keep, though it is not reversible in general.
public struct Cycle<First: TransitionKernel, Second: TransitionKernel>: KernelWithMemory
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

  /// What both remember.
  @inlinable
  public func start(at scorer: First.Scorer) -> (First.Memory, Second.Memory) {
    (first.start(at: scorer), second.start(at: scorer))
  }

  /// Both steps; accepted if one of them was.
  @inlinable
  public func step(
    _ scorer: inout First.Scorer, memory: inout (First.Memory, Second.Memory),
    using choices: inout some ChoiceSource
  ) -> StepReport {
    let a = first.step(&scorer, memory: &memory.0, using: &choices)
    let b = second.step(&scorer, memory: &memory.1, using: &choices)
    return StepReport(isAccepted: a.isAccepted || b.isAccepted, kind: 0)
  }
}
