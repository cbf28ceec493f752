// Licensed under the Apache License, Version 2.0.

/// Takes a token out and puts it in elsewhere; symmetric.
public struct MoveToken<Scorer: TextScorer>: Proposal {
  /// Creates the proposal, which has no options.
  public init() {}

  /// The only kind of move, `move`.
  public var kinds: [String] { ["move"] }

  /// Draws two different places, from and to; the state stays if there are fewer than two tokens.
  ///
  /// The move back is drawn with the same probability.
  @inlinable
  public func propose(
    from scorer: Scorer, using choices: inout some ChoiceSource
  ) -> Move<TokenSequence.Edit?> {
    let count = scorer.count
    guard count > 1 else { return Move(nil, logForward: 0, logBackward: 0) }
    let from = choices.index(below: count)
    let other = choices.index(below: count - 1)
    let to = other < from ? other : other + 1
    let range = min(from, to)..<max(from, to) + 1
    var tokens = range.map { scorer.token(at: $0) }
    if from < to {
      tokens.append(tokens.removeFirst())
    } else {
      tokens.insert(tokens.removeLast(), at: 0)
    }
    return Move(.rewrite(range, tokens), logForward: 0, logBackward: 0)
  }
}

/// Copies one of the text's own tokens, or deletes one that occurs twice.
///
/// Both have equal chances, and together they are reversible.
///
/// A copy is drawn as often as its token occurs in the text. Its undoing draws one of count + 1
/// places, as the copy draws one of count + 1 gaps.
public struct CopyOrDeleteToken<Scorer: TextScorer>: Proposal {
  /// Creates the proposal, which has no options.
  public init() {}

  /// The kinds of move, `copy` and `delete-copy`.
  public var kinds: [String] { ["copy", "delete-copy"] }

  /// Draws the kind of move, a token and a place.
  @inlinable
  public func propose(
    from scorer: Scorer, using choices: inout some ChoiceSource
  ) -> Move<TokenSequence.Edit?> {
    let count = scorer.count
    let kind = choices.index(below: 2)
    guard count > 0 else { return Move(nil, logForward: 0, logBackward: 0, kind: kind) }
    if kind == 0 {
      let token = scorer.token(at: choices.index(below: count))
      let gap = choices.index(below: count + 1)
      let share = Double(occurrences(of: token, in: scorer)) / Double(count)
      return Move(
        .insert(gap, token), logForward: LogSpace.log(share), logBackward: 0, kind: 0)
    }
    let place = choices.index(below: count)
    let token = scorer.token(at: place)
    let others = occurrences(of: token, in: scorer) - 1
    guard others > 0 else { return Move(nil, logForward: 0, logBackward: 0, kind: 1) }
    return Move(
      .delete(place), logForward: 0,
      logBackward: LogSpace.log(Double(others) / Double(count - 1)), kind: 1)
  }

  @inlinable
  func occurrences(of token: Token, in scorer: Scorer) -> Int {
    (0..<scorer.count).count { scorer.token(at: $0) == token }
  }
}
