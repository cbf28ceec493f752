// Licensed under the Apache License, Version 2.0.

/// Reads a JSON file from front to back, value by value.
///
/// A `tokenizer.json` has up to half a million strings. This reader hands each one over as bytes and
/// builds no tree of them.
struct JSONScanner {
  private let bytes: [UInt8]
  private(set) var position = 0
  private var scratch: [UInt8] = []
  private var depth = 0

  init(_ bytes: [UInt8]) {
    self.bytes = bytes
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
  }

  /// A small value, for the parts of a file that are few.
  indirect enum Value: Equatable {
    case null
    case boolean(Bool)
    case number(Double)
    case string(String)
    case array([Value])
    case object([(name: String, value: Value)])

    static func == (left: Value, right: Value) -> Bool {
      switch (left, right) {
      case (.null, .null): true
      case (.boolean(let left), .boolean(let right)): left == right
      case (.number(let left), .number(let right)): left == right
      case (.string(let left), .string(let right)): left == right
      case (.array(let left), .array(let right)): left == right
      case (.object(let left), .object(let right)):
        left.count == right.count
          && zip(left, right).allSatisfy { $0.name == $1.name && $0.value == $1.value }
      default: false
      }
    }

    /// A member of an object, nil if it is missing or null.
    subscript(name: String) -> Value? {
      guard case .object(let members) = self else { return nil }
      let value = members.first { $0.name == name }?.value
      return value == .null ? nil : value
    }

    var string: String? { if case .string(let text) = self { text } else { nil } }
    var boolean: Bool? { if case .boolean(let flag) = self { flag } else { nil } }
    var number: Double? { if case .number(let number) = self { number } else { nil } }
    var array: [Value]? { if case .array(let values) = self { values } else { nil } }
  }

  private func error(_ text: String) -> NeuralError {
    var line = 1
    var column = 1
    for byte in bytes.prefix(position) {
      if byte == 0x0A { (line, column) = (line + 1, 1) } else { column += 1 }
    }
    return NeuralError("line \(line), byte \(column): \(text)")
  }

  private func unexpected(_ expected: String) -> NeuralError {
    guard position < bytes.count else {
      return error("the JSON ends here (expected \(expected)). The file is cut or damaged.")
    }
    return error(
      "the JSON is broken (found \(quoted(bytes[position..<position + 1])), expected \(expected))")
  }

