// Licensed under the Apache License, Version 2.0.

internal import Sampling

/// A model as the bytes of a `.gsm` file in memory, for writing or for direct use.
struct GSMImage {
  let bytes: FlatBuffer<UInt8>

  /// Lays out a model.
  ///
  /// - Parameters:
  ///   - trie: the model.
  ///   - layout: the layout.
  ///   - quantizedBits: in the small layout, the bits per probability and back-off weight of orders
  ///     above 1, 2 to 16; 0 keeps the values as they are.
  /// - Throws: `LoadError` if the number of bits is invalid.
  init(_ trie: NGramTrie, layout: NGramLayout, quantizedBits: Int = 0) throws(LoadError) {
    let sections = GSMSectionSink(output: nil)
    var header = try Self.lay(trie, layout, quantizedBits, out: sections)
    bytes = sections.assemble(&header)
  }

  /// Writes a model section by section, so that only one section is in memory at a time.
  static func write(
    _ trie: NGramTrie, layout: NGramLayout, quantizedBits: Int, to path: String
  ) throws(LoadError) {
    let output = try FileOutput(path: path)
    let sections = GSMSectionSink(output: output)
    var header = try lay(trie, layout, quantizedBits, out: sections)
    try sections.finish(&header, output)
  }

  private static func lay(
    _ trie: NGramTrie, _ layout: NGramLayout, _ quantizedBits: Int, out sections: GSMSectionSink
  ) throws(LoadError) -> GSMHeader {
    guard quantizedBits == 0 || (2...16).contains(quantizedBits) else {
      throw LoadError(
        .badArgument, "\(quantizedBits) bits per value are not possible, expected 2 to 16")
    }
    guard quantizedBits == 0 || layout == .small else {
      throw LoadError(
        .badArgument, "quantising needs the small layout; the fast one would not get smaller")
    }
    let trie = quantizedBits > 0 ? trie.quantized(bits: quantizedBits) : trie
    let vocabulary = trie.vocabulary
    var spellings: [UInt8] = []
    var offsets: [UInt32] = [0]
    for i in 0..<vocabulary.count {
      spellings.append(contentsOf: vocabulary.bytes(of: Token(i)))
      offsets.append(UInt32(spellings.count))
    }
    try sections.add(.spellings, 0, spellings)
    try sections.add(.spellingOffsets, 0, offsets)
    var description: [UInt8] = []
    for (key, value) in trie.description {
      description.append(contentsOf: "\(key)=\(value)\n".utf8)
    }
    try sections.add(.description, 0, description)
    switch layout {
    case .fast: try addFast(trie, to: sections)
    case .small: try addSmall(trie, quantizedBits: quantizedBits, to: sections)
    }
    var ceiling: Float = 0
    for level in trie.levels {
      var most: Float = 0
      for i in 0..<level.backoffs.count { most = max(most, level.backoffs[i]) }
      ceiling += most
    }
    return GSMHeader(
      layout: layout, counts: trie.levels.map(\.count), quantizedBits: quantizedBits,
      vocabulary: vocabulary, ceiling: ceiling)
  }

  // MARK: The fast layout

  private static func addFast(_ trie: NGramTrie, to sections: GSMSectionSink) throws(LoadError) {
    let order = trie.order
    for (i, level) in trie.levels.enumerated() {
      if i == order - 1 && order > 1 {
        var entries: [TopEntry] = []
        entries.reserveCapacity(level.count)
        for n in 0..<level.count {
          entries.append(TopEntry(word: level.words[n], probability: level.logProbabilities[n]))
        }
        try sections.add(.entries, i, entries)
      } else {
        var entries: [MiddleEntry] = []
        entries.reserveCapacity(level.count + 1)
        let isHighest = order == 1
        for n in 0..<level.count {
          entries.append(
            MiddleEntry(
              word: level.words[n], probability: level.logProbabilities[n],
              backoff: isHighest ? 0 : level.backoffs[n],
              firstChild: isHighest ? 0 : level.firstChildren[n]))
        }
        entries.append(
          MiddleEntry(
            word: .max, probability: 0, backoff: 0,
            firstChild: isHighest ? 0 : level.firstChildren[level.count]))
        try sections.add(.entries, i, entries)
      }
      if i > 0 {
        try addSlots(trie, i, to: sections)
        try addPredecessors(trie, i, to: sections)
      }
    }
    if order > 1 { try addFilter(trie, to: sections) }
  }

