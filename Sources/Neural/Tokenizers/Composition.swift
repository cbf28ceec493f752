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
    let text = String(decoding: bytes, as: UTF8.self).precomposedStringWithCanonicalMapping
    // Foundation leaves a Korean syllable and a final consonant behind it apart.
    guard text.unicodeScalars.contains(where: { (0x11A8...0x11C2).contains($0.value) }) else {
      return Array(text.utf8)
    }
    var scalars = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      if (0x11A8...0x11C2).contains(scalar.value), let last = scalars.last,
        (0xAC00...0xD7A3).contains(last.value), (last.value - 0xAC00) % 28 == 0,
        let syllable = Unicode.Scalar(last.value + scalar.value - 0x11A7)
      {
        scalars.removeLast()
        scalars.append(syllable)
      } else {
        scalars.append(scalar)
      }
    }
    return Array(String(scalars).utf8)
  }
}
