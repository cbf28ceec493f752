// Licensed under the Apache License, Version 2.0.

/// Says which of the many token sequences of a text stands for it.
///
/// A tokenizer of subwords gives each text one sequence, but other sequences spell the same text. A
/// target over texts gives weight to one of them only.
///
/// Law: the answer about an edit is the answer about the whole text.
public protocol SpellingRule: Sendable {
  /// Whether a whole text is spelled as the rule asks.
  func allows(_ tokens: [Token]) -> Bool

  /// Whether a text is spelled as the rule asks, if it differs from an allowed text in one stretch.
  ///
  /// - Parameters:
  ///   - tokens: the whole text.
  ///   - changed: the places that an edit put there; empty where it only removed tokens.
  /// - Returns: the same as about the whole text.
  func allows(_ tokens: [Token], changed: Range<Int>) -> Bool

  /// Whether an allowed text may begin with some tokens.
  ///
  /// `true` is always safe: whole texts are looked at again.
  ///
  /// - Parameters:
  ///   - tokens: the beginning.
  ///   - place: the first token that was not looked at before.
  /// - Returns: `false` only if no allowed text begins so.
  func mayBegin(_ tokens: [Token], from place: Int) -> Bool

  /// The sequence that stands for the text of some tokens.
  ///
  /// - Returns: `nil` if the tokens spell no text, or if the rule does not know.
  func spelling(of tokens: [Token]) -> [Token]?
}

extension SpellingRule {
  /// Returns `true`, the safe answer.
  public func mayBegin(_ tokens: [Token], from place: Int) -> Bool { true }

  /// Returns `nil`: the rule does not know.
  public func spelling(of tokens: [Token]) -> [Token]? { nil }

  /// Looks at the whole text.
  public func allows(_ tokens: [Token], changed: Range<Int>) -> Bool { allows(tokens) }
}