  /// The hashed numbers of the children of nodes that have too many for a scan.
  private static func addSlots(_ trie: NGramTrie, _ level: Int, to sections: GSMSectionSink)
    throws(LoadError)
  {
    let parents = trie.levels[level - 1]
    let children = trie.levels[level]
    var hashed = 0
    for parent in 0..<parents.count {
      let size = Int(parents.firstChildren[parent + 1] - parents.firstChildren[parent])
      if size > ChildHash.scanned { hashed += size }
    }
    let slotCount = hashed == 0 ? 1 : hashed * 10 / 7 + 8
    let indexBits = UInt32.bitWidth - UInt32(children.count).leadingZeroBitCount
    var slots = [UInt32](repeating: .max, count: slotCount)
    var mostProbes = 0
    for parent in 0..<parents.count {
      let low = parents.firstChildren[parent]
      let high = parents.firstChildren[parent + 1]
      guard Int(high - low) > ChildHash.scanned else { continue }
      for child in low..<high {
        let hash = ChildHash.of(parent: UInt32(parent), word: children.words[Int(child)])
        var slot = ChildHash.slot(hash, slotCount)
        var probes = 1
        while slots[slot] != .max {
          slot = slot + 1 == slotCount ? 0 : slot + 1
          probes += 1
        }
        slots[slot] = ChildHash.tagged(child, hash, indexBits)
        mostProbes = max(mostProbes, probes)
      }
    }
    try sections.add(.slots, level, slots, parameter: UInt64(mostProbes))
  }

  private static func addPredecessors(_ trie: NGramTrie, _ level: Int, to sections: GSMSectionSink)
    throws(LoadError)
  {
    let suffixes = NGramSuffixes(trie, level)
    let nodes = trie.levels[level - 1].count
    let count = trie.levels[level].count
    var heads = [UInt32](repeating: 0, count: nodes + 1)
    for i in 0..<count { heads[Int(suffixes.nodes[i]) + 1] += 1 }
    for i in 0..<nodes { heads[i + 1] += heads[i] }
    var fill = heads
    var grams = [UInt32](repeating: 0, count: count)
    var words = [UInt32](repeating: 0, count: count)
    // N-grams are sorted by their first token, so each list is sorted by it, too.
    for i in 0..<count {
      let node = Int(suffixes.nodes[i])
      grams[Int(fill[node])] = UInt32(i)
      words[Int(fill[node])] = suffixes.firstWords[i]
      fill[node] += 1
    }
    try sections.add(.predecessorHeads, level, heads)
    try sections.add(.predecessorGrams, level, grams)
    if trie.vocabulary.count <= 1 << 16 {
      try sections.add(.predecessorWords, level, words.map { UInt16($0) }, parameter: 16)
    } else {
      try sections.add(.predecessorWords, level, words, parameter: 32)
    }
  }

  private static func addFilter(_ trie: NGramTrie, to sections: GSMSectionSink) throws(LoadError) {
    let unigrams = trie.levels[0]
    let bigrams = trie.levels[1]
    // About 7 bits per 2-gram, up to half a megabyte, which fits into a core's cache.
    var words = 64
    while words * 64 < bigrams.count * 7 && words < 1 << 16 { words *= 2 }
    var filter = [UInt64](repeating: 0, count: words)
    for word in 0..<unigrams.count {
      for child in unigrams.firstChildren[word]..<unigrams.firstChildren[word + 1] {
        let hash = ChildHash.of(parent: UInt32(word), word: bigrams.words[Int(child)])
        filter[ChildHash.block(hash, words)] |= ChildHash.filterBits(hash)
      }
    }
    try sections.add(.filter, 1, filter)
  }

  // MARK: The small layout

