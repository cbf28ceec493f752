// Licensed under the Apache License, Version 2.0.

internal import CKernels

/// Passes over all numbers of a vocabulary, on the widest vectors that the machine has.
@usableFromInline
package enum DenseNumbers {
  /// How many numbers share one of the maxima of ``scan(_:into:)``.
  package static let blockCount = Int(GENSAMPLE_BLOCK)

  /// How far ``tail(of:minus:times:below:marks:)`` may be off, as a part of what it returns and for
  /// each number.
  package static let tailError = (relative: 9e-6, absolute: 1e-16)

  /// What a pass over logits finds.
  package struct Scan {
    /// The largest of them.
    package let high: Double
    /// The least of them.
    package let low: Double
    /// Whether one may be plus infinity or not a number, for then none of the above holds; a few
    /// huge ones look like it.
    package let mayBeBad: Bool
  }

  /// Finds the maximum of each block of logits, and of all.
  package static func scan(_ logits: [Double], highs: inout [Double]) -> Scan {
    check(logits.count, highs)
    return unsafe logits.withUnsafeBufferPointer { logits in
      unsafe highs.withUnsafeMutableBufferPointer { highs in
        unsafe scan(logits, to: nil, highs)
      }
    }
  }

  /// Copies logits and finds the same.
  package static func copy(
    _ logits: UnsafeBufferPointer<Double>, to copies: inout [Double], highs: inout [Double]
  ) -> Scan {
    check(logits.count, highs)
    precondition(copies.count >= logits.count, "a place for each number")
    return unsafe copies.withUnsafeMutableBufferPointer { copies in
      unsafe highs.withUnsafeMutableBufferPointer { highs in
        unsafe scan(logits, to: copies.baseAddress, highs)
      }
    }
  }

  /// The same for single precision.
  package static func copy(
    _ logits: UnsafeBufferPointer<Float>, to copies: inout [Float], highs: inout [Double]
  ) -> Scan {
    check(logits.count, highs)
    precondition(copies.count >= logits.count, "a place for each number")
    return unsafe copies.withUnsafeMutableBufferPointer { copies in
      unsafe highs.withUnsafeMutableBufferPointer { highs in
        guard let from = logits.baseAddress, let to = copies.baseAddress,
          let blocks = highs.baseAddress
        else { return Scan(high: -.infinity, low: .infinity, mayBeBad: false) }
        let found = unsafe gensample_scan_singles(from, to, logits.count, blocks)
        return Scan(high: found.high, low: found.low, mayBeBad: found.may_be_bad)
      }
    }
  }

  private static func check(_ count: Int, _ highs: [Double]) {
    precondition(highs.count * blockCount >= count, "a place for each block")
  }

  private static func scan(
    _ logits: UnsafeBufferPointer<Double>, to copies: UnsafeMutablePointer<Double>?,
    _ highs: UnsafeMutableBufferPointer<Double>
  ) -> Scan {
    guard let from = logits.baseAddress, let blocks = highs.baseAddress else {
      return Scan(high: -.infinity, low: .infinity, mayBeBad: false)
    }
    let found = unsafe gensample_scan_logits(from, copies, logits.count, blocks)
    return Scan(high: found.high, low: found.low, mayBeBad: found.may_be_bad)
  }

  /// Writes exp(x - high) for each of the first numbers, none above high, and returns the sum.
  ///
  /// **Accuracy.** 2 ulps; below exp(-700) it is 0.
  @usableFromInline
  package static func exponentials(
    of numbers: [Double], first count: Int, minus high: Double, into weights: inout [Double]
  ) -> Double {
    precondition(weights.count >= count && numbers.count >= count, "a place for each number")
    return unsafe numbers.withUnsafeBufferPointer { numbers in
      unsafe weights.withUnsafeMutableBufferPointer { weights in
        guard let from = numbers.baseAddress, let to = weights.baseAddress else { return 0 }
        return unsafe gensample_exponentials(from, count, high, to)
      }
    }
  }

  /// The sum of weight x (number - high) over all numbers of a positive weight, none above high.
  package static func distance(
    of numbers: [Double], minus high: Double, weights: [Double]
  ) -> Double {
    precondition(weights.count >= numbers.count, "a weight for each number")
    return unsafe numbers.withUnsafeBufferPointer { numbers in
      unsafe weights.withUnsafeBufferPointer { weights in
        guard let from = numbers.baseAddress, let by = weights.baseAddress else { return 0 }
        return unsafe gensample_distance(from, by, numbers.count, high)
      }
    }
  }

  /// The mean and the standard deviation of the distances from the largest, of the numbers above minus
  /// infinity; there is one at least.
  ///
  /// **Accuracy.** Some 1e-15 of the mean square.
  package static func deviation(
    of numbers: [Double], minus high: Double
  ) -> (mean: Double, deviation: Double) {
    unsafe numbers.withUnsafeBufferPointer { numbers in
      guard let from = numbers.baseAddress else { return (0, 0) }
      let moments = unsafe gensample_moments_above(from, numbers.count, high)
      let mean = moments.sum / moments.count
      return (mean, max(0, moments.squares / moments.count - mean * mean).squareRoot())
    }
  }

  /// Sets the logit of each token outside a bit set to minus infinity and leaves the others as they
  /// are.
  ///
  /// - Parameters:
  ///   - logits: one for each token.
  ///   - allowed: one bit for each token, the lowest bit of a word first. Bits behind the last token
  ///     are ignored.
  package static func mask(_ logits: inout [Double], allowed: [UInt64]) {
    precondition(allowed.count * 64 >= logits.count, "a bit for each logit")
    unsafe allowed.withUnsafeBufferPointer { allowed in
      unsafe logits.withUnsafeMutableBufferPointer { logits in
        guard let bits = allowed.baseAddress, let to = logits.baseAddress else { return }
        unsafe gensample_mask(bits, to, logits.count)
      }
    }
  }

  /// The same for single precision.
  package static func mask(_ logits: inout [Float], allowed: [UInt64]) {
    precondition(allowed.count * 64 >= logits.count, "a bit for each logit")
    unsafe allowed.withUnsafeBufferPointer { allowed in
      unsafe logits.withUnsafeMutableBufferPointer { logits in
        guard let bits = allowed.baseAddress, let to = logits.baseAddress else { return }
        unsafe gensample_mask_singles(bits, to, logits.count)
      }
    }
  }

  /// The sum of some of the numbers.
  package static func sum(_ numbers: borrowing Span<Double>, _ range: Range<Int>) -> Double {
    precondition(range.lowerBound >= 0 && range.upperBound <= numbers.count, "a range within")
    return unsafe numbers.withUnsafeBufferPointer { numbers in
      guard let base = numbers.baseAddress else { return 0 }
      return unsafe gensample_sum(base + range.lowerBound, range.count)
    }
  }

  /// The sum of 2^((x - high) scale) over the numbers for which the exponent, rounded to single
  /// precision, lies below a cut; the others are marked by bits, the lowest bit of a word first.
  ///
  /// **Accuracy.** ``tailError``.
  package static func tail(
    of numbers: [Double], minus high: Double, times scale: Double, below cut: Float,
    marks: inout [UInt64]
  ) -> Double {
    precondition(
      marks.count >= 2 * ((numbers.count + 127) / 128), "a bit for each number, two words at once")
    return unsafe numbers.withUnsafeBufferPointer { numbers in
      unsafe marks.withUnsafeMutableBufferPointer { marks in
        guard let from = numbers.baseAddress, let bits = marks.baseAddress else { return 0 }
        return unsafe gensample_tail(from, numbers.count, high, scale, cut, bits)
      }
    }
  }

  /// The same for single precision.
  package static func tail(
    of numbers: [Float], minus high: Double, times scale: Double, below cut: Float,
    marks: inout [UInt64]
  ) -> Double {
    precondition(
      marks.count >= 2 * ((numbers.count + 127) / 128), "a bit for each number, two words at once")
    return unsafe numbers.withUnsafeBufferPointer { numbers in
      unsafe marks.withUnsafeMutableBufferPointer { marks in
        guard let from = numbers.baseAddress, let bits = marks.baseAddress else { return 0 }
        return unsafe gensample_tail_singles(
          from, numbers.count, Float(high), Float(scale), cut, bits)
      }
    }
  }
}
