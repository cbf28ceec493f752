// Licensed under the Apache License, Version 2.0.

/// Numbers byte strings in the order in which they are first seen, and counts them.
///
/// One thread at a time may use it.
final class Interner: @unchecked Sendable {
  private(set) var blob: [UInt8] = []
  private(set) var offsets: [UInt32] = [0]
  private(set) var counts: [UInt32] = []
  /// The upper half of the hash above the number; all ones in empty slots.
  private var slots = [UInt64](repeating: .max, count: 1 << 14)

  var count: Int { counts.count }
  /// The size in memory, in bytes.
  var byteCount: Int {
    blob.capacity + 4 * (offsets.capacity + counts.capacity) + 8 * slots.capacity
  }

  func bytes(_ index: Int) -> ArraySlice<UInt8> {
    blob[Int(offsets[index])..<Int(offsets[index + 1])]
  }

  func withBytes<Result>(_ index: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    unsafe blob.withUnsafeBytes { own in
      unsafe body(
        UnsafeRawBufferPointer(rebasing: own[Int(offsets[index])..<Int(offsets[index + 1])]))
    }
  }

  /// Counts the string and returns its number.
  func intern(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
    let hash = unsafe Interner.hash(bytes)
    let mask = slots.count - 1
    let upper = hash & 0xFFFF_FFFF_0000_0000
    var slot = Int(truncatingIfNeeded: hash >> 20) & mask
    while true {
      let entry = unsafe slots.withUnsafeBufferPointer { unsafe $0[slot] }
      if entry == .max { break }
      if entry & 0xFFFF_FFFF_0000_0000 == upper {
        let index = Int(entry & 0xFFFF_FFFF)
        if unsafe isEqual(index, bytes) {
          counts[index] &+= 1
          return UInt32(index)
        }
      }
      slot = (slot + 1) & mask
    }
    let index = counts.count
    unsafe blob.append(contentsOf: bytes)
    offsets.append(UInt32(blob.count))
    counts.append(1)
    slots[slot] = upper | UInt64(index)
    if counts.count * 2 > slots.count { grow() }
    return UInt32(index)
  }

  private func isEqual(_ index: Int, _ bytes: UnsafeRawBufferPointer) -> Bool {
    let start = Int(offsets[index])
    guard Int(offsets[index + 1]) - start == bytes.count else { return false }
    return unsafe blob.withUnsafeBytes { own in
      for i in 0..<bytes.count where unsafe own[start + i] != bytes[i] { return false }
      return true
    }
  }

  private func grow() {
    slots = [UInt64](repeating: .max, count: slots.count * 2)
    let mask = slots.count - 1
    for index in counts.indices {
      let hash = unsafe blob.withUnsafeBytes { own in
        unsafe Interner.hash(
          UnsafeRawBufferPointer(rebasing: own[Int(offsets[index])..<Int(offsets[index + 1])]))
      }
      var slot = Int(truncatingIfNeeded: hash >> 20) & mask
      while slots[slot] != .max { slot = (slot + 1) & mask }
      slots[slot] = hash & 0xFFFF_FFFF_0000_0000 | UInt64(index)
    }
  }

  private static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    var h = UInt64(truncatingIfNeeded: bytes.count) &* 0x9E37_79B9_7F4A_7C15
    var place = 0
    while place + 8 <= bytes.count {
      let word = unsafe bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self)
      h = (h ^ word) &* 0xD6E8_FEB8_6659_FD93
      h ^= h >> 32
      place += 8
    }
    var rest: UInt64 = 0
    while place < bytes.count {
      rest = unsafe rest << 8 | UInt64(bytes[place])
      place += 1
    }
    h = (h ^ rest) &* 0xD6E8_FEB8_6659_FD93
    h ^= h >> 32
    h = h &* 0x9E37_79B9_7F4A_7C15
    return h ^ h >> 29
  }
}
