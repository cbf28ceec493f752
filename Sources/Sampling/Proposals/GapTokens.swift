// Licensed under the Apache License, Version 2.0.

/// Where a token is put: between the places left of `low` and those from `high` on.
///
/// An insertion before place i is the gap i, i; what replaces or once stood at place i is the
/// gap i, i + 1. So the way back of a deletion has the gap of the token that it deletes.
@frozen
public struct Gap: Hashable, Sendable {
  /// The first place that the token covers.
  public var low: Int
  /// The first place right of the token, `low` or `low + 1`.
  public var high: Int

  /// The gap between the places below `low` and those from `high` on.
  @inlinable
  public init(_ low: Int, _ high: Int) {
    self.low = low
    self.high = high
  }
}

/// A way of choosing the token that is put into a gap.
///
/// Its distribution may depend on what stands left and right of the gap, not on what the gap
/// covers: forward and backward then look up the same numbers. Laws: the probabilities of the
/// drawable tokens sum to one, and draws follow them.
public protocol GapTokens<Scorer>: Sendable {
  /// The working copy whose text is looked at.
  associatedtype Scorer: TextScorer
  /// What is kept between the steps of one chain to save work; nothing that is drawn depends on it.
  associatedtype Memory = Void

  /// The memory of a chain that begins.
  func start(at scorer: Scorer) -> Memory

  /// A drawable token for the gap and its natural log-probability; `nil` where there is none.
  func draw(
    for gap: Gap, in scorer: Scorer, memory: inout Memory, using choices: inout some ChoiceSource
  ) -> (token: Token, logProbability: Double)?

  /// Natural log-probability with which the token is drawn for the gap.
  func logProbability(
    of token: Token, for gap: Gap, in scorer: Scorer, memory: inout Memory
  ) -> Double
}

extension GapTokens where Memory == Void {
  /// Nothing to remember.
  @inlinable
  public func start(at scorer: Scorer) {}
}

extension GapTokens {
  /// A draw with a memory that is used once.
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

/// Gap tokens that can also be drawn behind a branch: tokens that stand in no text yet.
///
/// Law: behind the text's own beginning they are those of the gap.
public protocol BranchTokens<Scorer>: GapTokens {
  /// A drawable token behind a branch, where the text goes on from a place, and its natural
  /// log-probability; `nil` where there is none.
  func draw(
    after branch: Scorer.Branch, before place: Int, in scorer: Scorer, memory: inout Memory,
    using choices: inout some ChoiceSource
  ) -> (token: Token, logProbability: Double)?

  /// Natural log-probability with which the token is drawn there.
  func logProbability(
    of token: Token, after branch: Scorer.Branch, before place: Int, in scorer: Scorer,
    memory: inout Memory
  ) -> Double
}

/// Tokens in proportion to fixed weights, by default the model's probabilities without context.
public struct UnigramTokens<Scorer: TextScorer>: GapTokens {
  @usableFromInline let table: AliasTable
  @usableFromInline let logProbabilities: [Double]

  /// Tokens by these weights, one a token; those of tokens that are not drawable do not count.
  ///
  /// - Precondition: weights of drawable tokens are positive and finite, else the chain cannot
  ///   reach every text.
  public init(_ vocabulary: Vocabulary, weights: [Double]) {
    precondition(weights.count == vocabulary.count, "one weight a token")
    var drawable = weights
    for i in drawable.indices where !vocabulary.isDrawable(Token(i)) { drawable[i] = 0 }
    table = AliasTable(weights: drawable)
    let logTotal = LogSpace.log(drawable.reduce(0, +))
    logProbabilities = drawable.map { LogSpace.log($0) - logTotal }
  }

  /// Tokens by these weights for the chains of a target.
  public init<Target: TextTarget>(for target: Target, weights: [Double])
  where Target.Scorer == Scorer {
    self.init(target.model.vocabulary, weights: weights)
  }

  /// A token by its weight, whatever stands around it.
  @inlinable
  public func draw(
    for gap: Gap, in scorer: Scorer, memory: inout Void, using choices: inout some ChoiceSource
  ) -> (token: Token, logProbability: Double)? {
    let index = table.draw(using: &choices)
    return (Token(index), logProbabilities[index])
  }

  /// The log of the token's weight, normalised.
  @inlinable
  public func logProbability(
    of token: Token, for gap: Gap, in scorer: Scorer, memory: inout Void
  ) -> Double {
    logProbabilities[token.index]
  }
}

/// Tokens by the model's conditional given what stands left, through its row over the vocabulary.
///
/// For any model. A draw costs O(vocabulary), and a row of the model where the scorer does not keep
/// it; it is the oracle of the fast forms.
public struct LeftConditionalTokens<Scorer: TextScorer>: BranchTokens {
  /// Tokens by the left conditional.
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

  /// A token by its probability, given that it is drawable.
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

  /// A token by its probability behind a branch.
  public func draw(
    after branch: Scorer.Branch, before place: Int, in scorer: Scorer, memory: inout Void,
    using choices: inout some ChoiceSource
  ) -> (token: Token, logProbability: Double)? {
    draw(
      from: scorer.nextTokenLogProbabilities(after: branch), scorer.vocabulary, using: &choices)
  }

  /// The log of the token's probability behind a branch.
  public func logProbability(
    of token: Token, after branch: Scorer.Branch, before place: Int, in scorer: Scorer,
    memory: inout Void
  ) -> Double {
    logProbability(
      of: token, in: scorer.nextTokenLogProbabilities(after: branch), scorer.vocabulary)
  }
}

/// Tokens by the model's exact conditional given both sides, each token of the vocabulary scored.
///
/// For any model. A draw costs a look at each drawable token, in one batch where the model has
/// batches; it is the oracle of the fast forms. With it, the acceptance of an insertion does not
/// depend on the token, and a replacement under the model alone is always accepted: it is a step of
/// the Gibbs sampler.
public struct FullConditionalTokens<Scorer: TextScorer>: BranchTokens {
  /// Tokens by the full conditional.
  public init() {}

  /// Log-probability of each token times that of all that follows, minus infinity where the token
  /// is not drawable; up to a constant.
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

  /// A token by its conditional probability.
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

  /// A token by its conditional probability behind a branch.
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

  /// The log of the token's conditional probability behind a branch.
  public func logProbability(
    of token: Token, after branch: Scorer.Branch, before place: Int, in scorer: Scorer,
    memory: inout Void
  ) -> Double {
    let logs = logWeights(after: branch, before: place, in: scorer)
    return logs[token.index] - LogSpace.sum(logs)
  }
}
