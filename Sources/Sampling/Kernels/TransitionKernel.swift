// Licensed under the Apache License, Version 2.0.

/// A random step that leaves a distribution unchanged.
///
/// The scorer is a chain's working copy; a step may change it. A kernel that saves work between
/// steps conforms to ``KernelWithMemory``; all others only implement ``step(_:using:)``.
public protocol TransitionKernel<Scorer>: ChainComponent {
  // Declared anew, so that the compiler infers them from the methods below.
  associatedtype Scorer
  associatedtype Memory

  /// Takes one step.
  ///
  /// A rejected step keeps the state, which counts as a draw once more.
  func step(_ scorer: inout Scorer, using choices: inout some ChoiceSource) -> StepReport

  /// Takes one step with the chain's memory; runs of many steps call this form.
  func step(
    _ scorer: inout Scorer, memory: inout Memory, using choices: inout some ChoiceSource
  ) -> StepReport
}

extension TransitionKernel where Memory == Void {
  /// Takes a step without a memory.
  @inlinable
  public func step(
    _ scorer: inout Scorer, memory: inout Void, using choices: inout some ChoiceSource
  ) -> StepReport {
    step(&scorer, using: &choices)
  }
}

/// A kernel with a memory between steps, or one made of components that may have one.
public protocol KernelWithMemory<Scorer>: TransitionKernel {}

extension KernelWithMemory {
  /// Takes a step with a memory that is used once.
  @inlinable
  public func step(
    _ scorer: inout Scorer, using choices: inout some ChoiceSource
  ) -> StepReport {
    var memory = start(at: scorer)
    return step(&scorer, memory: &memory, using: &choices)
  }
}

/// The outcome of a step.
@frozen
public struct StepReport: Hashable, Sendable {
  /// Whether the proposed state was accepted.
  public var isAccepted: Bool
  /// The index of the step's kind in the kernel's ``ChainComponent/kinds``.
  public var kind: Int

  /// Creates a report.
  @inlinable
  public init(isAccepted: Bool, kind: Int) {
    self.isAccepted = isAccepted
    self.kind = kind
  }
}

/// Metropolis-Hastings: makes a proposed move with the probability that keeps the target.
///
/// The probability is min(1, target(there) x backward / (target(here) x forward)). **Keeps** the
/// scorer's target under any proposal whose moves give their true probabilities. Reference:
/// Hastings 1970.
public struct MetropolisHastings<P: Proposal>: KernelWithMemory {
  /// The proposal that makes the moves.
  public let proposal: P

  /// Creates a kernel from a proposal.
  public init(_ proposal: P) { self.proposal = proposal }

  /// The names of the proposal's kinds of move.
  public var kinds: [String] { proposal.kinds }

  /// The proposal's memory.
  @inlinable
  public func start(at scorer: P.Scorer) -> P.Memory { proposal.start(at: scorer) }

  /// Proposes a move, looks at it, decides, and perhaps makes it.
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
/// **Keeps** every distribution that both kernels keep, though it is not reversible in general.
public struct Cycle<First: TransitionKernel, Second: TransitionKernel>: KernelWithMemory
where First.Scorer == Second.Scorer {
  /// The kernel that steps first.
  public let first: First
  /// The kernel that steps second.
  public let second: Second

  /// Creates a cycle of two kernels.
  public init(_ first: First, _ second: Second) {
    self.first = first
    self.second = second
  }

  /// The only kind of step, `cycle`.
  public var kinds: [String] { ["cycle"] }

  /// The memories of both kernels.
  @inlinable
  public func start(at scorer: First.Scorer) -> (First.Memory, Second.Memory) {
    (first.start(at: scorer), second.start(at: scorer))
  }

  /// Takes both steps; accepted if at least one of them was.
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
