// Licensed under the Apache License, Version 2.0.

public import Sampling

/// A rule of spelling: two tokens never stand together, as if a third one spelled both.
public struct NoPair: SpellingRule {
  private let pair: [Token]

  /// Forbids a pair of tokens.
  public init(of pair: [Token]) { self.pair = pair }

  /// Whether the pair is nowhere.
  public func allows(_ tokens: [Token]) -> Bool { allows(tokens, changed: tokens.indices) }

  /// Whether the pair is nowhere about an edit.
  public func allows(_ tokens: [Token], changed: Range<Int>) -> Bool {
    let last = min(changed.upperBound, tokens.count - 1)
    for place in stride(from: max(changed.lowerBound, 1), through: last, by: 1)
    where tokens[place - 1] == pair[0] && tokens[place] == pair[1] { return false }
    return true
  }

  /// Whether the last tokens hold no pair.
  public func mayBegin(_ tokens: [Token], from place: Int) -> Bool {
    allows(tokens, changed: place..<tokens.count)
  }
}
