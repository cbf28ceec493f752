// Licensed under the Apache License, Version 2.0.

/// How often each kind of move of ``StandardMoves`` is proposed, relative to the others.
public struct MoveShares: Hashable, Sendable, Codable {
  /// Weight of replacements drawn given the text on the left.
  public var replace = 60
  /// Weight of insertions drawn given the text on the left, and of deletions.
  public var insertOrDelete = 120
  /// Weight of replacements drawn without context.
  public var replaceByUnigram = 6
  /// Weight of swaps of two tokens.
  public var swap = 66
  /// Weight of rewriting a block of tokens, if an automaton says which blocks fit.
  public var rewrite = 4

  /// Creates the shares that did best over several targets.
  public init() {}

  /// Shares for texts of one length, which would refuse all insertions and deletions.
  public static var fixedLength: MoveShares {
    var shares = MoveShares()
    shares.replace += 100
    shares.insertOrDelete = 0
    shares.rewrite += 20
    return shares
  }

  /// The shares that suit a constraint; `nil` allows every text.
  public static func suiting(_ automaton: TokenAutomaton?) -> MoveShares {
    automaton?.fixedLength != nil ? .fixedLength : MoveShares()
  }
}

/// The mixture of moves that serves most targets.
///
/// Tokens are replaced, inserted and deleted given the text on their left, and sometimes replaced
/// by the unigram; tokens are swapped; blocks are rewritten.
///
/// `MetropolisHastings(StandardMoves(...))` keeps the target of its scorer, as do
/// ``DelayedAcceptance`` and ``BridgedProposal``. **Assumes**, to reach every allowed text, that
/// the model gives every token a positive probability, and that neighbouring allowed texts differ
/// in one token or in a block of at most eight.
public struct StandardMoves<Left: GapTokens>: ProposalWithMemory
where Left.Scorer.Constraint == TokenAutomaton {
  /// The chain's working copy.
  public typealias Scorer = Left.Scorer
  /// Replacements, insertions and deletions, the unigram, swaps, and blocks if there are any.
  public typealias List = WeightedPair<
    WeightedPair<
      WeightedPair<
        WeightedPair<Weighted<ReplaceToken<Left>>, Weighted<InsertOrDeleteToken<Left>>>,
        Weighted<ReplaceToken<UnigramTokens<Scorer>>>
      >, Weighted<SwapTokens<Scorer>>
    >, WeightedOptional<Weighted<RewriteBlock<Scorer>>>
  >

  /// The moves with their weights.
  public let mixture: Mixture<List>

  /// Creates the moves for a target.
  ///
  /// - Parameters:
  ///   - target: the target whose texts are edited.
  ///   - left: draws tokens given the text on their left.
  ///   - weights: the linear probability of each token without context.
  ///   - shares: how often each kind is proposed; `nil` for the shares that suit the target.
  /// - Precondition: no share is negative, and at least one is positive.
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

  /// The kinds of move.
  ///
  /// They are `replace`, `insert`, `delete`, `replace-by-unigram`, `swap` and, under constraints,
  /// `rewrite`.
  public var kinds: [String] { mixture.kinds }

  /// The memories of all moves.
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
