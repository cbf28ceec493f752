// Licensed under the Apache License, Version 2.0.

/// The role of a Unicode scalar at word boundaries.
public enum ScalarKind: UInt8, CaseIterable, Sendable {
  /// White space.
  case space
  /// A letter, digit or mark of a script that puts spaces between words.
  case letter
  /// A letter, digit or mark of a script without spaces: Chinese, Japanese, Thai and others.
  case spaceless
  /// Punctuation, symbols and control characters.
  case other

  /// Looks up the kind of a scalar.
  @inlinable
  public init(_ scalar: Unicode.Scalar) {
    let value = Int(scalar.value)
    self = value < 0x10000 ? ScalarKind.basic[value] : ScalarKind(slow: scalar)
  }

  /// The kinds of the basic plane; asking for the properties is some hundred times slower.
  @usableFromInline
  static let basic: [ScalarKind] = (0..<UInt32(0x10000)).map { value in
    Unicode.Scalar(value).map { ScalarKind(slow: $0) } ?? .other
  }

  @usableFromInline
  init(slow scalar: Unicode.Scalar) {
    let properties = scalar.properties
    if properties.isWhitespace {
      self = .space
      return
    }
    switch properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter,
      .decimalNumber, .letterNumber, .otherNumber, .nonspacingMark, .spacingMark, .enclosingMark:
      self = ScalarKind.isSpaceless(scalar.value) ? .spaceless : .letter
    default:
      self = .other
    }
  }

  /// Blocks of scripts that put no spaces between words.
  private static let spacelessBlocks: [ClosedRange<UInt32>] = [
    0x0E00...0x0EFF,  // Thai, Lao
    0x0F00...0x109F,  // Tibetan, Myanmar
    0x1780...0x17FF, 0x1950...0x19FF,  // Khmer, Tai Le, New Tai Lue
    0x1A20...0x1AAF, 0x1B00...0x1B7F,  // Tai Tham, Balinese
    0x2E80...0x2FDF,  // radicals of Han
    0x3005...0x3007, 0x3021...0x3029, 0x3038...0x303B,  // iteration mark, numerals of Han
    0x3040...0x312F, 0x31A0...0x31BF, 0x31F0...0x31FF,  // Hiragana, Katakana, Bopomofo
    0x3400...0x4DBF, 0x4E00...0x9FFF, 0xA000...0xA4CF,  // Han, Yi
    0xA980...0xA9FF, 0xAA60...0xAADF,  // Javanese, Myanmar, Tai Viet
    0xF900...0xFAFF, 0xFF66...0xFF9F,  // Han, half-width Katakana
    0x1AFF0...0x1B16F, 0x20000...0x3FFFF,  // Kana, Han
  ]

  private static func isSpaceless(_ value: UInt32) -> Bool {
    spacelessBlocks.contains { $0.contains(value) }
  }
}
