// Licensed under the Apache License, Version 2.0.

public import Sampling

/// Draws an n-gram model's tokens by descending its back-off levels.
///
/// It is the fast form of `VectorTokens`.
public struct NGramTokens: TokenSource {
  /// The source of drawable tokens.
  public let words: NGramLeftTokens<TokenAutomaton>

  /// Creates a source from a model's left conditional.
  public init(_ words: NGramLeftTokens<TokenAutomaton>) { self.words = words }

  /// The model that gives the probabilities.
  public var model: NGramModel { words.model }

  /// Natural log of the sum of the probabilities of all tokens in a context.
  public func logSum(in context: NGramContext) -> Double {
    let vocabulary = model.vocabulary
    let specials = [vocabulary.end, vocabulary.unknown].compactMap { $0 }
    return LogSpace.sum(
      [words.logSum(of: context)] + specials.map { model.logProbability(of: $0, in: context) })
  }

  /// Draws a token to follow a prefix.
  ///
  /// - Complexity: O(order).
  @inlinable
  public func draw<Constraint: TokenConstraint>(
    after prefix: Prefix<NGramModel, Constraint>, using choices: inout some ChoiceSource
  ) -> DrawnToken { draw(in: prefix.context, using: &choices) }

  /// Draws a token after a context.
  ///
  /// The first choice is whether it is the end, the unknown token or a drawable one.
  ///
  /// - Complexity: O(order).
  @inlinable
  public func draw(
    in context: NGramContext, using choices: inout some ChoiceSource
  ) -> DrawnToken {
    let vocabulary = model.vocabulary
    let end = model.logProbability(of: vocabulary.end, in: context)
    let unknown = vocabulary.unknown.map { model.logProbability(of: $0, in: context) } ?? -.infinity
    let drawable = words.logSum(of: context)
    let weights = [LogSpace.exp(drawable), LogSpace.exp(end), LogSpace.exp(unknown)]
    let logSum = LogSpace.log(weights[0] + weights[1] + weights[2])
    switch choices.index(weights: weights) {
    case 1: return DrawnToken(vocabulary.end, logProbability: end, logSum: logSum)
    case 2:
      return DrawnToken(
        vocabulary.unknown ?? vocabulary.end, logProbability: unknown, logSum: logSum)
    default:
      let word = words.draw(in: context, using: &choices)
      return DrawnToken(
        word.token, logProbability: word.logProbability + drawable, logSum: logSum)
    }
  }
}
