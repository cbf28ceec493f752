// Licensed under the Apache License, Version 2.0.

import Testing

@testable import Neural

@Suite struct StreamingDecoderTests {
  /// Whatever the tokens, the parts make the same text as all bytes at once, and no part ends inside
  /// a character.
  @Test func partsMakeTheWholeText() throws {
    let tokenizer = try CanonicalTokensTests.small(.gpt2)
    var random = RandomTexts(seed: 43)
    for round in 0..<500 {
      var tokens: [Int32] = []
      if round % 2 == 0 {
        tokens = try tokenizer.encode(random.text(random.next(12)), specials: false)
      } else {
        // Tokens 128 and following are bytes of which most make no UTF-8.
        tokens = (0..<random.next(12)).map { _ in Int32(128 + random.next(128)) }
      }
      var decoder = StreamingDecoder(tokenizer)
      var text = ""
      for token in tokens {
        text.unicodeScalars.append(contentsOf: decoder.append(token).unicodeScalars)
      }
      text.unicodeScalars.append(contentsOf: decoder.finish().unicodeScalars)
      let whole = String(decoding: tokenizer.decode(tokens), as: UTF8.self)
      #expect(Array(text.unicodeScalars) == Array(whole.unicodeScalars), "\(tokens)")
    }
  }

  @Test func holdsPartsOfCharactersBack() throws {
    let tokenizer = try CanonicalTokensTests.small(.gpt2)
    var decoder = StreamingDecoder(tokenizer)
    // U+1F600, byte by byte.
    #expect([0xF0, 0x9F, 0x98, 0x80].map { decoder.append($0) } == ["", "", "", "\u{1F600}"])
    #expect(decoder.append(0xE4) == "")
    #expect(decoder.finish() == "\u{FFFD}")
    #expect(decoder.finish() == "")
  }

  @Test func dropsTheAddedBlank() throws {
    let tokenizer = try SentencePieceTokenizerTests.small(addsBlank: true)
    let tokens = try tokenizer.encode("the the", specials: false)
    var decoder = StreamingDecoder(tokenizer)
    #expect(tokens.map { decoder.append($0) }.joined() == "the the")
  }
}
