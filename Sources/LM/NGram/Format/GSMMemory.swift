// Licensed under the Apache License, Version 2.0.

internal import CKernels
internal import Foundation
internal import Sampling

/// Pointers to the data of one order in a model's memory.
///
/// Look-ups clamp every number that they read, so that damaged data cannot lead them out of it.
@usableFromInline
@safe
struct NGramLevel {
  @usableFromInline var count = 0
  // The fast layout; `middle` has one entry more than there are n-grams.
  @usableFromInline var middle: UnsafePointer<MiddleEntry>
  @usableFromInline var top: UnsafePointer<TopEntry>
  @usableFromInline var isTop = false
  @usableFromInline var slots: UnsafePointer<UInt32>
  @usableFromInline var slotCount = 1
  @usableFromInline var indexBits = 32
  @usableFromInline var mostProbes = 0
  @usableFromInline var predecessorHeads: UnsafePointer<UInt32>
  @usableFromInline var predecessorGrams: UnsafePointer<UInt32>
  @usableFromInline var predecessorWords: UnsafeRawPointer
  @usableFromInline var hasShortPredecessorWords = false
  // The small layout.
  @usableFromInline var small: SmallLevel

  /// The last token of an n-gram in the fast layout.
  @inlinable
  @inline(__always)
  func word(_ node: Int) -> UInt32 {
    isTop ? unsafe top[node].word : unsafe middle[node].word
  }

  /// The children of a node of the order below.
  @inlinable
  @inline(__always)
  func children(below parent: UnsafePointer<MiddleEntry>) -> (low: Int, high: Int) {
    unsafe (min(Int(parent[0].firstChild), count), min(Int(parent[1].firstChild), count))
  }

  /// The child of a node of the order below for a token, or -1.
  @inlinable
  @inline(__always)
  func findFast(below parent: UnsafePointer<MiddleEntry>, parent node: UInt32, _ word: UInt32)
    -> Int
  {
    let (low, high) = unsafe children(below: parent)
    if high &- low <= ChildHash.scanned {
      var child = low
      while child < high {
        if self.word(child) == word { return child }
        child &+= 1
      }
      return -1
    }
    let hash = ChildHash.of(parent: node, word: word)
    var slot = ChildHash.slot(hash, slotCount)
    let tag = ChildHash.tagged(0, hash, indexBits)
    let mask: UInt32 = indexBits >= 32 ? .max : (1 &<< UInt32(indexBits)) &- 1
    var probes = 0
    while probes < mostProbes {
      let value = unsafe slots[slot]
      if value == .max { return -1 }
      if indexBits >= 32 || value & ~mask == tag {
        let child = Int(value & mask)
        if child >= low && child < high && self.word(child) == word { return child }
      }
      slot = slot &+ 1 == slotCount ? 0 : slot &+ 1
      probes &+= 1
    }
    return -1
  }

  func prefetchSlot(_ hash: UInt64) {
    unsafe gensample_prefetch(slots + ChildHash.slot(hash, slotCount))
  }

  /// Whether later tokens can depend on the node.
  @inlinable
  func extends(_ node: Int, _ isFast: Bool) -> Bool {
    guard isFast else { return small.extends(node) }
    let entry = unsafe middle + node
    return unsafe entry.pointee.backoff != 0 || entry.pointee.firstChild != entry[1].firstChild
  }
}

/// Pointers to the data of one order in the small layout.
@usableFromInline
@safe
struct SmallLevel {
  var count = 0
  @usableFromInline var keys: EliasFano
  /// The values, or the codebook if there are codes.
  var probabilities: UnsafePointer<UInt32>
  var backoffs: UnsafePointer<Float>
  var probabilityCodes: UnsafePointer<UInt64>?
  var backoffCodes: UnsafePointer<UInt64>?
  var extendsBits: UnsafePointer<UInt64>?
  var bits = 0
  var isHighest = false

  private func code(_ codes: UnsafePointer<UInt64>, _ node: Int) -> Int {
    let bit = node * bits
    let shift = UInt64(bit & 63)
    var value = unsafe codes[bit >> 6] >> shift
    if shift > 0 { value |= unsafe codes[bit >> 6 + 1] << (64 - shift) }
    return Int(value & ((1 << UInt64(bits)) - 1))
  }

  @usableFromInline
  func logProbability(_ node: Int) -> Float {
    let value =
      if let codes = unsafe probabilityCodes {
        unsafe probabilities[code(codes, node)]
      } else {
        unsafe probabilities[node]
      }
    return -Float(bitPattern: value & 0x7FFF_FFFF)
  }

