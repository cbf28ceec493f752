// Licensed under the Apache License, Version 2.0.

// The plain way from stored numbers to single precision, for embeddings, for checks and as the oracle
// of the kernels. Layouts and order of operations: ggml-common.h and ggml-quants.c of llama.cpp
// (`dequantize_row_*`), so that the results are equal to the bit.

extension Tensor {
  /// Writes a row, as single precision, into the first `columns` places.
  package func row(_ index: Int, into to: UnsafeMutableBufferPointer<Float>) {
    precondition(index >= 0 && index < rows, "row \(index) of \(rows)")
    precondition(to.count >= columns, "\(to.count) places for \(columns) numbers")
    guard let from = unsafe bytes.baseAddress, let to = to.baseAddress else { return }
    unsafe type.dequantize(from + index * rowBytes, count: columns, into: to)
  }

  /// A row as single precision.
  package func row(_ index: Int) -> [Float] {
    unsafe [Float](unsafeUninitializedCapacity: columns) { buffer, count in
      unsafe row(index, into: buffer)
      count = columns
    }
  }

  /// All numbers as single precision, row after row.
  package var floats: [Float] {
    let count = rows * columns
    return unsafe [Float](unsafeUninitializedCapacity: count) { buffer, filled in
      if let from = unsafe bytes.baseAddress, let to = buffer.baseAddress {
        unsafe type.dequantize(from, count: count, into: to)
      }
      filled = count
    }
  }
}

extension TensorType {
  /// Turns `count` numbers, whole blocks, into single precision.
  @unsafe package func dequantize(
    _ from: UnsafeRawPointer, count: Int, into to: UnsafeMutablePointer<Float>
  ) {
    switch self {
    case .f32:
      for i in 0..<count { unsafe to[i] = Float(bitPattern: word32(from + i &* 4)) }
    case .f16:
      for i in 0..<count { unsafe to[i] = half(from + i &* 2) }
    case .bf16:
      for i in 0..<count {
        unsafe to[i] = Float(bitPattern: UInt32(word16(from + i &* 2)) << 16)
      }
    default:
      let blocks = count / blockLength
      for block in 0..<blocks {
        unsafe dequantizeBlock(from + block &* blockBytes, to + block &* blockLength)
      }
    }
  }

  private func dequantizeBlock(_ x: UnsafeRawPointer, _ y: UnsafeMutablePointer<Float>) {
    switch self {
    case .q8_0:
      let d = unsafe half(x)
      for i in 0..<32 { unsafe y[i] = Float(int8(x + 2 + i)) * d }
    case .q4_0:
      let d = unsafe half(x)
      for i in 0..<16 {
        let q = unsafe byte(x + 2 + i)
        unsafe y[i] = Float(Int(q & 15) - 8) * d
        unsafe y[i + 16] = Float(Int(q >> 4) - 8) * d
      }
    case .q4_1:
      let (d, m) = unsafe (half(x), half(x + 2))
      for i in 0..<16 {
        let q = unsafe byte(x + 4 + i)
        unsafe y[i] = Float(q & 15) * d + m
        unsafe y[i + 16] = Float(q >> 4) * d + m
      }
    case .q5_0:
      let d = unsafe half(x)
      let high = unsafe word32(x + 2)
      for i in 0..<16 {
        let q = unsafe byte(x + 6 + i)
        let low = Int(q & 15) | Int((high >> UInt32(i)) & 1) << 4
        let upper = Int(q >> 4) | Int((high >> UInt32(i + 16)) & 1) << 4
        unsafe y[i] = Float(low - 16) * d
        unsafe y[i + 16] = Float(upper - 16) * d
      }
    case .q5_1:
      let (d, m) = unsafe (half(x), half(x + 2))
      let high = unsafe word32(x + 4)
      for i in 0..<16 {
        let q = unsafe byte(x + 8 + i)
        let low = Int(q & 15) | Int((high >> UInt32(i)) & 1) << 4
        let upper = Int(q >> 4) | Int((high >> UInt32(i + 16)) & 1) << 4
        unsafe y[i] = Float(low) * d + m
        unsafe y[i + 16] = Float(upper) * d + m
      }
    case .q2_K: unsafe dequantizeQ2K(x, y)
    case .q3_K: unsafe dequantizeQ3K(x, y)
    case .q4_K: unsafe dequantizeQ4K(x, y)
    case .q5_K: unsafe dequantizeQ5K(x, y)
    case .q6_K: unsafe dequantizeQ6K(x, y)
    case .f32, .f16, .bf16: preconditionFailure("plain numbers have no blocks")
    }
  }

