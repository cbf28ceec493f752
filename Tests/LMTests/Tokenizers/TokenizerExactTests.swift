// Licensed under the Apache License, Version 2.0.

import LM
import Sampling
import Testing

/// Cutting texts into tokens and putting them together again.
@Suite struct TokenizerExactTests {
  @Test(arguments: [
    ("It was night.", [" It", " was", " night", "."]),
    ("  It\twas \r", [" It", " was"]),
    ("\"It was,\" he said", [" \"", "It", " was", ",", "\"", " he", " said"]),
    ("don't well-known rock'n'roll", [" don't", " well-known", " rock'n'roll"]),
    ("night--and day- 'tis", [" night", "--", "and", " day", "-", " '", "tis"]),
    ("3,141.5 a.b 1,a", [" 3,141.5", " a", ".", "b", " 1", ",", "a"]),
    ("wait... (really)", [" wait", "...", " (", "really", ")"]),
    ("春眠不覺曉，處處", ["春", "眠", "不", "覺", "曉", "，", "處", "處"]),
    ("的 the 海", ["的", " the", " 海"]),
    ("cafe\u{301} na\u{EF}ve", [" caf\u{E9}", " na\u{EF}ve"]),
    ("", []), (" \u{3000} ", []),
  ])
  func words(text: String, pieces: [String]) {
    var tokenizer = Tokenizer(.words)
    #expect(tokenizer.pieces(of: text).map { Array($0.utf8) } == pieces.map { Array($0.utf8) })
  }

  @Test(arguments: [
    (Tokenization.characters, "a e\u{301}海", ["a", " ", "\u{E9}", "海"]),
    (.characters, "", []),
    (.whitespace, " a,b \t e\u{301}\r", ["a,b", "e\u{301}"]),
    (.whitespace, "a\u{A0}b \u{3000}", ["a\u{A0}b", "\u{3000}"]),
  ])
  func otherKinds(kind: Tokenization, text: String, pieces: [String]) {
    var tokenizer = Tokenizer(kind)
    #expect(tokenizer.pieces(of: text).map { Array($0.utf8) } == pieces.map { Array($0.utf8) })
  }

  /// How many texts of up to four signs do not come back from their tokens, or whose tokens cut
  /// otherwise a second time.
  private func defect(_ kind: Tokenization, _ cut: (String) -> [String]) -> Int {
    let signs: [String] = ["a", " ", "-", "'", ".", "1", "海", "e\u{301}"]
    var texts = [""]
    var ring = [""]
    for _ in 0..<4 {
      ring = ring.flatMap { text in signs.map { text + $0 } }
      texts += ring
    }
    var failures = 0
    for text in texts {
      let pieces = cut(text)
      let vocabulary = Vocabulary(
        spellings: (["<s>", "</s>"] + pieces).map { Array($0.utf8) }, spacing: kind.spacing,
        start: Token(0), end: Token(1), unknown: nil)
      let back = vocabulary.text(of: pieces.indices.map { Token($0 + 2) })
      let composed = NFC.of(text)
      let expected =
        switch kind {
        case .characters: composed
        case .words: composed.split(separator: " ").joined(separator: " ")
        case .whitespace: text.split(separator: " ").joined(separator: " ")
        }
      if Array(back.utf8) != Array(expected.utf8) || cut(back) != pieces { failures += 1 }
    }
    return failures
  }

  @Test(arguments: Tokenization.allCases)
  func tokensGiveTheTextBack(kind: Tokenization) {
    var tokenizer = Tokenizer(kind)
    #expect(defect(kind) { tokenizer.pieces(of: $0) } == 0)
  }

  /// Mutant: words that do not carry their space.
  @Test func lostSpacesAreCaught() {
    var tokenizer = Tokenizer(.words)
    let failures = defect(.words) { text in
      tokenizer.pieces(of: text).map { $0.first == " " ? String($0.dropFirst()) : $0 }
    }
    #expect(failures > 100)
  }

  @Test func aVocabularySaysHowItsTextsAreCut() {
    let words = [" the", " sea", ","]
    let vocabulary = Vocabulary(
      spellings: (["<unk>", "<s>", "</s>"] + words).map { Array($0.utf8) }, spacing: .carried,
      start: Token(1), end: Token(2), unknown: Token(0))
    #expect(
      Tokenizer.tokens(of: "the sea, land", in: vocabulary) == [Token(3), Token(4), Token(5), nil])
  }
}
