// Licensed under the Apache License, Version 2.0.

/// A model that speaks in the tokens of another one's vocabulary, told apart by their spelling.
///
/// Tokens without a counterpart have probability 0 and, where the model knows no unknown word, leave
/// its context as it is. Probabilities sum to less than one by what the model gives to tokens that
/// the other vocabulary lacks: a draft for ``SpeculativeDecoder``, not a distribution of texts.
public struct RespelledModel<Base: FiniteContextModel>: FiniteContextModel {
  /// The tokens that it speaks in.
  public let vocabulary: Vocabulary
  /// The model.
  public let base: Base
  private let counterparts: [Token?]

  /// A model in the tokens of a vocabulary.
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

  /// How many tokens besides start, end and unknown word have a counterpart.
  public var sharedCount: Int {
    counterparts.indices.count { vocabulary.isDrawable(Token($0)) && counterparts[$0] != nil }
  }

  /// The model's.
  public var contextLimit: Int { base.contextLimit }
  /// The model's.
  public var logProbabilityCeiling: Double { base.logProbabilityCeiling }

  /// The model's.
  public func makeContext() -> Base.Context { base.makeContext() }

  /// Appends the counterpart, or the unknown word.
  public func advance(_ context: inout Base.Context, by token: Token) {
    if let known = counterparts[token.index] ?? base.vocabulary.unknown {
      base.advance(&context, by: known)
    }
  }

  /// The counterpart's; minus infinity without one.
  public func logProbability(of token: Token, in context: Base.Context) -> Double {
    counterparts[token.index].map { base.logProbability(of: $0, in: context) } ?? -.infinity
  }

  /// The counterparts', minus infinity without one.
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