  /// Sixteen bytes of scales and minima (four bits each), 64 of values, d, dmin.
  private func dequantizeQ2K(_ x: UnsafeRawPointer, _ y: UnsafeMutablePointer<Float>) {
    let (d, dmin) = unsafe (half(x + 80), half(x + 82))
    var out = 0
    var group = 0
    for part in 0..<2 {
      let q = unsafe x + 16 + part * 32
      for shift in stride(from: UInt8(0), to: 8, by: 2) {
        for half in 0..<2 {
          let scale = unsafe byte(x + group)
          group += 1
          let factor = d * Float(scale & 15)
          let minimum = dmin * Float(scale >> 4)
          for i in 0..<16 {
            let value = unsafe (byte(q + half * 16 + i) >> shift) & 3
            unsafe y[out] = factor * Float(value) - minimum
            out += 1
          }
        }
      }
    }
  }

  /// 32 bytes of high bits, 64 of low pairs, 12 of scales (six bits each), d.
  private func dequantizeQ3K(_ x: UnsafeRawPointer, _ y: UnsafeMutablePointer<Float>) {
    let d = unsafe half(x + 108)
    // The low four bits of 16 scales lie in 8 bytes, the high two in the next 4.
    func scale(_ i: Int) -> Float {
      let low = unsafe (byte(x + 96 + i % 8) >> (i < 8 ? 0 : 4)) & 15
      let high = unsafe (byte(x + 104 + i % 4) >> UInt8(i / 4 * 2)) & 3
      return Float(Int(low | high << 4) - 32)
    }
    var out = 0
    var group = 0
    for part in 0..<2 {
      let q = unsafe x + 32 + part * 32
      for pair in 0..<4 {
        let mask = UInt8(1) << UInt8(part * 4 + pair)
        for half in 0..<2 {
          let factor = d * scale(group)
          group += 1
          for i in 0..<16 {
            let at = half * 16 + i
            let low = unsafe (byte(q + at) >> UInt8(pair * 2)) & 3
            let isHigh = unsafe byte(x + at) & mask != 0
            unsafe y[out] = factor * Float(Int(low) - (isHigh ? 0 : 4))
            out += 1
          }
        }
      }
    }
  }

  /// Scale and minimum `i` of eight, six bits each, out of 12 bytes.
  private func scaleAndMinimum(_ x: UnsafeRawPointer, _ i: Int) -> (Float, Float) {
    if i < 4 { return unsafe (Float(byte(x + i) & 63), Float(byte(x + i + 4) & 63)) }
    let low = unsafe byte(x + i + 4)
    let scale = unsafe (low & 15) | (byte(x + i - 4) >> 6) << 4
    let minimum = unsafe (low >> 4) | (byte(x + i) >> 6) << 4
    return (Float(scale), Float(minimum))
  }

  /// d, dmin, 12 bytes of scales and minima, 128 of values.
  private func dequantizeQ4K(_ x: UnsafeRawPointer, _ y: UnsafeMutablePointer<Float>) {
    let (d, dmin) = unsafe (half(x), half(x + 2))
    for part in 0..<4 {
      let q = unsafe x + 16 + part * 32
      let (s1, m1) = unsafe scaleAndMinimum(x + 4, part * 2)
      let (s2, m2) = unsafe scaleAndMinimum(x + 4, part * 2 + 1)
      let (d1, min1, d2, min2) = (d * s1, dmin * m1, d * s2, dmin * m2)
      for i in 0..<32 {
        let value = unsafe byte(q + i)
        unsafe y[part * 64 + i] = d1 * Float(value & 15) - min1
        unsafe y[part * 64 + 32 + i] = d2 * Float(value >> 4) - min2
      }
    }
  }

