// Licensed under the Apache License, Version 2.0.

internal import Sampling

/// A value of size zero, for keys without values.
private struct Nothing: BitwiseCopyable, Sendable {}

extension NGramCounter {
  /// A part of a piece of the corpus.
  private struct Slice {
    var piece: Int
    var range: Range<Int>
  }

  /// The n-grams of the highest order in sorted runs: one per thread, if they fit into memory.
  func makeRuns(
    _ pieces: [TokenizedCorpus.Piece], numbers: [[UInt32]]
  ) throws -> [SortedRun<Key, UInt32>] {
    let tokens = pieces.reduce(0) { $0 + $1.tokens.count }
    let (share, isSpilling) = budget.share(
      of: tokens, bytes: 2 * MemoryLayout<Key>.stride + 2, threads: options.threads)
    var chunks: [[Slice]] = [[]]
    var room = share
    for (i, piece) in pieces.enumerated() {
      var first = 0
      while first < piece.tokens.count {
        if room == 0 {
          chunks.append([])
          room = share
        }
        let part = min(room, piece.tokens.count - first)
        chunks[chunks.count - 1].append(Slice(piece: i, range: first..<first + part))
        first += part
        room -= part
      }
    }
    return try concurrently(chunks.count, threads: options.threads) { [chunks] i in
      if options.isCancelled() { throw LoadError(.cancelled, "stopped") }
      let run = try makeRun(chunks[i], of: pieces, numbers: numbers)
      return isSpilling ? try run.settled(in: budget) : run
    }
  }

  private func makeRun(
    _ slices: [Slice], of pieces: [TokenizedCorpus.Piece], numbers: [[UInt32]]
  ) throws -> SortedRun<Key, UInt32> {
    let count = slices.reduce(0) { $0 + $1.range.count }
    let keys = budget.scratch(of: Key.self, count)
    var filled = 0
    for slice in slices {
      let tokens = pieces[slice.piece].tokens
      unsafe numbers[pieces[slice.piece].interner].withUnsafeBufferPointer { numbers in
        unsafe fill(
          keys.pointer + filled, tokens.pointer, slice.range, numbers: numbers)
      }
      filled += slice.range.count
      tokens.release(slice.range)
    }
    let sorted = SortedRun(
      sorting: keys, budget.scratch(of: Nothing.self, count), bits: bits * options.order,
      budget: budget)
    return counted(sorted.keys)
  }

  /// Writes the n-gram that ends at each place of a range.
  private func fill(
    _ keys: UnsafeMutablePointer<Key>, _ tokens: UnsafeMutablePointer<UInt32>,
    _ range: Range<Int>, numbers: UnsafeBufferPointer<UInt32>
  ) {
    let mask = Key.mask(bits * options.order)
    let beginning = options.order == 1 ? Key.zero : Key(word: vocabulary.start.rawValue + 1)
    let last = Key(word: vocabulary.end.rawValue + 1)
    // If a slice begins within a sentence, its first n-grams start before the slice.
    var first = range.lowerBound
    while first > 0, range.lowerBound - first < options.order, unsafe tokens[first - 1] != 0 {
      first -= 1
    }
    var key = beginning
    for i in first..<range.upperBound {
      let token = unsafe tokens[i]
      let word = token == 0 ? last : unsafe Key(word: numbers[Int(token) &- 1] &+ 1)
      key = key.up(bits).or(word).and(mask)
      if i >= range.lowerBound { unsafe keys[i - range.lowerBound] = key }
      if token == 0 { key = beginning }
    }
  }

  /// Distinct keys with their counts, stored in place of the sorted keys.
  private func counted(_ sorted: Column<Key>) -> SortedRun<Key, UInt32> {
    let keys = unsafe sorted.pointer
    var different = sorted.count > 0 ? 1 : 0
    for i in stride(from: 1, to: sorted.count, by: 1) {
      different += unsafe keys[i] == keys[i - 1] ? 0 : 1
    }
    let column = budget.scratch(of: UInt32.self, different)
    let counts = unsafe column.pointer
    var last = -1
    for i in 0..<sorted.count {
      let key = unsafe keys[i]
      if unsafe last < 0 || keys[last] != key {
        last += 1
        unsafe keys[last] = key
      }
      unsafe counts[last] &+= 1
    }
    sorted.trim(to: different)
    return SortedRun(keys: sorted, values: column)
  }

  /// Merges the highest order, and the shorter n-grams at the beginnings of sentences for lower
  /// orders.
  func mergeTop(
    _ runs: [SortedRun<Key, UInt32>], sentences: Int
  ) throws -> (Keyed, beginnings: [Keyed]) {
    let order = options.order
    let most = runs.reduce(0) { $0 + $1.count }
    func writers(_ count: Int) throws -> (ColumnWriter<Key>, ColumnWriter<UInt32>) {
      (
        ColumnWriter(try budget.column(of: Key.self, count)),
        ColumnWriter(try budget.column(of: UInt32.self, count))
      )
    }
    func keyed(_ writers: (ColumnWriter<Key>, ColumnWriter<UInt32>)) -> Keyed {
      let counts = writers.1.finish()
      return Keyed(keys: writers.0.finish(), adjusted: counts, raw: needsRaw ? counts : nil)
    }
    var (keys, counts) = try writers(most)
    // Indexed by the number of missing tokens.
    var shorter = try stride(from: 1, to: order - 1, by: 1).map { _ in
      try writers(min(most, sentences))
    }
    let uppermost = bits * (order - 1)
    try merge(runs, isCancelled: options.isCancelled) { key, count in
      if order > 2, key.down(uppermost) == .zero {
        var missing = 1
        while key.down(uppermost - bits * missing) == .zero { missing += 1 }
        if shorter[missing - 1].0.count > 0, shorter[missing - 1].0.last == key {
          shorter[missing - 1].1.last += count
        } else {
          shorter[missing - 1].0.append(key)
          shorter[missing - 1].1.append(count)
        }
      } else if keys.count > 0, keys.last == key {
        counts.last += count
      } else {
        keys.append(key)
        counts.append(count)
      }
    }
    return (keyed((keys, counts)), shorter.reversed().map(keyed))
  }
}
