// Licensed under the Apache License, Version 2.0.

/// Decimal numbers in files, read to the nearest `Float`.
enum DecimalFloat {
  /// Parses all the bytes as one decimal number; `nil` if they are not one.
  static func parse(_ bytes: UnsafeRawBufferPointer) -> Float? {
    var place = 0
    var isNegative = false
    if place < bytes.count, unsafe bytes[place] == 0x2D || bytes[place] == 0x2B {
      isNegative = unsafe bytes[place] == 0x2D
      place += 1
    }
    var digits: UInt64 = 0
    var digitCount = 0
    var scale = 0
    var isFraction = false
    while place < bytes.count {
      let byte = unsafe bytes[place]
      if byte == 0x2E {
        if isFraction { return nil }
        isFraction = true
      } else if byte >= 0x30, byte <= 0x39 {
        if digits > 99_999_999_999_999 { return unsafe slow(bytes) }
        digits = digits * 10 + UInt64(byte - 0x30)
        digitCount += 1
        if isFraction { scale -= 1 }
      } else {
        break
      }
      place += 1
    }
    guard digitCount > 0 else { return unsafe slow(bytes) }
    // Up to 15 digits, and powers of ten up to 22, are exact doubles. So there is one rounding,
    // then a second to `Float`, which could only be wrong next to a tie.
    if place < bytes.count || scale < -22 { return unsafe slow(bytes) }
    let value = Double(digits) / powers[-scale]
    let low = value.bitPattern & 0x1FFF_FFFF
    if low >= 0x0FFF_FFF0 && low <= 0x1000_0010 { return unsafe slow(bytes) }
    return Float(isNegative ? -value : value)
  }

  private static func slow(_ bytes: UnsafeRawBufferPointer) -> Float? {
    let text = unsafe String(decoding: bytes, as: UTF8.self)
    // Hexadecimal numbers and words such as "nan" are not decimals.
    guard text.utf8.allSatisfy({ "+-.eE0123456789".utf8.contains($0) }) else { return nil }
    return Float(text)
  }

  private static let powers: [Double] = (0...22).map { exponent in
    (0..<exponent).reduce(1.0) { value, _ in value * 10 }
  }
}
