// Licensed under the Apache License, Version 2.0.

import Foundation
import Testing

@testable import Neural

/// SentencePiece against the ids of llama.cpp, Hugging Face tokenizers and sentencepiece.
@Suite struct SentencePieceTokenizerTests {
  @Test(TestData.isNeeded) func readsLlama2OfAGGUFFile() throws {
    try TokenizerReferences.checkVocabulary("tokenizers/gguf/ggml-vocab-llama-spm.gguf")
  }

  @Test(TestData.isNeeded) func readsStoriesOfThreeKinds() throws {
    let json = try TokenizerJSON.tokenizer(
      TokenizerReferences.bytes(TestData.path("models/llama-stories260K/tokenizer.json")))
    let binary = try Llama2CTokenizer.tokenizer(
      TokenizerReferences.bytes(TestData.path("tokenizers/stories260K/tok512.bin")))
    #expect(json.count == 512)
    #expect(binary.count == 512)
    for sample in try TokenizerReferences.samples("llama-stories260K") {
      let ids = sample.ids.filter { !json.isControl($0) }
      #expect(try json.encode(sample.text, specials: false) == ids)
      #expect(try binary.encode(sample.text, specials: false) == ids)
      #expect(json.decode(ids) == Array(sample.text.utf8))
    }
    var random = RandomTexts(seed: 5)
    for _ in 0..<300 {
      let text = random.text(random.next(30))
      let tokens = try json.encode(text, specials: false)
      #expect(try binary.encode(text, specials: false) == tokens, "\(text.debugDescription)")
    }
  }

  @Test(TestModels.areNeeded) func agreesWithGemma3() throws {
    let tokenizer = try GGUFTokenizer(file: TestModels.path("gemma3.gguf")).tokenizer()
    let samples = try TokenizerReferences.samples("gemma3")
    #expect(samples.count == 60)
    for sample in samples {
      let tokens = try tokenizer.encode(sample.text, specials: false)
      #expect(tokens == sample.ids, "\(sample.text.debugDescription)")
      #expect(tokenizer.decode(tokens) == sample.bytes)
      #expect(tokenizer.isCanonical(tokens))
      if let ids = sample.ids_special {
        #expect(try tokenizer.encode(sample.text, specials: true) == ids)
      }
    }
  }

  /// Ids of sentencepiece 0.2.3.
  ///
  /// The model brings texts to normal form KC and drops extra blanks.
  @Test(TestData.isNeeded) func readsAUnigramModel() throws {
    let tokenizer = try SentencePieceModel.tokenizer(
      TokenizerReferences.bytes(TestData.path("tokenizers/sentencepiece/test_model.model")))
    let expected: [(String, [Int32])] = [
      ("I saw a girl with a telescope.", [9, 459, 11, 939, 44, 11, 4, 142, 82, 8, 28, 21, 132, 6]),
      ("  two   blanks ", [213, 80, 31, 84, 46, 8]),
      ("\u{FF28}\u{FF45}llo", [151, 88, 21]),
      ("\"Why,\" said I, \"he is a fool!\"", [23, 701, 130, 108, 9, 5, 23, 251, 47, 11, 535, 237]),
      ("the the the", [7, 7, 7]),
      ("", []),
    ]
    #expect(tokenizer.count == 1000)
    for (text, ids) in expected {
      #expect(try tokenizer.encode(text, specials: false) == ids, "\(text)")
      #expect(tokenizer.isCanonical(ids))
    }
    #expect(String(decoding: tokenizer.decode(expected[0].1), as: UTF8.self) == expected[0].0)
    // The ligature is one character of the text and two of its spelling.
    #expect(try tokenizer.encode("\u{FB01}ne", specials: false) == [706])
    #expect {
      try tokenizer.encode("ab \u{6771}", specials: false)
    } throws: { error in
      "\(error)".contains("character 4 of the text is '\u{6771}' (U+6771)")
    }
  }

  static func small(
    addsBlank: Bool, userDefined: [String] = [], unigram: Bool = false
  ) throws -> SentencePieceTokenizer {
    let normal = [
      "\u{2581}", "a", "b", "e", "h", "l", "n", "s", "t", "'", "\n", "1", "2", "\u{2581}\u{2581}",
      "th", "the", "\u{2581}the", "\u{2581}a", "he", "ll", "\u{2581}\u{2581}\u{2581}\u{2581}", "ab",
      "aba", "bb", "es", "est", "a\u{2581}b", "12", "\u{4F60}\u{597D}",
    ]
    let bytes = (0...255).map { byte in
      let digits = String(byte, radix: 16, uppercase: true)
      return "<0x" + (digits.count < 2 ? "0" : "") + digits + ">"
    }
    let pieces = ["<unk>", "<s>", "</s>"] + bytes + normal + userDefined
    let kinds =
      [TokenKind.unknown, .control, .control] + bytes.map { _ in .byte }
      + normal.map { _ in .normal }
      + userDefined.map { _ in .userDefined }
    let scores = pieces.indices.map { -Float(($0 * 7) % 31) }
    let vocabulary = try PieceVocabulary(pieces: ByteStrings(pieces), kinds: kinds)
    if unigram {
      return try .unigram(
        vocabulary, scores: scores, added: nil,
        normalizer: SentencePieceNormalizer(addsBlank: addsBlank), splitsAtBlanks: false)
    }
    return try SentencePieceTokenizer(vocabulary, scores: scores, addsBlank: addsBlank)
  }

  @Test(arguments: [false, true], [[], ["  ", "\n\n", "<s", "the "]])
  func localAnswerIsExact(addsBlank: Bool, userDefined: [String]) throws {
    let tokenizer = try Self.small(addsBlank: addsBlank, userDefined: userDefined)
    #expect(try CanonicalTokensTests.compare(tokenizer, edits: 2_000, seed: 11) > 200)
    try CanonicalTokensTests.grow(tokenizer, texts: 300, seed: 71)
  }

  @Test func localAnswerIsExactForUnigrams() throws {
    let tokenizer = try Self.small(addsBlank: true, unigram: true)
    #expect(try CanonicalTokensTests.compare(tokenizer, edits: 1_000, seed: 13) > 100)
  }

  @Test(TestData.isNeeded) func localAnswerIsExactForLlama2() throws {
    let file = try GGUFTokenizer(
      file:
        TestData.path("tokenizers/gguf/ggml-vocab-llama-spm.gguf"))
    let tokenizer = try file.tokenizer()
    #expect(try CanonicalTokensTests.compare(tokenizer, edits: 500, seed: 17) > 50)
  }

  /// A user-defined token is cut out before anything merges, the longest first.
  @Test func userDefinedTokensComeFirst() throws {
    let tokenizer = try Self.small(addsBlank: false, userDefined: ["  ", "   ", "<s"])
    let three = try #require(tokenizer.token(spelled: "   "))
    let tokens = try tokenizer.encode("a   b", specials: false)
    #expect(tokens.contains(three))
    #expect(tokenizer.isCanonical(tokens))
    #expect(tokenizer.decode(tokens) == Array("a   b".utf8))
  }

  /// Control tokens spelled in a text are text, unless they are asked for.
  @Test func specialTokensInATextAreText() throws {
    let tokenizer = try Self.small(addsBlank: true)
    let plain = try tokenizer.encode("<s>the", specials: false)
    #expect(!plain.contains(1))
    #expect(tokenizer.decode(plain) == Array("<s>the".utf8))
    let special = try tokenizer.encode("<s>the", specials: true)
    #expect(special.first == 1)
    #expect(special.count == 2)
    #expect(tokenizer.isCanonical(special))
  }
}