  @usableFromInline
  func backoff(_ node: Int) -> Float {
    if isHighest { return 0 }
    if let codes = unsafe backoffCodes { return unsafe backoffs[code(codes, node)] }
    return unsafe backoffs[node]
  }

  @usableFromInline
  func extends(_ node: Int) -> Bool {
    if let extendsBits = unsafe extendsBits {
      return unsafe extendsBits[node >> 6] >> UInt64(node & 63) & 1 == 1
    }
    return unsafe probabilities[node] >> 31 == 1
  }
}

/// The bytes of a model, in memory or mapped, with pointers into them.
@safe
final class GSMMemory: @unchecked Sendable {
  /// Files up to this size are verified completely when they are opened.
  static let verifiedBytes = 256 << 20

  let header: GSMHeader
  let path: String?
  let base: UnsafeRawPointer
  let levels: UnsafeMutablePointer<NGramLevel>
  let filter: (pointer: UnsafePointer<UInt64>, count: Int)
  private let image: FlatBuffer<UInt8>?
  private let mappedBytes: Int

  /// Takes the bytes of a model that was just laid out.
  convenience init(_ image: GSMImage) throws(LoadError) {
    try unsafe self.init(
      base: UnsafeRawPointer(image.bytes.pointer), count: image.bytes.count, path: nil,
      image: image.bytes, mapped: 0)
  }

  /// Maps a file.
  convenience init(mapping path: String) throws(LoadError) {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw LoadError(.cannotRead, path: path, "cannot be read: \(systemErrorText())")
    }
    defer { close(descriptor) }
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw LoadError(.cannotRead, path: path, "is not a regular file, so it cannot be mapped")
    }
    let count = Int(status.st_size)
    guard count > 0 else {
      throw LoadError(.badData, path: path, place: .byte(0), "the file is empty")
    }
    #if os(Linux)
      let flags = MAP_SHARED | (count <= Self.verifiedBytes ? Int32(MAP_POPULATE) : 0)
    #else
      let flags = MAP_SHARED
    #endif
    guard let raw = unsafe mmap(nil, count, PROT_READ, flags, descriptor, 0),
      unsafe raw != MAP_FAILED
    else {
      throw LoadError(.cannotRead, path: path, "cannot be mapped: \(systemErrorText())")
    }
    try unsafe self.init(
      base: UnsafeRawPointer(raw), count: count, path: path, image: nil, mapped: count)
    if count <= Self.verifiedBytes { try verify() }
  }

  /// Takes bytes that live as long as the program: those of a built-in model.
  convenience init(constant bytes: UnsafeRawBufferPointer, name: String) throws(LoadError) {
    guard let base = bytes.baseAddress else {
      throw LoadError(.badData, path: name, "the model is empty")
    }
    try unsafe self.init(base: base, count: bytes.count, path: name, image: nil, mapped: 0)
  }

  private init(
    base: UnsafeRawPointer, count: Int, path: String?, image: FlatBuffer<UInt8>?, mapped: Int
  ) throws(LoadError) {
    unsafe self.base = base
    self.path = path
    self.image = image
    mappedBytes = mapped
    do throws(LoadError) {
      let header = try unsafe GSMHeader(
        UnsafeRawBufferPointer(start: base, count: count), path: path)
      let parts = try unsafe GSMSections(header, base: base, path: path)
      self.header = header
      unsafe levels = .allocate(capacity: header.order)
      for i in 0..<header.order { unsafe (levels + i).initialize(to: parts.levels[i]) }
      unsafe filter = parts.filter
    } catch {
      if mapped > 0 { unsafe munmap(UnsafeMutableRawPointer(mutating: base), mapped) }
      throw error
    }
  }

  deinit {
    unsafe levels.deallocate()
    if mappedBytes > 0 { unsafe munmap(UnsafeMutableRawPointer(mutating: base), mappedBytes) }
  }

  private func section(_ section: GSMHeader.Section) -> UnsafeRawBufferPointer {
    guard let place = header.places.first(where: { $0.section == section }) else {
      return unsafe UnsafeRawBufferPointer(start: base, count: 0)
    }
    return unsafe UnsafeRawBufferPointer(start: base + place.offset, count: place.bytes)
  }

  func makeVocabulary() throws(LoadError) -> Vocabulary {
    let spellings = unsafe section(.spellings)
    let raw = unsafe section(.spellingOffsets)
    let count = header.counts[0]
    guard raw.count == (count + 1) * 4 else {
      throw LoadError(.badData, path: path, "the size of the vocabulary does not match the header")
    }
    let offsets = unsafe Array(raw.assumingMemoryBound(to: UInt32.self))
    guard offsets.first == 0, Int(offsets[count]) == spellings.count,
      zip(offsets, offsets.dropFirst()).allSatisfy({ $0 <= $1 })
    else { throw LoadError(.badData, path: path, "the offsets of the vocabulary do not ascend") }
    return unsafe Vocabulary(
      blob: Array(spellings), offsets: offsets, spacing: header.spacing,
      start: Token(rawValue: header.start), end: Token(rawValue: header.end),
      unknown: header.unknown == .max ? nil : Token(rawValue: header.unknown))
  }

  func makeDescription() -> [(key: String, value: String)] {
    let text = unsafe String(decoding: section(.description), as: UTF8.self)
    return text.split(separator: "\n").compactMap { line in
      guard let equals = line.firstIndex(of: "=") else { return nil }
      return (String(line[..<equals]), String(line[equals...].dropFirst()))
    }
  }

  /// The checksum stored in the model.
  var statedChecksum: UInt64 {
    unsafe UInt64(littleEndian: (base + header.fileBytes - 8).loadUnaligned(as: UInt64.self))
  }

  /// Checks the checksum, then everything that look-ups rely on.
  func verify() throws(LoadError) {
    let end = header.fileBytes - 8
    let sum = unsafe GSMHeader.checksum(UnsafeRawBufferPointer(start: base, count: end))
    guard sum == statedChecksum else {
      throw LoadError(
        .badData, path: path, place: .byte(end),
        "the checksum does not match the contents, so the file is damaged; create it again")
    }
    try verifyValues()
  }

  private func verifyValues() throws(LoadError) {
    for order in 1...header.order {
      let level = unsafe levels[order - 1]
      let isHighest = order == header.order
      var isSound = true
      if header.layout == .fast {
        if isHighest && order > 1 {
          for i in 0..<level.count {
            let entry = unsafe level.top[i]
            isSound =
              isSound && entry.probability <= 0 && entry.probability > -.infinity
              && Int(entry.word) < header.counts[0]
          }
        } else {
          var child: UInt32 = 0
          for i in 0..<level.count {
            let entry = unsafe level.middle[i]
            isSound =
              isSound && entry.probability <= 0 && entry.probability > -.infinity
              && abs(entry.backoff) < .infinity && Int(entry.word) < header.counts[0]
              && entry.firstChild >= child
            child = entry.firstChild
          }
          let last = unsafe level.middle[level.count].firstChild
          isSound = isSound && last >= child
          if !isHighest { isSound = isSound && Int(last) == header.counts[order] }
        }
      } else {
        let codes = header.quantizedBits > 0 && order > 1 ? 1 << header.quantizedBits : level.count
        for i in 0..<codes {
          let bits = unsafe level.small.probabilities[i] & 0x7FFF_FFFF
          isSound = isSound && Float(bitPattern: bits) < .infinity
          if !isHighest { isSound = unsafe isSound && abs(level.small.backoffs[i]) < .infinity }
        }
      }
      guard isSound else {
        throw LoadError(
          .badData, path: path,
          "the n-grams of order \(order) contain an invalid value, so the file is damaged")
      }
    }
  }
}

