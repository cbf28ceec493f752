// Licensed under the Apache License, Version 2.0.

internal import Sampling

/// The n-grams of one order in sorted order, with their counts.
struct CountedLevel<Key: PackedKey> {
  var keys: [Key] = []
  /// Occurrences at the highest order and for what begins with the start symbol, else the number
  /// of different words to the left.
  var adjusted: [UInt32] = []
  /// Occurrences; kept only where pruning asks for them.
  var raw: [UInt32] = []
  /// Where the n-gram without its first word stands in the order below.
  var suffixes: [UInt32] = []
}

/// Counts the n-grams of a numbered corpus: chunks are sorted on all threads, then merged.
///
/// A key holds numbers of words plus one; 0 stands before the start symbol of a sentence, so that
/// the shorter n-grams of a sentence's beginning are counted with the others.
struct NGramCounter<Key: PackedKey> {
  let options: NGramTrainer.Options
  /// Bits a word.
  let bits: Int
  let start: UInt32
  let end: UInt32

  /// A sorted run of different keys with their counts.
  private struct Run: Sendable {
    var keys: [Key]
    var counts: [UInt32]
    /// Where the run lies if it is not in memory.
    var file: (SpillFile, keys: Int, counts: Int, count: Int)?
  }

  /// All orders, from 1 to the highest.
  func count(
    _ corpus: TokenizedCorpus, numbers: [[UInt32]]
  ) throws -> [CountedLevel<Key>] {
    let order = options.order
    let tokens = corpus.pieces.reduce(0) { $0 + $1.tokens.count }
    // Keys twice while they are sorted.
    let perToken = 2 * MemoryLayout<Key>.stride + 4
    let inFlight = max(1, options.memory / 2 / perToken / options.threads)
    let share = max(1, min(inFlight, (tokens + options.threads - 1) / options.threads))
    var chunks: [Range<Int>] = []
    var first = 0
    var size = 0
    for (i, piece) in corpus.pieces.enumerated() {
      if size > 0, size + piece.tokens.count > share + share / 8 {
        chunks.append(first..<i)
        first = i
        size = 0
      }
      size += piece.tokens.count
    }
    chunks.append(first..<corpus.pieces.count)
    let isSpilling = chunks.count > options.threads
    let spill = isSpilling ? try SpillFile(in: options.temporaryFolder) : nil
    let runs = try concurrently(chunks.count, threads: options.threads) { [chunks] i in
      if options.isCancelled() { throw LoadError(.cancelled, "stopped") }
      return try makeRun(corpus.pieces[chunks[i]], numbers: numbers, spill: spill)
    }
    var padded = (0..<order).map { _ in CountedLevel<Key>() }
    let top = try merge(runs, padded: &padded)
    return try lowerOrders(top, padded: padded)
  }

  private func makeRun(
    _ pieces: ArraySlice<TokenizedCorpus.Piece>, numbers: [[UInt32]], spill: SpillFile?
  ) throws -> Run {
    var keys: [Key] = []
    keys.reserveCapacity(pieces.reduce(0) { $0 + $1.tokens.count })
    let mask = Key.mask(bits * options.order)
    let beginning = options.order == 1 ? Key.zero : Key(word: start + 1)
    let last = Key(word: end + 1)
    for piece in pieces {
      let tokens = try piece.tokens.load()
      let own = numbers[piece.interner]
      unsafe own.withUnsafeBufferPointer { own in
        var key = beginning
        for token in tokens {
          let word = token == 0 ? last : unsafe Key(word: own[Int(token) &- 1] &+ 1)
          key = key.up(bits).or(word).and(mask)
          keys.append(key)
          if token == 0 { key = beginning }
        }
      }
    }
    radixSort(&keys, bits: bits * options.order)
    // Equal keys become one in place.
    var counts: [UInt32] = []
    var filled = 0
    for i in keys.indices {
      if filled > 0, keys[filled - 1] == keys[i] {
        counts[filled - 1] += 1
      } else {
        keys[filled] = keys[i]
        counts.append(1)
        filled += 1
      }
    }
    keys.removeLast(keys.count - filled)
    guard let spill else { return Run(keys: keys, counts: counts) }
    let keyPlace = try spill.append(keys)
    let countPlace = try spill.append(counts)
    return Run(keys: [], counts: [], file: (spill, keyPlace, countPlace, filled))
  }

  /// Reads a run from its beginning to its end, a part at a time.
  private struct Reader {
    let run: Run
    let total: Int
    var keys: [Key]
    var counts: [UInt32]
    var place = 0
    var loaded = 0

    init(_ run: Run) throws {
      self.run = run
      total = run.file?.count ?? run.keys.count
      keys = run.keys
      counts = run.counts
      loaded = run.keys.count
      if run.file != nil { try refill() }
    }

    var isAtEnd: Bool { place == keys.count && loaded == total }

    mutating func advance() throws {
      place += 1
      if place == keys.count, loaded < total { try refill() }
    }

    private mutating func refill() throws {
      guard let file = run.file else { return }
      let part = min(1 << 14, total - loaded)
      keys = try file.0.read(part, at: file.keys + loaded * MemoryLayout<Key>.stride)
      counts = try file.0.read(part, at: file.counts + loaded * 4)
      loaded += part
      place = 0
    }
  }

