// Licensed under the Apache License, Version 2.0.

/// Ascending numbers in about 2 + log2(universe / count) bits each, which are found by their value.
///
/// The low bits of each number are stored as they are. The high part is stored as the position of a
/// one, after as many zeros as the high part says. Whatever the bits are, a look-up stays within
/// its memory. Reference: Elias 1974; Fano 1971.
@usableFromInline
@safe
struct EliasFano: @unchecked Sendable {
  static let zerosPerSample = 256

  @usableFromInline let count: Int
  @usableFromInline let lowBitCount: Int
  // One extra word follows the low bits, so that two words can always be read.
  @usableFromInline let low: UnsafePointer<UInt64>
  @usableFromInline let high: UnsafePointer<UInt64>
  @usableFromInline let highWordCount: Int
  /// The positions of every 256th zero.
  @usableFromInline let samples: UnsafePointer<UInt64>
  @usableFromInline let sampleCount: Int

  init(
    count: Int, lowBitCount: Int, low: UnsafePointer<UInt64>, high: UnsafePointer<UInt64>,
    highWordCount: Int, samples: UnsafePointer<UInt64>, sampleCount: Int
  ) {
    self.count = count
    self.lowBitCount = lowBitCount
    unsafe self.low = low
    unsafe self.high = high
    self.highWordCount = highWordCount
    unsafe self.samples = samples
    self.sampleCount = sampleCount
  }

  @usableFromInline
  func lowBits(_ i: Int) -> UInt64 {
    if lowBitCount == 0 { return 0 }
    let bit = i * lowBitCount
    let word = bit >> 6
    let shift = UInt64(bit & 63)
    var value = unsafe low[word] >> shift
    if shift > 0 { value |= unsafe low[word + 1] << (64 - shift) }
    return value & ((1 << UInt64(lowBitCount)) - 1)
  }

  /// The position of the n-th zero, n from 0; past the end if there are fewer zeros.
  @usableFromInline
  func zero(_ n: Int) -> Int {
    let sample = n / Self.zerosPerSample
    guard sample < sampleCount else { return highWordCount * 64 }
    let position = unsafe Int(truncatingIfNeeded: min(samples[sample], UInt64(highWordCount) * 64))
    var rest = n % Self.zerosPerSample
    if rest == 0 { return position }
    // Skip the sampled zero itself.
    var word = position >> 6
    guard word < highWordCount else { return highWordCount * 64 }
    var bits = unsafe ~high[word] & (~0 << UInt64(position & 63))
    rest += 1
    while true {
      let here = bits.nonzeroBitCount
      if rest <= here {
        for _ in 1..<rest { bits &= bits &- 1 }
        return word * 64 + bits.trailingZeroBitCount
      }
      rest -= here
      word += 1
      guard word < highWordCount else { return highWordCount * 64 }
      bits = unsafe ~high[word]
    }
  }

  /// The numbers with a given high part: the index of the first, and how many there are.
  @inline(__always)
  @usableFromInline
  func run(_ part: Int) -> (start: Int, count: Int) {
    let from = part == 0 ? 0 : zero(part - 1) + 1
    var word = from >> 6
    guard word < highWordCount else { return (count, 0) }
    // These numbers end at the next zero.
    var bits = unsafe ~high[word] & (~0 << UInt64(from & 63))
    while bits == 0 {
      word += 1
      guard word < highWordCount else { return (count, 0) }
      bits = unsafe ~high[word]
    }
    let stop = word * 64 + bits.trailingZeroBitCount
    let start = min(from - part, count)
    return (start, min(stop - from, count - start))
  }

  /// The index of a number; `nil` if it is not there.
  @usableFromInline
  func index(of value: UInt64) -> Int? {
    let found = lowerBound(value)
    guard found.index < found.runEnd else { return nil }
    return lowBits(found.index) == value & ((1 << UInt64(lowBitCount)) - 1) ? found.index : nil
  }

  /// The index of the first number that is not below `value`, and the end of its high part's
  /// numbers.
  @usableFromInline
  func lowerBound(_ value: UInt64) -> (index: Int, runEnd: Int) {
    let run = run(Int(truncatingIfNeeded: value >> UInt64(lowBitCount)))
    let wanted = value & ((1 << UInt64(lowBitCount)) - 1)
    var from = run.start
    var to = run.start + run.count
    while from < to {
      let middle = (from + to) >> 1
      if lowBits(middle) < wanted { from = middle + 1 } else { to = middle }
    }
    return (from, run.start + run.count)
  }

  /// Visits the numbers from `lower` up to but not including `upper`, with their indices.
  func forEach(from lower: UInt64, below upper: UInt64, _ body: (Int, UInt64) -> Void) {
    var index = lowerBound(lower).index
    guard index < count else { return }
    var part = Int(truncatingIfNeeded: lower >> UInt64(lowBitCount))
    // Number i with high part h is stored at position h + i.
    var position = part + index
    while index < count {
      let word = position >> 6
      guard word < highWordCount else { return }
      if unsafe high[word] >> UInt64(position & 63) & 1 == 0 {
        part += 1
        if UInt64(part) << UInt64(lowBitCount) >= upper { return }
      } else {
        let value = UInt64(part) << UInt64(lowBitCount) | lowBits(index)
        if value >= upper { return }
        if value >= lower { body(index, value) }
        index += 1
      }
      position += 1
    }
  }
}

/// The parts of an ``EliasFano`` code, for writing.
struct EliasFanoParts {
  var lowBitCount: Int
  var low: [UInt64]
  var high: [UInt64]
  var samples: [UInt64]

  /// Encodes ascending numbers below a universe.
  init(count: Int, universe: UInt64, _ number: (Int) -> UInt64) {
    let ratio = universe / UInt64(max(1, count))
    lowBitCount = ratio > 1 ? 63 - ratio.leadingZeroBitCount : 0
    let parts = Int(universe >> UInt64(lowBitCount)) + 1
    low = [UInt64](repeating: 0, count: (count * lowBitCount + 63) / 64 + 1)
    high = [UInt64](repeating: 0, count: (count + parts + 63) / 64 + 1)
    let mask = (UInt64(1) << UInt64(lowBitCount)) - 1
    for i in 0..<count {
      let value = number(i)
      if lowBitCount > 0 {
        let bit = i * lowBitCount
        let shift = UInt64(bit & 63)
        low[bit >> 6] |= (value & mask) << shift
        if shift > 0 { low[bit >> 6 + 1] |= (value & mask) >> (64 - shift) }
      }
      let position = Int(value >> UInt64(lowBitCount)) + i
      high[position >> 6] |= 1 << UInt64(position & 63)
    }
    samples = []
    var zeros = 0
    for (word, bits) in high.enumerated() {
      var rest = ~bits
      let here = rest.nonzeroBitCount
      while samples.count * EliasFano.zerosPerSample < zeros + here {
        var skip = samples.count * EliasFano.zerosPerSample - zeros
        rest = ~bits
        while skip > 0 {
          rest &= rest &- 1
          skip -= 1
        }
        samples.append(UInt64(word * 64 + rest.trailingZeroBitCount))
      }
      zeros += here
    }
  }
}
