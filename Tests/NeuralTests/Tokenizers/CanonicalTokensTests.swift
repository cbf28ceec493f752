// Licensed under the Apache License, Version 2.0.

import Foundation
import Testing

@testable import Neural

/// The local answer to "is this what the tokenizer gives?" against encoding the whole text anew.
@Suite struct CanonicalTokensTests {
  /// Small byte-level tokenizers of one's own: every byte, and merges that cross what they can.
  static func small(
    _ preTokenizer: PreTokenizer, wholeWordsFirst: Bool = false
  ) throws -> BytePairTokenizer {
    var pieces: [String] = (0...255).map { byte in
      let scalar = (0..<0x144).lazy.compactMap { Unicode.Scalar($0) }.first { scalar in
        var strings = ByteStrings()
        let isByte = ByteCharacters.decode(Array(String(scalar).utf8)[...], into: &strings)
        guard isByte else { return false }
        strings.endString()
        return strings[0].elementsEqual([UInt8(byte)])
      }
      return String(scalar ?? " ")
    }
    var merges: [String] = []
    let pairs = [
      "h e", "t he", "Ġ t", "Ġ Ġ", "i n", "Ġt he", "ĠĠ ĠĠ", "Ċ Ċ", "' s", "' l", "'l l", "1 2",
      "12 3", "l l", "Ġ 1", "a b", "b a", "ab ab", "e e", "ee e", ". .", ".. .", "ä ½", "ä½ ł",
      "å ¥", "å¥ ½", "ä½ł å¥½", "Ġ '", "s t", "Ġ a", "Ġa b", "Ì ģ", "e Ìģ", "Ċ Ġ", "c ab", ". Ċ",
    ]
    for pair in pairs {
      merges.append(pair)
      pieces.append(pair.replacing(" ", with: ""))
    }
    pieces += ["<|end|>"]
    var kinds = Array(repeating: TokenKind.normal, count: pieces.count)
    kinds[pieces.count - 1] = .control
    return try BytePairTokenizer(
      PieceVocabulary(pieces: ByteStrings(pieces), kinds: kinds),
      merges: MergeList(lines: ByteStrings(merges)), preTokenizer: preTokenizer,
      wholeWordsFirst: wholeWordsFirst)
  }

  /// The slow obvious version: decode, encode, compare.
  static func isCanonical(_ tokens: [Int32], _ tokenizer: some NetworkTokenizer) throws -> Bool {
    for part in tokens.split(whereSeparator: tokenizer.isControl) {
      guard let text = String(validating: tokenizer.decode(part), as: UTF8.self),
        let encoded = try? tokenizer.encode(text, specials: false), encoded == Array(part)
      else {
        return false
      }
    }
    return true
  }

  /// Edits canonical sequences at random and compares the local answer with the slow one.
  ///
  /// Returns how often the edited sequence was canonical.
  static func compare(_ tokenizer: some NetworkTokenizer, edits: Int, seed: UInt64) throws -> Int {
    var random = RandomTexts(seed: seed)
    var tokens: [Int32] = []
    var canonical = 0
    for edit in 0..<edits {
      if edit % 40 == 0 || tokens.count > 60 {
        repeat {
          let text = random.text(1 + random.next(30))
          tokens = (try? tokenizer.encode(text, specials: false)) ?? []
        } while try tokens.isEmpty || !isCanonical(tokens, tokenizer)
      }
      let start = random.next(tokens.count + 1)
      let end = min(tokens.count, start + random.next(3))
      // New tokens: now and then those of a text, else any.
      var new: [Int32] = []
      if random.next(2) == 0 {
        let text = random.text(1 + random.next(4))
        new = (try? tokenizer.encode(text, specials: false)) ?? []
      } else {
        new = (0..<random.next(3)).map { _ in Int32(random.next(tokenizer.count)) }
      }
      let edited = Array(tokens[..<start]) + new + Array(tokens[end...])
      let expected = try isCanonical(edited, tokenizer)
      let local = tokenizer.isCanonical(before: tokens[..<start], new: new, after: tokens[end...])
      #expect(local == expected, "\(tokens) \(start)..<\(end) \(new)")
      #expect(tokenizer.isCanonical(edited) == expected, "\(edited)")
      if expected {
        canonical += 1
        tokens = edited.isEmpty ? tokens : edited
      }
    }
    return canonical
  }

