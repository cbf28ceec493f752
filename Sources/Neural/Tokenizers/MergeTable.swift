// Licensed under the Apache License, Version 2.0.

/// The merges of a byte-pair encoding: pairs of tokens, the token that each makes, and its rank.
struct MergeTable: Sendable {
  /// Pairs of tokens beside rank and token, in one array so that a look-up touches one place.
  private var slots: [UInt64]
  private let mask: Int
  private static let empty = UInt64.max

  init(capacity: Int) {
    var size = 16
    while size < capacity * 2 { size *= 2 }
    slots = Array(repeating: Self.empty, count: 2 * size)
    mask = size - 1
  }

  @inline(__always)
  private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }

  @inline(__always)
  private func first(_ key: UInt64) -> Int {
    let hash = key &* 0x9E37_79B9_7F4A_7C15
    return Int(truncatingIfNeeded: ((hash ^ (hash &>> 32)) &* 0xD6E8_FEB8_6659_FD93) &>> 32) & mask
  }

  /// Returns false, and changes nothing, if the pair is there already.
  mutating func insert(_ left: Int32, _ right: Int32, _ merge: Merge) -> Bool {
    let key = Self.key(left, right)
    var slot = first(key)
    while slots[2 * slot] != Self.empty {
      if slots[2 * slot] == key { return false }
      slot = (slot + 1) & mask
    }
    slots[2 * slot] = key
    slots[2 * slot + 1] = UInt64(merge.rank) << 32 | UInt64(UInt32(bitPattern: merge.token))
    return true
  }

  @inline(__always)
  func find(_ left: Int32, _ right: Int32) -> Merge {
    let key = Self.key(left, right)
    var slot = first(key)
    while slots[2 * slot] != Self.empty {
      if slots[2 * slot] == key {
        let value = slots[2 * slot + 1]
        return Merge(
          rank: UInt32(value >> 32), token: Int32(truncatingIfNeeded: value & 0xFFFF_FFFF))
      }
      slot = (slot + 1) & mask
    }
    return .none
  }
}

/// The merges as a file spells them: pairs of pieces, the first to be merged first.
package struct MergeList: Sendable {
  /// Left and right pieces in turn.
  private(set) var parts = ByteStrings()

  package init() {}

  package var count: Int { parts.count / 2 }

  package mutating func append(left: some Sequence<UInt8>, right: some Sequence<UInt8>) {
    parts.append(left)
    parts.append(right)
  }

  /// Adds a merge of the form "left right", in which the first byte belongs to the left piece.
  package mutating func append(line: some Collection<UInt8>) throws(NeuralError) {
    let blank = line.dropFirst().firstIndex(of: 0x20)
    guard let blank, line.index(after: blank) < line.endIndex else {
      throw NeuralError(
        "merge \(count + 1) is \(quoted(line)) (expected two pieces with a blank between)")
    }
    append(left: line[..<blank], right: line[line.index(after: blank)...])
  }

  /// From the lines of a GGUF file (`tokenizer.ggml.merges`).
  package init(lines: ByteStrings) throws(NeuralError) {
    parts.reserve(count: 2 * lines.count, bytes: lines.bytes.count)
    for index in 0..<lines.count { try append(line: lines[index]) }
  }

  func missingPiece(_ index: Int) -> NeuralError {
    NeuralError(
      "merge \(index + 1), \(text(index)), needs a piece that is not in the vocabulary. "
        + "Use the merges that belong to this vocabulary.")
  }

  func repeated(_ index: Int) -> NeuralError {
    NeuralError("merge \(index + 1), \(text(index)), stands in the list twice")
  }

  private func text(_ index: Int) -> String {
    "\(parts.text(2 * index)) + \(parts.text(2 * index + 1))"
  }
}
