// Licensed under the Apache License, Version 2.0.

public import Sampling

/// Tokens of an n-gram model that are steered by a look-ahead that knows the last token, or else by
/// one that knows the constraint's state alone.
public struct SteeredTokens: ProportionalTokens {
  /// Steers by the state alone.
  public let words: NGramGuidedTokens
  /// Steers by the state and the last token; `nil` if that was not computed.
  public let bigrams: BigramGuidedTokens<NGramModel>?

  /// Tokens that prefer the second proposal, if there is one.
  public init(words: NGramGuidedTokens, bigrams: BigramGuidedTokens<NGramModel>?) {
    self.words = words
    self.bigrams = bigrams
  }

  /// The target that texts are sampled from.
  public var target: SentenceTarget<NGramModel, TokenAutomaton> { words.target }
  /// Which texts can still become allowed ones.
  public var lookAhead: AutomatonLookAhead { words.lookAhead }

  /// The log of the mass that is expected behind a prefix.
  public func logExpectation(after prefix: Prefix<NGramModel, TokenAutomaton>) -> Double {
    bigrams?.logExpectation(after: prefix) ?? words.logExpectation(after: prefix)
  }

  /// Draws a token with its log weight.
  public func draw(
    after prefix: Prefix<NGramModel, TokenAutomaton>, using choices: inout some ChoiceSource
  ) -> (token: Token, logWeight: Double)? {
    guard let bigrams else { return words.draw(after: prefix, using: &choices) }
    return bigrams.draw(after: prefix, using: &choices)
  }

  /// Natural log of the probability with which a token is drawn.
  public func logProbability(
    of token: Token, after prefix: Prefix<NGramModel, TokenAutomaton>
  ) -> Double {
    bigrams?.logProbability(of: token, after: prefix)
      ?? words.logProbability(of: token, after: prefix)
  }
}