  @Test(arguments: PreTokenizer.allCases)
  func localAnswerIsExact(_ preTokenizer: PreTokenizer) throws {
    let canonical = try Self.compare(Self.small(preTokenizer), edits: 3_000, seed: 7)
    #expect(canonical > 300)
  }

  /// Pieces cut a text where all tokens end, and encoding them one by one gives the same tokens.
  @Test(arguments: PreTokenizer.allCases)
  func piecesAreIndependent(_ preTokenizer: PreTokenizer) throws {
    let tokenizer = try Self.small(preTokenizer)
    var random = RandomTexts(seed: 3)
    for _ in 0..<300 {
      let text = random.text(random.next(40))
      var tokens: [Int32] = []
      var start = 0
      let bytes = Array(text.utf8)
      for end in tokenizer.pieceEnds(of: text) {
        let piece = String(decoding: bytes[start..<end], as: UTF8.self)
        tokens += try tokenizer.encode(piece, specials: false)
        start = end
      }
      #expect(start == bytes.count)
      #expect(try tokenizer.encode(text, specials: false) == tokens, "\(text.debugDescription)")
      #expect(tokenizer.decode(tokens) == bytes)
    }
  }

  /// A mutant: with a boundary too many, pieces are not independent any more.
  @Test func whiteSpaceBeforeAWordIsNoBoundary() throws {
    let tokenizer = try Self.small(.gpt2)
    let whole = try tokenizer.encode("a  the", specials: false)
    let parts = try ["a", "  ", "the"].flatMap { try tokenizer.encode($0, specials: false) }
    #expect(whole != parts)
    #expect(!tokenizer.isBoundary(0x20, 0x74))
    #expect(tokenizer.isBoundary(0x61, 0x20))
  }

  /// Every beginning of a canonical sequence may become canonical, token by token.
  static func grow(_ tokenizer: some NetworkTokenizer, texts: Int, seed: UInt64) throws {
    var random = RandomTexts(seed: seed)
    for _ in 0..<texts {
      let text = random.text(random.next(30))
      guard let tokens = try? tokenizer.encode(text, specials: false) else { continue }
      for end in 1..<max(1, tokens.count + 1) {
        // In a variable, so that a failure does not print the tokenizer.
        let passes = tokenizer.mayBecomeCanonical(tokens[..<end], from: end - 1)
        #expect(passes, "\(text.debugDescription) \(tokens) \(end)")
      }
    }
  }

  @Test(arguments: PreTokenizer.allCases)
  func beginningsMayBecomeCanonical(_ preTokenizer: PreTokenizer) throws {
    try Self.grow(Self.small(preTokenizer), texts: 500, seed: 61)
    try Self.grow(Self.small(preTokenizer, wholeWordsFirst: true), texts: 500, seed: 67)
  }

  /// By enumeration: what does not pass has no canonical continuation of up to two tokens, over an
  /// alphabet in which a word may be merged, blank, or a contraction.
  @Test func whatDoesNotPassHasNoContinuation() throws {
    let tokenizer = try Self.small(.gpt2)
    let alphabet = try [
      "h", "e", "he", "the", " ", " t", " the", "'", "l", "'l", "'ll", "\n", "\n\n",
    ]
    .map { try #require(tokenizer.tokenOf($0)) }
    var rejected = 0
    var lenient = 0
    for first in alphabet {
      for second in alphabet {
        let start = [first, second]
        let passes =
          tokenizer.mayBecomeCanonical([first], from: 0)
          && tokenizer.mayBecomeCanonical(start, from: 1)
        let continues =
          tokenizer.isCanonical(start)
          || alphabet.contains { third in
            tokenizer.isCanonical(start + [third])
              || alphabet.contains { tokenizer.isCanonical(start + [third, $0]) }
          }
        #expect(passes || !continues, "\(start)")
        if !passes { rejected += 1 }
        if passes, !continues { lenient += 1 }
      }
    }
    #expect(rejected == 55)
    // The half contraction `'l` after another word or newline, and two newlines after one.
    #expect(lenient == 9)
  }
}

extension BytePairTokenizer {
  func tokenOf(_ text: String) -> Int32? {
    (0..<Int32(count)).first { bytes(of: $0) == Array(text.utf8) }
  }
}
