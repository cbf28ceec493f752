// Licensed under the Apache License, Version 2.0.

public import Sampling

/// A chain's working copy of a text under an n-gram model and an automaton.
public typealias NGramScorer = IncrementalScorer<NGramModel, TokenAutomaton>

/// Metropolis-Hastings with the standard moves on an n-gram model.
///
/// **Keeps** the target of its scorer.
public typealias NGramMoves = MetropolisHastings<StandardMoves<NGramLeftTokens<TokenAutomaton>>>

extension MetropolisHastings
where P == StandardMoves<NGramLeftTokens<TokenAutomaton>> {
  /// Creates the standard moves for a target.
  ///
  /// - Parameters:
  ///   - target: the target, whose model is in the fast layout.
  ///   - left: the model's left conditional, if it was made already.
  ///   - shares: how often each kind is proposed; `nil` for the shares that suit the target.
  /// - Precondition: no share is negative, and at least one is positive.
  /// - Complexity: O(n-grams) where the left conditional is not given, else O(vocabulary).
  public init(
    for target: SentenceTarget<NGramModel, TokenAutomaton>,
    left: NGramLeftTokens<TokenAutomaton>? = nil, shares: MoveShares? = nil
  ) {
    self.init(
      StandardMoves(
        for: target, left: left ?? NGramLeftTokens<TokenAutomaton>(target.model),
        weights: target.model.unigramWeights, shares: shares))
  }
}

extension NGramModel {
  /// The model's linear probability of each token without context.
  public var unigramWeights: [Double] {
    (0..<vocabulary.count).map { LogSpace.exp(probability(0, $0) * logOf10) }
  }
}
