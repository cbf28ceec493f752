// Licensed under the Apache License, Version 2.0.

/// A value of a JSON file.
///
/// The parser bounds depth, size and the number of values, so that no file of a stranger exhausts the
/// stack or the memory.
package enum JSONValue: Sendable, Equatable {
  case null
  case boolean(Bool)
  /// A number without fraction and exponent that fits.
  case integer(Int)
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object(Object)

  /// Members in the order of the file.
  ///
  /// The first of several with one name counts.
  package struct Object: Sendable, Equatable {
    package struct Member: Sendable, Equatable {
      package let name: String
      package let value: JSONValue
    }
    package var members: [Member] = []

    /// - Complexity: O(members).
    package subscript(name: String) -> JSONValue? {
      members.first { $0.name == name }?.value
    }
  }

  /// A member of an object; nil for `null`, too.
  package subscript(name: String) -> JSONValue? {
    guard case .object(let object) = self, let value = object[name], value != .null else {
      return nil
    }
    return value
  }

  package var string: String? {
    if case .string(let value) = self { value } else { nil }
  }
  package var integer: Int? {
    switch self {
    case .integer(let value): value
    case .number(let value): Int(exactly: value)
    default: nil
    }
  }
  package var number: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .number(let value): value
    default: nil
    }
  }
  package var boolean: Bool? {
    if case .boolean(let value) = self { value } else { nil }
  }
  package var array: [JSONValue]? {
    if case .array(let values) = self { values } else { nil }
  }
  package var object: Object? {
    if case .object(let value) = self { value } else { nil }
  }

  /// What kind of value this is, for messages: "a string".
  package var kind: String {
    switch self {
    case .null: "null"
    case .boolean(let value): "\(value)"
    case .integer(let value): "\(value)"
    case .number(let value): "\(value)"
    case .string: "a string"
    case .array: "an array"
    case .object: "an object"
    }
  }
}

extension JSONValue {
  /// Bytes that a file may have: the largest tokenizers in use have 35 MB.
  package static let mostBytes = 64 << 20
  package static let mostDepth = 128
  /// A vocabulary of 262,144 with its merges has 2 million.
  package static let mostValues = 8_000_000

  /// Reads and parses a file.
  package init(
    contentsOf path: String, mostBytes: Int = JSONValue.mostBytes
  ) throws(NeuralError) {
    let file = try MappedFile(path)
    guard unsafe file.bytes.count <= mostBytes else {
      throw unsafe NeuralError(
        "the file is too large for JSON of this kind (found \(file.bytes.count) bytes, "
          + "expected at most \(mostBytes))")
    }
    self = try unsafe JSONValue(parsing: file.bytes)
  }

  package init(parsing bytes: UnsafeRawBufferPointer) throws(NeuralError) {
    var parser = unsafe JSONParser(bytes)
    self = try parser.document()
  }

  /// The value with which the bytes begin, whatever comes behind it.
  init(beginningOf bytes: UnsafeRawBufferPointer) throws(NeuralError) {
    var parser = unsafe JSONParser(bytes)
    self = try parser.value(depth: 0)
  }

  package init(parsing text: String) throws(NeuralError) {
    let bytes = Array(text.utf8)
    let result: Result<JSONValue, NeuralError> = unsafe bytes.withUnsafeBytes { bytes in
      do throws(NeuralError) {
        return .success(try unsafe JSONValue(parsing: bytes))
      } catch {
        return .failure(error)
      }
    }
    self = try result.get()
  }
}

@safe private struct JSONParser {
  let bytes: UnsafeRawBufferPointer
  var at = 0
  var values = 0

  init(_ bytes: UnsafeRawBufferPointer) {
    unsafe self.bytes = bytes
  }

  mutating func document() throws(NeuralError) -> JSONValue {
    // A mark of byte order is not JSON, but editors write it.
    if unsafe bytes.count >= 3 && bytes[0] == 0xef && bytes[1] == 0xbb && bytes[2] == 0xbf {
      at = 3
    }
    let value = try value(depth: 0)
    skipBlanks()
    if let byte = peek() { throw wrong(byte, expected: "the end of the JSON") }
    return value
  }

  private func peek() -> UInt8? {
    unsafe at < bytes.count ? bytes[at] : nil
  }

