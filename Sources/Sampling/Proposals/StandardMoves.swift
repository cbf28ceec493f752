// Licensed under the Apache License, Version 2.0.

/// How often each kind of move of ``StandardMoves`` is proposed, relative to the others.
public struct MoveShares: Hashable, Sendable, Codable {
  /// Replacement by what stands left.
  public var replace = 60
  /// Insertion by what stands left, or deletion.
  public var insertOrDelete = 120
  /// Replacement by the unigram.
  public var replaceByUnigram = 6
  /// Exchange of two tokens.
  public var swap = 66
  /// Rewriting of a block of tokens, where an automaton says which blocks fit.
  public var rewrite = 4

  /// The shares that did best over several targets.
  public init() {}

  /// The shares for texts of one length, where insertions and deletions would all be refused.
  public static var fixedLength: MoveShares {
    var shares = MoveShares()
    shares.replace += 100
    shares.insertOrDelete = 0
    shares.rewrite += 20
    return shares
  }

  /// What suits a constraint; `nil` allows every text.
  public static func suiting(_ automaton: TokenAutomaton?) -> MoveShares {
    automaton?.fixedLength != nil ? .fixedLength : MoveShares()
  }
}

/// The mixture of moves that serves most targets: tokens replaced, inserted and deleted by what
/// stands left of them, sometimes replaced by the unigram; tokens swapped; blocks rewritten.
///
/// `MetropolisHastings(StandardMoves(...))` keeps the target of its scorer; so do
/// ``DelayedAcceptance`` and ``BridgedProposal`` with their targets. **Assumes**, to reach every
/// allowed text, that the model gives every token a positive probability and that neighbouring allowed
/// texts differ in one token or in a block of at most eight.
public struct StandardMoves<Left: GapTokens>: ProposalWithMemory
where Left.Scorer.Constraint == TokenAutomaton {
  /// A chain's working copy.
  public typealias Scorer = Left.Scorer
  /// Replacements, insertions and deletions, the unigram, exchanges, and blocks where there are some.
  public typealias List = WeightedPair<
    WeightedPair<
      WeightedPair<
        WeightedPair<Weighted<ReplaceToken<Left>>, Weighted<InsertOrDeleteToken<Left>>>,
        Weighted<ReplaceToken<UnigramTokens<Scorer>>>
      >, Weighted<SwapTokens<Scorer>>
    >, WeightedOptional<Weighted<RewriteBlock<Scorer>>>
  >

  /// The moves and how often each is proposed.
  public let mixture: Mixture<List>

  /// The moves for a target.
  ///
  /// - Parameters:
  ///   - target: its model's texts are edited.
  ///   - left: draws tokens by what stands left of them.
  ///   - weights: the probability of each token without context, linear; by token.
  ///   - shares: how often each kind is proposed; `nil` for what suits the target.
  /// - Precondition: the shares are not negative, and one is positive.
  /// - Complexity: O(vocabulary).
  public init<Target: TextTarget>(
    for target: Target, left: Left, weights: [Double], shares: MoveShares? = nil
  ) where Target.Scorer == Scorer {
    let shares = shares ?? .suiting(target.constraint)
    let vocabulary = target.model.vocabulary
    mixture = Mixture {
      Weighted(shares.replace, ReplaceToken(left))
      Weighted(shares.insertOrDelete, InsertOrDeleteToken(left))
      Weighted(
        shares.replaceByUnigram, ReplaceToken(UnigramTokens<Scorer>(vocabulary, weights: weights)),
        named: ["replace-by-unigram"])
      Weighted(shares.swap, SwapTokens<Scorer>())
      if let automaton = target.constraint {
        Weighted(
          shares.rewrite,
          RewriteBlock<Scorer>(automaton: automaton, vocabulary: vocabulary, weights: weights))
      }
    }
  }

  /// `replace`, `insert`, `delete`, `replace-by-unigram`, `swap` and, under constraints,
  /// `rewrite`.
  public var kinds: [String] { mixture.kinds }

  /// What all moves remember.
  @inlinable
  public func start(at scorer: Scorer) -> List.Memory { mixture.start(at: scorer) }

  /// Draws a kind of move and makes one.
  @inlinable
  public func propose(
    from scorer: Scorer, memory: inout List.Memory, using choices: inout some ChoiceSource
  ) -> Move<TokenSequence.Edit?> {
    mixture.propose(from: scorer, memory: &memory, using: &choices)
  }
}
