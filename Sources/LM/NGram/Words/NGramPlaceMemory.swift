// Licensed under the Apache License, Version 2.0.

internal import Sampling

/// A word of a pair that an n-gram of three words holds too: its place in the pair, and the
/// n-gram's place in its list.
struct SharedGram {
  var member: Int
  var place: Int
}

/// Room for the words of a pair that n-grams of three words hold, on the left and on the right.
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

/// The places and pairs of neighbours that a chain met, the newer one staying where two share a
/// slot.
@safe
public final class NGramPlaceMemory {
  private static let placeCount = 16384
  private static let pairCount = 32768
  /// Bytes that the lists of all may take before they are forgotten.
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
    // Each owns its lists, so none is a copy of another.
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

  /// Where in `places` a place is, filled in if it is new.
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

  /// Forgets the pair or place whose turn it is.
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

  /// Where in `pairs` the words between a place's neighbours are, filled in if they are new.
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
