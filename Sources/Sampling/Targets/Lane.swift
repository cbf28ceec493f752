// Licensed under the Apache License, Version 2.0.

/// A growing buffer with one owner, who must destroy it: a value per place of a scorer's text.
///
/// An array would do, but its uniqueness and bounds checks cost a third of a step.
@usableFromInline
@safe
package struct Lane<Element> {
  @usableFromInline package var base: UnsafeMutablePointer<Element>
  @usableFromInline package var count: Int
  @usableFromInline package var capacity: Int

  @inlinable
  package init(capacity: Int) {
    self.capacity = capacity
    unsafe base = .allocate(capacity: self.capacity)
    count = 0
  }

  @inlinable
  package func destroy() {
    unsafe base.deinitialize(count: count)
    unsafe base.deallocate()
  }

  /// The elements; valid until the lane is changed or destroyed.
  @inlinable
  package var buffer: UnsafeMutableBufferPointer<Element> {
    unsafe UnsafeMutableBufferPointer(start: base, count: count)
  }

  /// The size of its memory in bytes.
  package var byteCount: Int { capacity * MemoryLayout<Element>.stride }

  @inlinable
  package subscript(place: Int) -> Element {
    get {
      assert(place >= 0 && place < count)
      return unsafe base[place]
    }
    nonmutating set {
      assert(place >= 0 && place < count)
      unsafe base[place] = newValue
    }
  }

  @inlinable
  package mutating func append(_ element: Element) {
    if count == capacity { grow(to: count + 1) }
    unsafe (base + count).initialize(to: element)
    count &+= 1
  }

  @inlinable
  package mutating func removeAll() {
    unsafe base.deinitialize(count: count)
    count = 0
  }

  @inline(never)
  @usableFromInline
  mutating func grow(to minimum: Int) {
    let larger = max(minimum, capacity * 2, 16)
    let moved = UnsafeMutablePointer<Element>.allocate(capacity: larger)
    unsafe moved.moveInitialize(from: base, count: count)
    unsafe base.deallocate()
    unsafe base = moved
    capacity = larger
  }

  /// Replaces `low ..< high` by `other[from ..< from + length]`.
  @inlinable
  package mutating func replace(
    _ low: Int, _ high: Int, with other: Lane<Element>, from: Int, length: Int
  ) {
    assert(0 <= low && low <= high && high <= count && from + length <= other.count)
    let delta = length - (high - low)
    if count + delta > capacity { grow(to: count + delta) }
    if delta == 0 {
      unsafe (base + low).update(from: other.base + from, count: length)
      return
    }
    unsafe (base + low).deinitialize(count: high - low)
    unsafe (base + high + delta).moveInitialize(from: base + high, count: count - high)
    unsafe (base + low).initialize(from: other.base + from, count: length)
    count += delta
  }
}
