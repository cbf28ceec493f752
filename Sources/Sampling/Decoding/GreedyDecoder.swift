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
  ///   - watch: is told each token behind the prompt as soon as it is chosen.
  /// - Returns: the text; its `logDrawn` is 0.
  /// - Throws: where no token is left, a logit is no number, or the constraint cannot be met.
  public func decode<Model: FiniteContextModel>(
    _ model: Model, after prompt: TokenSequence = [], watch: (Token) -> Void = { _ in }
  ) throws(DecodingError) -> DecodedText {
    var next = rules.makeNextTokens(for: model.vocabulary)
    var decoding = try Decoding(model, after: prompt, rules: rules)
    var choices = NoChoices()
    while true {
      decoding.closeIfDue(rules)
      if decoding.ending != nil { break }
      try decoding.look(model, &next, rules, using: &choices)
      next.normalize()
      let best = next.best
      let isEnd = next.isEnd(best.token)
      decoding.commit(model, best.token, logProbability: best.logit, isEnd: isEnd, rules)
      if !isEnd { watch(best.token) }
    }
    return decoding.decoded(logDrawn: 0)
  }
}
