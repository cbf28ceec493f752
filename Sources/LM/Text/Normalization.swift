// Licensed under the Apache License, Version 2.0.

internal import Foundation

/// The canonical composition of texts (NFC).
public enum NFC {
  /// The composed form of a text.
  public static func of(_ text: String) -> String {
    isPlain(text) ? text : text.precomposedStringWithCanonicalMapping
  }

  /// Whether the text is certainly composed, because its scalars never combine with others.
  static func isPlain(_ text: String) -> Bool {
    text.unicodeScalars.allSatisfy { isPlain($0.value) }
  }

  static func isPlain(_ scalar: UInt32) -> Bool {
    switch scalar {
    case 0...0x2FF, 0x2010...0x2027, 0x2030...0x205E, 0x3001...0x3098, 0x309B...0x312F,
      0x3400...0x4DBF, 0x4E00...0x9FFF, 0xAC00...0xD7A3, 0xFF01...0xFFEE:
      true
    default: false
    }
  }
}
