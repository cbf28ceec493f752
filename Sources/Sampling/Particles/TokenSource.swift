// Licensed under the Apache License, Version 2.0.

/// A token that a ``TokenSource`` drew.
public struct DrawnToken: Hashable, Sendable {
  /// The token that was drawn.
  public var token: Token
  /// Natural log of the probability that the model gives it.
  public var logProbability: Double
  /// Natural log of the sum of the model's probabilities of all tokens.
  ///
  /// It is 0, except for models whose probabilities were quantised, pruned or come from elsewhere.
  /// The token was drawn with its probability divided by this sum.
  public var logSum: Double

  /// Creates a drawn token from its figures.
  public init(_ token: Token, logProbability: Double, logSum: Double) {
    self.token = token
    self.logProbability = logProbability
    self.logSum = logSum
  }
}

/// Draws next tokens from the model alone; the end symbol and the unknown token are among them.
///
/// Law: a token is drawn in proportion to the probability that the model gives it.
public protocol TokenSource<Model>: Sendable {
  /// The model that gives the probabilities.
  associatedtype Model: LanguageModel
  /// The model that gives the probabilities.
  var model: Model { get }

  /// A token to follow a prefix.
  ///
  /// - Precondition: the model reads directly, or the prefix was read.
  func draw<Constraint: TokenConstraint>(
    after prefix: Prefix<Model, Constraint>, using choices: inout some ChoiceSource
  ) -> DrawnToken
}

/// Tokens drawn from the row of all probabilities: for any model, and the oracle of fast sources.
public struct VectorTokens<Model: LanguageModel>: TokenSource {
  /// The model that gives the probabilities.
  public let model: Model

  /// Draws from a model's rows.
  public init(_ model: Model) { self.model = model }

  /// A token in proportion to its place in the row.
  ///
  /// - Complexity: O(vocabulary).
  public func draw<Constraint: TokenConstraint>(
    after prefix: Prefix<Model, Constraint>, using choices: inout some ChoiceSource
  ) -> DrawnToken {
    let logs = prefix.logProbabilities(by: model)
    let weights = logs.map(LogSpace.exp)
    let index = choices.index(weights: weights)
    return DrawnToken(
      Token(index), logProbability: logs[index], logSum: LogSpace.log(weights.reduce(0, +)))
  }
}
