// Licensed under the Apache License, Version 2.0.

/// What a pre-tokeniser asks of a character.
///
/// No character is of two classes.
enum ScalarClass: UInt8 {
  /// Neither of the others: punctuation, symbols, accents that stand alone, control characters.
  case other
  /// `\p{L}`
  case letter
  /// `\p{N}`: digits, Roman numerals, fractions, superscripts.
  case number
  /// `\s`: White_Space of Unicode.
  case space

  /// A table for the scalars under U+10000; the properties of Swift cost some 50 ns for each look.
  private static let table: [ScalarClass] = (0..<0x10000).map { looked(UInt32($0)) }

  private static func looked(_ value: UInt32) -> ScalarClass {
    guard let scalar = Unicode.Scalar(value) else { return .other }
    if scalar.properties.isWhitespace { return .space }
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter:
      return .letter
    case .decimalNumber, .letterNumber, .otherNumber: return .number
    default: return .other
    }
  }

  @inline(__always)
  init(_ value: UInt32) {
    self = value < 0x10000 ? Self.table[Int(value)] : Self.looked(value)
  }
}

/// Reads scalars out of valid UTF-8.
enum UTF8Scalars {
  /// The scalar that begins at a byte, and where the next begins.
  @inline(__always)
  static func next(_ bytes: borrowing Span<UInt8>, _ start: Int) -> (value: UInt32, end: Int) {
    let first = UInt32(bytes[start])
    if first < 0x80 { return (first, start + 1) }
    let second = UInt32(bytes[start + 1]) & 0x3F
    if first < 0xE0 { return ((first & 0x1F) << 6 | second, start + 2) }
    let third = UInt32(bytes[start + 2]) & 0x3F
    if first < 0xF0 { return ((first & 0x0F) << 12 | second << 6 | third, start + 3) }
    let fourth = UInt32(bytes[start + 3]) & 0x3F
    return ((first & 0x07) << 18 | second << 12 | third << 6 | fourth, start + 4)
  }

  /// How long the scalar is that begins with this byte.
  static func length(_ first: UInt8) -> Int {
    first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
  }

  /// The bits of a scalar that its first byte holds.
  static func leadBits(_ first: UInt8) -> UInt32 {
    UInt32(first) & (first < 0x80 ? 0x7F : first < 0xE0 ? 0x1F : first < 0xF0 ? 0x0F : 0x07)
  }

  static func areValid(_ bytes: [UInt8]) -> Bool {
    String(validating: bytes, as: UTF8.self) != nil
  }
}
