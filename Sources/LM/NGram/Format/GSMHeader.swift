// Licensed under the Apache License, Version 2.0.

internal import Sampling

/// How a model lies in memory and in its file.
public enum NGramLayout: String, CaseIterable, Sendable {
  /// Compressed n-grams: the least memory.
  case small
  /// Sorted entries, hashed tables and an index of predecessors: the most speed.
  case fast
}

/// What a `.gsm` file begins with: sizes, symbols and where each section lies.
///
/// All numbers are little-endian. The file is the header, its sections at multiples of 64 bytes,
/// and a checksum of everything before it in the last 8 bytes.
struct GSMHeader {
  static let magic: [UInt8] = Array("gs-ngram".utf8)
  static let version: UInt32 = 1
  static let fixedBytes = 192
  static let sectionBytes = 32
  static let alignment = 64

  /// What a section holds.
  enum Section: UInt32 {
    case spellings = 1
    case spellingOffsets
    case description
    /// Fast: what a node is, sorted by its words.
    case entries
    /// Fast: hashed numbers of the children of large nodes.
    case slots
    /// Fast: Bloom filter of the 2-grams.
    case filter
    /// Fast: where the predecessors of each node begin, their words and n-grams.
    case predecessorHeads, predecessorWords, predecessorGrams
    /// Small: Elias-Fano code of parent x vocabulary + word.
    case lowBits, highBits, zeroSamples
    /// Small: probabilities (the free sign bit says whether the node matters as a context),
    /// back-offs.
    case probabilities, backoffs
    /// Small, quantised: the values, and which one each node has; a bit for the context.
    case probabilityCodes, backoffCodes, extends
  }

  /// Where a section lies.
  struct Place {
    var section: Section
    var level: Int
    /// What the section needs to be read: bits of a slot's tag, low bits, ...
    var parameter: UInt64
    var offset: Int
    var bytes: Int
  }

  var layout: NGramLayout
  var counts: [Int]
  var quantizedBits: Int
  var start: UInt32
  var end: UInt32
  var unknown: UInt32
  var spacing: Vocabulary.Spacing
  /// log10 of what no probability exceeds.
  var ceiling: Float
  var places: [Place]
  var fileBytes: Int

  var order: Int { counts.count }

