// Licensed under the Apache License, Version 2.0.

internal import CKernels

/// Philox4x32-10, a counter-based random generator of a few words that splits into streams.
///
/// Reference: Salmon, Moraes, Dror and Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3".
/// Its output is pinned by the authors' published vectors and will not change between versions.
public struct Philox: RandomNumberGenerator, Hashable, Sendable {
  /// Four 32-bit words.
  public typealias Block = SIMD4<UInt32>

  /// The key, which identifies the stream.
  public let key: SIMD2<UInt32>
  /// The number of 64-bit words taken so far.
  @inlinable
  public var position: UInt64 { taken }

  @usableFromInline var taken: UInt64
  @usableFromInline var blocks: (SIMD8<UInt64>, SIMD8<UInt64>)

  /// Creates the stream of a seed, at its beginning.
  public init(seed: UInt64) {
    self.init(key: SIMD2(UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32)))
  }

  /// Creates the stream of a key, at its beginning or after `position` 64-bit words.
  public init(key: SIMD2<UInt32>, position: UInt64 = 0) {
    self.key = key
    taken = position
    blocks = (.zero, .zero)
    if position & 15 != 0 { fill() }
  }

  /// An independent child stream, which depends on the index but not on this stream's position.
  ///
  /// Child keys come from counters that outputs never use, so parent and child share no block. Two
  /// of n streams share a key with probability about n^2 / 2^65.
  public func stream(_ index: UInt64) -> Philox {
    let word = Philox.block(
      counter: SIMD4(
        UInt32(truncatingIfNeeded: index), UInt32(truncatingIfNeeded: index >> 32), 0, 0x7374_7265),
      key: key)
    return Philox(key: SIMD2(word[0], word[1]))
  }

  /// The next 64 bits.
  @inlinable
  public mutating func next() -> UInt64 {
    let place = Int(taken & 15)
    if place == 0 { fill() }
    taken &+= 1
    return unsafe withUnsafeBytes(of: &blocks) {
      unsafe $0.loadUnaligned(fromByteOffset: place &* 8, as: UInt64.self)
    }
  }

  /// The Philox function: ten rounds on one counter.
  public static func block(counter: Block, key: SIMD2<UInt32>) -> Block {
    var c = counter
    var k = key
    for round in 0..<10 {
      if round > 0 { k = k &+ SIMD2(0x9E37_79B9, 0xBB67_AE85) }
      let p0 = UInt64(c[0]) &* 0xD251_1F53
      let p1 = UInt64(c[2]) &* 0xCD9E_8D57
      c = SIMD4(
        UInt32(truncatingIfNeeded: p1 >> 32) ^ c[1] ^ k[0], UInt32(truncatingIfNeeded: p1),
        UInt32(truncatingIfNeeded: p0 >> 32) ^ c[3] ^ k[1], UInt32(truncatingIfNeeded: p0))
    }
    return c
  }

  /// Computes the eight blocks around the word at `position`; ``block(counter:key:)`` is its plain
  /// twin.
  @usableFromInline
  mutating func fill() {
    let first = (taken >> 4) << 3
    unsafe withUnsafeMutableBytes(of: &blocks) {
      guard let words = unsafe $0.baseAddress?.assumingMemoryBound(to: UInt64.self) else { return }
      unsafe gensample_philox(key[0], key[1], first, words)
    }
  }

  /// Whether two streams have the same key and position.
  public static func == (a: Philox, b: Philox) -> Bool {
    a.key == b.key && a.taken == b.taken
  }

  /// Hashes the key and the position.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(key)
    hasher.combine(taken)
  }
}
