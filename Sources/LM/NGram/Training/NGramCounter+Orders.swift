// Licensed under the Apache License, Version 2.0.

internal import Sampling

/// Where an n-gram is stored, with its count if that is needed.
private protocol Origin: BitwiseCopyable, Sendable {
  init(place: UInt32, raw: UInt32)
  var place: UInt32 { get }
  var raw: UInt32 { get }
}

private struct Place: Origin {
  let place: UInt32
  var raw: UInt32 { 0 }
  init(place: UInt32, raw: UInt32) { self.place = place }
}

private struct PlaceAndCount: Origin {
  let place: UInt32
  let raw: UInt32
}

extension NGramCounter {
  /// Computes the order below an order above 2, and the place of each n-gram's suffix in it.
  func shorten(
    _ upper: Keyed, of order: Int, beginnings: Keyed
  ) throws -> (Keyed, suffixes: Column<UInt32>) {
    upper.raw == nil
      ? try shorten(upper, of: order, beginnings: beginnings, by: Place.self)
      : try shorten(upper, of: order, beginnings: beginnings, by: PlaceAndCount.self)
  }

  private func shorten<Source: Origin>(
    _ upper: Keyed, of order: Int, beginnings: Keyed, by _: Source.Type
  ) throws -> (Keyed, suffixes: Column<UInt32>) {
    let suffixes = try budget.column(of: UInt32.self, upper.keys.count)
    let runs: [SortedRun<Key, Source>] = try sortedBySuffix(upper, of: order)
    // If the suffixes do not fit into memory, they are noted first and put in place later.
    var notes: (ColumnWriter<UInt32>, ColumnWriter<UInt32>)?
    if !suffixes.isInMemory {
      notes = (
        ColumnWriter(try budget.column(of: UInt32.self, suffixes.count)),
        ColumnWriter(try budget.column(of: UInt32.self, suffixes.count))
      )
    }
    let most = upper.keys.count + beginnings.keys.count
    var keys = ColumnWriter(try budget.column(of: Key.self, most))
    var adjusted = ColumnWriter(try budget.column(of: UInt32.self, most))
    var raw =
      upper.raw == nil ? nil : ColumnWriter(try budget.column(of: UInt32.self, most))
    let beginningCount = beginnings.keys.count
    var next = 0
    func appendBeginnings(before key: Key?) {
      while next < beginningCount {
        let beginning = unsafe beginnings.keys.pointer[next]
        if let key, key < beginning { return }
        let count = unsafe beginnings.adjusted.pointer[next]
        keys.append(beginning)
        adjusted.append(count)
        raw?.append(count)
        next += 1
      }
    }
    let suffixPointer = unsafe suffixes.pointer
    let isDirect = notes == nil
    try merge(runs, isCancelled: options.isCancelled) { key, source in
      if keys.count > 0, keys.last == key {
        adjusted.last += 1
        if Source.self == PlaceAndCount.self { raw?.last += source.raw }
      } else {
        if next < beginningCount { appendBeginnings(before: key) }
        keys.append(key)
        adjusted.append(1)
        if Source.self == PlaceAndCount.self { raw?.append(source.raw) }
      }
      let place = UInt32(keys.count - 1)
      if isDirect {
        unsafe suffixPointer[Int(source.place)] = place
      } else {
        notes?.0.append(source.place)
        notes?.1.append(place)
      }
    }
    appendBeginnings(before: nil)
    if let notes {
      try scatter(notes.1.finish(), to: notes.0.finish(), in: suffixes)
    }
    let below = Keyed(keys: keys.finish(), adjusted: adjusted.finish(), raw: raw?.finish())
    return (below, suffixes)
  }

  private func sortedBySuffix<Source: Origin>(
    _ upper: Keyed, of order: Int
  ) throws -> [SortedRun<Key, Source>] {
    let count = upper.keys.count
    let bytes = 2 * (MemoryLayout<Key>.stride + MemoryLayout<Source>.stride)
    let (share, isPart) = budget.share(of: count, bytes: bytes, threads: options.threads)
    let mask = Key.mask(bits * (order - 1))
    let starts = Array(stride(from: 0, to: count, by: share))
    return try concurrently(starts.count, threads: options.threads) { i in
      if options.isCancelled() { throw LoadError(.cancelled, "stopped") }
      let first = starts[i]
      let range = first..<min(count, first + share)
      let keys = budget.scratch(of: Key.self, range.count)
      let sources = budget.scratch(of: Source.self, range.count)
      let (upperKeys, upperRaw) = unsafe (upper.keys.pointer, upper.raw?.pointer)
      let (ownKeys, ownSources) = unsafe (keys.pointer, sources.pointer)
      for k in range {
        unsafe ownKeys[k - first] = upperKeys[k].and(mask)
        unsafe ownSources[k - first] = Source(place: UInt32(k), raw: upperRaw?[k] ?? 0)
      }
      upper.keys.release(range)
      upper.raw?.release(range)
      let run = SortedRun(sorting: keys, sources, bits: bits * (order - 1), budget: budget)
      return isPart ? try run.settled(in: budget) : run
    }
  }

  /// Writes values to their places, as many at a time as fit into memory.
  private func scatter(
    _ values: Column<UInt32>, to places: Column<UInt32>, in target: Column<UInt32>
  ) throws(LoadError) {
    let (share, _) = budget.share(of: target.count, bytes: 4, threads: 1)
    for first in stride(from: 0, to: target.count, by: share) {
      if options.isCancelled() { throw LoadError(.cancelled, "stopped") }
      let size = min(share, target.count - first)
      let block = budget.scratch(of: UInt32.self, size)
      let (from, to, sorted) = unsafe (values.pointer, places.pointer, block.pointer)
      for range in steps(values.count) {
        for i in range {
          let place = unsafe Int(to[i]) - first
          if place >= 0, place < size { unsafe sorted[place] = from[i] }
        }
        places.release(range)
        values.release(range)
      }
      for range in steps(size) {
        unsafe (target.pointer + first + range.lowerBound).update(
          from: sorted + range.lowerBound, count: range.count)
        target.release(first + range.lowerBound..<first + range.upperBound)
      }
    }
  }

  func lastWords(_ keys: Column<Key>) throws(LoadError) -> Column<UInt32> {
    let words = try budget.column(of: UInt32.self, keys.count)
    let mask = Key.mask(bits)
    let (from, to) = unsafe (keys.pointer, words.pointer)
    for range in steps(keys.count) {
      for i in range { unsafe to[i] = from[i].and(mask).low &- 1 }
      keys.release(range)
      words.release(range)
    }
    return words
  }

  /// The first longer n-gram of each n-gram of an order.
  func firstChildren(
    of parents: Column<Key>?, in keys: Column<Key>
  ) throws(LoadError) -> Column<UInt32> {
    let count = parents?.count ?? vocabulary.count
    let heads = try budget.column(of: UInt32.self, count + 1)
    let (from, upper, to) = unsafe (keys.pointer, parents?.pointer, heads.pointer)
    let childCount = keys.count
    var child = 0
    var released = 0
    for range in steps(count) {
      for i in range {
        unsafe to[i] = UInt32(child)
        let parent = unsafe upper?[i] ?? Key(word: UInt32(i) + 1)
        while child < childCount, unsafe from[child].down(bits) == parent { child += 1 }
        if child - released > 1 << 16 {
          keys.release(released..<child)
          released = child
        }
      }
      parents?.release(range)
      heads.release(range)
    }
    unsafe to[count] = UInt32(child)
    precondition(child == keys.count, "every n-gram's beginning is an n-gram")
    return heads
  }
}
