// Licensed under the Apache License, Version 2.0.

internal import Foundation

/// Normal form C of Unicode, to which some tokenizers bring a text first.
enum Composition {
  /// Whether this scalar may join with, or change places with, what stands before it.
  ///
  /// Where it does not, the normal form of the text is the normal form of what stands before it,
  /// followed by that of the rest.
  static func mayChange(atScalar value: UInt32) -> Bool {
    guard value >= 0x300, let scalar = Unicode.Scalar(value) else { return false }
    // Korean vowels and final consonants, and Kirat Rai vowels, are letters, and still join.
    if (0x1160...0x11FF).contains(value) || (0x16D63...0x16D6A).contains(value) { return true }
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark: return true
    default: return scalar.properties.canonicalCombiningClass != .notReordered
    }
  }

  static func isComposed(_ bytes: ArraySlice<UInt8>) -> Bool {
    // No scalar under U+0300 changes; their first bytes are under 0xCC.
    bytes.allSatisfy { $0 < 0xCC } || composed(bytes).elementsEqual(bytes)
  }

  static func composed(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
    Array(String(decoding: bytes, as: UTF8.self).precomposedStringWithCanonicalMapping.utf8)
  }
}
