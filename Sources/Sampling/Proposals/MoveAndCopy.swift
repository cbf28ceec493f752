// Licensed under the Apache License, Version 2.0.

/// A word taken out and put in elsewhere; symmetric.
public struct MoveToken<Model: FiniteContextModel>: Proposal {
  /// Moves of one word.
  public init() {}

  /// `move`.
  public var kinds: [String] { ["move"] }

  /// Where from and where to, two different places; stays in a text of fewer than two words.
  ///
  /// Taking the word back from there to here is drawn as often.
  @inlinable
  public func propose(
    from scorer: IncrementalScorer<Model, TokenAutomaton>, using choices: inout some ChoiceSource
  ) -> Move<TokenSequence.Edit?> {
    let count = scorer.count
    guard count > 1 else { return Move(nil, logForward: 0, logBackward: 0) }
    let from = choices.index(below: count)
    let other = choices.index(below: count - 1)
    let to = other < from ? other : other + 1
    let range = min(from, to)..<max(from, to) + 1
    var words = range.map { scorer.token(at: $0) }
    if from < to {
      words.append(words.removeFirst())
    } else {
      words.insert(words.removeLast(), at: 0)
    }
    return Move(.rewrite(range, words), logForward: 0, logBackward: 0)
  }
}

/// One of the text's own words once more, or one that stands there twice taken out, with equal
/// chances; together they are reversible.
///
/// A copy is drawn as often as its word stands in the text; its undoing draws one of count + 1
/// places, as the copy draws one of count + 1 gaps.
public struct CopyOrDeleteToken<Model: FiniteContextModel>: Proposal {
  /// Copies of one word, and deletions.
  public init() {}

  /// `copy` and `delete-copy`.
  public var kinds: [String] { ["copy", "delete-copy"] }

  /// Which of the two, a word and where.
  @inlinable
  public func propose(
    from scorer: IncrementalScorer<Model, TokenAutomaton>, using choices: inout some ChoiceSource
  ) -> Move<TokenSequence.Edit?> {
    let count = scorer.count
    let kind = choices.index(below: 2)
    guard count > 0 else { return Move(nil, logForward: 0, logBackward: 0, kind: kind) }
    if kind == 0 {
      let word = scorer.token(at: choices.index(below: count))
      let gap = choices.index(below: count + 1)
      let share = Double(occurrences(of: word, in: scorer)) / Double(count)
      return Move(
        .insert(gap, word), logForward: LogSpace.log(share), logBackward: 0, kind: 0)
    }
    let place = choices.index(below: count)
    let word = scorer.token(at: place)
    let others = occurrences(of: word, in: scorer) - 1
    guard others > 0 else { return Move(nil, logForward: 0, logBackward: 0, kind: 1) }
    return Move(
      .delete(place), logForward: 0,
      logBackward: LogSpace.log(Double(others) / Double(count - 1)), kind: 1)
  }

  @inlinable
  func occurrences(of word: Token, in scorer: IncrementalScorer<Model, TokenAutomaton>) -> Int {
    (0..<scorer.count).count { scorer.token(at: $0) == word }
  }
}
