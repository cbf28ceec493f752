// Licensed under the Apache License, Version 2.0.

/// The most probable token at each step, the lowest of equals.
///
/// ```swift
/// try GreedyDecoder().decode(model).text
/// ```
public struct GreedyDecoder: Sendable {
  /// What it was told.
  public let rules: DecodingRules

  /// A decoder; by default of the model as it is.
  ///
  /// - Throws: where a transform draws at random.
  public init(_ rules: DecodingRules = .plain) throws(DecodingError) {
    self.rules = try rules.withoutRandomTransforms("greedy decoding")
  }

  /// The text after a prompt.
  ///
  /// - Parameters:
  ///   - model: whose text.
  ///   - prompt: what it begins with.
  /// - Returns: the text; its `logDrawn` is 0.
  /// - Throws: where no token is left, or a logit is no number.
  public func decode<Model: LanguageModel>(
    _ model: Model, after prompt: TokenSequence = []
  ) throws(DecodingError) -> DecodedText {
    var next = rules.makeNextTokens(for: model.vocabulary)
    var decoding = try Decoding(model, after: prompt, chain: rules.transforms)
    var choices = NoChoices()
    while decoding.end == nil, decoding.count < rules.maxTokens {
      try decoding.look(model, &next, using: &choices)
      next.normalize()
      let best = next.best
      decoding.commit(
        model, best.token, logProbability: best.logit, isEnd: next.isEnd(best.token))
    }
    return decoding.decoded(logDrawn: 0)
  }
}
