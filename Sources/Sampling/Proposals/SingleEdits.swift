// Licensed under the Apache License, Version 2.0.

/// Replaces the token at a uniform place; the state stays if the text is empty.
public struct ReplaceToken<Tokens: GapTokens>: ProposalWithMemory {
  /// The source of the new token.
  public let tokens: Tokens

  /// Creates a proposal that takes its tokens from a source.
  public init(_ tokens: Tokens) { self.tokens = tokens }

  /// The only kind of move, `replace`.
  public var kinds: [String] { ["replace"] }

  /// The memory of the token source.
  @inlinable
  public func start(at scorer: Tokens.Scorer) -> Tokens.Memory { tokens.start(at: scorer) }

  /// Draws a place, then a token; the places' probabilities cancel.
  @inlinable
  @inline(__always)
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

/// Inserts or deletes a token, with equal chances; together they are reversible.
///
/// An insertion draws one of count + 1 gaps, its undoing one of count + 1 places. These cancel, and
/// so do the equal chances. A deletion from the empty text keeps the state.
public struct InsertOrDeleteToken<Tokens: GapTokens>: ProposalWithMemory {
  /// The source of the inserted token.
  public let tokens: Tokens

  /// Creates a proposal that takes its tokens from a source.
  public init(_ tokens: Tokens) { self.tokens = tokens }

  /// The kinds of move, `insert` and `delete`.
  public var kinds: [String] { ["insert", "delete"] }

  /// The memory of the token source.
  @inlinable
  public func start(at scorer: Tokens.Scorer) -> Tokens.Memory { tokens.start(at: scorer) }

  /// Draws the kind of move, a gap or a place, and a token.
  @inlinable
  @inline(__always)
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

/// Swaps the tokens at two uniform places; symmetric.
public struct SwapTokens<Scorer: TextScorer>: Proposal {
  /// Creates the proposal, which has no options.
  public init() {}

  /// The only kind of move, `swap`.
  public var kinds: [String] { ["swap"] }

  /// Draws two different places; the state stays if there are fewer than two tokens.
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
