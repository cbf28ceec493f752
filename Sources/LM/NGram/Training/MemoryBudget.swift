// Licensed under the Apache License, Version 2.0.

internal import Foundation
internal import Synchronization

/// The memory that training may use, and what is left of it.
final class MemoryBudget: Sendable {
  /// What an idle process uses: the runtime, Foundation and the system's tables.
  static let ground = 32 << 20
  /// The smallest budget that training works with.
  static let least = 40 << 20

  private let limit: Int
  private let folder: String
  private let taken = Mutex(0)

  /// Creates a budget; what exceeds it is stored in files in a folder.
  init(bytes: Int, folder: String) {
    limit = max(0, bytes)
    self.folder = folder
  }

  /// The bytes that are not in use.
  var left: Int { max(0, limit - taken.withLock { $0 }) }

  /// Checks that data which must stay in memory leaves room for the rest.
  func check(_ bytes: Int) throws(LoadError) {
    guard bytes > limit / 2 else { return }
    let needed = (2 * bytes + MemoryBudget.ground) >> 20 + 1
    throw LoadError(
      .badArgument,
      "the distinct words of the corpus do not fit into memory; use --memory "
        + "\(needed)M or more")
  }

  func take(_ bytes: Int) { taken.withLock { $0 += bytes } }
  func give(_ bytes: Int) { taken.withLock { $0 -= bytes } }

  /// How much of some work each thread may do at once.
  ///
  /// - Parameters:
  ///   - count: the number of elements.
  ///   - bytes: the bytes per element during the work.
  ///   - threads: the number of shares that are processed at once.
  /// - Returns: the elements per share, and whether all shares together exceed the memory.
  func share(of count: Int, bytes: Int, threads: Int) -> (count: Int, isPart: Bool) {
    let even = (count + threads - 1) / threads
    // At least a third of the budget is always left for work.
    if count * bytes <= left { return (max(1, even), false) }
    return (max(1 << 10, min(even, limit / 3 / threads / bytes)), true)
  }

  /// Allocates room for data that stays: in memory if that leaves a third of the budget for work,
  /// otherwise in a file.
  func column<Element: BitwiseCopyable>(
    of _: Element.Type, _ count: Int
  ) throws(LoadError) -> Column<Element> {
    let bytes = max(1, count) * MemoryLayout<Element>.stride
    let fits = taken.withLock { taken in
      guard taken + bytes <= limit - limit / 3 else { return false }
      taken += bytes
      return true
    }
    if fits { return Column(FlatBuffer(count: count), bytes: bytes, budget: self) }
    return Column(
      try FlatBuffer(temporaryFileOf: count, in: folder), bytes: 0, budget: self)
  }

  /// Allocates room for work, always in memory.
  func scratch<Element: BitwiseCopyable>(of _: Element.Type, _ count: Int) -> Column<Element> {
    let bytes = max(1, count) * MemoryLayout<Element>.stride
    take(bytes)
    return Column(FlatBuffer(count: count), bytes: bytes, budget: self)
  }
}

/// A flat array that counts against a budget until it is freed.
@safe
final class Column<Element: BitwiseCopyable>: @unchecked Sendable {
  let buffer: FlatBuffer<Element>
  let isInMemory: Bool
  private let budget: MemoryBudget
  private var bytes: Int
  /// The number of elements in use.
  private(set) var count: Int

  init(_ buffer: FlatBuffer<Element>, bytes: Int, budget: MemoryBudget) {
    self.buffer = buffer
    self.bytes = bytes
    self.budget = budget
    isInMemory = bytes > 0
    count = buffer.count
  }

  deinit { budget.give(bytes) }

  var pointer: UnsafeMutablePointer<Element> { unsafe buffer.pointer }

  /// Gives back the elements after the first `count`.
  func trim(to count: Int) {
    precondition(count <= self.count, "a column does not grow")
    self.count = count
    buffer.discard(from: count)
    let used = min(bytes, max(1, count) * MemoryLayout<Element>.stride)
    budget.give(bytes - used)
    bytes = used
  }

  /// The array, whose bytes stay counted for ever.
  func keep() -> FlatBuffer<Element> {
    bytes = 0
    release(0..<count)
    return buffer
  }

  /// Releases memory of elements that are stored in a file.
  func release(_ range: Range<Int>) { buffer.release(range) }
}

/// Fills a column from its beginning.
@safe
struct ColumnWriter<Element: BitwiseCopyable> {
  private let column: Column<Element>
  private let pointer: UnsafeMutablePointer<Element>
  private(set) var count = 0

  init(_ column: Column<Element>) {
    self.column = column
    unsafe pointer = column.pointer
  }

  /// The last appended element, which may be changed.
  var last: Element {
    get { unsafe pointer[count - 1] }
    nonmutating set { unsafe pointer[count - 1] = newValue }
  }

  mutating func append(_ element: Element) {
    precondition(count < column.count, "a column does not grow")
    unsafe pointer[count] = element
    count += 1
    // The last element may still change, which would load its page again.
    if count & 0xFFFF == 0 { column.release(count - 0x10000..<count) }
  }

  /// The finished column, which ends with the last element.
  consuming func finish() -> Column<Element> {
    column.trim(to: count)
    column.release(max(0, count - 0x10000)..<count)
    return column
  }
}
