// Licensed under the Apache License, Version 2.0.

internal import Foundation
internal import Synchronization

/// The bytes that training may take, and what is left of them.
final class MemoryBudget: Sendable {
  /// What a process with nothing to do takes: the runtime, Foundation and the system's tables.
  static let ground = 32 << 20
  /// The least that training works with.
  static let least = 40 << 20

  private let limit: Int
  private let folder: String
  private let taken = Mutex(0)

  /// A budget of so many bytes beyond the ground; what is beyond it lies in files in a folder.
  init(bytes: Int, folder: String) {
    limit = max(0, bytes)
    self.folder = folder
  }

  /// What nobody has taken.
  var left: Int { max(0, limit - taken.withLock { $0 }) }

  /// Makes sure that what can lie in memory alone leaves room for the rest.
  func check(_ bytes: Int) throws(LoadError) {
    guard bytes > limit / 2 else { return }
    let needed = (2 * bytes + MemoryBudget.ground) >> 20 + 1
    throw LoadError(
      .badArgument,
      "the different words of the corpus do not fit into the memory given; give --memory "
        + "\(needed)M or more")
  }

  func take(_ bytes: Int) { taken.withLock { $0 += bytes } }
  func give(_ bytes: Int) { taken.withLock { $0 -= bytes } }

  /// How much of some work each thread may do at once.
  ///
  /// - Parameters:
  ///   - count: the elements in all.
  ///   - bytes: what one takes during the work.
  ///   - threads: how many shares are worked on at once.
  /// - Returns: elements a share, and whether all shares together do not fit into memory.
  func share(of count: Int, bytes: Int, threads: Int) -> (count: Int, isPart: Bool) {
    let even = (count + threads - 1) / threads
    // What is a third of the budget is never taken for longer.
    if count * bytes <= left { return (max(1, even), false) }
    return (max(1 << 10, min(even, limit / 3 / threads / bytes)), true)
  }

  /// Room for what stays a while: in memory if a third of the budget is left for work, else in a
  /// file.
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

  /// Room for work, always in memory.
  func scratch<Element: BitwiseCopyable>(of _: Element.Type, _ count: Int) -> Column<Element> {
    let bytes = max(1, count) * MemoryLayout<Element>.stride
    take(bytes)
    return Column(FlatBuffer(count: count), bytes: bytes, budget: self)
  }
}

/// A flat array that counts against a budget until it is gone.
@safe
final class Column<Element: BitwiseCopyable>: @unchecked Sendable {
  let buffer: FlatBuffer<Element>
  let isInMemory: Bool
  private let budget: MemoryBudget
  private var bytes: Int
  /// How many elements are in use.
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

  /// Says that only the first elements were used.
  func trim(to count: Int) {
    precondition(count <= self.count, "a column does not grow")
    self.count = count
    buffer.discard(from: count)
    let used = min(bytes, max(1, count) * MemoryLayout<Element>.stride)
    budget.give(bytes - used)
    bytes = used
  }

  /// The array for good: its bytes stay taken.
  func keep() -> FlatBuffer<Element> {
    bytes = 0
    release(0..<count)
    return buffer
  }

  /// Gives memory back of elements that lie in a file.
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

  /// The element that was appended last, which may be changed.
  var last: Element {
    get { unsafe pointer[count - 1] }
    nonmutating set { unsafe pointer[count - 1] = newValue }
  }

  mutating func append(_ element: Element) {
    precondition(count < column.count, "a column does not grow")
    unsafe pointer[count] = element
    count += 1
    // The last one may still change, which brings its page back.
    if count & 0xFFFF == 0 { column.release(count - 0x10000..<count) }
  }

  /// The column, which ends with the last element.
  consuming func finish() -> Column<Element> {
    column.trim(to: count)
    column.release(max(0, count - 0x10000)..<count)
    return column
  }
}
