// Licensed under the Apache License, Version 2.0.

public import Sampling

/// A model that chains can run on: it makes its targets, and the tokens that moves draw.
///
/// Whatever runs chains is generic over it, so that a run is specialised for the model it gets: an
/// n-gram model brings tables that draw a token in O(order), any other model the rows that its scorer
/// keeps.
public protocol ChainModel: LanguageModel {
  /// The model's texts under an automaton.
  associatedtype Target: TextTarget
  where Target.Model == Self, Target.Constraint == TokenAutomaton
  /// Draws tokens by what stands left of them.
  associatedtype Left: BranchTokens where Left.Scorer == Target.Scorer
  /// Draws tokens by both sides.
  associatedtype Full: BranchTokens where Full.Scorer == Target.Scorer

  /// How probable each token is without context, linear; by token, positive where it is drawable.
  var unigramWeights: [Double] { get }

  /// The texts that a constraint allows.
  ///
  /// - Parameters:
  ///   - constraint: which texts; `nil` allows all.
  ///   - fluency: the exponent of the model's probability, positive and finite.
  /// - Returns: the target.
  func makeTarget(constraint: TokenAutomaton?, fluency: Double) -> Target

  /// Tokens by what stands left of them, made once for all chains.
  func makeLeftTokens() -> Left

  /// Tokens by both sides, made once for all chains.
  func makeFullTokens() -> Full
}

extension ChainModel where Target == PrefixTarget<Self, TokenAutomaton> {
  /// The texts that a constraint allows, scored by runs over changed suffixes.
  public func makeTarget(constraint: TokenAutomaton?, fluency: Double) -> Target {
    PrefixTarget(model: self, constraint: constraint, fluency: fluency)
  }
}

extension ChainModel
where
  Target == PrefixTarget<Self, TokenAutomaton>,
  Left == LeftConditionalTokens<PrefixScorer<Self, TokenAutomaton>>
{
  /// Tokens from the rows that a scorer keeps.
  public func makeLeftTokens() -> Left { LeftConditionalTokens() }
}

extension ChainModel
where
  Target == PrefixTarget<Self, TokenAutomaton>,
  Full == FullConditionalTokens<PrefixScorer<Self, TokenAutomaton>>
{
  /// Tokens by scoring the whole vocabulary.
  public func makeFullTokens() -> Full { FullConditionalTokens() }
}

extension NGramModel: ChainModel {
  /// The texts that a constraint allows, scored by the n-grams that an edit touches.
  public func makeTarget(
    constraint: TokenAutomaton?, fluency: Double
  ) -> SentenceTarget<NGramModel, TokenAutomaton> {
    SentenceTarget(model: self, constraint: constraint, fluency: fluency)
  }

  /// Tokens by descending the back-off levels.
  public func makeLeftTokens() -> NGramLeftTokens<TokenAutomaton> { NGramLeftTokens(self) }

  /// Tokens by classes that n-grams make.
  public func makeFullTokens() -> NGramFullTokens<TokenAutomaton> { NGramFullTokens(self) }
}
