// Licensed under the Apache License, Version 2.0.

/// How SentencePiece spells a text before it looks for pieces.
struct SentencePieceNormalizer: Sendable {
  /// A blank is added in front of every text.
  var addsBlank: Bool
  /// Blanks at both ends go, and of several side by side all but one.
  var dropsExtraBlanks = false
  /// Replaces characters, as a rule by normal form KC.
  var characters: CharacterMap?

  init(addsBlank: Bool) { self.addsBlank = addsBlank }

  /// Whether the spelling of a character depends on that character alone.
  var isLocal: Bool { !dropsExtraBlanks && characters == nil }

  func spelling(of text: ArraySlice<UInt8>) -> [UInt8]? {
    if text.isEmpty { return nil }
    if isLocal, !addsBlank, !text.contains(0xE2) { return nil }
    var spelled: [UInt8] = []
    spelled.reserveCapacity(text.count + 1)
    if addsBlank { spelled.append(0x20) }
    var isAfterBlank = dropsExtraBlanks
    func append(_ part: ArraySlice<UInt8>) {
      var part = part
      while isAfterBlank, part.first == 0x20 { part = part.dropFirst() }
      guard !part.isEmpty else { return }
      spelled.append(contentsOf: part)
      isAfterBlank = dropsExtraBlanks && part.last == 0x20
    }
    var index = text.startIndex
    while index < text.endIndex {
      if let (length, replacement) = characters?.longestMatch(text[index...]) {
        append(replacement)
        index += length
        continue
      }
      let end = min(text.endIndex, index + UTF8Scalars.length(text[index]))
      let character = text[index..<end]
      if character.elementsEqual([0xE2, 0x96, 0x81]) {
        // Spelled like a blank, but not dropped like one.
        spelled.append(0x20)
        isAfterBlank = false
      } else {
        append(character)
      }
      index = end
    }
    if dropsExtraBlanks {
      while spelled.last == 0x20, spelled.count > (addsBlank ? 1 : 0) { spelled.removeLast() }
      if addsBlank, spelled.count == 1 { return [] }
    }
    return spelled
  }
}

/// The table of replacements in a `tokenizer.model` (`precompiled_charsmap`).
///
/// A double-array trie of the strings that are replaced, then the replacements, each with a zero
/// behind. Layout: darts.h of Darts-clone.
struct CharacterMap: Sendable {
  private let units: [UInt32]
  private let replacements: [UInt8]

  init?(_ bytes: ArraySlice<UInt8>) throws(NeuralError) {
    if bytes.isEmpty { return nil }
    func unit(_ index: Int) -> UInt32 {
      let start = bytes.startIndex + 4 * index
      return bytes[start..<start + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }
    guard bytes.count >= 4, unit(0) % 4 == 0, Int(unit(0)) <= bytes.count - 4 else {
      throw NeuralError("the table of characters ('precompiled_charsmap') is cut or damaged")
    }
    let count = Int(unit(0)) / 4
    units = (0..<count).map { unit($0 + 1) }
    replacements = Array(bytes.dropFirst(4 + 4 * count))
  }

  /// The longest string at the beginning of a text that is replaced.
  func longestMatch(_ text: ArraySlice<UInt8>) -> (length: Int, replacement: ArraySlice<UInt8>)? {
    guard let first = units.first else { return nil }
    var node = Self.offset(first)
    var found: (length: Int, place: Int)?
    for (index, byte) in text.enumerated() {
      node ^= Int(byte)
      guard node < units.count, units[node] & 0x8000_00FF == UInt32(byte) else { break }
      let unit = units[node]
      node ^= Self.offset(unit)
      if unit >> 8 & 1 == 1 {
        guard node < units.count else { break }
        found = (index + 1, Int(units[node] & 0x7FFF_FFFF))
      }
    }
    guard let found, found.place <= replacements.count else { return nil }
    let rest = replacements[found.place...]
    return (found.length, rest.prefix { $0 != 0 })
  }

  private static func offset(_ unit: UInt32) -> Int {
    Int(unit >> 10) << Int((unit & 1 << 9) >> 6)
  }
}