  private mutating func skipSpace() {
    while position < bytes.count {
      let byte = bytes[position]
      guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return }
      position += 1
    }
  }

  /// The first byte of the next value.
  mutating func peek() throws(NeuralError) -> UInt8 {
    skipSpace()
    guard position < bytes.count else { throw unexpected("a value") }
    return bytes[position]
  }

  private mutating func accept(_ byte: UInt8) -> Bool {
    skipSpace()
    guard position < bytes.count, bytes[position] == byte else { return false }
    position += 1
    return true
  }

  private mutating func expect(_ byte: UInt8, _ name: String) throws(NeuralError) {
    guard accept(byte) else { throw unexpected(name) }
  }

  /// Reads an object; `member` must read the value of the member whose name it gets.
  mutating func object(
    _ member: (inout JSONScanner, ArraySlice<UInt8>) throws(NeuralError) -> Void
  ) throws(NeuralError) {
    try expect(UInt8(ascii: "{"), "'{'")
    try enter()
    if accept(UInt8(ascii: "}")) { return depth -= 1 }
    repeat {
      let name = try string()
      try expect(UInt8(ascii: ":"), "':'")
      try member(&self, name)
    } while accept(UInt8(ascii: ","))
    try expect(UInt8(ascii: "}"), "',' or '}'")
    depth -= 1
  }

  /// Reads an array; `element` must read one value.
  mutating func array(
    _ element: (inout JSONScanner) throws(NeuralError) -> Void
  ) throws(NeuralError) {
    try expect(UInt8(ascii: "["), "'['")
    try enter()
    if accept(UInt8(ascii: "]")) { return depth -= 1 }
    repeat { try element(&self) } while accept(UInt8(ascii: ","))
    try expect(UInt8(ascii: "]"), "',' or ']'")
    depth -= 1
  }

  private mutating func enter() throws(NeuralError) {
    depth += 1
    guard depth <= 64 else { throw error("the JSON is nested over 64 deep") }
  }

  /// The bytes of a string, without escapes.
  mutating func string() throws(NeuralError) -> ArraySlice<UInt8> {
    try expect(UInt8(ascii: "\""), "a string")
    let start = position
    while position < bytes.count {
      let byte = bytes[position]
      if byte == UInt8(ascii: "\"") {
        position += 1
        return bytes[start..<position - 1]
      }
      if byte == UInt8(ascii: "\\") { break }
      position += 1
    }
    scratch.removeAll(keepingCapacity: true)
    scratch.append(contentsOf: bytes[start..<position])
    while position < bytes.count {
      let byte = bytes[position]
      position += 1
      if byte == UInt8(ascii: "\"") { return scratch[...] }
      if byte == UInt8(ascii: "\\") { try escape() } else { scratch.append(byte) }
    }
    throw unexpected("the end of a string")
  }

  private mutating func escape() throws(NeuralError) {
    guard position < bytes.count else { throw unexpected("the end of an escape") }
    let byte = bytes[position]
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): scratch.append(byte)
    case UInt8(ascii: "b"): scratch.append(0x08)
    case UInt8(ascii: "f"): scratch.append(0x0C)
    case UInt8(ascii: "n"): scratch.append(0x0A)
    case UInt8(ascii: "r"): scratch.append(0x0D)
    case UInt8(ascii: "t"): scratch.append(0x09)
    case UInt8(ascii: "u"):
      var value = try hexadecimal()
      if (0xD800..<0xDC00).contains(value), bytes[position...].starts(with: [0x5C, 0x75]) {
        position += 2
        let low = try hexadecimal()
        guard (0xDC00..<0xE000).contains(low) else { throw error("half a surrogate pair") }
        value = 0x10000 + (value - 0xD800) << 10 + (low - 0xDC00)
      }
      guard let scalar = Unicode.Scalar(value) else { throw error("half a surrogate pair") }
      scratch.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
    default:
      position -= 1
      throw unexpected("an escape")
    }
  }

  private mutating func hexadecimal() throws(NeuralError) -> UInt32 {
    guard position + 4 <= bytes.count else { throw unexpected("four hexadecimal digits") }
    var value: UInt32 = 0
    for byte in bytes[position..<position + 4] {
      guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
        throw unexpected("four hexadecimal digits")
      }
      value = value << 4 | UInt32(digit)
    }
    position += 4
    return value
  }

  mutating func integer() throws(NeuralError) -> Int {
    skipSpace()
    var value = 0
    let start = position
    while position < bytes.count, (0x30...0x39).contains(bytes[position]) {
      guard position - start < 18 else { throw error("a number is too large") }
      value = value * 10 + Int(bytes[position] - 0x30)
      position += 1
    }
    guard position > start else { throw unexpected("a whole number") }
    return value
  }

  mutating func number() throws(NeuralError) -> Double {
    skipSpace()
    let start = position
    while position < bytes.count,
      (0x30...0x39).contains(bytes[position])
        || [0x2B, 0x2D, 0x2E, 0x45, 0x65].contains(bytes[position])
    {
      position += 1
    }
    guard let value = Double(String(decoding: bytes[start..<position], as: UTF8.self)) else {
      position = start
      throw unexpected("a number")
    }
    return value
  }

  mutating func value() throws(NeuralError) -> Value {
    switch try peek() {
    case UInt8(ascii: "{"):
      var members: [(name: String, value: Value)] = []
      try object { (scanner, name) throws(NeuralError) in
        let name = String(decoding: name, as: UTF8.self)
        members.append((name, try scanner.value()))
      }
      return .object(members)
    case UInt8(ascii: "["):
      var values: [Value] = []
      try array { (scanner) throws(NeuralError) in values.append(try scanner.value()) }
      return .array(values)
    case UInt8(ascii: "\""): return .string(String(decoding: try string(), as: UTF8.self))
    case UInt8(ascii: "t"): return try word("true", .boolean(true))
    case UInt8(ascii: "f"): return try word("false", .boolean(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    default: return .number(try number())
    }
  }

  private mutating func word(_ word: String, _ value: Value) throws(NeuralError) -> Value {
    guard bytes[position...].starts(with: word.utf8) else { throw unexpected("a value") }
    position += word.utf8.count
    return value
  }

  /// Nothing but white space may follow.
  mutating func end() throws(NeuralError) {
    skipSpace()
    guard position == bytes.count else { throw unexpected("the end of the file") }
  }
}