  /// d, dmin, 12 bytes of scales and minima, 32 of high bits, 128 of low ones.
  private func dequantizeQ5K(_ x: UnsafeRawPointer, _ y: UnsafeMutablePointer<Float>) {
    let (d, dmin) = unsafe (half(x), half(x + 2))
    for part in 0..<4 {
      let q = unsafe x + 48 + part * 32
      let (s1, m1) = unsafe scaleAndMinimum(x + 4, part * 2)
      let (s2, m2) = unsafe scaleAndMinimum(x + 4, part * 2 + 1)
      let (d1, min1, d2, min2) = (d * s1, dmin * m1, d * s2, dmin * m2)
      for i in 0..<32 {
        let value = unsafe byte(q + i)
        let high = unsafe byte(x + 16 + i) >> UInt8(part * 2)
        let first = (value & 15) | (high & 1) << 4
        let second = (value >> 4) | (high >> 1 & 1) << 4
        unsafe y[part * 64 + i] = d1 * Float(first) - min1
        unsafe y[part * 64 + 32 + i] = d2 * Float(second) - min2
      }
    }
  }

  /// 128 bytes of low bits, 64 of high pairs, 16 scales of eight bits, d.
  private func dequantizeQ6K(_ x: UnsafeRawPointer, _ y: UnsafeMutablePointer<Float>) {
    let d = unsafe half(x + 208)
    for part in 0..<2 {
      let low = unsafe x + part * 64
      let high = unsafe x + 128 + part * 32
      let scales = unsafe x + 192 + part * 8
      let out = unsafe y + part * 128
      for i in 0..<32 {
        let (a, b, h) = unsafe (byte(low + i), byte(low + 32 + i), byte(high + i))
        let q1 = Int(a & 15 | (h & 3) << 4) - 32
        let q2 = Int(b & 15 | (h >> 2 & 3) << 4) - 32
        let q3 = Int(a >> 4 | (h >> 4 & 3) << 4) - 32
        let q4 = Int(b >> 4 | (h >> 6 & 3) << 4) - 32
        let s = i / 16
        unsafe out[i] = d * Float(int8(scales + s)) * Float(q1)
        unsafe out[i + 32] = d * Float(int8(scales + s + 2)) * Float(q2)
        unsafe out[i + 64] = d * Float(int8(scales + s + 4)) * Float(q3)
        unsafe out[i + 96] = d * Float(int8(scales + s + 6)) * Float(q4)
      }
    }
  }
}

@inline(__always) private func byte(_ at: UnsafeRawPointer) -> UInt8 {
  unsafe at.load(as: UInt8.self)
}

@inline(__always) private func int8(_ at: UnsafeRawPointer) -> Int8 {
  unsafe at.load(as: Int8.self)
}

@inline(__always) private func word16(_ at: UnsafeRawPointer) -> UInt16 {
  unsafe UInt16(littleEndian: at.loadUnaligned(as: UInt16.self))
}

@inline(__always) private func word32(_ at: UnsafeRawPointer) -> UInt32 {
  unsafe UInt32(littleEndian: at.loadUnaligned(as: UInt32.self))
}

@inline(__always) private func half(_ at: UnsafeRawPointer) -> Float {
  halfToFloat(unsafe word16(at))
}

/// The single-precision value of a half-precision pattern; exact.
///
/// `Float16` does not exist on Intel Macs, so the bits are moved by hand.
package func halfToFloat(_ bits: UInt16) -> Float {
  let sign = UInt32(bits & 0x8000) << 16
  let exponent = UInt32(bits >> 10) & 0x1f
  let fraction = UInt32(bits) & 0x3ff
  switch exponent {
  case 0:
    // Zero and subnormal: fraction times 2^-24.
    let value = Float(fraction) * 0x1p-24
    return Float(bitPattern: value.bitPattern | sign)
  case 0x1f: return Float(bitPattern: sign | 0x7f80_0000 | fraction << 13)
  default: return Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
  }
}
