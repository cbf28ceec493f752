// Licensed under the Apache License, Version 2.0.

internal import Sampling

/// A token of a pair that is also in a 3-gram: its place in the pair, and the 3-gram's place in its
/// list.
struct SharedGram {
  var member: Int
  var place: Int
}

/// Buffers for the tokens of a pair that are in 3-grams on the left and on the right.
struct SharedGrams {
  var lefts = Lane<SharedGram>(capacity: 64)
  var rights = Lane<SharedGram>(capacity: 64)

  mutating func removeAll() {
    lefts.removeAll()
    rights.removeAll()
  }

  func destroy() {
    lefts.destroy()
    rights.destroy()
  }
}

/// The places and pairs of neighbours that a chain has met.
///
/// If two share a slot, the newer one stays.
@safe
public final class NGramPlaceMemory {
  private static let placeCount = 16384
  private static let pairCount = 32768
  /// The size in bytes of all lists above which entries are dropped.
  private static let mostBytes = 128 << 20

  @usableFromInline let tables: NGramPlaceTables
  @usableFromInline let places: UnsafeMutablePointer<NGramPlace>
  @usableFromInline let pairs: UnsafeMutablePointer<NGramPair>
  private var shared = SharedGrams()
  private var heldBytes = 0
  private var hand = 0

  @usableFromInline
  init(_ tables: NGramPlaceTables) {
    self.tables = tables
    unsafe places = .allocate(capacity: Self.placeCount)
    unsafe pairs = .allocate(capacity: Self.pairCount)
    // Each entry owns its lists, so none may be copied.
    for i in 0..<Self.placeCount { unsafe (places + i).initialize(to: NGramPlace()) }
    for i in 0..<Self.pairCount { unsafe (pairs + i).initialize(to: NGramPair()) }
  }

  deinit {
    for i in 0..<Self.placeCount { unsafe places[i].destroy() }
    for i in 0..<Self.pairCount { unsafe pairs[i].destroy() }
    unsafe places.deinitialize(count: Self.placeCount)
    unsafe pairs.deinitialize(count: Self.pairCount)
    unsafe places.deallocate()
    unsafe pairs.deallocate()
    shared.destroy()
  }

  /// The slot of a place in `places`; filled in if the place is new.
  @usableFromInline
  func slot(_ key: NGramPlaceKey, _ model: NGramModel) -> Int {
    let slot = Int(truncatingIfNeeded: key.hash >> 20) & (Self.placeCount - 1)
    if unsafe places[slot].isFilled && places[slot].key == key { return slot }
    while heldBytes > Self.mostBytes { forgetNext() }
    let pair = pairSlot(key, model)
    heldBytes -= unsafe places[slot].byteCount
    unsafe places[slot].fill(key, pairs[pair], &shared, tables, model)
    heldBytes += unsafe places[slot].byteCount
    return slot
  }

  /// Drops the next pair or place in turn.
  private func forgetNext() {
    if hand < Self.pairCount {
      heldBytes -= unsafe pairs[hand].byteCount
      unsafe pairs[hand].destroy()
      unsafe pairs[hand] = NGramPair()
      heldBytes += unsafe pairs[hand].byteCount
    } else {
      let place = hand - Self.pairCount
      heldBytes -= unsafe places[place].byteCount
      unsafe places[place].destroy()
      unsafe places[place] = NGramPlace()
      heldBytes += unsafe places[place].byteCount
    }
    hand = (hand + 1) % (Self.pairCount + Self.placeCount)
  }

  /// The slot in `pairs` of a place's neighbours; filled in if they are new.
  @usableFromInline
  func pairSlot(_ key: NGramPlaceKey, _ model: NGramModel) -> Int {
    let left = key.context.node1
    let right = key.right[0]
    let hash = NGramPlaceKey.mixed(UInt64(left) << 32 | UInt64(right))
    let slot = Int(truncatingIfNeeded: hash >> 16) & (Self.pairCount - 1)
    guard key.context.count > 0 && key.count > 0 else { return slot }
    if unsafe !pairs[slot].isFilled || pairs[slot].left != left || pairs[slot].right != right {
      heldBytes -= unsafe pairs[slot].byteCount
      unsafe pairs[slot].fill(left, right, tables, model)
      heldBytes += unsafe pairs[slot].byteCount
    }
    return slot
  }
}
