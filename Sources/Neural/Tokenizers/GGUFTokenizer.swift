// Licensed under the Apache License, Version 2.0.

/// What a GGUF file says about its tokenizer (`tokenizer.ggml.*`).
package struct GGUFTokenizer: Sendable {
  /// `tokenizer.ggml.model`: "gpt2", "llama", "bert".
  package var model: String
  /// `tokenizer.ggml.pre`.
  package var preTokenizer: String?
  package var tokens: ByteStrings
  /// `tokenizer.ggml.token_type`.
  package var types: [Int32]?
  package var scores: [Float]?
  package var merges: ByteStrings?
  /// `tokenizer.ggml.add_space_prefix`.
  package var addsBlank: Bool?

  package init(model: String, tokens: ByteStrings) {
    self.model = model
    self.tokens = tokens
  }

  package func tokenizer() throws(NeuralError) -> any Tokenizer {
    let vocabulary = try Vocabulary(pieces: tokens, types: types)
    switch model {
    case "gpt2":
      guard let merges else {
        throw NeuralError("'tokenizer.ggml.merges' is missing. The file has no complete tokenizer.")
      }
      let name = preTokenizer ?? "none"
      guard let preTokenizer = PreTokenizer(name: name) else {
        throw NeuralError(
          "the pre-tokenizer ('tokenizer.ggml.pre') is \(quoted(name.utf8)), which gensample does "
            + "not support (expected gpt-2, llama-bpe, qwen2, smollm or one that cuts alike)")
      }
      return try BytePairTokenizer(
        vocabulary, merges: MergeList(lines: merges), preTokenizer: preTokenizer,
        wholeWordsFirst: preTokenizer == .llama3)
    case "llama":
      guard let scores else {
        throw NeuralError("'tokenizer.ggml.scores' is missing. The file has no complete tokenizer.")
      }
      return try SentencePieceTokenizer(vocabulary, scores: scores, addsBlank: addsBlank ?? true)
    case "bert": return try wordPieces()
    default:
      throw NeuralError(
        "the tokenizer ('tokenizer.ggml.model') is \(quoted(model.utf8)), which gensample does not "
          + "support (expected gpt2, llama or bert)")
    }
  }

  /// GGUF files mark the beginning of a word by U+2581, where BERT marks its continuation by `##`.
  private func wordPieces() throws(NeuralError) -> any Tokenizer {
    var pieces = ByteStrings()
    for token in 0..<tokens.count {
      let piece = tokens[token]
      if CharacterTokenizer.isSpecial(piece) {
        pieces.append(piece)
      } else if piece.starts(with: [0xE2, 0x96, 0x81]), piece.count > 3 {
        pieces.append(piece.dropFirst(3))
      } else {
        pieces.append(Array("##".utf8) + piece)
      }
    }
    let vocabulary = try Vocabulary(pieces: pieces, kinds: VocabularyFiles.wordKinds(pieces))
    return try WordPieceTokenizer(vocabulary)
  }
}
