// Licensed under the Apache License, Version 2.0.

/// Reads little-endian values from bytes, one after the other, and never behind their end.
@safe struct ByteReader {
  let bytes: UnsafeRawBufferPointer
  private(set) var offset: Int

  init(_ bytes: UnsafeRawBufferPointer, at offset: Int = 0) {
    unsafe self.bytes = bytes
    self.offset = offset
  }

  var left: Int { unsafe bytes.count - offset }

  /// Throws if fewer than `count` bytes are left.
  func need(_ count: Int, for what: String) throws(NeuralError) {
    guard count <= left else {
      throw NeuralError(
        "byte \(offset): the file ends within \(what) (found \(left) bytes, expected \(count))")
    }
  }

  mutating func skip(_ count: Int, for what: String) throws(NeuralError) {
    try need(count, for: what)
    offset += count
  }

  mutating func integer<Value: FixedWidthInteger & BitwiseCopyable>(
    _ type: Value.Type, for what: String
  ) throws(NeuralError) -> Value {
    try need(MemoryLayout<Value>.size, for: what)
    let value = unsafe bytes.loadUnaligned(fromByteOffset: offset, as: Value.self)
    offset += MemoryLayout<Value>.size
    return Value(littleEndian: value)
  }

  /// A count of 64 bits of things that need at least `bytesEach` bytes of this file each.
  mutating func count(
    of what: String, bytesEach: Int, nameOfCount: String
  ) throws(NeuralError) -> Int {
    let start = offset
    let stated = try integer(UInt64.self, for: nameOfCount)
    guard stated <= UInt64(left / bytesEach) else {
      throw NeuralError(
        "byte \(start): \(nameOfCount) is too large (found \(stated), but the \(left) bytes left "
          + "hold at most \(left / bytesEach) \(what))")
    }
    return Int(stated)
  }

  /// A string with its length in 64 bits before it, as bytes.
  mutating func stringBytes(for what: String) throws(NeuralError) -> Range<Int> {
    let count = try count(of: "bytes", bytesEach: 1, nameOfCount: "the length of \(what)")
    defer { offset += count }
    return offset..<(offset + count)
  }

  mutating func string(for what: String) throws(NeuralError) -> String {
    let range = try stringBytes(for: what)
    guard
      let text = unsafe String(
        validating: UnsafeRawBufferPointer(rebasing: bytes[range]), as: UTF8.self)
    else {
      throw NeuralError("byte \(range.lowerBound): \(what) is not UTF-8")
    }
    return text
  }
}
