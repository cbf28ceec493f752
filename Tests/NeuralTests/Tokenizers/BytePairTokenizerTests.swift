// Licensed under the Apache License, Version 2.0.

import Foundation
import Testing

@testable import Neural

/// Byte-level BPE against the ids of llama.cpp and Hugging Face tokenizers.
@Suite struct BytePairTokenizerTests {
  @Test(TestData.isNeeded) func readsGPT2OfAGGUFFile() throws {
    try TokenizerReferences.checkVocabulary("tokenizers/gguf/ggml-vocab-gpt-2.gguf")
  }

  @Test(TestData.isNeeded) func readsGPT2OfAVocabularyAndMerges() throws {
    let tokenizer = try VocabularyFiles.bytePairs(
      vocabulary: TokenizerReferences.bytes(TestData.path("tokenizers/gpt2/vocab.json")),
      merges: TokenizerReferences.bytes(TestData.path("tokenizers/gpt2/merges.txt")))
    #expect(tokenizer.count == 50257)
    #expect((0..<50257).filter { tokenizer.isControl($0) } == [50256])
    for (text, ids) in try TokenizerReferences.pairs("tokenizers/gguf/ggml-vocab-gpt-2.gguf") {
      #expect(try tokenizer.encode(text, specials: false) == ids, "\(text.debugDescription)")
    }
  }

  @Test(TestData.isNeeded, arguments: ["english-llama", "gpt2-shakespeare"])
  func readsATokenizerJSON(_ name: String) throws {
    let tokenizer = try TokenizerJSON.tokenizer(
      TokenizerReferences.bytes(TestData.path("models/\(name)/tokenizer.json")))
    let samples = try TokenizerReferences.samples(name)
    #expect(!samples.isEmpty)
    for sample in samples {
      let tokens = try tokenizer.encode(sample.text, specials: false)
      // gpt2-shakespeare.json writes the end token on both sides.
      let ids = sample.ids.filter { !tokenizer.isControl($0) }
      #expect(tokens == ids, "\(sample.text.debugDescription)")
      #expect(tokenizer.decode(tokens) == Array(sample.text.utf8))
    }
  }

  @Test(TestModels.areNeeded) func agreesWithSmolLM2() throws {
    let tokenizer = try GGUFTokenizer(file: TestModels.path("smollm2.gguf")).tokenizer()
    let samples = try TokenizerReferences.samples("smollm2")
    #expect(samples.count == 60)
    for sample in samples {
      let tokens: [Int32]
      do {
        tokens = try tokenizer.encode(sample.text, specials: false)
      } catch {
        #expect(sample.lossless == false, "\(sample.text.debugDescription): \(error)")
        continue
      }
      #expect(sample.lossless == true, "\(sample.text.debugDescription)")
      #expect(tokens == sample.ids, "\(sample.text.debugDescription)")
      #expect(tokenizer.decode(tokens) == sample.bytes)
      #expect(tokenizer.isCanonical(tokens))
      if let ids = sample.ids_special {
        #expect(try tokenizer.encode(sample.text, specials: true) == ids)
      }
    }
  }

  private struct Encoded: Decodable {
    let text: String
    let token_ids: [Int32]
  }

  @Test(TestData.isNeeded) func agreesWithAPageOfGPT2() throws {
    let tokenizer = try VocabularyFiles.bytePairs(
      vocabulary: TokenizerReferences.bytes(TestData.path("tokenizers/gpt2/vocab.json")),
      merges: TokenizerReferences.bytes(TestData.path("tokenizers/gpt2/merges.txt")))
    let page = try JSONDecoder().decode(
      Encoded.self,
      from: Data(TokenizerReferences.bytes(TestData.path("tokenizers/gpt2/encoded_tokens.json"))))
    #expect(try tokenizer.encode(page.text, specials: false) == page.token_ids)
  }

