// Licensed under the Apache License, Version 2.0.

import Sampling
import Testing

@Suite struct VocabularyExactTests {
  static func vocabulary(_ words: [String], _ spacing: Vocabulary.Spacing) -> Vocabulary {
    Vocabulary(
      spellings: (["<unk>", "<s>", "</s>"] + words).map { Array($0.utf8) }, spacing: spacing,
      start: Token(1), end: Token(2), unknown: Token(0))
  }

  @Test func textIsPutTogetherByTheSpacing() {
    let carried = Self.vocabulary([" The", " sea", "."], .carried)
    #expect(carried.text(of: [Token(3), Token(4), Token(5)]) == "The sea.")
    let joined = Self.vocabulary(["The", "sea", "."], .joined)
    #expect(joined.text(of: [Token(3), Token(4), Token(5)]) == "The sea .")
    let none = Self.vocabulary(["春", "风"], .none)
    #expect(none.text(of: [Token(3), Token(4)]) == "春风")
  }

  @Test func entriesAreFoundBySpelling() {
    let vocabulary = Self.vocabulary([" The", " sea", "."], .carried)
    for i in 0..<vocabulary.count {
      #expect(vocabulary.token(spelled: vocabulary.bytes(of: Token(i))) == Token(i))
    }
    #expect(vocabulary.token("sea") == nil)
  }
}
