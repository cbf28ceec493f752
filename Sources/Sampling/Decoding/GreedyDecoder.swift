// Licensed under the Apache License, Version 2.0.

/// Chooses the most probable token at each step, the lowest of equals.
///
/// ```swift
/// try GreedyDecoder().decode(model).text
/// ```
public struct GreedyDecoder: Sendable {
  /// The options that all decoders share.
  public let rules: DecodingRules

  /// Creates a decoder; by default of the unchanged model.
  ///
  /// - Throws: where a transform draws at random.
  public init(_ rules: DecodingRules = .plain) throws(DecodingError) {
    self.rules = try rules.withoutRandomTransforms("greedy decoding")
  }

  /// Decodes the text after a prompt.
  ///
  /// - Parameters:
  ///   - model: the model, which reads each token once.
  ///   - prompt: the beginning of the text.
  ///   - watch: is called with each token behind the prompt as soon as it is chosen.
  /// - Returns: the text; its `logDrawn` is 0.
  /// - Throws: `DecodingError` where no token is left, a logit is no number, or the constraint cannot
  ///   be met; and what the model throws.
  public func decode<Model: LanguageModel>(
    _ model: Model, after prompt: TokenSequence = [], watch: (Token) -> Void = { _ in }
  ) throws -> DecodedText {
    try decode(model, prompt, under: rules.opened, watch)
  }

  private func decode<Model: LanguageModel>(
    _ model: Model, _ prompt: TokenSequence, under constraint: some TokenConstraint,
    _ watch: (Token) -> Void
  ) throws -> DecodedText {
    var next = rules.makeNextTokens(for: model.vocabulary)
    var rows = NextRows(model)
    var decoding = try Decoding(&rows, after: prompt, under: constraint, rules)
    var choices = NoChoices()
    while true {
      decoding.closeIfDue(rules)
      if decoding.ending != nil { break }
      try decoding.read(&rows)
      try decoding.look(rows, &next, rules, using: &choices)
      next.normalize()
      let best = next.best
      let isEnd = next.isEnd(best.token)
      decoding.commit(rows, best.token, logProbability: best.logit, isEnd: isEnd, rules)
      if !isEnd { watch(best.token) }
    }
    return decoding.decoded(logDrawn: 0)
  }
}
