// Licensed under the Apache License, Version 2.0.

extension NetworkFile {
  /// Makes the tokenizer that belongs to the network.
  ///
  /// - Throws: `NeuralError` if there is none, or if it is of a kind that is not supported.
  package func makeTokenizer() throws(NeuralError) -> any Tokenizer {
    switch tokenizer {
    case .gguf(let file): return try Self.tokenizer(file)
    case .folder(let path): return try Self.tokenizer(folder: path)
    case .none:
      throw NeuralError(
        "a llama2.c checkpoint holds no tokenizer. Convert the model to GGUF, or give its folder.")
    }
  }

  private static func tokenizer(_ file: GGUFFile) throws(NeuralError) -> any Tokenizer {
    guard let model = try file.string("tokenizer.ggml.model"),
      let tokens = try strings("tokenizer.ggml.tokens", file)
    else { throw NeuralError("the file has no tokenizer ('tokenizer.ggml.tokens' is missing)") }
    var source = GGUFTokenizer(model: model, tokens: tokens)
    source.preTokenizer = try file.string("tokenizer.ggml.pre")
    source.types = try file.array("tokenizer.ggml.token_type")?.integers?.map {
      Int32(truncatingIfNeeded: $0)
    }
    source.scores = try file.array("tokenizer.ggml.scores")?.numbers?.map { Float($0) }
    source.merges = try strings("tokenizer.ggml.merges", file)
    source.addsBlank = try file.boolean("tokenizer.ggml.add_space_prefix")
    return try source.tokenizer()
  }

  private static func strings(_ key: String, _ file: GGUFFile) throws(NeuralError) -> ByteStrings? {
    guard let array = try file.array(key) else { return nil }
    var strings = ByteStrings()
    unsafe array.forEachString { unsafe strings.append($1) }
    return strings
  }

  private static func tokenizer(folder: String) throws(NeuralError) -> any Tokenizer {
    func bytes(_ name: String) throws(NeuralError) -> [UInt8]? {
      let path = folder + "/" + name
      guard FileSystem.exists(path) else { return nil }
      let file = try MappedFile(path)
      return unsafe Array(file.bytes)
    }
    do throws(NeuralError) {
      if let json = try bytes("tokenizer.json") { return try TokenizerJSON.tokenizer(json) }
    } catch {
      throw NeuralError("tokenizer.json: \(error)")
    }
    if let vocabulary = try bytes("vocab.json"), let merges = try bytes("merges.txt") {
      return try VocabularyFiles.bytePairs(vocabulary: vocabulary, merges: merges)
    }
    throw NeuralError(
      "the folder has no tokenizer (expected tokenizer.json, or vocab.json and merges.txt)")
  }
}
