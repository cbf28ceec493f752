// Licensed under the Apache License, Version 2.0.

public import Sampling

/// The standard moves, and further ones in a quarter of the steps.
///
/// **Keeps** the scorer's target: the choice of the kernel does not depend on the text.
public enum FurtherMoves {
  /// The further kinds of move.
  public enum Kind: String, CaseIterable, Codable, Sendable {
    case move, copy, tries, block, suffix, informed
  }

  /// The mixture for a target.
  ///
  /// - Parameters:
  ///   - target: whose texts are edited.
  ///   - further: which further kinds there are, at least one.
  ///   - left: tokens by what stands left of them.
  ///   - full: tokens by both sides.
  ///   - weights: the probability of each token without context, linear; by token.
  ///   - balancing: how informed moves weigh.
  ///   - suffix: writes the ends of texts; needed where `further` has `suffix`.
  /// - Returns: the kernel.
  @inlinable
  public static func kernel<
    Target: TextTarget, Left: BranchTokens, Full: BranchTokens, Suffix: ProportionalTokens
  >(
    for target: Target, _ further: [Kind], left: Left, full: Full, weights: [Double],
    balancing: InformedBalancing, suffix: Suffix?
  ) -> some TransitionKernel<Target.Scorer>
  where
    Left.Scorer == Target.Scorer, Full.Scorer == Target.Scorer,
    Target.Scorer.Constraint == TokenAutomaton
  {
    precondition(!further.contains(.suffix) || suffix != nil, "suffix moves need a token proposal")
    return Mixture {
      Weighted(
        3 * further.count,
        MetropolisHastings(StandardMoves(for: target, left: left, weights: weights)))
      if further.contains(.move) {
        Weighted(1, MetropolisHastings(MoveToken<Target.Scorer>()))
      }
      if further.contains(.copy) {
        Weighted(
          1, MetropolisHastings(CopyOrDeleteToken<Target.Scorer>()),
          named: ["copy", "delete-copy"])
      }
      if further.contains(.tries) {
        Weighted(1, MultipleTry(ReplaceToken(left), trials: 8), named: ["tries"])
      }
      if further.contains(.block) {
        Weighted(1, ReplaceBlock(left: left, full: full, length: 2))
      }
      if let suffix {
        Weighted(1, MetropolisHastings(ResampleSuffix<Suffix, Target.Scorer>(suffix)))
      }
      if further.contains(.informed) {
        Weighted(1, LocallyInformed<Target.Scorer>(balancing, among: .onePlace))
      }
    }
  }
}