  private static func addSmall(
    _ trie: NGramTrie, quantizedBits: Int, to sections: GSMSectionSink
  ) throws(LoadError) {
    let vocabularyCount = UInt64(trie.vocabulary.count)
    for (i, level) in trie.levels.enumerated() {
      let isHighest = i == trie.order - 1
      if i > 0 {
        let parents = trie.levels[i - 1]
        var keys: [UInt64] = []
        keys.reserveCapacity(level.count)
        for parent in 0..<parents.count {
          for child in parents.firstChildren[parent]..<parents.firstChildren[parent + 1] {
            keys.append(UInt64(parent) * vocabularyCount + UInt64(level.words[Int(child)]))
          }
        }
        let code = EliasFanoParts(
          count: level.count, universe: UInt64(parents.count) * vocabularyCount
        ) { keys[$0] }
        try sections.add(.lowBits, i, code.low, parameter: UInt64(code.lowBitCount))
        try sections.add(.highBits, i, code.high)
        try sections.add(.zeroSamples, i, code.samples)
      }
      var extends = [Bool](repeating: false, count: level.count)
      if !isHighest {
        for n in 0..<level.count {
          extends[n] =
            level.backoffs[n] != 0 || level.firstChildren[n] != level.firstChildren[n + 1]
        }
      }
      if quantizedBits == 0 || i == 0 {
        var probabilities: [UInt32] = []
        probabilities.reserveCapacity(level.count)
        for n in 0..<level.count {
          let bits = abs(level.logProbabilities[n]).bitPattern
          probabilities.append(extends[n] ? bits | 1 << 31 : bits)
        }
        try sections.add(.probabilities, i, probabilities)
        if !isHighest {
          try sections.add(.backoffs, i, (0..<level.count).map { level.backoffs[$0] })
        }
      } else {
        let probabilities = Codebook(
          (0..<level.count).map { abs(level.logProbabilities[$0]) }, bits: quantizedBits)
        try sections.add(.probabilities, i, probabilities.values)
        try sections.add(.probabilityCodes, i, probabilities.packedCodes)
        if !isHighest {
          let backoffs = Codebook(
            (0..<level.count).map { level.backoffs[$0] }, bits: quantizedBits, keepsZero: true)
          try sections.add(.backoffs, i, backoffs.values)
          try sections.add(.backoffCodes, i, backoffs.packedCodes)
          var bits = [UInt64](repeating: 0, count: level.count / 64 + 1)
          for n in 0..<level.count where extends[n] { bits[n >> 6] |= 1 << UInt64(n & 63) }
          try sections.add(.extends, i, bits)
        }
      }
    }
  }
}

/// A node of the fast layout, below the highest order.
@usableFromInline
@frozen
struct MiddleEntry {
  @usableFromInline var word: UInt32
  @usableFromInline var probability: Float
  @usableFromInline var backoff: Float
  @usableFromInline var firstChild: UInt32
}

/// An n-gram of the highest order in the fast layout.
@usableFromInline
@frozen
struct TopEntry {
  @usableFromInline var word: UInt32
  @usableFromInline var probability: Float
}

/// How the fast layout finds children.
@usableFromInline
enum ChildHash {
  /// Up to this many children are scanned instead of hashed: one or two cache lines.
  @usableFromInline static let scanned = 8

  @inlinable
  static func of(parent: UInt32, word: UInt32) -> UInt64 {
    var h = (UInt64(parent) << 32 | UInt64(word)) &* 0x9E37_79B9_7F4A_7C15
    h ^= h >> 32
    return h &* 0xD6E8_FEB8_6659_FD93
  }

  @inlinable
  static func slot(_ hash: UInt64, _ count: Int) -> Int {
    Int(hash.multipliedFullWidth(by: UInt64(count)).high)
  }

  /// The number of a child, and above it as many bits of the hash as fit.
  @inlinable
  static func tagged(_ child: UInt32, _ hash: UInt64, _ indexBits: Int) -> UInt32 {
    indexBits >= 32 ? child : child | UInt32(truncatingIfNeeded: hash) << UInt32(indexBits)
  }

  @inlinable
  static func block(_ hash: UInt64, _ count: Int) -> Int { Int(hash >> 40) & (count - 1) }

  @inlinable
  static func filterBits(_ hash: UInt64) -> UInt64 {
    1 << (hash & 63) | 1 << (hash >> 6 & 63) | 1 << (hash >> 12 & 63) | 1 << (hash >> 18 & 63)
  }
}

/// For each n-gram of a level, its first token and the node of its other tokens.
struct NGramSuffixes {
  var firstWords: [UInt32]
  var nodes: [UInt32]

  /// - Complexity: O(n-grams x order), because children are visited in order.
  init(_ trie: NGramTrie, _ level: Int) {
    let count = trie.levels[level].count
    var first = (0..<UInt32(trie.vocabulary.count)).map { $0 }
    // At order 1 the root stands for the empty suffix.
    var suffix: [UInt32] = []
    for depth in 1...level {
      let parents = trie.levels[depth - 1]
      let children = trie.levels[depth]
      var nextFirst = [UInt32](repeating: 0, count: children.count)
      var nextSuffix = [UInt32](repeating: 0, count: children.count)
      for parent in 0..<parents.count {
        let low = Int(parents.firstChildren[parent])
        let high = Int(parents.firstChildren[parent + 1])
        if low == high { continue }
        if depth == 1 {
          for child in low..<high {
            nextFirst[child] = first[parent]
            nextSuffix[child] = children.words[child]
          }
          continue
        }
        // Both lists of children are sorted, and the suffix's list contains all of the parent's.
        let node = Int(suffix[parent])
        let upper = trie.levels[depth - 2]
        var place = Int(upper.firstChildren[node])
        let stop = Int(upper.firstChildren[node + 1])
        for child in low..<high {
          let word = children.words[child]
          // Gallop, because the suffix's list may be far longer.
          var step = 1
          while place + step < stop, parents.words[place + step] <= word {
            place += step
            step *= 2
          }
          while step > 1 {
            step /= 2
            if place + step < stop, parents.words[place + step] <= word { place += step }
          }
          precondition(parents.words[place] == word, "every suffix is listed")
          nextFirst[child] = first[parent]
          nextSuffix[child] = UInt32(place)
        }
      }
      first = nextFirst
      suffix = nextSuffix
    }
    precondition(suffix.count == count, "there is one suffix per n-gram")
    firstWords = first
    nodes = suffix
  }
}

