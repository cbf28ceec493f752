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
  /// The tokens.
  var vocabulary: Vocabulary { get }

  /// On how many tokens to each side a conditional can depend; `Int.max` where there is no limit.
  var reach: Int { get }

  /// Natural log-probabilities of all tokens at a place, given the others.
  ///
  /// - Parameters:
  ///   - place: in 0 ..< count.
  ///   - text: the others; what stands at the place is not looked at.
  /// - Returns: one number a token, minus infinity for tokens that are never drawn.
  func logProbabilities(at place: Int, in text: TokenSequence) -> [Double]
}

extension MaskedLanguageModel {
  /// No limit.
  public var reach: Int { .max }

  /// A token as the model expects it at a place, and the log-probabilities of all.
  ///
  /// - Returns: `nil` where no token can stand at the place.
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

/// A masked model of two that read from both ends: one from left to right, one from right to left.
///
/// The probability of a word at a place is in proportion to p(word | left) q(word | right) / u(word):
/// what is right if left and right tell nothing of each other once the word is known. They do, so
/// that the conditionals of different places belong to no common distribution: a masked model as
/// networks are, without a network.
///
/// ```swift
/// let masked = BidirectionalModel(forward: model, backward: reversed, weights: model.unigramWeights)
/// ```
public struct BidirectionalModel<Forward: FiniteContextModel, Backward: FiniteContextModel>:
  MaskedLanguageModel
{
  /// Reads what stands left of a place.
  public let forward: Forward
  /// Reads what stands right of it, from the end of the text.
  public let backward: Backward
  private let logWeights: [Double]

  /// A model of two.
  ///
  /// - Parameters:
  ///   - forward: a model of texts.
  ///   - backward: a model of reversed texts, in the same tokens.
  ///   - weights: u, by token: how probable a word is without context; positive where it is drawable.
  public init(forward: Forward, backward: Backward, weights: [Double]) {
    let count = forward.vocabulary.count
    precondition(backward.vocabulary.count == count, "both models speak in the same tokens")
    precondition(weights.count == count, "one weight a token")
    self.forward = forward
    self.backward = backward
    logWeights = weights.map { LogSpace.log($0) }
  }

  /// The tokens.
  public var vocabulary: Vocabulary { forward.vocabulary }

  /// The longer of both contexts.
  public var reach: Int { max(forward.contextLimit, backward.contextLimit) }

  /// What both sides say, normalised over the words that can be drawn.
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
