// Licensed under the Apache License, Version 2.0.

/// Philox4x32-10, a counter-based generator: a value of a few words that splits into streams.
///
/// Reference: Salmon, Moraes, Dror and Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3".
/// Its output is pinned by the authors' published vectors and will not change between versions.
public struct Philox: RandomNumberGenerator, Hashable, Sendable {
  /// Four words of 32 bits.
  public typealias Block = SIMD4<UInt32>

  /// The key: which stream this is.
  public let key: SIMD2<UInt32>
  /// How many 64-bit words have been taken.
  @inlinable
  public var position: UInt64 { taken }

  @usableFromInline var taken: UInt64
  @usableFromInline var blocks: (SIMD4<UInt64>, SIMD4<UInt64>)

  /// The stream of this seed, at its beginning.
  public init(seed: UInt64) {
    self.init(key: SIMD2(UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32)))
  }

  /// The stream of this key, at its beginning or after `position` 64-bit words.
  public init(key: SIMD2<UInt32>, position: UInt64 = 0) {
    self.key = key
    taken = position
    blocks = (.zero, .zero)
    if position & 7 != 0 { fill() }
  }

  /// An independent child stream: the same for the same index, however far this one has gone.
  ///
  /// Children come from counters that outputs never use, so parent and child share no block; two
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
    let place = Int(taken & 7)
    if place == 0 { fill() }
    taken &+= 1
    return unsafe withUnsafeBytes(of: &blocks) {
      unsafe $0.loadUnaligned(fromByteOffset: place &* 8, as: UInt64.self)
    }
  }

  /// The function itself: ten rounds on one counter.
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

  /// Makes the four blocks that hold the word at `position`, two at a time: the multiplications of
  /// one fill the waits of the other, which baseline vectors have no instruction for.
  @usableFromInline
  mutating func fill() {
    let first = (taken >> 3) << 2
    let (a, b) = pair(first)
    let (c, d) = pair(first &+ 2)
    blocks = (SIMD4(a.0, a.1, b.0, b.1), SIMD4(c.0, c.1, d.0, d.1))
  }

  /// Two blocks in a row, each as two words.
  @inline(__always)
  private func pair(_ counter: UInt64) -> ((UInt64, UInt64), (UInt64, UInt64)) {
    let other = counter | 1
    var a0 = UInt32(truncatingIfNeeded: counter)
    var a1 = UInt32(truncatingIfNeeded: counter >> 32)
    var a2: UInt32 = 0
    var a3: UInt32 = 0
    var b0 = UInt32(truncatingIfNeeded: other)
    var b1 = UInt32(truncatingIfNeeded: other >> 32)
    var b2: UInt32 = 0
    var b3: UInt32 = 0
    var k0 = key[0]
    var k1 = key[1]
    for round in 0..<10 {
      if round > 0 {
        k0 &+= 0x9E37_79B9
        k1 &+= 0xBB67_AE85
      }
      let p = UInt64(a0) &* 0xD251_1F53
      let q = UInt64(a2) &* 0xCD9E_8D57
      let r = UInt64(b0) &* 0xD251_1F53
      let s = UInt64(b2) &* 0xCD9E_8D57
      a0 = UInt32(truncatingIfNeeded: q >> 32) ^ a1 ^ k0
      a1 = UInt32(truncatingIfNeeded: q)
      a2 = UInt32(truncatingIfNeeded: p >> 32) ^ a3 ^ k1
      a3 = UInt32(truncatingIfNeeded: p)
      b0 = UInt32(truncatingIfNeeded: s >> 32) ^ b1 ^ k0
      b1 = UInt32(truncatingIfNeeded: s)
      b2 = UInt32(truncatingIfNeeded: r >> 32) ^ b3 ^ k1
      b3 = UInt32(truncatingIfNeeded: r)
    }
    return (
      (UInt64(a1) << 32 | UInt64(a0), UInt64(a3) << 32 | UInt64(a2)),
      (UInt64(b1) << 32 | UInt64(b0), UInt64(b3) << 32 | UInt64(b2))
    )
  }

  /// Same key and position.
  public static func == (a: Philox, b: Philox) -> Bool {
    a.key == b.key && a.taken == b.taken
  }

  /// Key and position.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(key)
    hasher.combine(taken)
  }
}