  /// A checksum that any changed bit changes.
  static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    var sum = GSMChecksum()
    let stripes = bytes.count / 64 * 64
    unsafe sum.add(UnsafeRawBufferPointer(rebasing: bytes[..<stripes]))
    return unsafe sum.value(UnsafeRawBufferPointer(rebasing: bytes[stripes...]))
  }

  /// The header's bytes, padded to the first section.
  func encoded() -> [UInt8] {
    var bytes = Self.magic
    func append(_ value: some FixedWidthInteger) {
      for i in 0..<value.bitWidth / 8 { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * i))) }
    }
    append(Self.version)
    append(UInt32(layout == .fast ? 1 : 0))
    append(UInt64(fileBytes))
    append(UInt32(order))
    append(UInt32(quantizedBits))
    append(start)
    append(end)
    append(unknown)
    append(UInt32(spacing.rawValue))
    append(ceiling.bitPattern)
    append(UInt32(places.count))
    for i in 0..<8 { append(UInt64(i < order ? counts[i] : 0)) }
    bytes.append(contentsOf: [UInt8](repeating: 0, count: Self.fixedBytes - bytes.count))
    for place in places {
      append(place.section.rawValue)
      append(UInt32(place.level))
      append(place.parameter)
      append(UInt64(place.offset))
      append(UInt64(place.bytes))
    }
    let padding = (Self.alignment - bytes.count % Self.alignment) % Self.alignment
    bytes.append(contentsOf: [UInt8](repeating: 0, count: padding))
    return bytes
  }

  /// Reads a header, whatever the bytes are.
  init(_ bytes: UnsafeRawBufferPointer, path: String?) throws(LoadError) {
    func fail(_ byte: Int, _ reason: String) -> LoadError {
      LoadError(.badData, path: path, place: .byte(byte), reason)
    }
    func word(_ at: Int) -> UInt32 {
      unsafe UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt32.self))
    }
    func long(_ at: Int) -> UInt64 {
      unsafe UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self))
    }
    guard bytes.count >= Self.fixedBytes, unsafe bytes.prefix(8).elementsEqual(Self.magic) else {
      let isMine = unsafe bytes.prefix(8).elementsEqual(Self.magic)
      throw fail(
        isMine ? bytes.count : 0,
        isMine
          ? "the file ends within its header; it is cut short"
          : "found no .gsm header, expected the bytes 'gs-ngram'")
    }
    guard word(8) == Self.version else {
      throw fail(
        8,
        "the format's version is \(word(8)), this program reads \(Self.version); "
          + "convert the model's ARPA file again")
    }
    guard word(12) <= 1 else { throw fail(12, "found layout \(word(12)), expected 0 or 1") }
    layout = word(12) == 1 ? .fast : .small
    guard long(16) == UInt64(bytes.count) else {
      throw fail(
        16, "the header says \(long(16)) bytes, the file has \(bytes.count); it is cut or padded")
    }
    fileBytes = bytes.count
    let order = Int(word(24))
    guard (1...NGramTrie.highestOrder).contains(order) else {
      throw fail(24, "found order \(order), expected 1 to \(NGramTrie.highestOrder)")
    }
    quantizedBits = Int(word(28))
    guard quantizedBits == 0 || (2...16).contains(quantizedBits) && layout == .small else {
      throw fail(28, "found \(quantizedBits) bits a value, expected 2 to 16 in the small layout")
    }
    (start, end, unknown) = (word(32), word(36), word(40))
    guard word(44) <= 2, let spacing = Vocabulary.Spacing(rawValue: UInt8(word(44))) else {
      throw fail(44, "found spacing \(word(44)), expected 0 to 2")
    }
    self.spacing = spacing
    ceiling = Float(bitPattern: word(48))
    guard ceiling >= 0, ceiling < .infinity else {
      throw fail(48, "found a bound of \(ceiling), expected a finite number of at least 0")
    }
    counts = []
    for i in 0..<order {
      let count = long(56 + 8 * i)
      guard count > 0, count < UInt64(UInt32.max) else {
        throw fail(56 + 8 * i, "found \(count) n-grams of order \(i + 1), expected 1 to 2^32 - 2")
      }
      counts.append(Int(count))
    }
    let vocabularyCount = UInt32(truncatingIfNeeded: counts[0])
    guard start < vocabularyCount, end < vocabularyCount, start != end,
      unknown == .max || unknown < vocabularyCount && unknown != start && unknown != end
    else {
      throw fail(32, "the special symbols are not entries of the vocabulary")
    }
    let sectionCount = Int(word(52))
    guard sectionCount <= 256,
      Self.fixedBytes + sectionCount * Self.sectionBytes + 8 <= bytes.count
    else { throw fail(52, "\(sectionCount) sections do not fit into the file") }
    places = []
    for i in 0..<sectionCount {
      let at = Self.fixedBytes + i * Self.sectionBytes
      guard let section = Section(rawValue: word(at)), word(at + 4) < UInt32(order) else {
        throw fail(at, "found a section of an unknown kind")
      }
      let offset = long(at + 16)
      let size = long(at + 24)
      guard offset % UInt64(Self.alignment) == 0, offset <= UInt64(bytes.count - 8),
        size <= UInt64(bytes.count - 8) - offset
      else { throw fail(at + 16, "a section lies outside the file") }
      places.append(
        Place(
          section: section, level: Int(word(at + 4)), parameter: long(at + 8),
          offset: Int(offset), bytes: Int(size)))
    }
  }

  init(
    layout: NGramLayout, counts: [Int], quantizedBits: Int, vocabulary: Vocabulary, ceiling: Float
  ) {
    self.layout = layout
    self.counts = counts
    self.quantizedBits = quantizedBits
    start = vocabulary.start.rawValue
    end = vocabulary.end.rawValue
    unknown = vocabulary.unknown?.rawValue ?? .max
    spacing = vocabulary.spacing
    self.ceiling = ceiling
    places = []
    fileBytes = 0
  }
}

/// A checksum that any changed bit changes: the one that model files end with.
package func checksum(of bytes: [UInt8]) -> UInt64 {
  unsafe bytes.withUnsafeBytes { unsafe GSMHeader.checksum($0) }
}

/// The checksum of bytes that come in parts.
struct GSMChecksum {
  // Eight independent lanes keep the multiplier busy; each step is a bijection of its lane.
  private var lanes = SIMD8<UInt64>(1, 2, 3, 4, 5, 6, 7, 8)
  private var count = 0

  /// Adds whole stripes of 64 bytes.
  mutating func add(_ bytes: UnsafeRawBufferPointer) {
    guard let base = bytes.baseAddress else { return }
    let factor = SIMD8<UInt64>(repeating: 0x9E37_79B9_7F4A_7C15)
    for i in 0..<bytes.count / 64 {
      let stripe = unsafe (base + i * 64).loadUnaligned(as: SIMD8<UInt64>.self)
      lanes = (lanes ^ stripe) &* factor
      lanes ^= lanes &>> 29
    }
    count += bytes.count
  }

  /// The checksum with the last bytes, fewer than 64.
  func value(_ rest: UnsafeRawBufferPointer) -> UInt64 {
    var sum = UInt64(count + rest.count)
    for i in 0..<8 { sum = ((sum ^ lanes[i]) &* 0x9E37_79B9_7F4A_7C15).byteSwapped }
    for i in rest.indices {
      sum = (sum ^ UInt64(unsafe rest[i])) &* 0x9E37_79B9_7F4A_7C15
      sum ^= sum >> 32
    }
    return sum
  }
}

/// Makes damaged files pass their checksum, so that tests get past it.
package enum GSMForgery {
  /// Writes the checksum that fits the bytes.
  package static func seal(_ bytes: inout [UInt8]) {
    let end = bytes.count - 8
    let sum = unsafe bytes.withUnsafeBytes { raw in
      unsafe GSMHeader.checksum(UnsafeRawBufferPointer(rebasing: raw[..<end]))
    }
    for i in 0..<8 { bytes[end + i] = UInt8(truncatingIfNeeded: sum >> (8 * i)) }
  }
}
