// Licensed under the Apache License, Version 2.0.

import Foundation
import Testing

@testable import Neural

/// Damaged and hostile tokenizers: one clear message, never a trap.
@Suite struct BrokenTokenizerTests {
  private static func message(_ body: () throws -> Void) -> String {
    do {
      try body()
      return "no error"
    } catch {
      return "\(error)"
    }
  }

  private static func json(
    vocabulary: String = #"{"a": 0, "b": 1, "ab": 2}"#, merges: String = #"["a b"]"#,
    rest: String = ""
  ) -> String {
    """
    {"model": {"type": "BPE", "vocab": \(vocabulary), "merges": \(merges)},
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true}\(rest)}
    """
  }

  private static func message(_ text: String) -> String {
    message { _ = try TokenizerJSON.tokenizer(Array(text.utf8)) }
  }

  @Test func soundFileIsRead() throws {
    let tokenizer = try TokenizerJSON.tokenizer(Array(Self.json().utf8))
    #expect(try tokenizer.encode("abba", specials: false) == [2, 1, 0])
  }

  @Test func saysWhatIsWrongWithAVocabulary() {
    #expect(
      Self.message(Self.json(vocabulary: #"{"a": 0, "b": 0}"#))
        == "'a' and 'b' both have the id 0. The vocabulary is damaged.")
    #expect(
      Self.message(Self.json(vocabulary: #"{"a": 0, "a": 1}"#, merges: "[]"))
        == "tokens 0 and 1 are both 'a'. The vocabulary is damaged: a piece may stand in it once only."
    )
    #expect(
      Self.message(Self.json(vocabulary: #"{"a": 0, "b": 900000}"#))
        == "the vocabulary has 2 pieces, but its highest id is 900000. The file is damaged.")
    #expect(
      Self.message(Self.json(vocabulary: #"{"a": 99999999999}"#))
        == "'a' has the id 99999999999 (expected 4194303 at most)")
    #expect(
      Self.message(Self.json(vocabulary: "{}", merges: "[]")) == "the tokenizer has no tokens")
    #expect(
      Self.message(Self.json(vocabulary: #"{"a": -1}"#))
        == "line 1, byte 42: the JSON is broken (found '-', expected a whole number)")
  }

  @Test func saysWhatIsWrongWithMerges() {
    #expect(
      Self.message(Self.json(merges: #"["a c"]"#))
        == "merge 1, 'a' + 'c', needs a piece that is not in the vocabulary. "
        + "Use the merges that belong to this vocabulary.")
    #expect(
      Self.message(Self.json(merges: #"["b a"]"#)).hasPrefix("merge 1, 'b' + 'a', needs a piece"))
    #expect(
      Self.message(Self.json(merges: #"["a b", "a b"]"#))
        == "merge 2, 'a' + 'b', stands in the list twice")
    #expect(
      Self.message(Self.json(merges: #"["ab"]"#))
        == "merge 1 is 'ab' (expected two pieces with a blank between)")
    #expect(
      Self.message(Self.json(merges: #"[["a", "b", "c"]]"#))
        == "merge 1 has 3 pieces (expected 2)")
  }

  @Test func saysWhatIsWrongWithAddedTokens() {
    let added = { (entry: String) in Self.json(rest: ", \"added_tokens\": [\(entry)]") }
    #expect(
      Self.message(added(#"{"id": 1, "content": "<s>", "special": true}"#))
        == "token 1 is 'b' in the vocabulary, but '<s>' in 'added_tokens'. The file is damaged.")
    #expect(
      Self.message(added(#"{"id": 77, "content": "<s>", "special": true}"#))
        == "the added token '<s>' has the id 77, but the vocabulary has 3 pieces. "
        + "The file is damaged.")
    #expect(
      Self.message(added(#"{"id": 3, "content": "x", "single_word": true}"#)).contains(
        "single_word"))
    #expect(Self.message(added(#"{"content": "x"}"#)).contains("has no id"))
  }

  @Test func namesWhatIsNotSupported() {
    let with = { (part: String) in
      "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": []}, \(part)}"
    }
    #expect(
      Self.message(with(#""pre_tokenizer": {"type": "Whitespace"}"#))
        == "the tokenizer's pre-tokenizer is Whitespace, which gensample does not support")
    #expect(
      Self.message(
        with(
          #""pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": "x+"}}, {"type": "ByteLevel"}]}"#
        ))
        == "the tokenizer's pre-tokenizer is Sequence(Split with /x+/, ByteLevel), "
        + "which gensample does not support")
    #expect(
      Self.message(with(#""normalizer": {"type": "NFKC"}"#))
        == "the tokenizer's normalizer is NFKC, which gensample does not support")
    #expect(
      Self.message(#"{"model": {"type": "WordLevel", "vocab": {"a": 0}}}"#)
        == "the tokenizer's model is WordLevel (expected BPE, Unigram or WordPiece)")
    #expect(Self.message("{}") == "'model' is missing. This is no tokenizer.json.")
    var file = GGUFTokenizer(model: "rwkv", tokens: ByteStrings(["a"]))
    #expect(
      Self.message { _ = try file.tokenizer() }
        == "the tokenizer ('tokenizer.ggml.model') is 'rwkv', which gensample does not support "
        + "(expected gpt2, llama or bert)")
    file.model = "gpt2"
    file.merges = ByteStrings([String]())
    file.preTokenizer = "tekken"
    #expect(
      Self.message { _ = try file.tokenizer() }.hasPrefix(
        "the pre-tokenizer ('tokenizer.ggml.pre') is 'tekken', which gensample does not support"))
  }

  @Test func saysWhatIsWrongWithAGGUFFile() {
    var file = GGUFTokenizer(model: "llama", tokens: ByteStrings(["a", "b"]))
    #expect(
      Self.message { _ = try file.tokenizer() }.contains("'tokenizer.ggml.scores' is missing"))
    file.scores = [1]
    #expect(
      Self.message { _ = try file.tokenizer() }
        == "the tokenizer has 2 tokens, but 1 scores. The file is damaged.")
    file.scores = [1, .nan]
    #expect(
      Self.message { _ = try file.tokenizer() } == "the score of token 1, 'b', is no number")
    file.types = [1]
    #expect(
      Self.message { _ = try file.tokenizer() }
        == "the tokenizer has 2 tokens, but 1 token types. The file is damaged.")
    file.types = [1, 9]
    #expect(
      Self.message { _ = try file.tokenizer() }
        == "token 1 has the unknown type 9 (expected 1 to 6)")
    file.types = [1, 6]
    file.scores = [0, 0]
    #expect(
      Self.message { _ = try file.tokenizer() }
        == "token 1, 'b', stands for a byte (expected a spelling like <0x41>)")
  }

  /// A file cut anywhere, and one with any byte changed, is read or refused.
  @Test func cutAndChangedFilesAreRefused() {
    let whole = Array(
      Self.json(
        rest: #", "added_tokens": [{"id": 3, "content": "<\u00e9\ud83d\ude00>", "special": true}]"#
      ).utf8)
    for count in 0..<whole.count {
      #expect(
        Self.message { _ = try TokenizerJSON.tokenizer(Array(whole[..<count])) } != "no error")
    }
    var random = RandomTexts(seed: 53)
    for _ in 0..<1_000 {
      var changed = whole
      changed[random.next(whole.count)] = UInt8(random.next(256))
      _ = try? TokenizerJSON.tokenizer(changed)
    }
    let nested = Array(repeating: UInt8(ascii: "["), count: 100_000)
    #expect(
      Self.message { _ = try TokenizerJSON.tokenizer(Array("{\"x\":".utf8) + nested) }
        .contains("nested over 64 deep"))
  }

  @Test(TestData.isNeeded) func damagedModelsAreRefused() throws {
    let model = try TokenizerReferences.bytes(
      TestData.path("tokenizers/sentencepiece/test_model.model"))
    let binary = try TokenizerReferences.bytes(TestData.path("tokenizers/stories260K/tok512.bin"))
    for count in stride(from: 1, to: 16_384, by: 1_021) {
      _ = try? SentencePieceModel.tokenizer(Array(model.prefix(count)))
    }
    for count in stride(from: 0, to: binary.count, by: 97) {
      _ = try? Llama2CTokenizer.tokenizer(Array(binary.prefix(count)))
    }
    var random = RandomTexts(seed: 59)
    for _ in 0..<20 {
      var changed = model
      for _ in 0..<20 { changed[random.next(changed.count)] = UInt8(random.next(256)) }
      _ = try? SentencePieceModel.tokenizer(changed).encode("I saw \u{FB01} girls", specials: false)
    }
    #expect(
      Self.message { _ = try Llama2CTokenizer.tokenizer(Array(binary.prefix(101))) }
        .contains("is cut"))
  }

  @Test func idsOutOfRangeAreNotCanonical() throws {
    let tokenizer = try CanonicalTokensTests.small(.gpt2)
    #expect(!tokenizer.isCanonical([0, -1]))
    #expect(!tokenizer.isCanonical([Int32(tokenizer.count)]))
    #expect(tokenizer.isCanonical([]))
  }

  @Test func foldersWithoutATokenizerAreRefused() {
    #expect(
      Self.message { _ = try TokenizerFiles.load(folder: "/nowhere") }.hasPrefix(
        "the folder has no tokenizer (expected one of tokenizer.json"))
  }
}
