// Licensed under the Apache License, Version 2.0.

/// Reads UTF-8 byte by byte into classes of scalars.
///
/// A node stands for the bytes of a scalar read so far. Beginnings that lead to the same classes by
/// the same bytes share a node. Node 0 stands between scalars.
struct UTF8Trie {
  enum Step {
    case node(UInt32)
    case scalar(UInt32)
    case invalid
  }

  private static let invalid = UInt32.max
  private static let isScalar: UInt32 = 1 << 31

  /// Node x byte.
  private var table: [UInt32] = []

  init(_ classes: ScalarClasses) {
    var known: [[UInt32]: UInt32] = [:]
    var uniform: [UInt64: UInt32] = [:]
    var rows: [[UInt32]] = [[UInt32](repeating: Self.invalid, count: 256)]
    func intern(_ row: [UInt32]) -> UInt32 {
      if let number = known[row] { return number }
      let number = UInt32(rows.count)
      known[row] = number
      rows.append(row)
      return number
    }
    /// The node before `rest` more bytes whose scalars start at `base`; scalars outside `allowed`
    /// are invalid.
    func node(_ base: UInt32, _ rest: Int, _ allowed: ClosedRange<UInt32>) -> UInt32 {
      // Over long stretches, most of Unicode is in one class.
      let last = base + UInt32(1) << UInt32(6 * rest) - 1
      let whole =
        base >= allowed.lowerBound && last <= allowed.upperBound
        ? classes.index(of: base...last) : nil
      if let whole, let known = uniform[UInt64(rest) << 32 | UInt64(whole)] { return known }
      let made = makeNode(base, rest, allowed)
      if let whole { uniform[UInt64(rest) << 32 | UInt64(whole)] = made }
      return made
    }
    func makeNode(_ base: UInt32, _ rest: Int, _ allowed: ClosedRange<UInt32>) -> UInt32 {
      var row = [UInt32](repeating: Self.invalid, count: 256)
      let span = UInt32(1) << UInt32(6 * (rest - 1))
      for byte in UInt32(0)..<64 {
        let low = base + byte * span
        guard low + span - 1 >= allowed.lowerBound, low <= allowed.upperBound else { continue }
        if rest == 1 {
          row[Int(0x80 + byte)] = classes.index(of: low) | Self.isScalar
        } else {
          row[Int(0x80 + byte)] = node(low, rest - 1, allowed)
        }
      }
      return intern(row)
    }
    for byte in UInt32(0)..<0x80 { rows[0][Int(byte)] = classes.index(of: byte) | Self.isScalar }
    for byte in UInt32(0xC2)...0xDF {
      rows[0][Int(byte)] = node((byte & 0x1F) << 6, 1, 0x80...0x7FF)
    }
    for byte in UInt32(0xE0)...0xEF {
      // Surrogates are not scalars.
      let allowed: ClosedRange<UInt32> = byte == 0xED ? 0xD000...0xD7FF : 0x800...0xFFFF
      rows[0][Int(byte)] = node((byte & 0xF) << 12, 2, allowed)
    }
    for byte in UInt32(0xF0)...0xF4 {
      rows[0][Int(byte)] = node((byte & 7) << 18, 3, 0x10000...0x10FFFF)
    }
    table = rows.flatMap { $0 }
  }

  var nodeCount: Int { table.count / 256 }

  @inline(__always)
  func step(_ node: UInt32, _ byte: UInt8) -> Step {
    let value = table[Int(node) << 8 | Int(byte)]
    if value == Self.invalid { return .invalid }
    return value & Self.isScalar != 0 ? .scalar(value & ~Self.isScalar) : .node(value)
  }
}
