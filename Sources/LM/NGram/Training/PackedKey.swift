// Licensed under the Apache License, Version 2.0.

/// The tokens of an n-gram in one number, the first one uppermost, so that numbers sort as n-grams.
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
  /// A mask of the lowest bits.
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

/// 256 bits: orders up to 8 with tokens of up to 32 bits.
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
  // Shifts beyond the width give 0, on which the other half relies.
  func up(_ places: Int) -> WideKey {
    WideKey(upper: upper << places | lower >> (128 - places), lower: lower << places)
  }
  func down(_ places: Int) -> WideKey {
    WideKey(upper: upper >> places, lower: lower >> places | upper << (128 - places))
  }
}
