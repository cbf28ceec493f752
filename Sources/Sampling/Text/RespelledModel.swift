// Licensed under the Apache License, Version 2.0.

/// A model translated into the tokens of another vocabulary, matched by their spelling.
///
/// Tokens without a counterpart have probability 0. If the model has no unknown token, they leave
/// its context as it is. Probabilities sum to less than one, because the model gives some to tokens
/// that the other vocabulary lacks. So it serves as a draft for ``SpeculativeDecoder``, not as a
/// distribution over texts.
public struct RespelledModel<Base: FiniteContextModel>: FiniteContextModel {
  /// The vocabulary that the model is translated into.
  public let vocabulary: Vocabulary
  /// The model with its own vocabulary.
  public let base: Base
  private let counterparts: [Token?]

  /// Translates a model into a vocabulary.
  public init(_ base: Base, in vocabulary: Vocabulary) {
    self.base = base
    self.vocabulary = vocabulary
    counterparts = (0..<vocabulary.count).map { index in
      let token = Token(index)
      if token == vocabulary.start { return nil }
      if token == vocabulary.end { return base.vocabulary.end }
      if token == vocabulary.unknown { return base.vocabulary.unknown }
      let found = base.vocabulary.token(spelled: vocabulary.bytes(of: token))
      return found.flatMap { base.vocabulary.isDrawable($0) ? $0 : nil }
    }
  }

  /// The number of tokens with a counterpart, besides start, end and unknown.
  public var sharedCount: Int {
    counterparts.indices.count { vocabulary.isDrawable(Token($0)) && counterparts[$0] != nil }
  }

  /// The context limit of the base model.
  public var contextLimit: Int { base.contextLimit }
  /// The upper bound of the base model's log-probabilities.
  public var logProbabilityCeiling: Double { base.logProbabilityCeiling }

  /// The base model's context before the first token.
  public func makeContext() -> Base.Context { base.makeContext() }

  /// Advances the context by the token's counterpart, or by the unknown token.
  public func advance(_ context: inout Base.Context, by token: Token) {
    if let known = counterparts[token.index] ?? base.vocabulary.unknown {
      base.advance(&context, by: known)
    }
  }

  /// The log-probability of the token's counterpart; minus infinity if it has none.
  public func logProbability(of token: Token, in context: Base.Context) -> Double {
    counterparts[token.index].map { base.logProbability(of: $0, in: context) } ?? -.infinity
  }

  /// Writes the log-probabilities of all counterparts; minus infinity for tokens without one.
  public func logProbabilities(
    in context: Base.Context, into probabilities: inout MutableSpan<Double>
  ) {
    var row = [Double](repeating: -.infinity, count: base.vocabulary.count)
    var span = row.mutableSpan
    base.logProbabilities(in: context, into: &span)
    for i in probabilities.indices {
      probabilities[i] = counterparts[i].map { row[$0.index] } ?? -.infinity
    }
  }
}
