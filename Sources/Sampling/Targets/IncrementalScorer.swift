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
public final class IncrementalScorer<Model: FiniteContextModel, Constraint: TokenConstraint>:
  TextScorer
{
  /// What is sampled from.
  public let target: SentenceTarget<Model, Constraint>

  // Each method is one access and calls no other's code but the model's, which cannot reach it.
  @exclusivity(unchecked) @usableFromInline var core: IncrementalScorerCore<Model, Constraint>

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

  /// Makes an edit that the target allows; one that was not looked at last is looked at first.
  @inlinable
  public func commit(_ edit: TokenSequence.Edit) { unsafe core.commit(edit, target) }

  /// The model's tokens.
  public var vocabulary: Vocabulary { target.model.vocabulary }

  /// Which texts are allowed; `nil` allows all.
  @inlinable
  public var constraint: Constraint? { target.constraint }

  /// Nats that the constraint adds to the current text; minus infinity where it is not allowed.
  public var logConstraint: Double { unsafe core.logConstraint }

  /// The model's row of the context before a place, made anew at each call.
  public func nextTokenLogProbabilities(before place: Int) -> [Double] {
    target.model.logProbabilities(in: context(before: place))
  }

  /// The context before a place.
  @inlinable
  public func branch(before place: Int) -> Model.Context { context(before: place) }

  /// Advances the context.
  @inlinable
  public func append(_ token: Token, to branch: inout Model.Context) {
    target.model.advance(&branch, by: token)
  }

  /// The model's row of a context.
  public func nextTokenLogProbabilities(after branch: Model.Context) -> [Double] {
    target.model.logProbabilities(in: branch)
  }

  /// One token after another, followed by as much of the text as the context can hold.
  public func logWeights(
    of tokens: [Token], after branch: Model.Context, before place: Int
  ) -> [Double] {
    let model = target.model
    let stop = place.addingReportingOverflow(model.contextLimit)
    let last = stop.overflow ? count : min(stop.partialValue, count)
    return tokens.map { token in
      var context = branch
      var sum = model.advance(&context, scoring: token)
      for i in place..<last { sum += model.advance(&context, scoring: self.token(at: i)) }
      // The text's end lies within reach.
      if last == count { sum += model.logProbability(of: model.vocabulary.end, in: context) }
      return sum
    }
  }
}
