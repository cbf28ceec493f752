// Licensed under the Apache License, Version 2.0.

/// Another token at a place drawn equally among all; stays where the text is empty.
public struct ReplaceToken<Tokens: GapTokens>: ProposalWithMemory {
  /// How the token is chosen.
  public let tokens: Tokens

  /// Replacement by tokens chosen so.
  public init(_ tokens: Tokens) { self.tokens = tokens }

  /// `replace`.
  public var kinds: [String] { ["replace"] }

  /// What the choice of tokens remembers.
  @inlinable
  public func start(at scorer: Tokens.Scorer) -> Tokens.Memory { tokens.start(at: scorer) }

  /// A place, then a token; the places' probabilities cancel.
  @inlinable
  public func propose(
    from scorer: Tokens.Scorer, memory: inout Tokens.Memory,
    using choices: inout some ChoiceSource
  ) -> Move<TokenSequence.Edit?> {
    guard scorer.count > 0 else { return Move(nil, logForward: 0, logBackward: 0) }
    let place = choices.index(below: scorer.count)
    let gap = Gap(place, place + 1)
    guard let drawn = tokens.draw(for: gap, in: scorer, memory: &memory, using: &choices) else {
      return Move(nil, logForward: 0, logBackward: 0)
    }
    return Move(
      .replace(place, drawn.token), logForward: drawn.logProbability,
      logBackward: tokens.logProbability(
        of: scorer.token(at: place), for: gap, in: scorer, memory: &memory))
  }
}

/// A token more or a token less, with equal chances; together they are reversible.
///
/// An insertion draws one of count + 1 gaps, its undoing one of count + 1 places: these cancel, and
/// so do the equal chances. A deletion from the empty text stays.
public struct InsertOrDeleteToken<Tokens: GapTokens>: ProposalWithMemory {
  /// How an inserted token is chosen.
  public let tokens: Tokens

  /// Insertion of tokens chosen so, and deletion.
  public init(_ tokens: Tokens) { self.tokens = tokens }

  /// `insert` and `delete`.
  public var kinds: [String] { ["insert", "delete"] }

  /// What the choice of tokens remembers.
  @inlinable
  public func start(at scorer: Tokens.Scorer) -> Tokens.Memory { tokens.start(at: scorer) }

  /// Which of the two, a gap or a place, and a token.
  @inlinable
  public func propose(
    from scorer: Tokens.Scorer, memory: inout Tokens.Memory,
    using choices: inout some ChoiceSource
  ) -> Move<TokenSequence.Edit?> {
    let count = scorer.count
    if choices.index(below: 2) == 0 {
      let place = choices.index(below: count + 1)
      guard
        let drawn = tokens.draw(
          for: Gap(place, place), in: scorer, memory: &memory, using: &choices)
      else {
        return Move(nil, logForward: 0, logBackward: 0, kind: 0)
      }
      return Move(
        .insert(place, drawn.token), logForward: drawn.logProbability, logBackward: 0, kind: 0)
    }
    guard count > 0 else { return Move(nil, logForward: 0, logBackward: 0, kind: 1) }
    let place = choices.index(below: count)
    return Move(
      .delete(place), logForward: 0,
      logBackward: tokens.logProbability(
        of: scorer.token(at: place), for: Gap(place, place + 1), in: scorer, memory: &memory),
      kind: 1)
  }
}

/// Two tokens at places drawn equally among all pairs change places; symmetric.
public struct SwapTokens<Scorer: TextScorer>: Proposal {
  /// The exchange of two tokens.
  public init() {}

  /// `swap`.
  public var kinds: [String] { ["swap"] }

  /// Two different places; stays in a text of fewer than two tokens.
  @inlinable
  public func propose(
    from scorer: Scorer, using choices: inout some ChoiceSource
  ) -> Move<TokenSequence.Edit?> {
    let count = scorer.count
    guard count > 1 else { return Move(nil, logForward: 0, logBackward: 0) }
    let a = choices.index(below: count)
    let b = choices.index(below: count - 1)
    return Move(.swap(a, b < a ? b : b + 1), logForward: 0, logBackward: 0)
  }
}
