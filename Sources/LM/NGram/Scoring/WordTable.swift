// Licensed under the Apache License, Version 2.0.

internal import CKernels
internal import Sampling

/// The entries of a vocabulary by spelling, for whole lines of words between white space.
///
/// The words of a line are first cut and hashed, eight bytes at a time, while the table's memory is
/// being fetched. A word of up to 16 bytes is compared within its slot.
/// answers them is on its way. A word of up to 16 bytes is compared within its slot.
@safe
final class WordTable {
  private struct Slot {
    /// The first 16 bytes of the word, filled up with 0.
    var low: UInt64 = 0
    var high: UInt64 = 0
    var hash: UInt32 = 0
    var count: UInt32 = 0
    /// The place of the word in the vocabulary's bytes.
    var start: UInt32 = 0
    /// The entry, or `WordTable.none` in an empty slot.
    var entry = WordTable.none
  }

  /// A word of a line, with its place and hash.
  struct Word {
    fileprivate var low: UInt64
    fileprivate var high: UInt64
    fileprivate var hash: UInt64
    fileprivate var start: Int
    fileprivate var count: Int
  }

  /// The value for a word that has no entry.
  static let none = UInt32.max

  private let bytes: [UInt8]
  private let slots: UnsafeMutablePointer<Slot>
  /// The number of slots, a power of two, minus 1.
  private let mask: Int

  /// - Complexity: O(bytes of the vocabulary).
  init(_ vocabulary: Vocabulary) {
    var bytes: [UInt8] = []
    for entry in 0..<vocabulary.count { bytes += vocabulary.bytes(of: Token(entry)) }
    self.bytes = bytes
    var size = 16
    while size < vocabulary.count * 2 { size *= 2 }
    mask = size - 1
    unsafe slots = .allocate(capacity: size)
    unsafe slots.initialize(repeating: Slot(), count: size)
    unsafe bytes.withUnsafeBytes { bytes in
      var start = 0
      for entry in 0..<vocabulary.count {
        let count = vocabulary.bytes(of: Token(entry)).count
        let word = unsafe Self.word(bytes, from: start, count: count)
        // As in the vocabulary, the first of equal spellings wins.
        if unsafe find(word, in: bytes) == Self.none {
          var place = Int(truncatingIfNeeded: word.hash) & mask
          while unsafe slots[place].entry != Self.none { place = (place + 1) & mask }
          unsafe slots[place] = Slot(
            low: word.low, high: word.high, hash: UInt32(truncatingIfNeeded: word.hash >> 32),
            count: UInt32(count), start: UInt32(start), entry: UInt32(entry))
        }
        start += count
      }
    }
  }

  deinit { unsafe slots.deallocate() }

  /// Appends the entry of each word of a line, or ``none`` for a word without an entry.
  ///
  /// The words stay in `words`, whose memory is reused for the next line.
  func append(
    _ line: UnsafeRawBufferPointer, to tokens: inout [UInt32], words: inout [Word]
  ) {
    words.removeAll(keepingCapacity: true)
    var place = 0
    while true {
      while place < line.count, unsafe Self.isBlank(line[place]) { place += 1 }
      guard place < line.count else { break }
      let end = unsafe Self.endOfWord(line, place)
      let word = unsafe Self.word(line, from: place, count: end - place)
      unsafe gensample_prefetch(
        slots + (Int(truncatingIfNeeded: word.hash) & mask))
      words.append(word)
      place = end
    }
    for word in words { tokens.append(unsafe find(word, in: line)) }
  }

  private func find(_ word: Word, in line: UnsafeRawBufferPointer) -> UInt32 {
    let hash = UInt32(truncatingIfNeeded: word.hash >> 32)
    var place = Int(truncatingIfNeeded: word.hash) & mask
    while true {
      let slot = unsafe slots[place]
      if slot.entry == Self.none { return Self.none }
      if slot.low == word.low, slot.high == word.high, slot.hash == hash,
        Int(slot.count) == word.count,
        word.count <= 16 || (unsafe isEqual(slot, line, word.start, word.count))
      {
        return slot.entry
      }
      place = (place + 1) & mask
    }
  }

  private func isEqual(
    _ slot: Slot, _ line: UnsafeRawBufferPointer, _ start: Int, _ count: Int
  ) -> Bool {
    for i in 16..<count
    where unsafe bytes[Int(slot.start) + i] != line[start + i] { return false }
    return true
  }

  /// The first white space from a place on, or the end of the line.
  private static func endOfWord(_ line: UnsafeRawBufferPointer, _ start: Int) -> Int {
    var place = start
    while place + 8 <= line.count {
      let bytes = unsafe UInt64(
        littleEndian: line.loadUnaligned(fromByteOffset: place, as: UInt64.self))
      // Marks bytes below 0x21; the lowest mark is right, which is the one that is used.
      let marks = (bytes &- 0x2121_2121_2121_2121) & ~bytes & 0x8080_8080_8080_8080
      guard marks != 0 else {
        place += 8
        continue
      }
      place += marks.trailingZeroBitCount / 8
      if unsafe isBlank(line[place]) { return place }
      place += 1
    }
    while place < line.count, unsafe !isBlank(line[place]) { place += 1 }
    return place
  }

  private static func isBlank(_ byte: UInt8) -> Bool {
    byte == 0x20 || byte == 0x09 || byte == 0x0D || byte == 0x0A
  }

  private static func word(
    _ bytes: UnsafeRawBufferPointer, from start: Int, count: Int
  ) -> Word {
    let low = unsafe load(bytes, start, count)
    let high = count > 8 ? unsafe load(bytes, start + 8, count - 8) : 0
    var hash = mix(low ^ UInt64(count) &* 0x9E37_79B9_7F4A_7C15, high)
    var place = 16
    while place < count {
      hash = unsafe mix(hash, load(bytes, start + place, count - place))
      place += 8
    }
    return Word(low: low, high: high, hash: hash, start: start, count: count)
  }

  private static func mix(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let product = (a ^ 0xA076_1D64_78BD_642F).multipliedFullWidth(by: b ^ 0xE703_7ED1_A0B4_28DB)
    return product.high ^ product.low
  }

  /// Loads up to eight bytes, filled up with 0.
  private static func load(
    _ bytes: UnsafeRawBufferPointer, _ start: Int, _ count: Int
  ) -> UInt64 {
    if start + 8 <= bytes.count {
      let word = unsafe UInt64(
        littleEndian: bytes.loadUnaligned(fromByteOffset: start, as: UInt64.self))
      return count >= 8 ? word : word & ((1 &<< UInt64(truncatingIfNeeded: count &* 8)) &- 1)
    }
    var word: UInt64 = 0
    for i in 0..<min(count, 8) { word |= unsafe UInt64(bytes[start + i]) << UInt64(i * 8) }
    return word
  }
}
