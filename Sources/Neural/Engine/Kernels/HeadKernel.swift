// Licensed under the Apache License, Version 2.0.

internal import CKernels
import Foundation

/// The head of a network without rows of logits that nobody reads.
///
/// Logits of ``panel`` tokens at a time, counted from token 0, are reduced to their maximum and a sum
/// of exponentials; ``logSum(of:)`` joins these in order. So the log of the sum has the same bits
/// however the panels are spread over threads.
@safe package enum HeadKernel {
  /// Tokens in a panel.
  package static let panel = 256

  /// The largest of `count` logits and the sum of exp(logit - largest).
  ///
  /// Both are NaN if a logit is.
  package static func partialSum(
    _ logits: UnsafePointer<Float>, count: Int, kernels: NetworkKernels = .widest
  ) -> (high: Float, sum: Double) {
    let found = unsafe kernels.table.pointee.sum_logits(logits, count)
    return (found.high, found.sum)
  }

  /// The log of the sum of exponentials, from the partial sums of all panels in order.
  ///
  /// Minus infinity if there are none.
  package static func logSum<Parts: Sequence>(of parts: Parts) -> Double
  where Parts.Element == (high: Float, sum: Double) {
    var high = -Double.infinity
    var sum = 0.0
    for part in parts {
      let partHigh = Double(part.high)
      guard partHigh != -.infinity else { continue }
      if partHigh.isNaN || partHigh == .infinity { return partHigh }
      if partHigh > high {
        sum = sum * exp(high - partHigh) + part.sum
        high = partHigh
      } else {
        sum += part.sum * exp(partHigh - high)
      }
    }
    return high + log(sum)
  }

  /// The log of the sum of the exponentials of a whole row of logits, by the same sums.
  package static func logSum(
    _ logits: UnsafePointer<Float>, count: Int, kernels: NetworkKernels = .widest
  ) -> Double {
    logSum(
      of: stride(from: 0, to: count, by: panel).lazy.map { first in
        unsafe partialSum(logits + first, count: min(panel, count - first), kernels: kernels)
      })
  }
}
