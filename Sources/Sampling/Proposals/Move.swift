// Licensed under the Apache License, Version 2.0.

/// A proposed edit with the log-probabilities of proposing it and of proposing its undoing.
///
/// Nothing is optional and nothing is taken to be symmetric.
@frozen
public struct Move<Edit> {
  /// The change.
  public var edit: Edit
  /// Natural log-probability with which the edit was proposed here.
  public var logForward: Double
  /// Natural log-probability with which its undoing would be proposed from there.
  public var logBackward: Double
  /// Which of the proposal's kinds of move this is.
  public var kind: Int

  /// A move.
  @inlinable
  public init(_ edit: Edit, logForward: Double, logBackward: Double, kind: Int = 0) {
    self.edit = edit
    self.logForward = logForward
    self.logBackward = logBackward
    self.kind = kind
  }
}

/// What takes part in the steps of chains: a proposal or a kernel.
///
/// It is immutable and shared by all chains; what one chain's steps leave for later ones is in its
/// memory.
public protocol ChainComponent<Scorer>: Sendable {
  /// A chain's working copy.
  associatedtype Scorer: Sampling.Scorer
  /// What is kept between the steps of one chain to save work.
  ///
  /// Nothing that is drawn depends on it, and it says nothing of the chain's present state: a chain
  /// can go on with a new memory, and a memory with another state.
  associatedtype Memory = Void

  /// What the kinds of move or step are called, in the order of their numbers.
  var kinds: [String] { get }

  /// The memory of a chain that begins.
  func start(at scorer: Scorer) -> Memory
}

extension ChainComponent where Memory == Void {
  /// Nothing to remember.
  @inlinable
  public func start(at scorer: Scorer) {}
}

/// Proposes moves: what Metropolis-Hastings decides about.
///
/// A proposal that saves work between steps conforms to ``ProposalWithMemory``; all others
/// implement ``propose(from:using:)`` alone.
///
/// Law (checked by `SamplingLaws`): the probability of proposing each edited state is what the
/// moves say in `logForward`, and `logBackward` is what the moves back say in theirs. Factors that
/// both share may be left out of both.
public protocol Proposal<Scorer>: ChainComponent {
  // Declared anew, so that the compiler infers them from the methods below.
  associatedtype Scorer
  associatedtype Memory

  /// A move from the scorer's state; `edit` is `nil` where the draw stays.
  ///
  /// - Returns: the kind alone, where there is nothing to propose.
  func propose(
    from scorer: Scorer, using choices: inout some ChoiceSource
  ) -> Move<Scorer.State.Edit?>

  /// The same with a chain's memory.
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

/// A proposal that remembers something between steps, or is made of what may.
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