  /// Ids of Hugging Face tokenizers 0.23.3.
  ///
  /// The file has merges as pairs, special tokens, and added
  /// tokens that are not special.
  @Test(TestData.isNeeded) func readsMergesAsPairsAndAddedTokens() throws {
    let tokenizer = try TokenizerJSON.tokenizer(
      TokenizerReferences.bytes(TestData.path("tokenizers/hf_json/minimind_tokenizer.json")))
    #expect(
      try tokenizer.encode("\u{4F60}\u{597D}\u{FF0C}\u{4E16}\u{754C}\u{FF01}", specials: false)
        == [1968, 294, 1950, 1364])
    #expect(
      try tokenizer.encode("Hello world  x<|im_end|>", specials: true)
        == [1602, 1707, 256, 1390, 2])
    #expect(!(try tokenizer.encode("Hello world  x<|im_end|>", specials: false)).contains(2))
    #expect(
      try tokenizer.encode("1234 \n\n a", specials: false) == [6318, 55, 2615, 234, 299])
    #expect(try tokenizer.encode("<tool_call>", specials: false) == [21])
    #expect(tokenizer.bytes(of: 21) == Array("<tool_call>".utf8))
    #expect(!tokenizer.isControl(21))
  }

  @Test(TestData.isNeeded, arguments: ["models/english-llama", "models/gpt2-shakespeare"])
  func decodesWhatItEncodes(_ name: String) throws {
    let tokenizer = try TokenizerFiles.load(folder: TestData.path(name))
    var random = RandomTexts(seed: 23)
    for _ in 0..<300 {
      let text = random.text(random.next(60))
      let tokens = try tokenizer.encode(text, specials: false)
      #expect(tokenizer.decode(tokens) == Array(text.utf8))
      #expect(tokenizer.isCanonical(tokens))
      #expect(!tokens.contains { tokenizer.isControl($0) })
    }
    #expect(try CanonicalTokensTests.compare(tokenizer, edits: 500, seed: 29) > 50)
  }

  @Test(TestModels.areNeeded) func localAnswerIsExactForSmolLM2() throws {
    let tokenizer = try GGUFTokenizer(file: TestModels.path("smollm2.gguf")).tokenizer()
    #expect(try CanonicalTokensTests.compare(tokenizer, edits: 500, seed: 31) > 50)
  }

  @Test(TestModels.areNeeded) func namesTheCharacterThatHasNoToken() throws {
    let tokenizer = try GGUFTokenizer(file: TestModels.path("smollm2.gguf")).tokenizer()
    #expect {
      try tokenizer.encode("na\u{EF}ve \u{4} text", specials: false)
    } throws: { error in
      "\(error)"
        == "character 7 of the text is '\\u{4}' (U+0004), for which the model has no token. "
        + "Remove it, or use another model."
    }
  }

  /// The scan and the heap merge alike.
  @Test func longWordsMergeLikeShortOnes() throws {
    let tokenizer = try CanonicalTokensTests.small(.gpt2)
    var random = RandomTexts(seed: 37)
    for _ in 0..<50 {
      let bytes = (0..<60).map { _ in Array("aabbeehtl".utf8)[random.next(9)] }
      let slow = tokenizer.merged(bytes) { $0.mergeFew($1, $2) }
      #expect(tokenizer.merged(bytes) { $0.mergeMany($1, $2) } == slow)
    }
  }

  /// Normal form C: what composes is composed first, and a sequence that is not is not canonical.
  @Test func composesText() throws {
    let json = """
      {"model": {"type": "BPE", "vocab": {"e": 0, "\u{CC}": 1, "\u{123}": 2, "\u{C3}": 3, "\u{A9}": 4},
      "merges": []}, "normalizer": {"type": "NFC"},
      "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true}}
      """
    let tokenizer = try TokenizerJSON.tokenizer(Array(json.utf8))
    #expect(try tokenizer.encode("e\u{301}e", specials: false) == [3, 4, 0])
    #expect(tokenizer.isCanonical([3, 4, 0]))
    // "e" and U+0301, which is composed before it is encoded; the file has no token for the latter.
    #expect(Composition.composed(Array("e\u{301}".utf8)[...]) == Array("\u{E9}".utf8))
    for (parts, whole) in [
      ("\u{AC00}\u{11A8}", "\u{AC01}"), ("\u{1100}\u{1161}\u{11A8}", "\u{AC01}"),
    ] {
      #expect(Composition.composed(Array(parts.utf8)[...]) == Array(whole.utf8))
      #expect(!Composition.isComposed(Array(parts.utf8)[...]))
    }
  }
}

extension BytePairTokenizer {
  /// The bytes of a word merged by one of the two ways.
  func merged(
    _ word: [UInt8],
    _ way: (
      inout MergeWorkspace, borrowing Span<UInt8>,
      (Int32, Int32, borrowing Span<UInt8>, Range<Int>) -> Merge
    ) -> Void
  ) -> [Int32] {
    var workspace = MergeWorkspace()
    for (place, byte) in word.enumerated() { workspace.append(token(of: byte), start: place) }
    workspace.end(at: word.count)
    way(&workspace, word.span) { left, right, _, _ in merge(left, right) }
    return workspace.tokens
  }
}
