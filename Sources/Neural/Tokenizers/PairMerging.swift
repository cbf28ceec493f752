// Licensed under the Apache License, Version 2.0.

/// What two neighbouring tokens merge into, and how early.
struct Merge {
  /// The lowest rank is merged first, the leftmost of several.
  var rank: UInt32
  var token: Int32

  static let none = Merge(rank: .max, token: -1)
}

/// The memory of one encoding, used again from word to word.
struct MergeWorkspace {
  var tokens: [Int32] = []
  /// Bytes of each token, for vocabularies that find pairs by their text.
  var starts: [Int] = []
  /// The place of a byte that has no token, or -1.
  var missing = -1
  private var merges: [Merge] = []
  private var previous: [Int32] = []
  private var next: [Int32] = []
  private var heap: [UInt64] = []

  mutating func begin() {
    tokens.removeAll(keepingCapacity: true)
    starts.removeAll(keepingCapacity: true)
  }

  @inline(__always)
  mutating func append(_ token: Int32, start: Int) {
    tokens.append(token)
    starts.append(start)
  }

  mutating func end(at end: Int) { starts.append(end) }

  /// Merges the pairs of `tokens` until none is left, the lowest rank first.
  ///
  /// Of several pairs of one rank the leftmost is first. `starts` has one more element than `tokens` and keeps step with them.
  ///
  /// `merge` gets two tokens, the text, and where both lie in it.
  ///
  /// - Complexity: O(n log n) in the number of tokens.
  mutating func mergeAll(
    _ text: borrowing Span<UInt8>,
    _ merge: (Int32, Int32, borrowing Span<UInt8>, Range<Int>) -> Merge
  ) {
    if tokens.count <= Self.shortest { mergeFew(text, merge) } else { mergeMany(text, merge) }
  }

  /// Up to here a scan for the best pair is faster than a heap.
  static let shortest = 24

  /// Merges by looking through all pairs at each step: quick for words, quadratic for long texts.
  mutating func mergeFew(
    _ text: borrowing Span<UInt8>,
    _ merge: (Int32, Int32, borrowing Span<UInt8>, Range<Int>) -> Merge
  ) {
    guard tokens.count > 1 else { return }
    merges.removeAll(keepingCapacity: true)
    for index in 0..<tokens.count - 1 {
      merges.append(
        merge(tokens[index], tokens[index + 1], text, starts[index]..<starts[index + 2]))
    }
    while true {
      var best = Merge.none
      var place = 0
      for index in merges.indices where merges[index].rank < best.rank {
        best = merges[index]
        place = index
      }
      guard best.rank != .max else { return }
      tokens[place] = best.token
      tokens.remove(at: place + 1)
      starts.remove(at: place + 1)
      merges.remove(at: place)
      if place < merges.count {
        merges[place] = merge(
          tokens[place], tokens[place + 1], text, starts[place]..<starts[place + 2])
      }
      if place > 0 {
        merges[place - 1] = merge(
          tokens[place - 1], tokens[place], text, starts[place - 1]..<starts[place + 1])
      }
    }
  }

  /// Merges with a heap of pairs over a linked list.
  ///
  /// A pair that has changed since it was put into
  /// the heap is passed over.
  mutating func mergeMany(
    _ text: borrowing Span<UInt8>,
    _ merge: (Int32, Int32, borrowing Span<UInt8>, Range<Int>) -> Merge
  ) {
    let count = tokens.count
    guard count > 1 else { return }
    merges.removeAll(keepingCapacity: true)
    previous.removeAll(keepingCapacity: true)
    next.removeAll(keepingCapacity: true)
    heap.removeAll(keepingCapacity: true)
    for index in 0..<count {
      previous.append(Int32(index) - 1)
      next.append(Int32(index) + 1)
      merges.append(.none)
      if index + 1 < count {
        merges[index] = merge(
          tokens[index], tokens[index + 1], text, starts[index]..<starts[index + 2])
        if merges[index].rank != .max { heap.append(Self.entry(merges[index], index)) }
      }
    }
    for index in stride(from: heap.count / 2 - 1, through: 0, by: -1) { siftDown(index) }
    while let first = heap.first {
      let last = heap.removeLast()
      if !heap.isEmpty {
        heap[0] = last
        siftDown(0)
      }
      let place = Int(first & 0xFFFF_FFFF)
      guard merges[place].rank == UInt32(first >> 32) else { continue }
      let right = Int(next[place])
      tokens[place] = merges[place].token
      tokens[right] = Self.merged
      merges[right] = .none
      next[place] = next[right]
      if next[place] < count { previous[Int(next[place])] = Int32(place) }
      renew(place, text, merge)
      if previous[place] >= 0 { renew(Int(previous[place]), text, merge) }
    }
    var kept = 0
    for index in 0..<count where tokens[index] != Self.merged {
      tokens[kept] = tokens[index]
      starts[kept] = starts[index]
      kept += 1
    }
    starts[kept] = starts[count]
    starts.removeLast(count - kept)
    tokens.removeLast(count - kept)
  }

  /// Marks what went into its left neighbour; a character without a token is -1.
  private static let merged = Int32.min

  private mutating func renew(
    _ place: Int, _ text: borrowing Span<UInt8>,
    _ merge: (Int32, Int32, borrowing Span<UInt8>, Range<Int>) -> Merge
  ) {
    let right = Int(next[place])
    guard right < tokens.count else {
      merges[place] = .none
      return
    }
    let end = Int(next[right])
    merges[place] = merge(tokens[place], tokens[right], text, starts[place]..<starts[end])
    guard merges[place].rank != .max else { return }
    heap.append(Self.entry(merges[place], place))
    siftUp(heap.count - 1)
  }

  private static func entry(_ merge: Merge, _ place: Int) -> UInt64 {
    UInt64(merge.rank) << 32 | UInt64(place)
  }

  private mutating func siftUp(_ start: Int) {
    var index = start
    let value = heap[index]
    while index > 0 {
      let parent = (index - 1) / 2
      guard value < heap[parent] else { break }
      heap[index] = heap[parent]
      index = parent
    }
    heap[index] = value
  }

  private mutating func siftDown(_ start: Int) {
    var index = start
    let value = heap[index]
    while true {
      var child = 2 * index + 1
      guard child < heap.count else { break }
      if child + 1 < heap.count, heap[child + 1] < heap[child] { child += 1 }
      guard heap[child] < value else { break }
      heap[index] = heap[child]
      index = child
    }
    heap[index] = value
  }
}
