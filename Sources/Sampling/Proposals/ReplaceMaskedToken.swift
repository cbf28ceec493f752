// Licensed under the Apache License, Version 2.0.

/// A token at a place drawn equally, replaced by one that a masked model expects there.
///
/// What is expected does not depend on the token replaced, so both ways look up the same numbers, and
/// `MetropolisHastings(ReplaceMaskedToken(model))` keeps whatever target it is put to.
public struct ReplaceMaskedToken<Model: MaskedLanguageModel, Scorer: Sampling.Scorer>: Proposal
where Scorer.State == TokenSequence {
  /// Whose conditionals.
  public let model: Model

  /// Replacements by a model.
  public init(_ model: Model) { self.model = model }

  /// `replace-masked`.
  public var kinds: [String] { ["replace-masked"] }

  /// A move; none for the empty text or where no token can stand at the place.
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
