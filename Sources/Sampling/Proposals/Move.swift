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

/// Proposes moves: what Metropolis-Hastings decides about.
///
/// Law (checked by `SamplingLaws`): the probability of proposing each edited state is what the
/// moves say in `logForward`, and `logBackward` is what the moves back say in theirs.
public protocol Proposal<Scorer>: Sendable {
  /// The working copy whose state is looked at.
  associatedtype Scorer: Sampling.Scorer

  /// What the kinds of move are called, in the order of ``Move/kind``.
  var kinds: [String] { get }

  /// A move from the scorer's state; `edit` is `nil` where the draw stays.
  ///
  /// - Returns: the kind alone, where there is nothing to propose.
  func propose(
    from scorer: Scorer, using choices: inout some ChoiceSource
  ) -> Move<Scorer.State.Edit?>
}
