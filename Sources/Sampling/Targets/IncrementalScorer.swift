// Licensed under the Apache License, Version 2.0.

/// A chain's working copy of a text under a ``SentenceTarget``.
///
/// It keeps the model's context and the constraint's state before each place. A look runs both
/// again from the edit until they meet their old paths; nothing else is touched.
/// ``RescoringScorer`` is its oracle.
///
/// - Complexity: a look costs O(edit + n) model look-ups for a model whose contexts hold n tokens;
///   a commit costs O(count) moves of a few words where the length changes. Neither allocates once
///   the buffers have grown to the longest text.
public final class IncrementalScorer<Model: FiniteContextModel, Constraint: TokenConstraint>:
  TextScorer
{
  /// The distribution over texts that the chain samples.
  public let target: SentenceTarget<Model, Constraint>

  // Each method makes one access and calls no foreign code but the model's, which cannot reach it.
  @exclusivity(unchecked) @usableFromInline var core: IncrementalScorerCore<Model, Constraint>

  /// Creates a working copy of a text.
  public init(target: SentenceTarget<Model, Constraint>, at text: TokenSequence) {
    self.target = target
    unsafe core = IncrementalScorerCore(target: target, at: text)
  }

  deinit { unsafe core.destroy() }

  /// The number of tokens in the current text.
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

  /// The model's natural log-probability of the token at a place; at place count, of the end
  /// symbol.
  @inlinable
  public func logProbability(at place: Int) -> Double { unsafe core.logProbability(at: place) }

  /// The current text.
  public var state: TokenSequence { unsafe core.state }

  /// The model's natural log-probability of the current text, including its end.
  public var logModel: Double { unsafe core.logModel }

  /// The log of the target at the current text, summed anew over its places so that it cannot
  /// drift.
  public var logProbability: Double { unsafe core.logProbability(target) }

  /// What the edit would add to ``logProbability``, in nats.
  ///
  /// Minus infinity as soon as the edit is known to be forbidden or below the bound.
  @inlinable
  public func change(under edit: TokenSequence.Edit, atLeast bound: Double) -> Double {
    unsafe core.change(under: edit, atLeast: bound, target)
  }

  /// Makes an edit that the target allows.
  ///
  /// If it was not the last one looked at, it is scored
  /// first.
  @inlinable
  public func commit(_ edit: TokenSequence.Edit) { unsafe core.commit(edit, target) }

  /// The model's vocabulary.
  public var vocabulary: Vocabulary { target.model.vocabulary }

  /// The constraint on texts; `nil` allows all.
  @inlinable
  public var constraint: Constraint? { target.constraint }

  /// The nats that the constraint adds to the current text; minus infinity if it is not allowed.
  public var logConstraint: Double { unsafe core.logConstraint }

  /// The model's row of log-probabilities before a place, computed anew at each call.
  public func nextTokenLogProbabilities(before place: Int) -> [Double] {
    target.model.logProbabilities(in: context(before: place))
  }

  /// The context before a place, which can be continued with other tokens.
  @inlinable
  public func branch(before place: Int) -> Model.Context { context(before: place) }

  /// Advances the context by a token.
  @inlinable
  public func append(_ token: Token, to branch: inout Model.Context) {
    target.model.advance(&branch, by: token)
  }

  /// The model's row of log-probabilities after a context.
  public func nextTokenLogProbabilities(after branch: Model.Context) -> [Double] {
    target.model.logProbabilities(in: branch)
  }

  /// Scores one token after another, each with as much of the text after it as a context can reach.
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
      // The end of the text is within reach.
      if last == count { sum += model.logProbability(of: model.vocabulary.end, in: context) }
      return sum
    }
  }
}
