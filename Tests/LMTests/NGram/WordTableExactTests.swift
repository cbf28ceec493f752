// Licensed under the Apache License, Version 2.0.

import Sampling
import Testing

@testable import LM

/// Words of whole lines, against cutting and looking them up one by one.
struct WordTableExactTests {
  /// Words around the 8 bytes that are read at once and the 16 that a slot holds, some of them
  /// beginnings of others, some with control characters that end no word.
  static let spellings: [[UInt8]] =
    ["<s>", "</s>", "<unk>", "a", "a", "sea", "seaside", "é", "春風", "a\u{1}b", "\u{1}"].map {
      Array($0.utf8)
    } + (1...40).map { Array(repeating: UInt8(ascii: "x"), count: $0) } + [
      Array("xxxxxxxxxxxxxxxxxxxy".utf8), [0x61, 0], [0], [0xFF, 0xFE],
    ]

  static let vocabulary = Vocabulary(
    spellings: spellings, spacing: .joined, start: Token(0), end: Token(1), unknown: Token(2))

  /// Lines of words of the vocabulary and of others, between all kinds of white space.
  @Test func findsWhatLookUpsFind() {
    var choices = RandomChoices(seed: 1)
    let others: [[UInt8]] = ["b", "seasid", "seasides", "xy", "\u{2}a"].map { Array($0.utf8) }
    let blanks: [[UInt8]] = [[0x20], [0x09], [0x0D], [0x20, 0x20], [0x20, 0x09, 0x0A]]
    let table = WordTable(Self.vocabulary)
    var words: [WordTable.Word] = []
    var tokenizer = Tokenizer(.whitespace)
    for _ in 0..<500 {
      var line: [UInt8] = choices.index(below: 2) == 0 ? [] : [0x20]
      for _ in 0..<choices.index(below: 12) {
        let known = choices.index(below: 4) > 0
        let from = known ? Self.spellings : others
        line += from[choices.index(below: from.count)]
        line += blanks[choices.index(below: blanks.count)]
      }
      if choices.index(below: 2) == 0 { line += [0x78] }
      var found: [UInt32] = []
      var expected: [UInt32] = []
      unsafe line.withUnsafeBytes { line in
        unsafe table.append(line, to: &found, words: &words)
        unsafe tokenizer.forEachToken(of: line, in: Self.vocabulary) {
          expected.append($0?.rawValue ?? WordTable.none)
        }
      }
      #expect(found == expected, "\(line)")
    }
  }
}
