// Licensed under the Apache License, Version 2.0.

/// Replaces the token at a uniform place by one from a masked model's conditional.
///
/// The conditional does not depend on the token replaced, so both ways look up the same numbers,
/// and `MetropolisHastings(ReplaceMaskedToken(model))` keeps the target of its scorer.
public struct ReplaceMaskedToken<Model: MaskedLanguageModel, Scorer: Sampling.Scorer>: Proposal
where Scorer.State == TokenSequence {
  /// The masked model whose conditionals are used.
  public let model: Model

  /// Creates a proposal from a masked model.
  public init(_ model: Model) { self.model = model }

  /// The only kind of move, `replace-masked`.
  public var kinds: [String] { ["replace-masked"] }

  /// Draws a move; the state stays if the text is empty or no token can stand at the place.
  public func propose(
    from scorer: Scorer, using choices: inout some ChoiceSource
  ) -> Move<TokenSequence.Edit?> {
    let text = scorer.state
    guard text.count > 0 else { return Move(nil, logForward: 0, logBackward: 0) }
    let place = choices.index(below: text.count)
    guard let drawn = model.draw(at: place, in: text, using: &choices) else {
      return Move(nil, logForward: 0, logBackward: 0)
    }
    return Move(
      .replace(place, drawn.token), logForward: drawn.logs[drawn.token.index],
      logBackward: drawn.logs[text[place].index])
  }
}
