// Licensed under the Apache License, Version 2.0.

/// Draws one token after another from the model's distribution, changed by transforms.
///
/// **Keeps.** Without transforms and limit, finished texts are draws from the model. With them,
/// `logModel - logDrawn` is the logarithm of a draw's importance weight.
///
/// **Cost.** A batch for the prompt, then one batch for each token. ``draw(from:after:using:)`` draws
/// many texts in as many batches as the longest one needs.
public struct AncestralSampler: Sendable {
  /// The options that all decoders share.
  public let rules: DecodingRules

  /// Creates a sampler; by default it draws from the unchanged model.
  public init(_ rules: DecodingRules = .plain) { self.rules = rules }

  /// Draws one text after a prompt.
  ///
  /// - Parameters:
  ///   - model: the model.
  ///   - prompt: the beginning of the text.
  ///   - choices: what draws.
  ///   - watch: is called with each token behind the prompt as soon as it is drawn.
  /// - Returns: the text; its `logDrawn` is that of the tokens drawn. Where a transform draws too,
  ///   it is the probability given what that transform drew.
  /// - Throws: `DecodingError` where no token is left, a logit is no number, or the constraint cannot
  ///   be met; and what the model throws.
  public func draw<Model: LanguageModel>(
    from model: Model, after prompt: TokenSequence = [], using choices: inout some ChoiceSource,
    watch: (Token) -> Void = { _ in }
  ) throws -> DecodedText {
    var sources = [choices]
    // What was drawn is gone, also where something throws.
    defer { choices = sources[0] }
    return try draw(1, model, prompt, under: rules.opened, using: &sources, watch)[0]
  }

  /// Draws a text from each of some sources of choices, all of them in one batch a step.
  ///
  /// Each text is the one that ``draw(from:after:using:watch:)`` draws with its source alone.
  ///
  /// - Parameters:
  ///   - model: the model.
  ///   - prompt: the beginning of all texts.
  ///   - choices: one source for each text.
  /// - Returns: the texts in the order of their sources.
  /// - Throws: as the other form, at the first text that fails.
  public func draw<Model: LanguageModel>(
    from model: Model, after prompt: TokenSequence = [], using choices: inout [some ChoiceSource]
  ) throws -> [DecodedText] {
    try draw(choices.count, model, prompt, under: rules.opened, using: &choices)
  }

  /// Draws texts from one source of choices, all of them in one batch a step.
  func draw<Model: LanguageModel>(
    _ count: Int, from model: Model, after prompt: TokenSequence,
    using choices: inout some ChoiceSource
  ) throws -> [DecodedText] {
    var sources = [choices]
    defer { choices = sources[0] }
    return try draw(count, model, prompt, under: rules.opened, using: &sources)
  }

  /// Draws texts; one source serves them all, or each has its own.
  private func draw<Model: LanguageModel>(
    _ count: Int, _ model: Model, _ prompt: TokenSequence, under constraint: some TokenConstraint,
    using choices: inout [some ChoiceSource], _ watch: (Token) -> Void = { _ in }
  ) throws -> [DecodedText] {
    guard count > 0 else { return [] }
    var next = rules.makeNextTokens(for: model.vocabulary)
    var rows = NextRows(model)
    var texts = [
      try Decoding(&rows, after: prompt, under: constraint, rules)
    ]
    while texts.count < count { texts.append(texts[0]) }
    while true {
      for i in texts.indices { texts[i].closeIfDue(rules) }
      let open = texts.indices.filter { texts[$0].ending == nil }
      if open.isEmpty { break }
      try Decoding.read(&texts, open, &rows)
      for i in open {
        let source = choices.count == 1 ? 0 : i
        let drawn = try texts[i].draw(rows, &next, rules, using: &choices[source])
        let isEnd = next.isEnd(drawn.token)
        texts[i].commit(
          rows, drawn.token, logProbability: drawn.logProbability, isEnd: isEnd, rules)
        if !isEnd { watch(drawn.token) }
      }
    }
    return texts.map { $0.decoded(logDrawn: $0.logDrawn) }
  }
}
