// Licensed under the Apache License, Version 2.0.

import Foundation
import Testing

@testable import Neural

/// WordPiece and character vocabularies against the ids of Hugging Face tokenizers.
@Suite struct WordPieceTokenizerTests {
  @Test(TestModels.areNeeded) func agreesWithMiniLM() throws {
    let json = try TokenizerFiles.load(folder: TestModels.path("minilm"))
    let lines = try VocabularyFiles.words(
      TokenizerReferences.bytes(TestModels.path("minilm/vocab.txt")))
    let samples = try TokenizerReferences.samples("minilm")
    #expect(samples.count == 72)
    for sample in samples {
      // The reference recognises special tokens, and puts [CLS] before and [SEP] behind.
      let ids = Array(sample.ids.dropFirst().dropLast())
      #expect(
        try json.encode(sample.text, specials: true) == ids, "\(sample.text.debugDescription)")
      #expect(
        try lines.encode(sample.text, specials: true) == ids, "\(sample.text.debugDescription)")
    }
    let tokens = try json.encode("Don't embed  UNAFFABLY, \u{4E2D}\u{65E5}.", specials: false)
    #expect(json.isCanonical(tokens))
    #expect(
      String(decoding: json.decode(tokens), as: UTF8.self)
        == "don ' t embed unaffably ,\u{4E2D}\u{65E5} .")
  }

  @Test(TestData.isNeeded, arguments: ["bert_base_uncased_vocab", "bert_chinese_vocab_21128"])
  func readsALineForEachPiece(_ name: String) throws {
    let tokenizer = try VocabularyFiles.words(
      TokenizerReferences.bytes(TestData.path("tokenizers/bert/\(name).txt")))
    #expect(tokenizer is WordPieceTokenizer)
    #expect(tokenizer.token(spelled: "[CLS]") == 101)
    let tokens = try tokenizer.encode("\u{5E8A}\u{524D}\u{660E}\u{6708}\u{5149}", specials: false)
    #expect(tokens.count == 5)
    #expect(!tokenizer.isControl(100))
  }

  /// Random edits: the answer of a window against decoding and encoding the whole.
  @Test func localAnswerIsExact() throws {
    let pieces = [
      "[PAD]", "[UNK]", "[CLS]", "a", "b", "ab", "##a", "##b", "##ba", "t", "the", "##he",
      "\u{4E2D}", ".", "1", "##1", "h", "e", "##e", "the1", "##h",
    ]
    let tokenizer = try VocabularyFiles.words(Array(pieces.joined(separator: "\n").utf8))
    #expect(tokenizer is WordPieceTokenizer)
    #expect(try CanonicalTokensTests.compare(tokenizer, edits: 2_000, seed: 41) > 200)
  }

  @Test(TestData.isNeeded, arguments: ["tang-gpt", "tang-mlm"])
  func readsACharacterVocabulary(_ name: String) throws {
    let json = try TokenizerFiles.load(folder: TestData.path("models/\(name)"))
    let lines = try VocabularyFiles.words(
      TokenizerReferences.bytes(TestData.path("models/\(name)/vocab.txt")))
    #expect(json is CharacterTokenizer)
    for tokenizer in [json, lines] {
      #expect(tokenizer.count == 5393)
      #expect(tokenizer.token(spelled: "[MASK]") == 4)
      for sample in try TokenizerReferences.samples("tang-gpt") {
        let ids = Array(sample.ids.dropFirst().dropLast())
        #expect(try tokenizer.encode(sample.text, specials: false) == ids)
        #expect(tokenizer.decode(sample.ids) == Array(sample.text.utf8))
        #expect(tokenizer.isCanonical(sample.ids))
      }
    }
    #expect {
      try json.encode("\u{5E8A} \u{524D}", specials: false)
    } throws: { error in
      "\(error)".hasPrefix("character 2 of the text is ' ' (U+0020)")
    }
  }

  private struct Antibodies: Decodable {
    struct Sequence: Decodable {
      let sequence: String
      let ids: [Int32]
    }
    let sequences: [Sequence]
  }

  @Test(TestModels.areNeeded) func readsAminoAcids() throws {
    let tokenizer = try TokenizerFiles.load(folder: TestModels.path("antiberty"))
    let file = try JSONDecoder().decode(
      Antibodies.self,
      from: Data(TokenizerReferences.bytes(TestData.path("reference/antiberty.json"))))
    for sequence in file.sequences {
      #expect(
        try tokenizer.encode(sequence.sequence, specials: false)
          == Array(sequence.ids.dropFirst().dropLast()))
    }
    #expect(try tokenizer.encode("AC[MASK]", specials: true) == [5, 6, 4])
  }
}
