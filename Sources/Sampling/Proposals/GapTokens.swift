// Licensed under the Apache License, Version 2.0.

/// The place for a token: between the places left of `low` and those from `high` on.
///
/// An insertion before place i has the gap i, i. A token that replaces, or once stood at, place i
/// has the gap i, i + 1. So the way back of a deletion has the gap of the deleted token.
@frozen
public struct Gap: Hashable, Sendable {
  /// The first place that the token covers.
  public var low: Int
  /// The first place right of the token, `low` or `low + 1`.
  public var high: Int

  /// Creates the gap between the places below `low` and those from `high` on.
  @inlinable
  public init(_ low: Int, _ high: Int) {
    self.low = low
    self.high = high
  }
}

/// A way of choosing the token that is put into a gap.
///
/// Its distribution may depend on the text left and right of the gap, but not on what the gap
/// covers, so forward and backward look up the same numbers. Laws: the probabilities of the
/// drawable tokens sum to one, and draws follow them.
public protocol GapTokens<Scorer>: Sendable {
  /// The working copy of the text.
  associatedtype Scorer: TextScorer
  /// Work saved between the steps of one chain; no draw depends on it.
  associatedtype Memory = Void

  /// The memory of a new chain.
  func start(at scorer: Scorer) -> Memory

  /// Draws a token for the gap, with its natural log-probability; `nil` if there is none.
  func draw(
    for gap: Gap, in scorer: Scorer, memory: inout Memory, using choices: inout some ChoiceSource
  ) -> (token: Token, logProbability: Double)?

  /// Natural log-probability of drawing the token for the gap.
  func logProbability(
    of token: Token, for gap: Gap, in scorer: Scorer, memory: inout Memory
  ) -> Double
}

extension GapTokens where Memory == Void {
  /// Returns an empty memory.
  @inlinable
  public func start(at scorer: Scorer) {}
}

extension GapTokens {
  /// Draws with a memory that is used once.
  @inlinable
  public func draw(
    for gap: Gap, in scorer: Scorer, using choices: inout some ChoiceSource
  ) -> (token: Token, logProbability: Double)? {
    var memory = start(at: scorer)
    return draw(for: gap, in: scorer, memory: &memory, using: &choices)
  }

  /// The log-probability of a token, with a memory that is used once.
  @inlinable
  public func logProbability(of token: Token, for gap: Gap, in scorer: Scorer) -> Double {
    var memory = start(at: scorer)
    return logProbability(of: token, for: gap, in: scorer, memory: &memory)
  }
}

/// Gap tokens that can also be drawn after a branch, that is, after tokens that are not in the
/// text.
///
/// Law: after the text's own beginning, the distribution is that of the gap.
public protocol BranchTokens<Scorer>: GapTokens {
  /// Draws a token after a branch, given the place where the text goes on.
  ///
  /// Returns it with its natural log-probability; `nil` if there is none.
  func draw(
    after branch: Scorer.Branch, before place: Int, in scorer: Scorer, memory: inout Memory,
    using choices: inout some ChoiceSource
  ) -> (token: Token, logProbability: Double)?

  /// Natural log-probability of drawing the token there.
  func logProbability(
    of token: Token, after branch: Scorer.Branch, before place: Int, in scorer: Scorer,
    memory: inout Memory
  ) -> Double
}

/// Draws tokens by fixed weights, by default the model's probabilities without context.
public struct UnigramTokens<Scorer: TextScorer>: GapTokens {
  @usableFromInline let table: AliasTable
  @usableFromInline let logProbabilities: [Double]

  /// Creates a source from one weight per token; weights of tokens that are not drawable are
  /// ignored.
  ///
  /// - Precondition: weights of drawable tokens are positive and finite, so that the chain can
  ///   reach every text.
  public init(_ vocabulary: Vocabulary, weights: [Double]) {
    precondition(weights.count == vocabulary.count, "one weight a token")
    var drawable = weights
    for i in drawable.indices where !vocabulary.isDrawable(Token(i)) { drawable[i] = 0 }
    table = AliasTable(weights: drawable)
    let logTotal = LogSpace.log(drawable.reduce(0, +))
    logProbabilities = drawable.map { LogSpace.log($0) - logTotal }
  }

  /// Creates a source for the chains of a target.
  public init<Target: TextTarget>(for target: Target, weights: [Double])
  where Target.Scorer == Scorer {
    self.init(target.model.vocabulary, weights: weights)
  }

  /// Draws a token by its weight, whatever is around it.
  @inlinable
  public func draw(
    for gap: Gap, in scorer: Scorer, memory: inout Void, using choices: inout some ChoiceSource
  ) -> (token: Token, logProbability: Double)? {
    let index = table.draw(using: &choices)
    return (Token(index), logProbabilities[index])
  }

  /// The log of the token's normalised weight.
  @inlinable
  public func logProbability(
    of token: Token, for gap: Gap, in scorer: Scorer, memory: inout Void
  ) -> Double {
    logProbabilities[token.index]
  }
}

