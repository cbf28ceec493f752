// Licensed under the Apache License, Version 2.0.

internal import CKernels
import Foundation

/// The head of a network without rows of logits that nobody reads.
@safe package enum HeadKernel {
  /// The largest of `count` logits and the sum of exp(logit - largest).
  ///
  /// Both are NaN if a logit is.
  ///
  /// **Accuracy.** The sum has double precision before it is rounded, its terms 2 ulps of single
  /// precision.
  package static func partialSum(
    _ logits: UnsafePointer<Float>, count: Int, kernels: NetworkKernels = .widest
  ) -> (high: Float, sum: Float) {
    let found = unsafe kernels.table.pointee.sum_logits(logits, count)
    return (found.high, Float(found.sum))
  }

  /// The log of the sum of the exponentials of a row of logits.
  ///
  /// **Accuracy.** 2e-7.
  package static func logSum(
    _ logits: UnsafePointer<Float>, count: Int, kernels: NetworkKernels = .widest
  ) -> Double {
    let found = unsafe kernels.table.pointee.sum_logits(logits, count)
    return Double(found.high) + log(found.sum)
  }
}
