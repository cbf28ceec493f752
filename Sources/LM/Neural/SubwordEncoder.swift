// Licensed under the Apache License, Version 2.0.

internal import Neural
internal import Sampling

/// A network's own tokenizer, for texts that become tokens.
struct SubwordEncoder: TextEncoder {
  let tokenizer: any NetworkTokenizer

  /// The tokens of a plain text: control tokens spelled in it are text.
  func tokens(of text: String) throws -> [Token] {
    try tokenizer.encode(text, specials: false).map { Token(Int($0)) }
  }
}

/// Gives weight to the token sequences that a network's own tokenizer makes, and to no others.
///
/// So the law is over texts: each text has one sequence. After an edit only its surroundings are
/// looked at.
struct CanonicalSpelling: SpellingRule {
  let tokenizer: any NetworkTokenizer

  func mayBegin(_ tokens: [Token], from place: Int) -> Bool {
    func asks(_ tokenizer: some NetworkTokenizer) -> Bool {
      tokenizer.mayBecomeCanonical(
        tokens.lazy.map { Int32(truncatingIfNeeded: $0.index) }, from: place)
    }
    return asks(tokenizer)
  }

  func spelling(of tokens: [Token]) -> [Token]? {
    let bytes = tokenizer.decode(tokens.map { Int32(truncatingIfNeeded: $0.index) })
    guard let text = String(validating: bytes, as: UTF8.self) else { return nil }
    return try? tokenizer.encode(text, specials: false).map { Token(Int($0)) }
  }

  func allows(_ tokens: [Token]) -> Bool { allows(tokens, changed: tokens.indices) }

  func allows(_ tokens: [Token], changed: Range<Int>) -> Bool {
    func asks(_ tokenizer: some NetworkTokenizer) -> Bool {
      tokenizer.isCanonical(
        tokens.lazy.map { Int32(truncatingIfNeeded: $0.index) }, around: changed)
    }
    return asks(tokenizer)
  }
}
