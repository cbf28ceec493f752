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
  /// The moves for a target.
  ///
  /// - Parameters:
  ///   - target: its model is in the fast layout.
  ///   - left: the model's left conditional, where it was made already.
  ///   - shares: how often each kind is proposed; `nil` for what suits the target.
  /// - Precondition: the shares are not negative, and one is positive.
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
  /// The model's probability of each token without context, linear; by token.
  public var unigramWeights: [Double] {
    (0..<vocabulary.count).map { LogSpace.exp(probability(0, $0) * logOf10) }
  }
}
