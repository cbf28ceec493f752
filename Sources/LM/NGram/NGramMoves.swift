// Licensed under the Apache License, Version 2.0.

public import Sampling

/// The mixture of moves that serves most targets on an n-gram model: words replaced, inserted and
/// deleted by the left conditional, sometimes by the unigram; words swapped; blocks rewritten.
///
/// **Keeps** the target of its scorer. **Assumes**, to reach every allowed text, that the model
/// gives every word a positive probability and that neighbouring allowed texts differ in one word
/// or in a block of at most eight.
public struct NGramMoves: TransitionKernel {
  /// How often each kind of move is proposed, relative to the others.
  public struct Shares: Hashable, Sendable {
    /// Replacement by the left conditional.
    public var replace = 60
    /// Insertion by the left conditional, or deletion.
    public var insertOrDelete = 120
    /// Replacement by the unigram.
    public var replaceByUnigram = 6
    /// Exchange of two words.
    public var swap = 66
    /// Rewriting of a block of words, where an automaton says which blocks fit.
    public var rewrite = 4

    /// The shares that did best over several targets.
    public init() {}

    /// The shares for texts of one length, where insertions and deletions would all be refused.
    public static var fixedLength: Shares {
      var shares = Shares()
      shares.replace += 100
      shares.insertOrDelete = 0
      shares.rewrite += 20
      return shares
    }

    @usableFromInline var total: Int {
      replace + insertOrDelete + replaceByUnigram + swap + rewrite
    }
  }

  /// How often each kind is proposed.
  public let shares: Shares
  @usableFromInline let replace: MetropolisHastings<ReplaceToken<NGramLeftTokens>>
  @usableFromInline let insertOrDelete: MetropolisHastings<InsertOrDeleteToken<NGramLeftTokens>>
  @usableFromInline
  let replaceByUnigram: MetropolisHastings<ReplaceToken<UnigramTokens<NGramModel>>>
  @usableFromInline let swap: MetropolisHastings<SwapTokens<NGramModel>>
  @usableFromInline let rewrite: MetropolisHastings<RewriteBlock<NGramModel>>?

  /// The moves for a target.
  ///
  /// - Parameters:
  ///   - target: whose texts; its model is in the fast layout.
  ///   - words: the model's left conditional, where it was made already.
  ///   - shares: how often each kind is proposed; `nil` for what suits the target.
  /// - Precondition: the shares are not negative, and one is positive.
  /// - Complexity: O(n-grams) where the left conditional is not given, else O(vocabulary).
  public init(
    for target: SentenceTarget<NGramModel, TokenAutomaton>, words: NGramLeftTokens? = nil,
    shares: Shares? = nil
  ) {
    let hasOneLength = target.constraint?.fixedLength != nil
    var shares = shares ?? (hasOneLength ? .fixedLength : Shares())
    if target.constraint == nil { shares.rewrite = 0 }
    precondition(
      min(shares.replace, shares.insertOrDelete, shares.replaceByUnigram) >= 0
        && min(shares.swap, shares.rewrite) >= 0 && shares.total > 0, "shares are not negative")
    let model = target.model
    let left = words ?? NGramLeftTokens(model)
    let weights = model.unigramWeights
    self.shares = shares
    replace = MetropolisHastings(ReplaceToken(left))
    insertOrDelete = MetropolisHastings(InsertOrDeleteToken(left))
    replaceByUnigram = MetropolisHastings(
      ReplaceToken(UnigramTokens(model: model, weights: weights)))
    swap = MetropolisHastings(SwapTokens())
    rewrite = target.constraint.map { automaton in
      MetropolisHastings(RewriteBlock(automaton: automaton, model: model, weights: weights))
    }
  }

  /// `replace`, `insert`, `delete`, `replace-by-unigram`, `swap` and, under constraints,
  /// `rewrite`.
  public var kinds: [String] {
    ["replace", "insert", "delete", "replace-by-unigram", "swap"] + (rewrite?.kinds ?? [])
  }

  /// Draws a kind of move and makes it.
  @inlinable
  public func step(
    _ scorer: inout IncrementalScorer<NGramModel, TokenAutomaton>,
    using choices: inout some ChoiceSource
  ) -> StepReport {
    var rest = choices.index(below: shares.total)
    if rest < shares.replace { return replace.step(&scorer, using: &choices) }
    rest -= shares.replace
    if rest < shares.insertOrDelete {
      let report = insertOrDelete.step(&scorer, using: &choices)
      return StepReport(isAccepted: report.isAccepted, kind: report.kind + 1)
    }
    rest -= shares.insertOrDelete
    if rest < shares.replaceByUnigram {
      return StepReport(
        isAccepted: replaceByUnigram.step(&scorer, using: &choices).isAccepted, kind: 3)
    }
    rest -= shares.replaceByUnigram
    if rest < shares.swap {
      return StepReport(isAccepted: swap.step(&scorer, using: &choices).isAccepted, kind: 4)
    }
    let report = rewrite?.step(&scorer, using: &choices)
    return StepReport(isAccepted: report?.isAccepted ?? false, kind: 5)
  }
}

extension NGramModel {
  /// The model's probability of each token without context, linear; by token.
  public var unigramWeights: [Double] {
    (0..<vocabulary.count).map { LogSpace.exp(probability(0, $0) * logOf10) }
  }
}
