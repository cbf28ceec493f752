// Licensed under the Apache License, Version 2.0.

import Foundation
import Testing

@testable import Neural

/// Byte-level BPE against the ids of llama.cpp and Hugging Face tokenizers.
@Suite struct BytePairTokenizerTests {
  @Test(TestData.isNeeded) func readsGPT2OfAGGUFFile() throws {
    let name = "tokenizers/gguf/ggml-vocab-gpt-2.gguf"
    let tokenizer = try VocabularyGGUF.read(TestData.path(name)).tokenizer()
    let pairs = try TokenizerReferences.pairs(name)
    #expect(pairs.count == 47)
    for (text, ids) in pairs {
      let tokens = try tokenizer.encode(text, specials: false)
      #expect(tokens == ids, "\(text.debugDescription)")
      #expect(tokenizer.decode(tokens) == Array(text.utf8))
      #expect(tokenizer.isCanonical(tokens))
    }
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
    let tokenizer = try VocabularyGGUF.read(TestModels.path("smollm2.gguf")).tokenizer()
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
}