/// The destination of sections: a buffer, or a file that they are written to at once.
private final class GSMSectionSink {
  private let output: FileOutput?
  private var places: [GSMHeader.Place] = []
  private var copies: [(FlatBuffer<UInt8>, Int) -> Void] = []
  private var offset: Int

  /// Room for the header of any model: no order has more than twelve sections.
  private static let firstOffset =
    (GSMHeader.fixedBytes + 12 * NGramTrie.highestOrder * GSMHeader.sectionBytes
      + GSMHeader.alignment - 1) / GSMHeader.alignment * GSMHeader.alignment

  init(output: FileOutput?) {
    self.output = output
    offset = 0
  }

  func add<Element: BitwiseCopyable>(
    _ section: GSMHeader.Section, _ level: Int, _ elements: [Element], parameter: UInt64 = 0
  ) throws(LoadError) {
    let bytes = elements.count * MemoryLayout<Element>.stride
    let alignment = GSMHeader.alignment
    let start = max(Self.firstOffset, (offset + alignment - 1) / alignment * alignment)
    places.append(
      GSMHeader.Place(
        section: section, level: level, parameter: parameter, offset: start, bytes: bytes))
    if let output {
      try output.write([UInt8](repeating: 0, count: start - offset))
      var failure: LoadError?
      unsafe elements.withUnsafeBytes { raw in
        do throws(LoadError) { try unsafe output.write(raw) } catch { failure = error }
      }
      if let failure { throw failure }
    } else {
      copies.append { target, offset in
        unsafe elements.withUnsafeBytes { source in
          guard let base = source.baseAddress else { return }
          let start = unsafe UnsafeMutableRawPointer(target.pointer + offset)
          unsafe start.copyMemory(from: base, byteCount: bytes)
        }
      }
    }
    offset = start + bytes
  }

  private func complete(_ header: inout GSMHeader) {
    header.places = places
    header.fileBytes = offset + 8
  }

  func assemble(_ header: inout GSMHeader) -> FlatBuffer<UInt8> {
    complete(&header)
    let buffer = FlatBuffer<UInt8>(count: offset + 8)
    for (i, byte) in header.encoded().enumerated() { buffer[i] = byte }
    for (place, copy) in zip(header.places, copies) { copy(buffer, place.offset) }
    let sum = unsafe GSMHeader.checksum(
      UnsafeRawBufferPointer(start: buffer.pointer, count: offset))
    for i in 0..<8 { buffer[offset + i] = UInt8(truncatingIfNeeded: sum >> (8 * i)) }
    return buffer
  }

  /// Writes the header and the checksum, and gives the file its name.
  func finish(_ header: inout GSMHeader, _ output: FileOutput) throws(LoadError) {
    complete(&header)
    try output.replaceBeginning(with: header.encoded())
    var checksum = GSMChecksum()
    var sum: UInt64 = 0
    // All parts except the last consist of whole stripes.
    try unsafe output.readBack(partBytes: 1 << 22) { part in
      let stripes = part.count / 64 * 64
      unsafe checksum.add(UnsafeRawBufferPointer(rebasing: part[..<stripes]))
      sum = unsafe checksum.value(UnsafeRawBufferPointer(rebasing: part[stripes...]))
    }
    try output.write((0..<8).map { UInt8(truncatingIfNeeded: sum >> (8 * $0)) })
    try output.finish()
  }
}

extension NGramTrie {
  /// Writes a `.gsm` file; it appears only when it is complete.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - layout: the layout of the file.
  ///   - quantizedBits: bits per value in the small layout, 2 to 16; 0 keeps the values as they
  ///     are.
  /// - Throws: `LoadError` if the file cannot be written or the number of bits is invalid.
  public func write(gsm path: String, layout: NGramLayout, quantizedBits: Int = 0)
    throws(LoadError)
  {
    try GSMImage.write(self, layout: layout, quantizedBits: quantizedBits, to: path)
  }
}
