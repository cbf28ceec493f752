// Licensed under the Apache License, Version 2.0.

/// Sets of tokens as bits, with the number of members before each block.
///
/// They give the place of a token in a long ascending list without a search, and the tokens that
/// two lists share without a merge.
struct RankMaps: Sendable {
  private let blocks: Int
  private let bits: FlatBuffer<UInt64>
  private let ranks: FlatBuffer<UInt32>

  /// Creates empty sets of tokens.
  init(count: Int, wordCount: Int) {
    blocks = (wordCount + 63) / 64
    bits = FlatBuffer(count: count * blocks)
    ranks = FlatBuffer(count: count * blocks)
  }

  /// The size of the sets in bytes.
  var byteCount: Int { bits.count * 8 + ranks.count * 4 }

  /// One of the sets; valid as long as the whole collection.
  subscript(map: Int) -> RankMap {
    unsafe RankMap(
      bits: bits.pointer + map &* blocks, ranks: ranks.pointer + map &* blocks, blocks: blocks)
  }

  /// Makes a set of the tokens of an ascending list.
  func fill(_ map: Int, _ list: Range<Int>, _ word: (Int) -> UInt32) {
    let base = map * blocks
    for block in base..<base + blocks { bits[block] = 0 }
    for i in list {
      let word = word(i)
      bits[base + Int(word >> 6)] |= 1 << UInt64(word & 63)
    }
    var rank: UInt32 = 0
    for block in base..<base + blocks {
      ranks[block] = rank
      rank += UInt32(bits[block].nonzeroBitCount)
    }
  }
}

/// One set of tokens out of ``RankMaps``.
@safe
struct RankMap {
  let bits: UnsafePointer<UInt64>
  let ranks: UnsafePointer<UInt32>
  let blocks: Int

  init(bits: UnsafePointer<UInt64>, ranks: UnsafePointer<UInt32>, blocks: Int) {
    unsafe self.bits = bits
    unsafe self.ranks = ranks
    self.blocks = blocks
  }

  /// The token's place in the list, or -1.
  @inline(__always)
  func place(of word: UInt32) -> Int {
    let block = Int(word >> 6)
    let own = unsafe bits[block]
    let bit: UInt64 = 1 &<< UInt64(word & 63)
    guard own & bit != 0 else { return -1 }
    return unsafe Int(ranks[block]) &+ (own & (bit &- 1)).nonzeroBitCount
  }

  /// Calls the body for each token that two lists share, with its places in both.
  @inline(__always)
  func forEachShared(with other: RankMap, _ body: (Int, Int) -> Void) {
    for block in 0..<blocks {
      let a = unsafe bits[block]
      let b = unsafe other.bits[block]
      var shared = a & b
      while shared != 0 {
        let before = (shared & (0 &- shared)) &- 1
        unsafe body(
          Int(ranks[block]) &+ (a & before).nonzeroBitCount,
          Int(other.ranks[block]) &+ (b & before).nonzeroBitCount)
        shared &= shared &- 1
      }
    }
  }
}

/// A part of an ascending list of tokens, with a bit set if the part is long.
struct SortedWords {
  let low: Int
  let high: Int
  let map: RankMap?

  init(_ low: Int, _ high: Int, _ map: RankMap?) {
    self.low = low
    self.high = high
    self.map = map
  }
}

/// Calls the body for each token that two ascending lists share, with its places in both.
@inline(__always)
func forEachShared(
  _ first: SortedWords, _ firstWord: (Int) -> UInt32, _ second: SortedWords,
  _ secondWord: (Int) -> UInt32, _ body: (Int, Int) -> Void
) {
  if let a = first.map, let b = second.map {
    a.forEachShared(with: b) { body(first.low &+ $0, second.low &+ $1) }
    return
  }
  if let map = first.map {
    for j in second.low..<second.high {
      let place = map.place(of: secondWord(j))
      if place >= 0 { body(first.low &+ place, j) }
    }
    return
  }
  if let map = second.map {
    for i in first.low..<first.high {
      let place = map.place(of: firstWord(i))
      if place >= 0 { body(i, second.low &+ place) }
    }
    return
  }
  let few = first.high - first.low
  let many = second.high - second.low
  if few * 12 < many {
    forEachFound(first, firstWord, second, secondWord) { body($0, $1) }
  } else if many * 12 < few {
    forEachFound(second, secondWord, first, firstWord) { body($1, $0) }
  } else {
    // A merge without unpredictable branches.
    unsafe withUnsafeTemporaryAllocation(of: (UInt32, UInt32).self, capacity: min(few, many) + 1) {
      shared in
      var count = 0
      var i = first.low
      var j = second.low
      while i < first.high && j < second.high {
        let a = firstWord(i)
        let b = secondWord(j)
        unsafe shared[count] = (UInt32(truncatingIfNeeded: i), UInt32(truncatingIfNeeded: j))
        count &+= a == b ? 1 : 0
        i &+= a <= b ? 1 : 0
        j &+= b <= a ? 1 : 0
      }
      for k in 0..<count { unsafe body(Int(shared[k].0), Int(shared[k].1)) }
    }
  }
}

/// Does the same for a much shorter first list: gallop, then bisect.
@inline(__always)
private func forEachFound(
  _ short: SortedWords, _ shortWord: (Int) -> UInt32, _ long: SortedWords,
  _ longWord: (Int) -> UInt32, _ body: (Int, Int) -> Void
) {
  var j = long.low
  for i in short.low..<short.high {
    let a = shortWord(i)
    var step = 1
    while j + step < long.high, longWord(j + step) < a { step *= 2 }
    var end = min(j + step + 1, long.high)
    j += step / 2
    while j < end {
      let middle = (j + end) / 2
      if longWord(middle) < a { j = middle + 1 } else { end = middle }
    }
    guard j < long.high else { return }
    if longWord(j) == a { body(i, j) }
  }
}
