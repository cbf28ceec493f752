// Licensed under the Apache License, Version 2.0.

internal import Foundation

/// Finds and reads the tokenizer of a model's folder.
package enum TokenizerFiles {
  /// The first of these that a folder has is its tokenizer.
  static let names: [String] = [
    "tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "tokenizer.bin",
  ]

  static func exist(in folder: String) -> Bool {
    names.contains { FileManager.default.fileExists(atPath: path($0, folder)) }
  }

  private static func path(_ name: String, _ folder: String) -> String {
    folder.isEmpty ? name : folder + "/" + name
  }

  /// Reads the tokenizer of a folder.
  ///
  /// Messages name the file inside the folder.
  package static func load(folder: String) throws(NeuralError) -> any NetworkTokenizer {
    for name in names where FileManager.default.fileExists(atPath: path(name, folder)) {
      do throws(NeuralError) {
        return try load(name, folder)
      } catch {
        throw NeuralError("\(name): \(error)")
      }
    }
    throw NeuralError(
      "the folder has no tokenizer (expected one of \(names.joined(separator: ", "))). "
        + "Copy it from where the model came from.")
  }

  private static func load(_ name: String, _ folder: String) throws(NeuralError)
    -> any NetworkTokenizer
  {
    let bytes = try read(path(name, folder))
    switch name {
    case "tokenizer.json": return try TokenizerJSON.tokenizer(bytes)
    case "tokenizer.model": return try SentencePieceModel.tokenizer(bytes)
    case "tokenizer.bin": return try Llama2CTokenizer.tokenizer(bytes)
    case "vocab.json":
      let merges = path("merges.txt", folder)
      guard FileManager.default.fileExists(atPath: merges) else {
        throw NeuralError("merges.txt is missing, which belongs to it")
      }
      return try VocabularyFiles.bytePairs(vocabulary: bytes, merges: read(merges))
    default:
      let settings = path("tokenizer_config.json", folder)
      var lowercases: Bool?
      if FileManager.default.fileExists(atPath: settings) {
        var scanner = JSONScanner(try read(settings))
        lowercases = try scanner.value()["do_lower_case"]?.boolean
      }
      return try VocabularyFiles.words(bytes, lowercases: lowercases)
    }
  }

  private static func read(_ path: String) throws(NeuralError) -> [UInt8] {
    do {
      return [UInt8](try Data(contentsOf: URL(fileURLWithPath: path), options: .mappedIfSafe))
    } catch {
      throw NeuralError("cannot be read: \(error.localizedDescription)")
    }
  }
}
