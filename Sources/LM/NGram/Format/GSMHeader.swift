// Licensed under the Apache License, Version 2.0.

internal import Sampling

/// The layout of a model in memory and in its file.
public enum NGramLayout: String, CaseIterable, Sendable {
  /// Compressed n-grams, which need the least memory.
  case small
  /// Sorted entries, hash tables and an index of predecessors, which are the fastest.
  case fast
}

/// The header of a `.gsm` file: sizes, symbols and the places of the sections.
///
/// All numbers are little-endian. The file consists of the header, its sections at multiples of 64
/// bytes, and a checksum of everything before it in the last 8 bytes.
struct GSMHeader {
  static let magic: [UInt8] = Array("gs-ngram".utf8)
  static let version: UInt32 = 1
  static let fixedBytes = 192
  static let sectionBytes = 32
  static let alignment = 64

  /// The contents of a section.
  enum Section: UInt32 {
    case spellings = 1
    case spellingOffsets
    case description
    /// Fast layout: the nodes, sorted by their tokens.
    case entries
    /// Fast layout: hashed numbers of the children of large nodes.
    case slots
    /// Fast layout: a Bloom filter of the 2-grams.
    case filter
    /// Fast layout: where the predecessors of each node begin, their tokens and their n-grams.
    case predecessorHeads, predecessorWords, predecessorGrams
    /// Small layout: the Elias-Fano code of parent x vocabulary + token.
    case lowBits, highBits, zeroSamples
    /// Small layout: probabilities and back-offs. The free sign bit of a probability says whether
    /// the node matters as a context.
    case probabilities, backoffs
    /// Small layout, quantised: the values, the code of each node, and a bit for the context.
    case probabilityCodes, backoffCodes, extends
  }

  /// The place of a section in the file.
  struct Place {
    var section: Section
    var level: Int
    /// A parameter for reading the section, such as the bits of a slot's tag or the number of low
    /// bits.
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
  /// log10 of an upper bound of all probabilities.
  var ceiling: Float
  var places: [Place]
  var fileBytes: Int

  var order: Int { counts.count }

  /// A checksum that changes with every changed bit.
  static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    var sum = GSMChecksum()
    let stripes = bytes.count / 64 * 64
    unsafe sum.add(UnsafeRawBufferPointer(rebasing: bytes[..<stripes]))
    return unsafe sum.value(UnsafeRawBufferPointer(rebasing: bytes[stripes...]))
  }

  /// The bytes of the header, padded to the first section.
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

  /// Reads a header, whatever its bytes are.
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
      let beginning = unsafe FileBeginning(bytes.prefix(FileBeginning.byteCount))
      if !isMine, let path {
        if let fault = beginning.fault(path: path) { throw LoadError(.badData, path: path, fault) }
        guard !beginning.isARPA else {
          throw LoadError(
            .badData, path: path, "is an ARPA file; let its name end in .arpa and not in .gsm")
        }
      }
      throw fail(
        isMine ? bytes.count : 0,
        isMine
          ? "the file ends within its header, so it is incomplete"
          : "found no .gsm header, expected the bytes 'gs-ngram'")
    }
    guard word(8) == Self.version else {
      throw fail(
        8,
        "the format has version \(word(8)), but this program reads \(Self.version); "
          + "convert the model's ARPA file again")
    }
    guard word(12) <= 1 else { throw fail(12, "found layout \(word(12)), expected 0 or 1") }
    layout = word(12) == 1 ? .fast : .small
    guard long(16) == UInt64(bytes.count) else {
      throw fail(
        16, "the header says \(long(16)) bytes, but the file has \(bytes.count)")
    }
    fileBytes = bytes.count
    let order = Int(word(24))
    guard (1...NGramTrie.highestOrder).contains(order) else {
      throw fail(24, "found order \(order), expected 1 to \(NGramTrie.highestOrder)")
    }
    quantizedBits = Int(word(28))
    guard quantizedBits == 0 || (2...16).contains(quantizedBits) && layout == .small else {
      throw fail(28, "found \(quantizedBits) bits per value, expected 2 to 16 in the small layout")
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
      throw fail(32, "the special symbols are outside the vocabulary")
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
      else { throw fail(at + 16, "a section is outside the file") }
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

/// The checksum at the end of model files, which changes with every changed bit.
package func checksum(of bytes: [UInt8]) -> UInt64 {
  unsafe bytes.withUnsafeBytes { unsafe GSMHeader.checksum($0) }
}

/// A checksum over bytes that arrive in parts.
struct GSMChecksum {
  // Eight independent lanes keep the multiplier busy. Each step is a bijection of its lane.
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

  /// The checksum after the last bytes, which are fewer than 64.
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

/// Makes damaged files pass the checksum, so that tests can reach the checks after it.
package enum GSMForgery {
  /// Writes the checksum that matches the bytes.
  package static func seal(_ bytes: inout [UInt8]) {
    let end = bytes.count - 8
    let sum = unsafe bytes.withUnsafeBytes { raw in
      unsafe GSMHeader.checksum(UnsafeRawBufferPointer(rebasing: raw[..<end]))
    }
    for i in 0..<8 { bytes[end + i] = UInt8(truncatingIfNeeded: sum >> (8 * i)) }
  }
}
