// Licensed under the Apache License, Version 2.0.

/// A chain's working copy of a text under a ``SentenceTarget``.
///
/// It keeps the model's context and the automaton's state before each place. A look reruns both
/// from the edit until they meet their old paths; nothing else is touched. ``RescoringScorer`` is
/// its oracle.
///
/// - Complexity: a look costs O(edit + n) model look-ups for a model whose contexts hold n tokens;
///   a commit costs O(count) moves of a few words where the length changes. Neither allocates once
///   the buffers have grown to the longest text.
public final class IncrementalScorer<Model: FiniteContextModel, Constraint: TokenConstraint>: Scorer
{
  /// What is sampled from.
  public let target: SentenceTarget<Model, Constraint>

  // Each method is one access and calls no other's code but the model's, which cannot reach it.
  @exclusivity(unchecked) @usableFromInline var core: IncrementalScorerCore<Model, Constraint>

  /// What proposals keep between steps to save work; nothing that is drawn depends on it.
  @exclusivity(unchecked) public var memory: AnyObject?

  /// A working copy of a text.
  public init(target: SentenceTarget<Model, Constraint>, at text: TokenSequence) {
    self.target = target
    unsafe core = IncrementalScorerCore(target: target, at: text)
  }

  deinit { unsafe core.destroy() }

  /// The number of tokens.
  @inlinable
  public var count: Int { unsafe core.count }

  /// The token at a place in 0 ..< count.
  @inlinable
  public func token(at place: Int) -> Token { unsafe core.token(at: place) }

  /// The model's context before a place, from 0 to the end.
  @inlinable
  public func context(before place: Int) -> Model.Context { unsafe core.context(before: place) }

  /// The constraint's state before a place, from 0 to the end; `nil` without a constraint.
  @inlinable
  public func constraintState(before place: Int) -> Constraint.State? {
    unsafe core.constraintState(before: place)
  }

  /// The model's natural log-probability of what stands at a place, the last being the end symbol.
  @inlinable
  public func logProbability(at place: Int) -> Double { unsafe core.logProbability(at: place) }

  /// The text now.
  public var state: TokenSequence { unsafe core.state }

  /// The model's natural log-probability of the text now, its end included.
  public var logModel: Double { unsafe core.logModel }

  /// The log of the target at the text now, added up from its places, so that it does not drift.
  public var logProbability: Double { unsafe core.logProbability(target) }

  /// What the edit would add to ``logProbability``; minus infinity as soon as that is forbidden or
  /// known to lie below the bound.
  @inlinable
  public func change(under edit: TokenSequence.Edit, atLeast bound: Double) -> Double {
    unsafe core.change(under: edit, atLeast: bound, target)
  }

  /// Makes the edit that was looked at last.
  @inlinable
  public func commit(_ edit: TokenSequence.Edit) { unsafe core.commit(edit) }
}
