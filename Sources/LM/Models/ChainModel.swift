// Licensed under the Apache License, Version 2.0.

public import Sampling

/// A model that chains can run on: it makes targets, and sources of tokens for moves.
///
/// The code that runs chains is generic over it, so a run is specialised for its model. An n-gram
/// model has tables that draw a token in O(order); any other model uses the rows that its scorer
/// keeps.
public protocol ChainModel: LanguageModel {
  /// The kind of target that the model makes from an automaton.
  associatedtype Target: TextTarget
  where Target.Model == Self, Target.Constraint == TokenAutomaton
  /// The kind of token source given the text on the left.
  associatedtype Left: BranchTokens where Left.Scorer == Target.Scorer
  /// The kind of token source given both sides.
  associatedtype Full: BranchTokens where Full.Scorer == Target.Scorer

  /// The linear probability of each token without context; positive for drawable tokens.
  var unigramWeights: [Double] { get }

  /// Makes the target of the texts that a constraint allows.
  ///
  /// - Parameters:
  ///   - constraint: the constraint on texts; `nil` allows all.
  ///   - fluency: the exponent of the model's probability, positive and finite.
  /// - Returns: the target.
  func makeTarget(constraint: TokenAutomaton?, fluency: Double) -> Target

  /// Makes a source of tokens given the text on the left; one serves all chains.
  func makeLeftTokens() -> Left

  /// Makes a source of tokens given both sides; one serves all chains.
  func makeFullTokens() -> Full
}

extension ChainModel where Target == PrefixTarget<Self, TokenAutomaton> {
  /// Makes a target that is scored by runs over changed suffixes.
  public func makeTarget(constraint: TokenAutomaton?, fluency: Double) -> Target {
    PrefixTarget(model: self, constraint: constraint, fluency: fluency)
  }
}

extension ChainModel
where
  Target == PrefixTarget<Self, TokenAutomaton>,
  Left == LeftConditionalTokens<PrefixScorer<Self, TokenAutomaton>>
{
  /// Makes a source that draws from the rows that a scorer keeps.
  public func makeLeftTokens() -> Left { LeftConditionalTokens() }
}

extension ChainModel
where
  Target == PrefixTarget<Self, TokenAutomaton>,
  Full == FullConditionalTokens<PrefixScorer<Self, TokenAutomaton>>
{
  /// Makes a source that scores the whole vocabulary.
  public func makeFullTokens() -> Full { FullConditionalTokens() }
}

extension NGramModel: ChainModel {
  /// Makes a target that is scored by the n-grams that an edit touches.
  public func makeTarget(
    constraint: TokenAutomaton?, fluency: Double
  ) -> SentenceTarget<NGramModel, TokenAutomaton> {
    SentenceTarget(model: self, constraint: constraint, fluency: fluency)
  }

  /// Makes a source that descends the back-off levels.
  public func makeLeftTokens() -> NGramLeftTokens<TokenAutomaton> { NGramLeftTokens(self) }

  /// Makes a source that groups tokens by the model's n-grams.
  public func makeFullTokens() -> NGramFullTokens<TokenAutomaton> { NGramFullTokens(self) }
}
