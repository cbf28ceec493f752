// Licensed under the Apache License, Version 2.0.

internal import CKernels

/// Products of a matrix of weights with many rows of numbers.
@safe package enum MatrixProduct {
  /// Writes the product of row `r` of the weights with row `i` of the inputs to
  /// `outputs[i * outputStride + r - rows.lowerBound]`, for `r` in `rows` and `i` in `0 ..< count`.
  ///
  /// Inputs are fastest at addresses and strides that are multiples of 64 bytes.
  ///
  /// **Accuracy.** Single precision throughout; the error is below about 1e-6 of the sum of
  /// |weight x input|. A product has the same bits whatever `count` and `rows` are.
  package static func run(
    _ weights: Tensor, rows: Range<Int>, inputs: UnsafePointer<Float>, inputStride: Int,
    count: Int, outputs: UnsafeMutablePointer<Float>, outputStride: Int,
    kernels: NetworkKernels = .widest
  ) {
    let rowBytes = weights.rowBytes
    unsafe precondition(
      rows.lowerBound >= 0 && rows.upperBound <= weights.rows
        && rows.upperBound * rowBytes <= weights.bytes.count, "rows \(rows) of \(weights.rows)")
    precondition(weights.columns % weights.type.blockLength == 0, "a row holds whole blocks")
    guard !rows.isEmpty, count > 0, let base = unsafe weights.bytes.baseAddress else { return }
    var product = unsafe gensample_product(
      type: weights.type.kernelType, weights: base + rows.lowerBound * rowBytes,
      row_bytes: rowBytes, rows: rows.count, columns: weights.columns, inputs: inputs,
      input_stride: inputStride, count: count, outputs: outputs, output_stride: outputStride)
    unsafe kernels.table.pointee.multiply(&product)
  }
}

/// Rows of a tensor as single precision.
@safe package enum RowUnpacking {
  /// Writes the numbers of a row; exact.
  package static func run(
    _ tensor: Tensor, row: Int, into output: UnsafeMutablePointer<Float>,
    kernels: NetworkKernels = .widest
  ) {
    let rowBytes = tensor.rowBytes
    unsafe precondition(
      row >= 0 && row < tensor.rows && (row + 1) * rowBytes <= tensor.bytes.count,
      "row \(row) of \(tensor.rows)")
    precondition(tensor.columns % tensor.type.blockLength == 0, "a row holds whole blocks")
    guard let base = unsafe tensor.bytes.baseAddress else { return }
    unsafe kernels.table.pointee.unpack(
      tensor.type.kernelType, base + row * rowBytes, tensor.columns, output)
  }
}
