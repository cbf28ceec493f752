// Licensed under the Apache License, Version 2.0.

/// The words of an n-gram in one number, the first word uppermost, so that numbers sort as n-grams.
protocol PackedKey: Comparable, BitwiseCopyable, Sendable {
  static var zero: Self { get }
  static var width: Int { get }
  func or(_ other: Self) -> Self
  func and(_ other: Self) -> Self
  func up(_ places: Int) -> Self
  func down(_ places: Int) -> Self
  init(word: UInt32)
  /// The lowest 32 bits.
  var low: UInt32 { get }
}

extension PackedKey {
  /// Ones in the lowest places.
  static func mask(_ bits: Int) -> Self {
    var mask = Self.zero
    for i in 0..<bits { mask = mask.or(Self(word: 1).up(i)) }
    return mask
  }
}

extension UInt64: PackedKey {
  static var width: Int { 64 }
  init(word: UInt32) { self = UInt64(word) }
  func or(_ other: Self) -> Self { self | other }
  func and(_ other: Self) -> Self { self & other }
  func up(_ places: Int) -> Self { self << places }
  func down(_ places: Int) -> Self { self >> places }
  var low: UInt32 { UInt32(truncatingIfNeeded: self) }
}

extension UInt128: PackedKey {
  static var width: Int { 128 }
  init(word: UInt32) { self = UInt128(word) }
  func or(_ other: Self) -> Self { self | other }
  func and(_ other: Self) -> Self { self & other }
  func up(_ places: Int) -> Self { self << places }
  func down(_ places: Int) -> Self { self >> places }
  var low: UInt32 { UInt32(truncatingIfNeeded: self) }
}

/// 256 bits: orders up to 8 with words of up to 32 bits.
struct WideKey: PackedKey {
  var upper: UInt128
  var lower: UInt128

  static var zero: WideKey { WideKey(upper: 0, lower: 0) }
  static var width: Int { 256 }
  init(upper: UInt128, lower: UInt128) {
    self.upper = upper
    self.lower = lower
  }
  init(word: UInt32) { self.init(upper: 0, lower: UInt128(word)) }
  var low: UInt32 { UInt32(truncatingIfNeeded: lower) }
  static func < (a: WideKey, b: WideKey) -> Bool {
    a.upper != b.upper ? a.upper < b.upper : a.lower < b.lower
  }
  func or(_ other: WideKey) -> WideKey {
    WideKey(upper: upper | other.upper, lower: lower | other.lower)
  }
  func and(_ other: WideKey) -> WideKey {
    WideKey(upper: upper & other.upper, lower: lower & other.lower)
  }
  // Shifts past the width give 0, which the spilling half relies on.
  func up(_ places: Int) -> WideKey {
    WideKey(upper: upper << places | lower >> (128 - places), lower: lower << places)
  }
  func down(_ places: Int) -> WideKey {
    WideKey(upper: upper >> places, lower: lower >> places | upper << (128 - places))
  }
}

/// Sorts keys of so many bits, least digits first; with a payload that moves along, if there is
/// one.
///
/// - Complexity: O(count x bits / 11).
func radixSort<Key: PackedKey>(_ keys: inout [Key], bits: Int) {
  let count = keys.count
  guard count > 1 else { return }
  var other = [Key](repeating: .zero, count: count)
  let digitBits = 11
  for shift in stride(from: 0, to: bits, by: digitBits) {
    var heads = [Int](repeating: 0, count: 1 << digitBits)
    let isSorted = unsafe keys.withUnsafeMutableBufferPointer { from in
      unsafe other.withUnsafeMutableBufferPointer { to in
        unsafe heads.withUnsafeMutableBufferPointer { heads in
          let mask = UInt32(1) << UInt32(digitBits) &- 1
          for i in 0..<count { unsafe heads[Int(from[i].down(shift).low & mask)] &+= 1 }
          if unsafe heads[Int(from[0].down(shift).low & mask)] == count { return true }
          var sum = 0
          for i in 0..<(1 << digitBits) {
            let here = unsafe heads[i]
            unsafe heads[i] = sum
            sum += here
          }
          for i in 0..<count {
            let key = unsafe from[i]
            let digit = Int(key.down(shift).low & mask)
            unsafe to[heads[digit]] = key
            unsafe heads[digit] &+= 1
          }
          return false
        }
      }
    }
    if !isSorted { swap(&keys, &other) }
  }
}

/// Sorts keys and lets their payloads move along.
func radixSort<Key: PackedKey>(_ keys: inout [Key], _ payload: inout [UInt32], bits: Int) {
  let count = keys.count
  guard count > 1 else { return }
  var other = [Key](repeating: .zero, count: count)
  var otherPayload = [UInt32](repeating: 0, count: count)
  let digitBits = 11
  for shift in stride(from: 0, to: bits, by: digitBits) {
    var heads = [Int](repeating: 0, count: 1 << digitBits)
    let mask = UInt32(1) << UInt32(digitBits) &- 1
    let isSorted = unsafe keys.withUnsafeMutableBufferPointer { from in
      unsafe other.withUnsafeMutableBufferPointer { to in
        unsafe payload.withUnsafeMutableBufferPointer { load in
          unsafe otherPayload.withUnsafeMutableBufferPointer { otherLoad in
            unsafe heads.withUnsafeMutableBufferPointer { heads in
              for i in 0..<count { unsafe heads[Int(from[i].down(shift).low & mask)] &+= 1 }
              if unsafe heads[Int(from[0].down(shift).low & mask)] == count { return true }
              var sum = 0
              for i in 0..<(1 << digitBits) {
                let here = unsafe heads[i]
                unsafe heads[i] = sum
                sum += here
              }
              for i in 0..<count {
                let key = unsafe from[i]
                let digit = Int(key.down(shift).low & mask)
                let place = unsafe heads[digit]
                unsafe to[place] = key
                unsafe otherLoad[place] = load[i]
                unsafe heads[digit] = place &+ 1
              }
              return false
            }
          }
        }
      }
    }
    if !isSorted {
      swap(&keys, &other)
      swap(&payload, &otherPayload)
    }
  }
}