/// Finds the sections of a header and checks their sizes.
@safe
private struct GSMSections {
  var levels: [NGramLevel] = []
  var filter: (pointer: UnsafePointer<UInt64>, count: Int)

  init(_ header: GSMHeader, base: UnsafeRawPointer, path: String?) throws(LoadError) {
    func find(_ section: GSMHeader.Section, _ level: Int) -> GSMHeader.Place? {
      header.places.first { $0.section == section && $0.level == level }
    }
    /// Requires a section with at least `count` elements of a size.
    func need(
      _ section: GSMHeader.Section, _ level: Int, _ count: Int, _ size: Int
    ) throws(LoadError) -> (pointer: UnsafeRawPointer, place: GSMHeader.Place) {
      let (bytes, overflow) = count.multipliedReportingOverflow(by: size)
      guard let place = find(section, level), !overflow, place.bytes >= bytes else {
        throw LoadError(
          .badData, path: path,
          "the section '\(section)' of order \(level + 1) is missing or too short")
      }
      return unsafe (base + place.offset, place)
    }
    let nothing = unsafe base
    unsafe filter = (nothing.assumingMemoryBound(to: UInt64.self), 1)
    _ = try unsafe need(.spellingOffsets, 0, header.counts[0] + 1, 4)
    let isFast = header.layout == .fast
    for i in 0..<header.order {
      let count = header.counts[i]
      let isHighest = i == header.order - 1
      var level = unsafe NGramLevel(
        middle: nothing.assumingMemoryBound(to: MiddleEntry.self),
        top: nothing.assumingMemoryBound(to: TopEntry.self),
        slots: nothing.assumingMemoryBound(to: UInt32.self),
        predecessorHeads: nothing.assumingMemoryBound(to: UInt32.self),
        predecessorGrams: nothing.assumingMemoryBound(to: UInt32.self),
        predecessorWords: nothing,
        small: SmallLevel(
          keys: EliasFano(
            count: 0, lowBitCount: 0, low: nothing.assumingMemoryBound(to: UInt64.self),
            high: nothing.assumingMemoryBound(to: UInt64.self), highWordCount: 0,
            samples: nothing.assumingMemoryBound(to: UInt64.self), sampleCount: 0),
          probabilities: nothing.assumingMemoryBound(to: UInt32.self),
          backoffs: nothing.assumingMemoryBound(to: Float.self)))
      level.count = count
      level.indexBits = UInt32.bitWidth - UInt32(truncatingIfNeeded: count).leadingZeroBitCount
      level.small.count = count
      level.small.isHighest = isHighest
      if isFast {
        if isHighest && i > 0 {
          level.isTop = true
          unsafe level.top = try need(.entries, i, count, 8).pointer
            .assumingMemoryBound(to: TopEntry.self)
        } else {
          unsafe level.middle = try need(.entries, i, count + 1, 16).pointer
            .assumingMemoryBound(to: MiddleEntry.self)
        }
        if i > 0 {
          let slots = try unsafe need(.slots, i, 1, 4)
          unsafe level.slots = slots.pointer.assumingMemoryBound(to: UInt32.self)
          level.slotCount = unsafe slots.place.bytes / 4
          // A valid table needs a few dozen probes; a file that asks for more must not be slow.
          level.mostProbes = unsafe Int(min(slots.place.parameter, 4096))
          unsafe level.predecessorHeads = try need(
            .predecessorHeads, i, header.counts[i - 1] + 1, 4
          ).pointer.assumingMemoryBound(to: UInt32.self)
          unsafe level.predecessorGrams = try need(.predecessorGrams, i, count, 4).pointer
            .assumingMemoryBound(to: UInt32.self)
          level.hasShortPredecessorWords = header.counts[0] <= 1 << 16
          unsafe level.predecessorWords = try need(
            .predecessorWords, i, count, level.hasShortPredecessorWords ? 2 : 4
          ).pointer
        }
        if i == 1 {
          let section = try unsafe need(.filter, 1, 64, 8)
          let words = unsafe section.place.bytes / 8
          guard words & (words - 1) == 0 else {
            throw LoadError(.badData, path: path, "the size of the filter is not a power of two")
          }
          unsafe filter = (section.pointer.assumingMemoryBound(to: UInt64.self), words)
        }
      } else {
        if i > 0 {
          let low = try unsafe need(.lowBits, i, 1, 8)
          let bits = unsafe Int(truncatingIfNeeded: min(low.place.parameter, 64))
          guard bits < 64 else {
            throw LoadError(.badData, path: path, "order \(i + 1) has too many low bits")
          }
          _ = try unsafe need(.lowBits, i, (count * bits + 63) / 64 + 1, 8)
          let high = try unsafe need(.highBits, i, 1, 8)
          let samples = try unsafe need(.zeroSamples, i, 1, 8)
          unsafe level.small.keys = EliasFano(
            count: count, lowBitCount: bits,
            low: low.pointer.assumingMemoryBound(to: UInt64.self),
            high: high.pointer.assumingMemoryBound(to: UInt64.self),
            highWordCount: high.place.bytes / 8,
            samples: samples.pointer.assumingMemoryBound(to: UInt64.self),
            sampleCount: samples.place.bytes / 8)
        }
        let bits = header.quantizedBits
        let isCoded = bits > 0 && i > 0
        let size = isCoded ? 1 << bits : count
        level.small.bits = bits
        unsafe level.small.probabilities = try need(.probabilities, i, size, 4).pointer
          .assumingMemoryBound(to: UInt32.self)
        if !isHighest {
          unsafe level.small.backoffs = try need(.backoffs, i, size, 4).pointer
            .assumingMemoryBound(to: Float.self)
        }
        if isCoded {
          let words = (count * bits + 63) / 64 + 1
          unsafe level.small.probabilityCodes = try need(.probabilityCodes, i, words, 8).pointer
            .assumingMemoryBound(to: UInt64.self)
          if !isHighest {
            unsafe level.small.backoffCodes = try need(.backoffCodes, i, words, 8).pointer
              .assumingMemoryBound(to: UInt64.self)
            unsafe level.small.extendsBits = try need(.extends, i, count / 64 + 1, 8).pointer
              .assumingMemoryBound(to: UInt64.self)
          }
        }
      }
      levels.append(level)
    }
  }
}
