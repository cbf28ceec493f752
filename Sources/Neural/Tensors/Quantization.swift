// Licensed under the Apache License, Version 2.0.

// From single precision to stored numbers, rounded to the nearest as `quantize_row_*_ref` of llama.cpp
// rounds them.

extension TensorType {
  /// The types that `convert` writes.
  package static let written: [TensorType] = [.f32, .f16, .q8_0, .q4_1]

  /// Appends a row of whole blocks.
  ///
  /// - Throws: `NeuralError` if a number is not finite or too large for the type.
  package func quantize(
    _ row: [Float], into bytes: inout [UInt8], of name: String
  ) throws(NeuralError) {
    precondition(row.count % blockLength == 0, "\(row.count) numbers in blocks of \(blockLength)")
    for value in row where !value.isFinite {
      throw NeuralError("the tensor '\(name)' holds a number that is not finite (found \(value))")
    }
    switch self {
    case .f32: for value in row { append(value.bitPattern, to: &bytes) }
    case .f16: for value in row { append(try half(value, of: name), to: &bytes) }
    case .q8_0: try quantizeQ8_0(row, &bytes, name)
    case .q4_1: try quantizeQ4_1(row, &bytes, name)
    default: preconditionFailure("\(rawValue) is not written")
    }
  }

  private func quantizeQ8_0(
    _ row: [Float], _ bytes: inout [UInt8], _ name: String
  ) throws(NeuralError) {
    for start in stride(from: 0, to: row.count, by: 32) {
      var most: Float = 0
      for i in start..<(start + 32) { most = max(most, abs(row[i])) }
      let scale = most / 127
      let inverse = scale == 0 ? 0 : 1 / scale
      append(try half(scale, of: name), to: &bytes)
      for i in start..<(start + 32) {
        // A subnormal scale may have an infinite inverse.
        let value = (row[i] * inverse).rounded(.toNearestOrAwayFromZero)
        bytes.append(UInt8(bitPattern: Int8(max(-127, min(127, value)))))
      }
    }
  }

  private func quantizeQ4_1(
    _ row: [Float], _ bytes: inout [UInt8], _ name: String
  ) throws(NeuralError) {
    for start in stride(from: 0, to: row.count, by: 32) {
      var (low, high) = (row[start], row[start])
      for i in start..<(start + 32) {
        low = min(low, row[i])
        high = max(high, row[i])
      }
      let scale = (high - low) / 15
      let inverse = scale == 0 ? 0 : 1 / scale
      append(try half(scale, of: name), to: &bytes)
      append(try half(low, of: name), to: &bytes)
      func code(_ value: Float) -> UInt8 {
        UInt8(max(0, min(15, (value - low) * inverse + 0.5)))
      }
      for i in start..<(start + 16) { bytes.append(code(row[i]) | code(row[i + 16]) << 4) }
    }
  }

  private func append<Word: FixedWidthInteger>(_ word: Word, to bytes: inout [UInt8]) {
    for shift in stride(from: 0, to: Word.bitWidth, by: 8) {
      bytes.append(UInt8(truncatingIfNeeded: word >> Word(shift)))
    }
  }

  private func half(_ value: Float, of name: String) throws(NeuralError) -> UInt16 {
    let bits = floatToHalf(value)
    guard bits & 0x7c00 != 0x7c00 else {
      throw NeuralError(
        "the tensor '\(name)' holds a number that is too large for half precision (found \(value), "
          + "expected at most 65504). Write F32.")
    }
    return bits
  }
}

/// The nearest half-precision pattern, ties to even; infinity where the value is too large.
package func floatToHalf(_ value: Float) -> UInt16 {
  let bits = value.bitPattern
  let sign = UInt16(truncatingIfNeeded: bits >> 16) & 0x8000
  let rest = bits & 0x7fff_ffff
  if rest > 0x7f80_0000 { return sign | 0x7e00 }
  // From 65520 on, the nearest is infinity.
  if rest >= 0x477f_f000 { return sign | 0x7c00 }
  if rest < 0x3880_0000 {
    // Subnormal: multiples of 2^-24, which single precision adds exactly to 1/2 with its own rounding
    // at 2^-24.
    let rounded = Float(bitPattern: rest) + 0.5
    return sign | UInt16(truncatingIfNeeded: rounded.bitPattern - Float(0.5).bitPattern)
  }
  // Round to ten bits of fraction; a carry moves into the exponent, as it should.
  let odd = (rest >> 13) & 1
  let rounded = rest - 0x3800_0000 + 0xfff + odd
  return sign | UInt16(truncatingIfNeeded: rounded >> 13)
}
