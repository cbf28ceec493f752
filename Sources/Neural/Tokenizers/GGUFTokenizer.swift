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

  package func tokenizer() throws(NeuralError) -> any NetworkTokenizer {
    let vocabulary = try PieceVocabulary(pieces: tokens, types: types)
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
  private func wordPieces() throws(NeuralError) -> any NetworkTokenizer {
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
    let vocabulary = try PieceVocabulary(pieces: pieces, kinds: VocabularyFiles.wordKinds(pieces))
    if CharacterTokenizer.fits(pieces) { return try CharacterTokenizer(vocabulary) }
    return try WordPieceTokenizer(vocabulary)
  }
}

extension GGUFTokenizer {
  /// Takes the keys `tokenizer.ggml.*` out of a file.
  package init(_ file: GGUFFile) throws(NeuralError) {
    let key = { (name: String) in "tokenizer.ggml.\(name)" }
    guard let model = try file.string(key("model")), let tokens = try file.strings(key("tokens"))
    else {
      throw NeuralError(
        "'tokenizer.ggml.model' or 'tokenizer.ggml.tokens' is missing, so the file has no tokenizer"
      )
    }
    self.init(model: model, tokens: tokens)
    preTokenizer = try file.string(key("pre"))
    merges = try file.strings(key("merges"))
    addsBlank = try file.boolean(key("add_space_prefix"))
    if let array = try file.array(key("scores")) {
      guard array.element == .float32 else { throw Self.wrong(key("scores"), "float32", array) }
      scores = array.words.map { Float(bitPattern: $0) }
    }
    if let array = try file.array(key("token_type")) {
      guard array.element == .int32 || array.element == .uint32 else {
        throw Self.wrong(key("token_type"), "int32", array)
      }
      types = array.words.map { Int32(bitPattern: $0) }
    }
  }

  fileprivate static func wrong(
    _ key: String, _ expected: String, _ array: GGUFArray
  ) -> NeuralError {
    NeuralError("'\(key)' holds elements of type \(array.element) (expected \(expected))")
  }
}

extension GGUFFile {
  /// An array of strings as bytes.
  fileprivate func strings(_ key: String) throws(NeuralError) -> ByteStrings? {
    guard let array = try array(key) else { return nil }
    guard array.element == .string else { throw GGUFTokenizer.wrong(key, "string", array) }
    var strings = ByteStrings()
    strings.reserve(count: array.count, bytes: array.range.count)
    unsafe array.forEachString { unsafe strings.append($1) }
    return strings
  }
}

extension GGUFArray {
  /// Elements of four bytes.
  fileprivate var words: [UInt32] {
    (0..<count).map { index in
      unsafe UInt32(
        littleEndian: file.bytes.loadUnaligned(
          fromByteOffset: range.lowerBound + 4 * index, as: UInt32.self))
    }
  }
}
