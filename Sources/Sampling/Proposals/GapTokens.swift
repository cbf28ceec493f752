// Licensed under the Apache License, Version 2.0.

/// Where a word is put: between the places left of `low` and those from `high` on.
///
/// An insertion before place i is the gap i, i; what replaces or what once stood at place i the
/// gap i, i + 1. So a deletion's way back has the same gap as the word that it deletes.
@frozen
public struct Gap: Hashable, Sendable {
  /// The first place that the word covers.
  public var low: Int
  /// The first place right of the word, `low` or `low + 1`.
  public var high: Int

  /// The gap between the places below `low` and those from `high` on.
  @inlinable
  public init(_ low: Int, _ high: Int) {
    self.low = low
    self.high = high
  }
}

/// A way of choosing the word that is put into a gap.
///
/// Its distribution may depend on what stands left and right of the gap, not on what the gap
/// covers: forward and backward then look up the same numbers. Laws: the probabilities of the
/// drawable words sum to one, and draws follow them.
public protocol GapTokens<Model>: Sendable {
  /// Whose texts.
  associatedtype Model: FiniteContextModel

  /// A drawable word for the gap and its natural log-probability; `nil` where there is none.
  func draw(
    for gap: Gap, in scorer: IncrementalScorer<Model, TokenAutomaton>,
    using choices: inout some ChoiceSource
  ) -> (token: Token, logProbability: Double)?

  /// Natural log-probability with which the word is drawn for the gap.
  func logProbability(
    of token: Token, for gap: Gap, in scorer: IncrementalScorer<Model, TokenAutomaton>
  ) -> Double
}

/// Words in proportion to fixed weights, by default the model's probabilities without context.
public struct UnigramTokens<Model: FiniteContextModel>: GapTokens {
  @usableFromInline let table: AliasTable
  @usableFromInline let logProbabilities: [Double]

  /// Words by these weights, one a token; those of tokens that are not drawable do not count.
  ///
  /// - Precondition: weights of drawable tokens are positive and finite, else the chain cannot
  ///   reach every text.
  public init(model: Model, weights: [Double]) {
    precondition(weights.count == model.vocabulary.count, "one weight a token")
    var drawable = weights
    for i in drawable.indices where !model.vocabulary.isDrawable(Token(i)) { drawable[i] = 0 }
    table = AliasTable(weights: drawable)
    let logTotal = LogSpace.log(drawable.reduce(0, +))
    logProbabilities = drawable.map { LogSpace.log($0) - logTotal }
  }

  /// A word by its weight, whatever stands around it.
  @inlinable
  public func draw(
    for gap: Gap, in scorer: IncrementalScorer<Model, TokenAutomaton>,
    using choices: inout some ChoiceSource
  ) -> (token: Token, logProbability: Double)? {
    let index = table.draw(using: &choices)
    return (Token(index), logProbabilities[index])
  }

  /// The log of the word's weight, normalised.
  @inlinable
  public func logProbability(
    of token: Token, for gap: Gap, in scorer: IncrementalScorer<Model, TokenAutomaton>
  ) -> Double {
    logProbabilities[token.index]
  }
}

/// Words by the model's conditional given what stands left, through a vector over the vocabulary.
///
/// For any model. It costs O(vocabulary) a draw and is the oracle of the fast forms.
public struct LeftConditionalTokens<Model: FiniteContextModel>: GapTokens {
  /// Words by the left conditional.
  public init() {}

  private func weights(for gap: Gap, in scorer: IncrementalScorer<Model, TokenAutomaton>)
    -> [Double]
  {
    let vocabulary = scorer.target.model.vocabulary
    var logs = [Double](repeating: 0, count: vocabulary.count)
    var span = logs.mutableSpan
    scorer.target.model.logProbabilities(in: scorer.context(before: gap.low), into: &span)
    return logs.indices.map { vocabulary.isDrawable(Token($0)) ? LogSpace.exp(logs[$0]) : 0 }
  }

  /// A word by its probability, given that it is drawable.
  public func draw(
    for gap: Gap, in scorer: IncrementalScorer<Model, TokenAutomaton>,
    using choices: inout some ChoiceSource
  ) -> (token: Token, logProbability: Double)? {
    let weights = weights(for: gap, in: scorer)
    let total = weights.reduce(0, +)
    guard total > 0 else { return nil }
    let index = choices.index(weights: weights)
    return (Token(index), LogSpace.log(weights[index] / total))
  }

  /// The log of the word's probability, given that it is drawable.
  public func logProbability(
    of token: Token, for gap: Gap, in scorer: IncrementalScorer<Model, TokenAutomaton>
  ) -> Double {
    let weights = weights(for: gap, in: scorer)
    return LogSpace.log(weights[token.index] / weights.reduce(0, +))
  }
}

/// Words by the model's exact conditional given both sides, each word of the vocabulary scored.
///
/// For any model. It costs O(vocabulary x reach) a draw and is the oracle of the fast forms. With
/// it, the acceptance of an insertion does not depend on the word, and a replacement under the
/// model alone is always accepted: it is a step of the Gibbs sampler.
public struct FullConditionalTokens<Model: FiniteContextModel>: GapTokens {
  /// Words by the full conditional.
  public init() {}

  /// Log-probability of each word times that of all that follows, minus infinity where the word
  /// is not drawable; up to a constant.
  private func logWeights(for gap: Gap, in scorer: IncrementalScorer<Model, TokenAutomaton>)
    -> [Double]
  {
    let model = scorer.target.model
    let stop = min(gap.high.addingReportingOverflow(model.contextLimit).partialValue, scorer.count)
    let last = stop < gap.high ? scorer.count : stop
    return (0..<model.vocabulary.count).map { index in
      let token = Token(index)
      guard model.vocabulary.isDrawable(token) else { return -.infinity }
      var context = scorer.context(before: gap.low)
      var sum = model.advance(&context, scoring: token)
      for place in gap.high..<last {
        sum += model.advance(&context, scoring: scorer.token(at: place))
      }
      if last == scorer.count {
        sum += model.logProbability(of: model.vocabulary.end, in: context)
      }
      return sum
    }
  }

  /// A word by its conditional probability.
  public func draw(
    for gap: Gap, in scorer: IncrementalScorer<Model, TokenAutomaton>,
    using choices: inout some ChoiceSource
  ) -> (token: Token, logProbability: Double)? {
    let logs = logWeights(for: gap, in: scorer)
    let logTotal = LogSpace.sum(logs)
    guard logTotal > -.infinity else { return nil }
    let index = choices.index(weights: logs.map { LogSpace.exp($0 - logTotal) })
    return (Token(index), logs[index] - logTotal)
  }

  /// The log of the word's conditional probability.
  public func logProbability(
    of token: Token, for gap: Gap, in scorer: IncrementalScorer<Model, TokenAutomaton>
  ) -> Double {
    let logs = logWeights(for: gap, in: scorer)
    return logs[token.index] - LogSpace.sum(logs)
  }
}
