// Licensed under the Apache License, Version 2.0.

public import Sampling

/// The moves of `gibbs`: single tokens by their full conditionals, blocks of them, insertions and
/// deletions where texts have several lengths, and rewritten blocks.
///
/// **Keeps** the scorer's target, among texts of the chain's own length where that is fixed.
public enum GibbsMoves {
  /// The mixture for a target.
  ///
  /// - Parameters:
  ///   - target: whose texts are edited.
  ///   - left: tokens by what stands left of them.
  ///   - full: tokens by both sides.
  ///   - weights: the probability of each token without context, linear; by token.
  ///   - scan: in which order places are visited.
  ///   - block: how many neighbouring tokens are also drawn together; `nil` for none.
  ///   - isFixedLength: whether tokens are never inserted or deleted.
  /// - Returns: the kernel.
  @inlinable
  public static func kernel<Target: TextTarget, Left: BranchTokens, Full: BranchTokens>(
    for target: Target, left: Left, full: Full, weights: [Double], scan: ScanOrder = .random,
    block: Int? = nil, isFixedLength: Bool = false
  ) -> some TransitionKernel<Target.Scorer>
  where
    Left.Scorer == Target.Scorer, Full.Scorer == Target.Scorer,
    Target.Constraint == TokenAutomaton, Target.Scorer.Constraint == TokenAutomaton
  {
    let hasOneLength = isFixedLength || target.constraint?.fixedLength != nil
    let tokens = Mixture {
      Weighted(1, Gibbs(full, for: target, scan: scan))
      if let block { Weighted(1, ReplaceBlock(left: left, full: full, length: block)) }
    }
    // Without constraints on tokens, changing one token at a time reaches every text.
    let rewrite = isFixedLength ? nil : target.constraint
    return Mixture {
      Weighted(97, tokens)
      if !hasOneLength {
        Weighted(97, MetropolisHastings(InsertOrDeleteToken(full)))
      }
      if let rewrite {
        Weighted(
          hasOneLength ? 3 : 6,
          MetropolisHastings(
            RewriteBlock<Target.Scorer>(
              automaton: rewrite, vocabulary: target.model.vocabulary, weights: weights)))
      }
    }
  }
}
