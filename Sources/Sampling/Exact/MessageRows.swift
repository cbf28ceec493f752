// Licensed under the Apache License, Version 2.0.

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// Rows of numbers, aligned so that vectors can load them.
@safe
final class MessageRows: @unchecked Sendable {
  let pointer: UnsafeMutablePointer<Double>
  let count: Int
  /// The length of a row.
  let stride: Int

  init(rows: Int, stride: Int) {
    count = rows
    self.stride = stride
    let bytes = max(1, rows * stride) * 8
    // Rows are read in random order, and large pages avoid most address look-ups.
    let page = 2 << 20
    let isLarge = bytes >= 2 * page
    let raw = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: isLarge ? page : 64)
    #if os(Linux)
      // This is only a hint, so its result is ignored.
      if isLarge { _ = unsafe madvise(raw, bytes, Int32(MADV_HUGEPAGE)) }
    #endif
    unsafe pointer = raw.bindMemory(to: Double.self, capacity: rows * stride)
  }

  deinit { unsafe UnsafeMutableRawPointer(pointer).deallocate() }

  subscript(row: Int, column: Int) -> Double {
    get { unsafe pointer[row * stride + column] }
    set { unsafe pointer[row * stride + column] = newValue }
  }

  /// Sets all numbers to zero.
  func clear() { unsafe pointer.update(repeating: 0, count: count * stride) }

  /// Whether the first rows are equal to those of another value.
  func equals(_ other: MessageRows, rows: Int) -> Bool {
    unsafe memcmp(pointer, other.pointer, rows * stride * 8) == 0
  }

  /// The row length that holds so many columns.
  static func stride(of columns: Int) -> Int {
    columns <= 2 ? 2 : columns <= 4 ? 4 : (columns + 7) / 8 * 8
  }
}

/// Rows that are no longer needed and can be reused, because touching fresh memory is slow.
struct RowPool {
  private var free: [MessageRows] = []

  mutating func give(_ rows: MessageRows) { free.append(rows) }

  mutating func take(rows: Int, stride: Int) -> MessageRows {
    if let place = free.firstIndex(where: { $0.count == rows && $0.stride == stride }) {
      return free.remove(at: place)
    }
    // Rows of another shape will not be needed again.
    free.removeAll { $0.count == rows }
    return MessageRows(rows: rows, stride: stride)
  }
}
