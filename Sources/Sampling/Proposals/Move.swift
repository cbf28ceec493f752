// Licensed under the Apache License, Version 2.0.

/// A proposed edit with the log-probabilities of proposing it and of proposing its undoing.
///
/// Both probabilities are required, because no proposal is assumed to be symmetric.
@frozen
public struct Move<Edit> {
  /// The proposed edit.
  public var edit: Edit
  /// Natural log-probability of proposing the edit from the current state.
  public var logForward: Double
  /// Natural log-probability of proposing its undoing from the new state.
  public var logBackward: Double
  /// The index of the move's kind in the proposal's ``ChainComponent/kinds``.
  public var kind: Int

  /// Creates a move.
  @inlinable
  public init(_ edit: Edit, logForward: Double, logBackward: Double, kind: Int = 0) {
    self.edit = edit
    self.logForward = logForward
    self.logBackward = logBackward
    self.kind = kind
  }
}

/// A proposal or a kernel, which takes part in the steps of chains.
///
/// It is immutable and shared by all chains. A chain's memory holds what its steps save for later
/// ones.
public protocol ChainComponent<Scorer>: Sendable {
  /// The chain's working copy.
  associatedtype Scorer: Sampling.Scorer
  /// Work saved between the steps of one chain.
  ///
  /// No draw depends on it, and it says nothing about the chain's current state: a chain can
  /// continue with a new memory, and a memory with another state.
  associatedtype Memory = Void

  /// The names of the kinds of move or step, in the order of their indices.
  var kinds: [String] { get }

  /// The memory of a new chain.
  func start(at scorer: Scorer) -> Memory
}

extension ChainComponent where Memory == Void {
  /// Returns an empty memory.
  @inlinable
  public func start(at scorer: Scorer) {}
}

/// Proposes moves for Metropolis-Hastings to decide about.
///
/// A proposal that saves work between steps conforms to ``ProposalWithMemory``; all others only
/// implement ``propose(from:using:)``.
///
/// Law (checked by `SamplingLaws`): each edited state is proposed with the probability that the
/// moves give as `logForward`, and their `logBackward` is the `logForward` of the moves back.
/// Factors that both share may be left out of both.
public protocol Proposal<Scorer>: ChainComponent {
  // Declared anew, so that the compiler infers them from the methods below.
  associatedtype Scorer
  associatedtype Memory

  /// Draws a move from the scorer's state; `edit` is `nil` if the state stays.
  ///
  /// - Returns: only the kind, if there is nothing to propose.
  func propose(
    from scorer: Scorer, using choices: inout some ChoiceSource
  ) -> Move<Scorer.State.Edit?>

  /// Draws a move with the chain's memory.
  func propose(
    from scorer: Scorer, memory: inout Memory, using choices: inout some ChoiceSource
  ) -> Move<Scorer.State.Edit?>
}

extension Proposal where Memory == Void {
  /// Proposes without a memory.
  @inlinable
  public func propose(
    from scorer: Scorer, memory: inout Void, using choices: inout some ChoiceSource
  ) -> Move<Scorer.State.Edit?> {
    propose(from: scorer, using: &choices)
  }
}

/// A proposal with a memory between steps, or one made of components that may have one.
public protocol ProposalWithMemory<Scorer>: Proposal {}

extension ProposalWithMemory {
  /// Proposes with a memory that is used once.
  @inlinable
  public func propose(
    from scorer: Scorer, using choices: inout some ChoiceSource
  ) -> Move<Scorer.State.Edit?> {
    var memory = start(at: scorer)
    return propose(from: scorer, memory: &memory, using: &choices)
  }
}
