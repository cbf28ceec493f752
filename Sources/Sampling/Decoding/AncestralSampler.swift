// Licensed under the Apache License, Version 2.0.

/// Tokens drawn one after another from the model, as transforms change it.
///
/// **Keeps.** Without transforms and limit, finished texts are draws from the model; with them,
/// `logModel - logDrawn` is the logarithm of a draw's importance weight.
public struct AncestralSampler: Sendable {
  /// What it was told.
  public let rules: DecodingRules

  /// A sampler; by default of the model as it is.
  public init(_ rules: DecodingRules = .plain) { self.rules = rules }

  /// A text after a prompt.
  ///
  /// - Parameters:
  ///   - model: whose text.
  ///   - prompt: what it begins with.
  ///   - choices: what draws.
  ///   - watch: is told each token behind the prompt as soon as it is drawn.
  /// - Returns: the text; its `logDrawn` is that of the tokens drawn. Where a transform draws too,
  ///   it is the probability given what that transform drew.
  /// - Throws: where no token is left, a logit is no number, or the constraint cannot be met.
  public func draw<Model: FiniteContextModel>(
    from model: Model, after prompt: TokenSequence = [], using choices: inout some ChoiceSource,
    watch: (Token) -> Void = { _ in }
  ) throws(DecodingError) -> DecodedText {
    var next = rules.makeNextTokens(for: model.vocabulary)
    var decoding = try Decoding(model, after: prompt, rules: rules)
    while true {
      decoding.closeIfDue(rules)
      if decoding.ending != nil { break }
      let drawn = try decoding.draw(model, &next, rules, using: &choices)
      let isEnd = next.isEnd(drawn.token)
      decoding.commit(
        model, drawn.token, logProbability: drawn.logProbability, isEnd: isEnd, rules)
      if !isEnd { watch(drawn.token) }
    }
    return decoding.decoded(logDrawn: decoding.logDrawn)
  }
}
