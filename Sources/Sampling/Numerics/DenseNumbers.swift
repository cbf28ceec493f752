// Licensed under the Apache License, Version 2.0.

/// Passes over all numbers of a vocabulary, written so that the compiler makes vectors of them.
package enum DenseNumbers {
  /// The largest of some logits, and whether one is not a number or plus infinity.
  static func largest(_ logits: borrowing Span<Double>) -> (largest: Double, isBad: Bool) {
    unsafe logits.withUnsafeBufferPointer { logits in
      // Four maxima at once: one alone would wait for each comparison.
      var (a, b, c, d) = (-Double.infinity, -Double.infinity, -Double.infinity, -Double.infinity)
      var isBad = false
      var i = 0
      while i + 4 <= logits.count {
        let (w, x, y, z) = unsafe (logits[i], logits[i + 1], logits[i + 2], logits[i + 3])
        if w > a { a = w }
        if x > b { b = x }
        if y > c { c = y }
        if z > d { d = z }
        // Only a number below infinity is.
        isBad = isBad || !(w < .infinity && x < .infinity && y < .infinity && z < .infinity)
        i += 4
      }
      while i < logits.count {
        let w = unsafe logits[i]
        if w > a { a = w }
        isBad = isBad || !(w < .infinity)
        i += 1
      }
      return (max(max(a, b), max(c, d)), isBad)
    }
  }

  /// Writes exp(x - high) for each of the first numbers, none above high, and returns the sum.
  ///
  /// **Accuracy.** 2 ulps; below exp(-700) it is 0.
  ///
  /// Reference: Cody and Waite 1980, "Software manual for the elementary functions", chapter 6, for
  /// the reduction; the series to the degree at which the next term is below rounding.
  package static func exponentials(
    of numbers: [Double], first count: Int, minus high: Double, into weights: inout [Double]
  ) -> Double {
    precondition(weights.count >= count && numbers.count >= count, "a place for each number")
    return unsafe numbers.withUnsafeBufferPointer { numbers in
      unsafe weights.withUnsafeMutableBufferPointer { weights in
        for i in 0..<count {
          unsafe weights[i] = exponential(numbers[i] - high)
        }
        var (a, b, c, d) = (0.0, 0.0, 0.0, 0.0)
        var i = 0
        while i + 4 <= count {
          unsafe a += weights[i]
          unsafe b += weights[i + 1]
          unsafe c += weights[i + 2]
          unsafe d += weights[i + 3]
          i += 4
        }
        while i < count {
          unsafe a += weights[i]
          i += 1
        }
        return (a + b) + (c + d)
      }
    }
  }

  /// exp(x) for x <= 0 without a branch or a call.
  @inline(__always)
  private static func exponential(_ x: Double) -> Double {
    let bounded = x > -700 ? x : -700
    // Adding 1.5 x 2^52 rounds to a whole number, which then stands in the lowest bits.
    let shifted = bounded * 1.442_695_040_888_963_4 + 0x1.8p52
    let n = shifted - 0x1.8p52
    let r = (bounded - n * 0x1.62e42fee00000p-1) - n * 0x1.a39ef35793c76p-33
    var p = 1.0 / 6_227_020_800
    p = p * r + 1.0 / 479_001_600
    p = p * r + 1.0 / 39_916_800
    p = p * r + 1.0 / 3_628_800
    p = p * r + 1.0 / 362_880
    p = p * r + 1.0 / 40_320
    p = p * r + 1.0 / 5_040
    p = p * r + 1.0 / 720
    p = p * r + 1.0 / 120
    p = p * r + 1.0 / 24
    p = p * r + 1.0 / 6
    p = p * r + 0.5
    p = p * r + 1
    p = p * r + 1
    let power = Double(bitPattern: (shifted.bitPattern &+ 1023) &<< 52)
    let value = p * power
    return x > -700 ? value : 0
  }
}
