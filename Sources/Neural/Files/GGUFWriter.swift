// Licensed under the Apache License, Version 2.0.

import Foundation

/// Writes a GGUF file, version 3: keys, then tensors one after the other.
struct GGUFWriter {
  /// A tensor to be written: `parts` lie below one another in it.
  private struct Planned {
    let name: String
    let parts: [Part]
    let type: TensorType
    /// Numbers in memory's order, the last dimension first.
    let shape: [Int]
    let bytes: Int
  }

  /// A matrix or vector, with its rows in another order if there is one.
  struct Part {
    let tensor: Tensor
    var order: [Int]?
    init(_ tensor: Tensor, order: [Int]? = nil) {
      self.tensor = tensor
      self.order = order
    }
  }

  private static let alignment = 32
  private var keys: [UInt8] = []
  private var keyCount: UInt64 = 0
  private var planned: [Planned] = []

  // MARK: Keys

  private static func append<Word: FixedWidthInteger>(_ word: Word, to bytes: inout [UInt8]) {
    for shift in stride(from: 0, to: Word.bitWidth, by: 8) {
      bytes.append(UInt8(truncatingIfNeeded: word >> Word(shift)))
    }
  }

  private static func append(_ text: some Collection<UInt8>, to bytes: inout [UInt8]) {
    append(UInt64(text.count), to: &bytes)
    bytes.append(contentsOf: text)
  }

  private mutating func begin(_ key: String, _ type: GGUFArray.Element) {
    Self.append(key.utf8, to: &keys)
    Self.append(type.rawValue, to: &keys)
    keyCount += 1
  }

  mutating func add(_ key: String, _ value: Int) throws(NeuralError) {
    guard let value = UInt32(exactly: value) else {
      throw NeuralError("'\(key)' does not fit into 32 bits (found \(value))")
    }
    begin(key, .uint32)
    Self.append(value, to: &keys)
  }

  mutating func add(_ key: String, _ value: Float) {
    begin(key, .float32)
    Self.append(value.bitPattern, to: &keys)
  }

  mutating func add(_ key: String, _ value: Bool) {
    begin(key, .bool)
    keys.append(value ? 1 : 0)
  }

  mutating func add(_ key: String, _ value: String) {
    begin(key, .string)
    Self.append(value.utf8, to: &keys)
  }

  private mutating func beginArray(_ key: String, _ element: GGUFArray.Element, _ count: Int) {
    begin(key, .array)
    Self.append(element.rawValue, to: &keys)
    Self.append(UInt64(count), to: &keys)
  }

  mutating func add(_ key: String, _ values: [String]) {
    beginArray(key, .string, values.count)
    for value in values { Self.append(value.utf8, to: &keys) }
  }

  mutating func add(_ key: String, _ values: [Int32]) {
    beginArray(key, .int32, values.count)
    for value in values { Self.append(value, to: &keys) }
  }

  mutating func add(_ key: String, _ values: [Float]) {
    beginArray(key, .float32, values.count)
    for value in values { Self.append(value.bitPattern, to: &keys) }
  }

  // MARK: Tensors

  /// Adds a tensor that is `parts` below one another; rows that are no whole blocks become F16.
  mutating func add(_ name: String, _ parts: [Part], as type: TensorType) throws(NeuralError) {
    let rows = parts.reduce(0) { $0 + ($1.order?.count ?? $1.tensor.shape[0]) }
    let columns = parts[0].tensor.columns
    let isVector = parts[0].tensor.shape.count == 1
    let shape = isVector ? [rows] : [rows, columns]
    let own = (isVector ? rows : columns) % type.blockLength == 0 ? type : .f16
    guard let bytes = own.byteCount(shape: shape) else {
      throw NeuralError("the tensor '\(name)' is too large (found the shape \(shape))")
    }
    planned.append(Planned(name: name, parts: parts, type: own, shape: shape, bytes: bytes))
  }

  private static func padding(_ count: Int) -> Int {
    (alignment - count % alignment) % alignment
  }

  private func header() -> [UInt8] {
    var bytes: [UInt8] = []
    Self.append(GGUFFile.magic, to: &bytes)
    Self.append(UInt32(3), to: &bytes)
    Self.append(UInt64(planned.count), to: &bytes)
    Self.append(keyCount, to: &bytes)
    bytes += keys
    var offset = 0
    for tensor in planned {
      Self.append(tensor.name.utf8, to: &bytes)
      Self.append(UInt32(tensor.shape.count), to: &bytes)
      for size in tensor.shape.reversed() { Self.append(UInt64(size), to: &bytes) }
      Self.append(tensor.type.ggmlNumber, to: &bytes)
      Self.append(UInt64(offset), to: &bytes)
      offset += tensor.bytes + Self.padding(tensor.bytes)
    }
    return bytes + Array(repeating: 0, count: Self.padding(bytes.count))
  }

  /// Writes the file; it takes its name only when it is whole.
  func write(to path: String) throws(NeuralError) {
    let partial = "\(path).partial-\(ProcessInfo.processInfo.processIdentifier)"
    guard FileManager.default.createFile(atPath: partial, contents: nil),
      let file = FileHandle(forWritingAtPath: partial)
    else {
      throw NeuralError("'\(partial)' cannot be written. Does the folder exist?")
    }
    do {
      try file.write(contentsOf: Data(header()))
      for tensor in planned { try Self.write(tensor, to: file) }
      try file.close()
      // Takes the place of an older file in one step.
      guard unsafe rename(partial, path) == 0 else {
        throw unsafe NeuralError("cannot be renamed: \(String(cString: strerror(errno)))")
      }
    } catch {
      try? FileManager.default.removeItem(atPath: partial)
      throw error as? NeuralError
        ?? NeuralError("'\(partial)' cannot be written: \(error.localizedDescription)")
    }
  }

  private static func write(_ tensor: Planned, to file: FileHandle) throws {
    var bytes: [UInt8] = []
    // Written in pieces of a few megabytes.
    let most = 4 << 20
    bytes.reserveCapacity(min(tensor.bytes, most) + 1024)
    for part in tensor.parts {
      let source = part.tensor
      if source.shape.count == 1 {
        let values = source.floats
        try tensor.type.quantize(
          part.order.map { $0.map { values[$0] } } ?? values, into: &bytes, of: source.name)
      } else {
        for i in 0..<(part.order?.count ?? source.rows) {
          let row = part.order?[i] ?? i
          if source.type == tensor.type && source.type != .f32 {
            let start = row * source.rowBytes
            unsafe bytes.append(contentsOf: source.bytes[start..<(start + source.rowBytes)])
          } else {
            try tensor.type.quantize(source.row(row), into: &bytes, of: source.name)
          }
          if bytes.count >= most {
            try file.write(contentsOf: Data(bytes))
            bytes.removeAll(keepingCapacity: true)
          }
        }
      }
    }
    bytes += Array(repeating: 0, count: padding(tensor.bytes))
    try file.write(contentsOf: Data(bytes))
  }
}