  private mutating func skipBlanks() {
    while unsafe at < bytes.count {
      switch unsafe bytes[at] {
      case 0x20, 0x0a, 0x0d, 0x09: at &+= 1
      default: return
      }
    }
  }

  private func wrong(_ byte: UInt8?, expected: String) -> NeuralError {
    let found =
      switch byte {
      case nil: "the end of the file"
      case .some(let byte) where byte > 0x20 && byte < 0x7f: "'\(Character(UnicodeScalar(byte)))'"
      case .some(let byte): "the byte \(byte)"
      }
    return NeuralError("byte \(at): the JSON is wrong (found \(found), expected \(expected))")
  }

  mutating func value(depth: Int) throws(NeuralError) -> JSONValue {
    guard depth <= JSONValue.mostDepth else {
      throw NeuralError(
        "byte \(at): the JSON is nested too deeply (expected at most \(JSONValue.mostDepth) levels)"
      )
    }
    values += 1
    guard values <= JSONValue.mostValues else {
      throw NeuralError(
        "byte \(at): the JSON has too many values (expected at most \(JSONValue.mostValues))")
    }
    skipBlanks()
    guard let first = peek() else { throw wrong(nil, expected: "a value") }
    switch first {
    case UInt8(ascii: "{"): return .object(try object(depth: depth))
    case UInt8(ascii: "["): return .array(try array(depth: depth))
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .boolean(true))
    case UInt8(ascii: "f"): return try word("false", .boolean(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
    // Python writes these, and config files of networks contain them.
    case UInt8(ascii: "I"): return try word("Infinity", .number(.infinity))
    case UInt8(ascii: "N"): return try word("NaN", .number(.nan))
    default: throw wrong(first, expected: "a value")
    }
  }

  private mutating func word(
    _ word: StaticString, _ value: JSONValue
  ) throws(NeuralError) -> JSONValue {
    for i in 0..<word.utf8CodeUnitCount {
      guard let byte = peek(), unsafe byte == word.utf8Start[i] else {
        throw wrong(peek(), expected: "'\(word)'")
      }
      at += 1
    }
    return value
  }

  private mutating func number() throws(NeuralError) -> JSONValue {
    let start = at
    var isInteger = true
    var digits = 0
    if peek() == UInt8(ascii: "-") {
      at += 1
      if peek() == UInt8(ascii: "I") { return try word("Infinity", .number(-.infinity)) }
    }
    while let byte = peek() {
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): digits += 1
      case UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"), UInt8(ascii: "+"),
        UInt8(ascii: "-"):
        isInteger = false
      default: return try finishNumber(start, isInteger: isInteger && digits > 0)
      }
      at += 1
    }
    return try finishNumber(start, isInteger: isInteger && digits > 0)
  }

  private func finishNumber(_ start: Int, isInteger: Bool) throws(NeuralError) -> JSONValue {
    guard at - start <= 1000 else {
      throw NeuralError("byte \(start): the JSON has a number of \(at - start) characters")
    }
    let text = unsafe String(
      decoding: UnsafeRawBufferPointer(rebasing: bytes[start..<at]), as: UTF8.self)
    if isInteger, let value = Int(text) { return .integer(value) }
    guard let value = Double(text) else {
      throw NeuralError("byte \(start): the JSON has a bad number (found '\(text)')")
    }
    return .number(value)
  }

  private mutating func array(depth: Int) throws(NeuralError) -> [JSONValue] {
    at += 1
    var result: [JSONValue] = []
    skipBlanks()
    if peek() == UInt8(ascii: "]") {
      at += 1
      return result
    }
    while true {
      result.append(try value(depth: depth + 1))
      skipBlanks()
      switch peek() {
      case UInt8(ascii: ","): at += 1
      case UInt8(ascii: "]"):
        at += 1
        return result
      case let byte: throw wrong(byte, expected: "',' or ']'")
      }
    }
  }

  private mutating func object(depth: Int) throws(NeuralError) -> JSONValue.Object {
    at += 1
    var result = JSONValue.Object()
    skipBlanks()
    if peek() == UInt8(ascii: "}") {
      at += 1
      return result
    }
    while true {
      skipBlanks()
      guard peek() == UInt8(ascii: "\"") else { throw wrong(peek(), expected: "a name in quotes") }
      let name = try string()
      skipBlanks()
      guard peek() == UInt8(ascii: ":") else { throw wrong(peek(), expected: "':'") }
      at += 1
      result.members.append(.init(name: name, value: try value(depth: depth + 1)))
      skipBlanks()
      switch peek() {
      case UInt8(ascii: ","): at += 1
      case UInt8(ascii: "}"):
        at += 1
        return result
      case let byte: throw wrong(byte, expected: "',' or '}'")
      }
    }
  }

  private mutating func string() throws(NeuralError) -> String {
    let open = at
    at += 1
    let start = at
    var high: UInt8 = 0
    while unsafe at < bytes.count {
      let byte = unsafe bytes[at]
      if byte == UInt8(ascii: "\"") {
        let end = at
        at += 1
        return try text(start..<end, isASCII: high < 0x80, open: open)
      }
      if byte == UInt8(ascii: "\\") { return try escapedString(from: start, open: open) }
      guard byte >= 0x20 else { throw wrong(byte, expected: "an escape for a control character") }
      high |= byte
      at &+= 1
    }
    throw wrong(nil, expected: "the closing quote of the string at byte \(open)")
  }

  private func text(
    _ range: Range<Int>, isASCII: Bool, open: Int
  ) throws(NeuralError) -> String {
    let part = unsafe UnsafeRawBufferPointer(rebasing: bytes[range])
    if isASCII { return unsafe String(decoding: part, as: UTF8.self) }
    guard let text = unsafe String(validating: part, as: UTF8.self) else {
      throw NeuralError("byte \(open): the JSON has a string that is not UTF-8")
    }
    return text
  }

  private mutating func escapedString(from start: Int, open: Int) throws(NeuralError) -> String {
    var result = unsafe Array(bytes[start..<at])
    while let byte = peek() {
      if byte == UInt8(ascii: "\"") {
        at += 1
        guard let text = String(validating: result, as: UTF8.self) else {
          throw NeuralError("byte \(open): the JSON has a string that is not UTF-8")
        }
        return text
      }
      if byte == UInt8(ascii: "\\") {
        try escape(into: &result)
      } else {
        guard byte >= 0x20 else { throw wrong(byte, expected: "an escape for a control character") }
        result.append(byte)
        at += 1
      }
    }
    throw wrong(nil, expected: "the closing quote of the string at byte \(open)")
  }

  private mutating func escape(into result: inout [UInt8]) throws(NeuralError) {
    let start = at
    at += 1
    guard let byte = peek() else { throw wrong(nil, expected: "an escape") }
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): result.append(byte)
    case UInt8(ascii: "b"): result.append(8)
    case UInt8(ascii: "f"): result.append(12)
    case UInt8(ascii: "n"): result.append(10)
    case UInt8(ascii: "r"): result.append(13)
    case UInt8(ascii: "t"): result.append(9)
    case UInt8(ascii: "u"):
      at += 1
      var code = try fourDigits()
      if code & 0xfc00 == 0xd800, peek() == UInt8(ascii: "\\") {
        at += 1
        guard peek() == UInt8(ascii: "u") else {
          throw NeuralError("byte \(start): the JSON has half of a surrogate pair")
        }
        at += 1
        let low = try fourDigits()
        guard low & 0xfc00 == 0xdc00 else {
          throw NeuralError("byte \(start): the JSON has half of a surrogate pair")
        }
        code = 0x10000 + (code & 0x3ff) << 10 + low & 0x3ff
      }
      guard let scalar = UnicodeScalar(code), let units = UTF8.encode(scalar) else {
        throw NeuralError("byte \(start): the JSON has half of a surrogate pair")
      }
      result.append(contentsOf: units)
      return
    default: throw wrong(byte, expected: "one of \" \\ / b f n r t u behind a backslash")
    }
    at += 1
  }

  private mutating func fourDigits() throws(NeuralError) -> UInt32 {
    var code: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = peek(), let digit = Character(UnicodeScalar(byte)).hexDigitValue,
        byte < 0x80
      else { throw wrong(peek(), expected: "a hexadecimal digit") }
      code = code << 4 + UInt32(digit)
      at += 1
    }
    return code
  }
}
