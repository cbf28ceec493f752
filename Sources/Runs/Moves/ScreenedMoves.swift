// Licensed under the Apache License, Version 2.0.

public import Sampling

/// The standard moves, screened for a full target by a surrogate over the same tokens.
///
/// **Keeps** the full target.
public typealias ScreenedMoves<Left: GapTokens, Full: Scorer<TokenSequence>> = DelayedAcceptance<
  StandardMoves<Left>, Full
> where Left.Scorer.Constraint == TokenAutomaton

extension DelayedAcceptance {
  /// The moves for texts that a target allows.
  ///
  /// - Parameters:
  ///   - surrogate: what screens.
  ///   - left: the surrogate's tokens by what stands left of them.
  ///   - weights: the probability of each token without context, linear; by token.
  ///   - hasOneLength: whether the number of tokens stays, whatever the constraints allow.
  public init<Left: GapTokens, Surrogate: TextTarget>(
    for surrogate: Surrogate, left: Left, weights: [Double], hasOneLength: Bool = false
  )
  where
    P == StandardMoves<Left>, Left.Scorer == Surrogate.Scorer,
    Left.Scorer.Constraint == TokenAutomaton
  {
    var shares = MoveShares.suiting(surrogate.constraint)
    if hasOneLength, surrogate.constraint?.fixedLength == nil {
      shares = .fixedLength
      // Blocks may be of another length, which constraints alone can refuse.
      shares.rewrite = 0
    }
    self.init(StandardMoves(for: surrogate, left: left, weights: weights, shares: shares))
  }
}
