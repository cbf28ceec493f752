// Licensed under the Apache License, Version 2.0.

import LM
import Sampling

extension SentenceTarget where Model == NGramModel, Constraint == TokenAutomaton {
  /// What screens moves for a target of the same constraints: they alone under a cheap model.
  func screen(by cheap: NGramModel) -> SentenceTarget<NGramModel, TokenAutomaton> {
    SentenceTarget(
      model: cheap, constraint: constraint ?? TokenAutomaton(every: model.vocabulary),
      fluency: fluency)
  }
}

/// The standard moves, screened for a full target by a surrogate over the same tokens.
///
/// **Keeps** the full target.
typealias ScreenedMoves<Full: Scorer<TokenSequence>> = DelayedAcceptance<
  StandardMoves<NGramLeftTokens<TokenAutomaton>>, Full
>

extension DelayedAcceptance where P == StandardMoves<NGramLeftTokens<TokenAutomaton>> {
  /// The moves for texts that a target allows.
  ///
  /// - Parameters:
  ///   - target: the surrogate or another target of the same automaton.
  ///   - left: the surrogate's left conditional.
  ///   - hasOneLength: whether the number of tokens stays, whatever the constraints allow.
  init(
    for target: SentenceTarget<NGramModel, TokenAutomaton>, left: NGramLeftTokens<TokenAutomaton>,
    hasOneLength: Bool = false
  ) {
    var shares = MoveShares.suiting(target.constraint)
    if hasOneLength, target.constraint?.fixedLength == nil {
      shares = .fixedLength
      // Blocks may be of another length, which constraints alone can refuse.
      shares.rewrite = 0
    }
    self.init(
      StandardMoves(
        for: target, left: left, weights: left.model.unigramWeights, shares: shares))
  }
}