/// Draws tokens from the model's conditional given the text on their left.
///
/// It works with any model. A draw costs O(vocabulary), and a row of the model if the scorer does
/// not keep it. It is the oracle of the fast forms.
public struct LeftConditionalTokens<Scorer: TextScorer>: BranchTokens {
  /// Creates the source, which has no options.
  public init() {}

  private func weights(_ row: [Double], _ vocabulary: Vocabulary) -> [Double] {
    row.indices.map { vocabulary.isDrawable(Token($0)) ? LogSpace.exp(row[$0]) : 0 }
  }

  private func draw(
    from row: [Double], _ vocabulary: Vocabulary, using choices: inout some ChoiceSource
  ) -> (token: Token, logProbability: Double)? {
    let weights = weights(row, vocabulary)
    let total = weights.reduce(0, +)
    guard total > 0 else { return nil }
    let index = choices.index(weights: weights)
    return (Token(index), LogSpace.log(weights[index] / total))
  }

  private func logProbability(
    of token: Token, in row: [Double], _ vocabulary: Vocabulary
  ) -> Double {
    let weights = weights(row, vocabulary)
    return LogSpace.log(weights[token.index] / weights.reduce(0, +))
  }

  /// Draws a token by its probability, given that it is drawable.
  public func draw(
    for gap: Gap, in scorer: Scorer, memory: inout Void, using choices: inout some ChoiceSource
  ) -> (token: Token, logProbability: Double)? {
    draw(
      from: scorer.nextTokenLogProbabilities(before: gap.low), scorer.vocabulary, using: &choices)
  }

  /// The log of the token's probability, given that it is drawable.
  public func logProbability(
    of token: Token, for gap: Gap, in scorer: Scorer, memory: inout Void
  ) -> Double {
    logProbability(
      of: token, in: scorer.nextTokenLogProbabilities(before: gap.low), scorer.vocabulary)
  }

  /// Draws a token by its probability after a branch.
  public func draw(
    after branch: Scorer.Branch, before place: Int, in scorer: Scorer, memory: inout Void,
    using choices: inout some ChoiceSource
  ) -> (token: Token, logProbability: Double)? {
    draw(
      from: scorer.nextTokenLogProbabilities(after: branch), scorer.vocabulary, using: &choices)
  }

  /// The log of the token's probability after a branch.
  public func logProbability(
    of token: Token, after branch: Scorer.Branch, before place: Int, in scorer: Scorer,
    memory: inout Void
  ) -> Double {
    logProbability(
      of: token, in: scorer.nextTokenLogProbabilities(after: branch), scorer.vocabulary)
  }
}

/// Draws tokens from the model's exact conditional given both sides, scoring every token.
///
/// It works with any model. A draw looks at each drawable token, in one batch if the model has
/// batches. It is the oracle of the fast forms. With it, the acceptance of an insertion does not
/// depend on the token, and a replacement under the model alone is always accepted: it is a Gibbs
/// step.
public struct FullConditionalTokens<Scorer: TextScorer>: BranchTokens {
  /// Creates the source, which has no options.
  public init() {}

  /// The log-probability of each token and everything after it, up to a constant.
  ///
  /// Minus infinity for tokens that are not drawable.
  private func logWeights(
    after branch: Scorer.Branch, before place: Int, in scorer: Scorer
  ) -> [Double] {
    let vocabulary = scorer.vocabulary
    let tokens = (0..<vocabulary.count).map { Token($0) }.filter(vocabulary.isDrawable)
    var logs = [Double](repeating: -.infinity, count: vocabulary.count)
    for (token, log) in zip(
      tokens, scorer.logWeights(of: tokens, after: branch, before: place))
    {
      logs[token.index] = log
    }
    return logs
  }

  /// Draws a token by its conditional probability.
  public func draw(
    for gap: Gap, in scorer: Scorer, memory: inout Void, using choices: inout some ChoiceSource
  ) -> (token: Token, logProbability: Double)? {
    draw(
      after: scorer.branch(before: gap.low), before: gap.high, in: scorer, memory: &memory,
      using: &choices)
  }

  /// The log of the token's conditional probability.
  public func logProbability(
    of token: Token, for gap: Gap, in scorer: Scorer, memory: inout Void
  ) -> Double {
    logProbability(
      of: token, after: scorer.branch(before: gap.low), before: gap.high, in: scorer,
      memory: &memory)
  }

  /// Draws a token by its conditional probability after a branch.
  public func draw(
    after branch: Scorer.Branch, before place: Int, in scorer: Scorer, memory: inout Void,
    using choices: inout some ChoiceSource
  ) -> (token: Token, logProbability: Double)? {
    let logs = logWeights(after: branch, before: place, in: scorer)
    let logTotal = LogSpace.sum(logs)
    guard logTotal > -.infinity else { return nil }
    let index = choices.index(weights: logs.map { LogSpace.exp($0 - logTotal) })
    return (Token(index), logs[index] - logTotal)
  }

  /// The log of the token's conditional probability after a branch.
  public func logProbability(
    of token: Token, after branch: Scorer.Branch, before place: Int, in scorer: Scorer,
    memory: inout Void
  ) -> Double {
    let logs = logWeights(after: branch, before: place, in: scorer)
    return logs[token.index] - LogSpace.sum(logs)
  }
}
