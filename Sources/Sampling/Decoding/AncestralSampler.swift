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
  /// - Returns: the text; its `logDrawn` is that of the tokens drawn. Where a transform draws too,
  ///   it is the probability given what that transform drew.
  /// - Throws: where no token is left, or a logit is no number.
  public func draw<Model: LanguageModel>(
    from model: Model, after prompt: TokenSequence = [], using choices: inout some ChoiceSource
  ) throws(DecodingError) -> DecodedText {
    var next = rules.makeNextTokens(for: model.vocabulary)
    var decoding = try Decoding(model, after: prompt, chain: rules.transforms)
    while decoding.end == nil, decoding.count < rules.maxTokens {
      try decoding.look(model, &next, using: &choices)
      let drawn = next.draw(using: &choices)
      decoding.commit(
        model, drawn.token, logProbability: drawn.logProbability, isEnd: next.isEnd(drawn.token))
    }
    return decoding.decoded(logDrawn: decoding.logTransformed)
  }
}
