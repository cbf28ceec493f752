// Licensed under the Apache License, Version 2.0.

/// Rewrites the end of a text from a uniform place on: a move of any length.
///
/// New tokens come from ``ProportionalTokens``, so the proposed text is allowed and ends by itself.
/// The move holds the probabilities of both endings, including the end symbol, and the number of
/// places on both sides. With it, the model itself proposes for powers of the model (`fluency`
/// above 1). Texts with more tokens than the look-ahead allows stay as they are.
///
/// **Assumes** that the scorer's model is the tokens' model, unless that reads directly.
/// Reference: Karan and Du 2025, "Reasoning with sampling", whose blocks have a fixed length.
public struct ResampleSuffix<Tokens: ProportionalTokens, Scorer: TextScorer>: Proposal {
  /// The source of the new tokens.
  public let tokens: Tokens

  /// Creates a proposal; the tokens' constraint must be the scorer's.
  public init(_ tokens: Tokens) { self.tokens = tokens }

  /// The only kind of move, `suffix`.
  public var kinds: [String] { ["suffix"] }

  /// Draws a uniform place, the end included, and the tokens that follow it.
  ///
  /// - Complexity: a draw and two look-ups of its probability per new token, one look-up per old
  ///   token. If the model needs batches: one per new token; the scorer has the rows of the old
  ///   ones.
  public func propose(
    from scorer: Scorer,
    using choices: inout some ChoiceSource
  ) -> Move<TokenSequence.Edit?> {
    let staying = Move<TokenSequence.Edit?>(nil, logForward: 0, logBackward: 0)
    let count = scorer.count
    let model = tokens.target.model
    let constraint = tokens.lookAhead.constraint
    guard count <= tokens.lookAhead.mostTokens, var prefix = try? tokens.makePrefix() else {
      return staying
    }
    let low = choices.index(below: count + 1)
    for place in 0..<low { prefix.append(scorer.token(at: place), model, constraint) }
    var old = prefix
    var logOld = 0.0
    for place in low...count {
      if !model.readsDirectly { old.row = scorer.nextTokenLogProbabilities(before: place)[...] }
      let token = place == count ? model.vocabulary.end : scorer.token(at: place)
      logOld += tokens.logProbability(of: token, after: old)
      // An ending that cannot be proposed cannot be restored either.
      guard logOld > -.infinity else { return staying }
      if place < count { old.append(token, model, constraint) }
    }
    var logNew = 0.0
    var branch = scorer.branch(before: low)
    while true {
      if !model.readsDirectly {
        prefix.row =
          prefix.tokens.count == low
          ? scorer.nextTokenLogProbabilities(before: low)[...]
          : scorer.nextTokenLogProbabilities(after: branch)[...]
      }
      guard let drawn = tokens.draw(after: prefix, using: &choices) else { return staying }
      logNew += tokens.logProbability(of: drawn.token, after: prefix)
      if drawn.token == model.vocabulary.end { break }
      prefix.append(drawn.token, model, constraint)
      if !model.readsDirectly { scorer.append(drawn.token, to: &branch) }
    }
    return Move(
      .rewrite(low..<count, Array(prefix.tokens[low...])),
      logForward: logNew - LogSpace.log(Double(count + 1)),
      logBackward: logOld - LogSpace.log(Double(prefix.tokens.count + 1)))
  }
}
