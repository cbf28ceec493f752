// Licensed under the Apache License, Version 2.0.

import Foundation

@testable import Neural

/// The tokenizer of a GGUF file, read by the shortest program that can: an oracle for the real reader.
enum VocabularyGGUF {
  static func read(_ path: String) throws -> GGUFTokenizer {
    let data = try Data(contentsOf: URL(fileURLWithPath: path), options: .mappedIfSafe)
    var reader = Reader(data: data, position: data.startIndex + 4)
    _ = reader.integer(4)
    _ = reader.integer(8)
    let count = reader.integer(8)
    var file = GGUFTokenizer(model: "", tokens: ByteStrings())
    for _ in 0..<count {
      let key = String(decoding: reader.string(), as: UTF8.self)
      let type = reader.integer(4)
      switch key {
      case "tokenizer.ggml.model": file.model = String(decoding: reader.string(), as: UTF8.self)
      case "tokenizer.ggml.pre":
        file.preTokenizer = String(decoding: reader.string(), as: UTF8.self)
      case "tokenizer.ggml.tokens": file.tokens = reader.strings()
      case "tokenizer.ggml.merges": file.merges = reader.strings()
      case "tokenizer.ggml.token_type": file.types = reader.numbers().map(Int32.init(bitPattern:))
      case "tokenizer.ggml.scores": file.scores = reader.numbers().map(Float.init(bitPattern:))
      case "tokenizer.ggml.add_space_prefix": file.addsBlank = reader.integer(1) != 0
      default: reader.skip(type)
      }
    }
    return file
  }

  private struct Reader {
    let data: Data
    var position: Int

    mutating func integer(_ bytes: Int) -> Int {
      var value = 0
      for index in (0..<bytes).reversed() { value = value << 8 | Int(data[position + index]) }
      position += bytes
      return value
    }

    mutating func string() -> Data {
      let count = integer(8)
      position += count
      return data[position - count..<position]
    }

    mutating func strings() -> ByteStrings {
      _ = integer(4)
      var strings = ByteStrings()
      for _ in 0..<integer(8) { strings.append(string()) }
      return strings
    }

    /// Numbers of 32 bits.
    mutating func numbers() -> [UInt32] {
      _ = integer(4)
      return (0..<integer(8)).map { _ in UInt32(integer(4)) }
    }

    mutating func skip(_ type: Int) {
      switch type {
      case 0, 1, 7: position += 1
      case 2, 3: position += 2
      case 4, 5, 6: position += 4
      case 8: _ = string()
      case 9:
        let element = integer(4)
        for _ in 0..<integer(8) { skip(element) }
      default: position += 8
      }
    }
  }
}
