// Licensed under the Apache License, Version 2.0.

internal import CKernels

/// Norms of rows of numbers.
///
/// `input` and `output` may be the same.
@safe package enum RowNorm {
  /// Sums have double precision.
  package static func rootMeanSquare(
    _ input: UnsafePointer<Float>, count: Int, weight: UnsafePointer<Float>, epsilon: Float,
    output: UnsafeMutablePointer<Float>, kernels: NetworkKernels = .widest
  ) {
    guard count > 0 else { return }
    unsafe kernels.table.pointee.rms_norm(input, count, weight, epsilon, output)
  }

  /// Sums and differences from the mean have double precision.
  package static func layer(
    _ input: UnsafePointer<Float>, count: Int, weight: UnsafePointer<Float>,
    bias: UnsafePointer<Float>?, epsilon: Float, output: UnsafeMutablePointer<Float>,
    kernels: NetworkKernels = .widest
  ) {
    guard count > 0 else { return }
    unsafe kernels.table.pointee.layer_norm(input, count, weight, bias, epsilon, output)
  }
}

/// Activations of the feed-forward part.
@safe package enum ActivationKernel {
  /// Replaces each number by its activation, times the number of `factors` at the same place if given.
  ///
  /// **Accuracy.** 3e-7 of |number x factor|.
  package static func run(
    _ activation: NetworkConfiguration.Activation, _ numbers: UnsafeMutablePointer<Float>,
    factors: UnsafePointer<Float>?, count: Int, kernels: NetworkKernels = .widest
  ) {
    let kind =
      switch activation {
      case .gelu: GENSAMPLE_GELU
      case .geluTanh: GENSAMPLE_GELU_TANH
      case .silu: GENSAMPLE_SILU
      case .relu: GENSAMPLE_RELU
      }
    unsafe kernels.table.pointee.activate(Int32(kind.rawValue), numbers, factors, count)
  }
}

/// Sums over rows of numbers of one length.
@safe package enum RowSum {
  /// The dot product, with the sums of ``MatrixProduct``.
  package static func dot(
    _ first: UnsafePointer<Float>, _ second: UnsafePointer<Float>, count: Int,
    kernels: NetworkKernels = .widest
  ) -> Float {
    unsafe kernels.table.pointee.dot(first, second, count)
  }

  /// Adds `factor` times the first row to the second.
  package static func add(
    _ factor: Float, times from: UnsafePointer<Float>, to: UnsafeMutablePointer<Float>, count: Int,
    kernels: NetworkKernels = .widest
  ) {
    unsafe kernels.table.pointee.add(factor, from, to, count)
  }

  /// Replaces numbers by their exponentials.
  ///
  /// **Accuracy.** 2 ulps; 0 below -87.3, infinity above 88.7.
  package static func exponentials(
    _ numbers: UnsafeMutablePointer<Float>, count: Int, kernels: NetworkKernels = .widest
  ) {
    unsafe kernels.table.pointee.exponentials(numbers, count)
  }
}
