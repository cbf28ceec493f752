// Licensed under the Apache License, Version 2.0.

/// Another word at a place drawn equally among all; stays where the text is empty.
public struct ReplaceToken<Words: GapTokens>: Proposal {
  /// How the word is chosen.
  public let words: Words

  /// Replacement by words chosen so.
  public init(_ words: Words) { self.words = words }

  /// `replace`.
  public var kinds: [String] { ["replace"] }

  /// A place, then a word; the places' probabilities cancel.
  @inlinable
  public func propose(
    from scorer: IncrementalScorer<Words.Model, TokenAutomaton>,
    using choices: inout some ChoiceSource
  ) -> Move<TokenSequence.Edit?> {
    guard scorer.count > 0 else { return Move(nil, logForward: 0, logBackward: 0) }
    let place = choices.index(below: scorer.count)
    let gap = Gap(place, place + 1)
    guard let word = words.draw(for: gap, in: scorer, using: &choices) else {
      return Move(nil, logForward: 0, logBackward: 0)
    }
    return Move(
      .replace(place, word.token), logForward: word.logProbability,
      logBackward: words.logProbability(of: scorer.token(at: place), for: gap, in: scorer))
  }
}

/// A word more or a word less, with equal chances; together they are reversible.
///
/// An insertion draws one of count + 1 gaps, its undoing one of count + 1 places: these cancel, and
/// so do the equal chances. A deletion from the empty text stays.
public struct InsertOrDeleteToken<Words: GapTokens>: Proposal {
  /// How an inserted word is chosen.
  public let words: Words

  /// Insertion of words chosen so, and deletion.
  public init(_ words: Words) { self.words = words }

  /// `insert` and `delete`.
  public var kinds: [String] { ["insert", "delete"] }

  /// Which of the two, a gap or a place, and a word.
  @inlinable
  public func propose(
    from scorer: IncrementalScorer<Words.Model, TokenAutomaton>,
    using choices: inout some ChoiceSource
  ) -> Move<TokenSequence.Edit?> {
    let count = scorer.count
    if choices.index(below: 2) == 0 {
      let place = choices.index(below: count + 1)
      guard let word = words.draw(for: Gap(place, place), in: scorer, using: &choices) else {
        return Move(nil, logForward: 0, logBackward: 0, kind: 0)
      }
      return Move(
        .insert(place, word.token), logForward: word.logProbability, logBackward: 0, kind: 0)
    }
    guard count > 0 else { return Move(nil, logForward: 0, logBackward: 0, kind: 1) }
    let place = choices.index(below: count)
    return Move(
      .delete(place), logForward: 0,
      logBackward: words.logProbability(
        of: scorer.token(at: place), for: Gap(place, place + 1), in: scorer), kind: 1)
  }
}

/// Two words at places drawn equally among all pairs change places; symmetric.
public struct SwapTokens<Model: FiniteContextModel>: Proposal {
  /// The exchange of two words.
  public init() {}

  /// `swap`.
  public var kinds: [String] { ["swap"] }

  /// Two different places; stays in a text of fewer than two words.
  @inlinable
  public func propose(
    from scorer: IncrementalScorer<Model, TokenAutomaton>, using choices: inout some ChoiceSource
  ) -> Move<TokenSequence.Edit?> {
    let count = scorer.count
    guard count > 1 else { return Move(nil, logForward: 0, logBackward: 0) }
    let a = choices.index(below: count)
    let b = choices.index(below: count - 1)
    return Move(.swap(a, b < a ? b : b + 1), logForward: 0, logBackward: 0)
  }
}
