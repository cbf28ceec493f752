// Licensed under the Apache License, Version 2.0.

internal import Foundation

extension NetworkFile {
  /// Makes the tokenizer that belongs to the network.
  ///
  /// A llama2.c checkpoint holds none; it is taken from the files beside it.
  ///
  /// - Throws: `NeuralError` if there is none, or if it is of a kind that is not supported.
  package func makeTokenizer() throws(NeuralError) -> any NetworkTokenizer {
    switch tokenizer {
    case .gguf(let file): return try GGUFTokenizer(file).tokenizer()
    case .folder(let path): return try TokenizerFiles.load(folder: path)
    case .none:
      let folder = (path as NSString).deletingLastPathComponent
      guard TokenizerFiles.exist(in: folder) else {
        throw NeuralError(
          "a llama2.c checkpoint holds no tokenizer. Put its tokenizer.bin beside it.")
      }
      return try TokenizerFiles.load(folder: folder)
    }
  }
}
