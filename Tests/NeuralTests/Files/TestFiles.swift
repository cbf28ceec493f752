// Licensed under the Apache License, Version 2.0.

import Foundation
import Testing

@testable import Neural

/// A folder of one test, gone afterwards.
final class TestFolder {
  let path: String

  init() throws {
    let url = FileManager.default.temporaryDirectory
      .appendingPathComponent("gensample-neural-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    path = url.path
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Writes a file and returns its path.
  @discardableResult func write(_ name: String, _ bytes: [UInt8]) throws -> String {
    let file = path + "/" + name
    try Data(bytes).write(to: URL(fileURLWithPath: file))
    return file
  }

  @discardableResult func write(_ name: String, _ text: String) throws -> String {
    try write(name, Array(text.utf8))
  }
}

/// Little-endian bytes.
struct Bytes {
  var bytes: [UInt8] = []

  mutating func add<Word: FixedWidthInteger>(_ word: Word) {
    for shift in stride(from: 0, to: Word.bitWidth, by: 8) {
      bytes.append(UInt8(truncatingIfNeeded: word >> Word(shift)))
    }
  }

  mutating func add(_ text: String) {
    add(UInt64(text.utf8.count))
    bytes += Array(text.utf8)
  }
}

/// A GGUF file put together by hand, right or wrong.
struct HandmadeGGUF {
  struct TensorEntry {
    var name = "t"
    /// In GGUF's order, the dimension that lies together first.
    var shape: [UInt64] = [4, 2]
    var type: UInt32 = 0
    var offset: UInt64 = 0
  }

  var version: UInt32 = 3
  var keys: [(name: String, type: UInt32, value: [UInt8])] = []
  var tensors: [TensorEntry] = []
  var data: [UInt8] = []
  var statedKeys: UInt64?
  var statedTensors: UInt64?

  mutating func addKey(_ name: String, _ type: UInt32, _ body: (inout Bytes) -> Void) {
    var bytes = Bytes()
    body(&bytes)
    keys.append((name, type, bytes.bytes))
  }

  var bytes: [UInt8] {
    var result = Bytes()
    result.add(GGUFFile.magic)
    result.add(version)
    result.add(statedTensors ?? UInt64(tensors.count))
    result.add(statedKeys ?? UInt64(keys.count))
    for key in keys {
      result.add(key.name)
      result.add(key.type)
      result.bytes += key.value
    }
    for tensor in tensors {
      result.add(tensor.name)
      result.add(UInt32(tensor.shape.count))
      for size in tensor.shape { result.add(size) }
      result.add(tensor.type)
      result.add(tensor.offset)
    }
    while result.bytes.count % 32 != 0 { result.bytes.append(0) }
    return result.bytes + data
  }

  func open() throws -> GGUFFile {
    let folder = try TestFolder()
    return try GGUFFile(folder.write("x.gguf", bytes))
  }

  /// The message with which opening fails.
  func message() throws -> String {
    do {
      _ = try open()
      return "no error"
    } catch let error as NeuralError {
      return error.description
    }
  }
}

/// A safetensors file of F32 tensors.
enum HandmadeSafetensors {
  static func bytes(_ tensors: [(name: String, shape: [Int], values: [Float])]) -> [UInt8] {
    var header: [String] = []
    var data = Bytes()
    for tensor in tensors {
      let start = data.bytes.count
      for value in tensor.values { data.add(value.bitPattern) }
      header.append(
        "\"\(tensor.name)\": {\"dtype\": \"F32\", \"shape\": \(tensor.shape), "
          + "\"data_offsets\": [\(start), \(data.bytes.count)]}")
    }
    return bytes(header: "{" + header.joined(separator: ", ") + "}", data: data.bytes)
  }

  static func bytes(header: String, data: [UInt8]) -> [UInt8] {
    var result = Bytes()
    let padding = (8 - header.utf8.count % 8) % 8
    result.add(UInt64(header.utf8.count + padding))
    result.bytes += Array(header.utf8) + Array(repeating: 0x20, count: padding)
    return result.bytes + data
  }
}

/// The message of a `NeuralError`.
func message(_ body: () throws -> Void) -> String {
  do {
    try body()
    return "no error"
  } catch {
    return "\(error)"
  }
}
