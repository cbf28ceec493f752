// Licensed under the Apache License, Version 2.0.

/// Probabilities of the token at a place given all others.
///
/// Nothing says that these conditionals belong to one distribution over texts, and those of trained
/// networks do not. So there are two ways to sample with them: ``PseudoGibbs``, which has some
/// stationary law that nobody wrote down, and ``MetropolisHastings`` with ``ReplaceMaskedToken``
/// against a target that is declared, such as ``MaskedEnergy``.
///
/// Laws: the probabilities do not depend on the token that stands at the place, nor on tokens
/// farther away than ``reach``.
public protocol MaskedLanguageModel: Sendable {
  /// The tokens that the model knows.
  var vocabulary: Vocabulary { get }

  /// How many tokens on each side a conditional can depend on; `Int.max` if there is no limit.
  var reach: Int { get }

  /// Natural log-probabilities of all tokens at a place, given the others.
  ///
  /// - Parameters:
  ///   - place: in 0 ..< count.
  ///   - text: the whole text; the token at the place is ignored.
  /// - Returns: one number per token; minus infinity for tokens that are never drawn.
  func logProbabilities(at place: Int, in text: TokenSequence) -> [Double]

  /// The same at several places of one text, each given all others; a network answers in one batch.
  func logProbabilities(at places: [Int], in text: TokenSequence) -> [[Double]]

  /// The error that kept the model from answering, such as weights that give no number.
  ///
  /// Where it failed, no token has a positive probability.
  var failure: (any Error)? { get }
}

extension MaskedLanguageModel {
  /// Returns `Int.max`: no limit.
  public var reach: Int { .max }

  /// Returns `nil`: most models cannot fail.
  public var failure: (any Error)? { nil }

  /// Asks for one place after another.
  public func logProbabilities(at places: [Int], in text: TokenSequence) -> [[Double]] {
    places.map { logProbabilities(at: $0, in: text) }
  }

  /// Draws a token for a place from the model's conditional.
  ///
  /// - Returns: the token and the log-probabilities of all tokens; `nil` if no token can stand
  ///   there.
  func draw(
    at place: Int, in text: TokenSequence, using choices: inout some ChoiceSource
  ) -> (token: Token, logs: [Double])? {
    let logs = logProbabilities(at: place, in: text)
    precondition(logs.count == vocabulary.count, "one log-probability a token")
    let most = logs.max() ?? -.infinity
    guard most > -.infinity else { return nil }
    return (Token(choices.index(weights: logs.map { LogSpace.exp($0 - most) })), logs)
  }
}

/// A masked model made of two models: one reads from left to right, one from right to left.
///
/// The probability of a token at a place is proportional to p(token | left) q(token | right) /
/// u(token). This is exact if left and right are independent given the token. They are not, so the
/// conditionals of different places belong to no common distribution. The model is like a masked
/// network, without a network.
///
/// ```swift
/// let masked = BidirectionalModel(forward: model, backward: reversed, weights: model.unigramWeights)
/// ```
public struct BidirectionalModel<Forward: FiniteContextModel, Backward: FiniteContextModel>:
  MaskedLanguageModel
{
  /// The model that reads the text left of a place.
  public let forward: Forward
  /// The model that reads the text right of a place, starting from the end.
  public let backward: Backward
  private let logWeights: [Double]

  /// Combines two models over the same tokens.
  ///
  /// - Parameters:
  ///   - forward: a model of texts.
  ///   - backward: a model of reversed texts, in the same tokens.
  ///   - weights: u, the probability of each token without context; positive for drawable tokens.
  public init(forward: Forward, backward: Backward, weights: [Double]) {
    let count = forward.vocabulary.count
    precondition(backward.vocabulary.count == count, "both models speak in the same tokens")
    precondition(weights.count == count, "one weight a token")
    self.forward = forward
    self.backward = backward
    logWeights = weights.map { LogSpace.log($0) }
  }

  /// The tokens that both models know.
  public var vocabulary: Vocabulary { forward.vocabulary }

  /// The longer of the two contexts.
  public var reach: Int { max(forward.contextLimit, backward.contextLimit) }

  /// The product of both conditionals, normalised over the drawable tokens.
  ///
  /// - Complexity: O(vocabulary).
  public func logProbabilities(at place: Int, in text: TokenSequence) -> [Double] {
    var left = forward.makeContext()
    for i in max(0, place - min(place, forward.contextLimit))..<place {
      forward.advance(&left, by: text[i])
    }
    var right = backward.makeContext()
    let behind = text.count - place - 1
    for i in (place + 1..<place + 1 + min(behind, backward.contextLimit)).reversed() {
      backward.advance(&right, by: text[i])
    }
    var logs = forward.logProbabilities(in: left)
    let others = backward.logProbabilities(in: right)
    for i in logs.indices {
      logs[i] =
        vocabulary.isDrawable(Token(i)) && logWeights[i] > -.infinity
        ? logs[i] + others[i] - logWeights[i] : -.infinity
    }
    let sum = LogSpace.sum(logs)
    guard sum > -.infinity else { return logs }
    for i in logs.indices { logs[i] -= sum }
    return logs
  }
}
