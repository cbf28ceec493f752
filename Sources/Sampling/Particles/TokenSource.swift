// Licensed under the Apache License, Version 2.0.

/// A token that a ``TokenSource`` drew.
public struct DrawnToken: Hashable, Sendable {
  /// The token.
  public var token: Token
  /// Natural log of the probability that the model gives it.
  public var logProbability: Double
  /// Natural log of the sum of what the model gives all tokens in the context.
  ///
  /// It is 0, but for models whose probabilities were quantised, pruned or come from elsewhere. The
  /// token was drawn with its probability over this sum.
  public var logSum: Double

  /// A drawn token.
  public init(_ token: Token, logProbability: Double, logSum: Double) {
    self.token = token
    self.logProbability = logProbability
    self.logSum = logSum
  }
}

/// Draws tokens as the model gives them, the end symbol and the unknown word among them.
///
/// Law: a token is drawn in proportion to the probability that the model gives it in the context.
public protocol TokenSource<Model>: Sendable {
  /// Whose tokens.
  associatedtype Model: FiniteContextModel
  /// Whose tokens.
  var model: Model { get }

  /// A token, and with what probability it was drawn.
  func draw(in context: Model.Context, using choices: inout some ChoiceSource) -> DrawnToken
}

/// Tokens drawn from the vector of all probabilities: for any model, and the oracle of fast forms.
public struct VectorTokens<Model: FiniteContextModel>: TokenSource {
  /// Whose tokens.
  public let model: Model

  /// Draws from a model's vectors.
  public init(_ model: Model) { self.model = model }

  /// A token, and with what probability it was drawn.
  ///
  /// - Complexity: O(vocabulary).
  public func draw(
    in context: Model.Context, using choices: inout some ChoiceSource
  ) -> DrawnToken {
    let logs = model.logProbabilities(in: context)
    let weights = logs.map(LogSpace.exp)
    let index = choices.index(weights: weights)
    return DrawnToken(
      Token(index), logProbability: logs[index], logSum: LogSpace.log(weights.reduce(0, +)))
  }
}

extension FiniteContextModel {
  /// Natural log-probabilities of all tokens, in an array of their own.
  @inlinable
  func logProbabilities(in context: Context) -> [Double] {
    var logs = [Double](repeating: 0, count: vocabulary.count)
    var span = logs.mutableSpan
    logProbabilities(in: context, into: &span)
    return logs
  }
}