  private func merge(
    _ runs: [Run], padded: inout [CountedLevel<Key>]
  ) throws -> CountedLevel<Key> {
    var readers = try runs.map(Reader.init)
    var top = CountedLevel<Key>()
    if readers.count == 1 {
      top.keys = readers[0].keys
      top.adjusted = readers[0].counts
    }
    if readers.count == 1, runs[0].file == nil {
      // Already one sorted run.
    } else {
      top = CountedLevel()
      top.keys.reserveCapacity(runs.map(\.keys.count).max() ?? 0)
      // A heap of the readers by their next keys.
      var heap = readers.indices.filter { !readers[$0].isAtEnd }
      func isBefore(_ a: Int, _ b: Int) -> Bool {
        readers[a].keys[readers[a].place] < readers[b].keys[readers[b].place]
      }
      func sink(_ from: Int) {
        var i = from
        while true {
          var least = i
          for child in [2 * i + 1, 2 * i + 2] where child < heap.count {
            if isBefore(heap[child], heap[least]) { least = child }
          }
          if least == i { return }
          heap.swapAt(i, least)
          i = least
        }
      }
      if heap.count == 2 {
        try mergePair(&readers, into: &top)
        heap = []
      }
      for i in heap.indices.reversed() { sink(i) }
      while let first = heap.first {
        let key = readers[first].keys[readers[first].place]
        let count = readers[first].counts[readers[first].place]
        if top.keys.last == key {
          top.adjusted[top.adjusted.count - 1] += count
        } else {
          try checkMemory(top.keys.count)
          top.keys.append(key)
          top.adjusted.append(count)
        }
        try readers[first].advance()
        if readers[first].isAtEnd {
          heap[0] = heap[heap.count - 1]
          heap.removeLast()
        }
        sink(0)
      }
    }
    // Keys that begin with 0 are the shorter n-grams of sentence beginnings; they come first.
    let order = options.order
    let wordMask = Key.mask(bits).low
    var kept = 0
    for i in top.keys.indices {
      let key = top.keys[i]
      var length = order
      while length > 1, key.down(bits * (length - 1)).low & wordMask == 0 { length -= 1 }
      if length == order {
        kept = i
        break
      }
      padded[length - 1].keys.append(key)
      padded[length - 1].adjusted.append(top.adjusted[i])
      kept = i + 1
    }
    top.keys.removeFirst(kept)
    top.adjusted.removeFirst(kept)
    return top
  }

  private func mergePair(_ readers: inout [Reader], into top: inout CountedLevel<Key>) throws {
    var a = readers[0]
    var b = readers[1]
    while !a.isAtEnd || !b.isAtEnd {
      try checkMemory(top.keys.count)
      let isA = b.isAtEnd || !a.isAtEnd && !(b.keys[b.place] < a.keys[a.place])
      let isBoth = isA && !b.isAtEnd && a.keys[a.place] == b.keys[b.place]
      top.keys.append(isA ? a.keys[a.place] : b.keys[b.place])
      top.adjusted.append(
        (isA ? a.counts[a.place] : 0) + (!isA || isBoth ? b.counts[b.place] : 0))
      if isA { try a.advance() }
      if !isA || isBoth { try b.advance() }
    }
  }

  /// The different n-grams have to be held, whatever was spilled.
  private func checkMemory(_ count: Int) throws(LoadError) {
    guard count & 0xFFFF == 0, count > 0 else { return }
    if options.isCancelled() { throw LoadError(.cancelled, "stopped") }
    let needed = count * (MemoryLayout<Key>.stride + 16)
    if needed > options.memory {
      throw LoadError(
        .badArgument,
        "more than \(count) different n-grams of order \(options.order) do not fit into "
          + "\(options.memory >> 20) MB; give more --memory, a lower --order or a smaller "
          + "vocabulary")
    }
  }

  private func lowerOrders(
    _ top: CountedLevel<Key>, padded: [CountedLevel<Key>]
  ) throws -> [CountedLevel<Key>] {
    let order = options.order
    var levels = (0..<order).map { _ in CountedLevel<Key>() }
    levels[order - 1] = top
    let needsRaw = options.prune.contains { $0 > 0 }
    if needsRaw { levels[order - 1].raw = top.adjusted }
    for m in stride(from: order, to: 1, by: -1) {
      if options.isCancelled() { throw LoadError(.cancelled, "stopped") }
      let upperCount = levels[m - 1].keys.count
      let mask = Key.mask(bits * (m - 1))
      var keys = levels[m - 1].keys.map { $0.and(mask) }
      var places = (0..<UInt32(upperCount)).map { $0 }
      radixSort(&keys, &places, bits: bits * (m - 1))
      var lower = CountedLevel<Key>()
      var suffixes = [UInt32](repeating: 0, count: upperCount)
      let beginnings = padded[m - 2]
      var beginning = 0
      func appendBeginnings(before key: Key?) {
        while beginning < beginnings.keys.count,
          key.map({ beginnings.keys[beginning] < $0 }) ?? true
        {
          lower.keys.append(beginnings.keys[beginning])
          lower.adjusted.append(beginnings.adjusted[beginning])
          if needsRaw { lower.raw.append(beginnings.adjusted[beginning]) }
          beginning += 1
        }
      }
      for i in keys.indices {
        if i == 0 || keys[i] != keys[i - 1] {
          appendBeginnings(before: keys[i])
          lower.keys.append(keys[i])
          lower.adjusted.append(0)
          if needsRaw { lower.raw.append(0) }
        }
        let last = lower.keys.count - 1
        lower.adjusted[last] += 1
        if needsRaw { lower.raw[last] += levels[m - 1].raw[Int(places[i])] }
        suffixes[Int(places[i])] = UInt32(last)
      }
      appendBeginnings(before: nil)
      levels[m - 1].suffixes = suffixes
      levels[m - 2] = lower
    }
    return levels
  }
}
