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
  /// The kind of source of the model's own tokens.
  associatedtype Source: TokenSource = VectorTokens<Self> where Source.Model == Self
  /// The kind of tokens that are steered towards what a constraint asks for.
  associatedtype Guided: ProportionalTokens = TwistedTokens<Target>
  where Guided.Target == Target

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

  /// Makes a source of the model's own tokens, of which the tokens given the left are a part.
  func makeTokenSource(_ left: Left) -> Source

  /// Makes tokens for a target that are steered by what can still become an allowed text.
  ///
  /// - Parameters:
  ///   - target: the target, whose constraint is that of the look-ahead.
  ///   - lookAhead: the mass that is expected behind a state of the constraint.
  ///   - bigrams: the same behind a state and a last token, if that was computed.
  ///   - source: draws the model's tokens.
  /// - Returns: the proposal.
  func makeGuidedTokens(
    for target: Target, _ lookAhead: AutomatonLookAhead, bigrams: BigramLookAhead?, source: Source
  ) -> Guided

  /// The log of how much the probabilities along a text exceed 1 in sum, as the product of all sums
  /// that do.
  ///
  /// It is 0 for models that normalise. Probabilities that were rounded or edited may add up to more.
  func logExcess(of text: TokenSequence, by source: Source) -> Double
}

extension ChainModel {
  /// Returns 0: the model normalises.
  public func logExcess(of text: TokenSequence, by source: Source) -> Double { 0 }
}

extension ChainModel where Source == VectorTokens<Self> {
  /// Makes a source that draws from the row of all probabilities.
  public func makeTokenSource(_ left: Left) -> Source { VectorTokens(self) }
}

extension ChainModel where Guided == TwistedTokens<Target> {
  /// Makes tokens that are drawn from the row of all probabilities times what is expected behind.
  public func makeGuidedTokens(
    for target: Target, _ lookAhead: AutomatonLookAhead, bigrams: BigramLookAhead?, source: Source
  ) -> Guided {
    TwistedTokens(target, lookAhead, bigrams: bigrams)
  }
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

  /// Makes a source that descends the back-off levels, the end and the unknown token among them.
  public func makeTokenSource(_ left: NGramLeftTokens<TokenAutomaton>) -> NGramTokens {
    NGramTokens(left)
  }

  /// Makes tokens that are steered by the last token where that was computed.
  public func makeGuidedTokens(
    for target: SentenceTarget<NGramModel, TokenAutomaton>, _ lookAhead: AutomatonLookAhead,
    bigrams: BigramLookAhead?, source: NGramTokens
  ) -> SteeredTokens {
    SteeredTokens(
      words: NGramGuidedTokens(target, lookAhead, source: source),
      bigrams: bigrams.map { BigramGuidedTokens(target, $0) })
  }

  /// Adds up the sums of a context's probabilities that exceed 1.
  public func logExcess(of text: TokenSequence, by source: NGramTokens) -> Double {
    var context = makeContext()
    var excess = max(0, source.logSum(in: context))
    for token in text {
      advance(&context, by: token)
      excess += max(0, source.logSum(in: context))
    }
    return excess
  }
}
