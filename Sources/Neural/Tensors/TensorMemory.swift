// Licensed under the Apache License, Version 2.0.

/// Memory of a tensor that does not lie in its file as it is needed.
@safe package final class TensorMemory: @unchecked Sendable {
  package let bytes: UnsafeMutableRawBufferPointer

  /// Zeros, at an address that is a multiple of 64.
  package init(byteCount: Int) {
    unsafe bytes = .allocate(byteCount: max(byteCount, 1), alignment: 64)
    unsafe bytes.initializeMemory(as: UInt8.self, repeating: 0)
  }

  deinit { unsafe bytes.deallocate() }
}

extension Tensor {
  /// A tensor of type F32 in memory of its own.
  package init(name: String, shape: [Int], values: [Float]) {
    precondition(shape.reduce(1, *) == values.count, "a tensor of shape \(shape) has other values")
    let memory = TensorMemory(byteCount: values.count * 4)
    unsafe values.withUnsafeBytes { unsafe memory.bytes.copyMemory(from: $0) }
    unsafe self.init(
      name: name, type: .f32, shape: shape,
      bytes: UnsafeRawBufferPointer(rebasing: memory.bytes[..<(values.count * 4)]), owner: memory)
  }

  /// Rows of a matrix, or numbers of a vector, without copying them.
  ///
  /// - Precondition: a vector is not quantised.
  package func part(_ range: Range<Int>, name: String? = nil) -> Tensor {
    let count = shape[0]
    precondition(range.lowerBound >= 0 && range.upperBound <= count, "rows \(range) of \(count)")
    precondition(shape.count > 1 || type.blockLength == 1, "part of a block")
    let stride =
      shape.count > 1 ? shape[1..<(shape.count - 1)].reduce(rowBytes, *) : type.blockBytes
    return unsafe Tensor(
      name: name ?? self.name, type: type, shape: [range.count] + shape.dropFirst(),
      bytes: UnsafeRawBufferPointer(
        rebasing: bytes[(range.lowerBound * stride)..<(range.upperBound * stride)]),
      owner: owner)
  }

  /// A copy whose rows are the columns of this matrix.
  ///
  /// - Precondition: the matrix is not quantised.
  package func transposed() -> Tensor {
    precondition(shape.count == 2 && type.blockLength == 1, "only plain matrices are transposed")
    let memory = unsafe TensorMemory(byteCount: bytes.count)
    if type.blockBytes == 4 {
      transpose(UInt32.self, into: memory)
    } else {
      transpose(UInt16.self, into: memory)
    }
    return unsafe Tensor(
      name: name, type: type, shape: [shape[1], shape[0]],
      bytes: UnsafeRawBufferPointer(rebasing: memory.bytes[..<bytes.count]), owner: memory)
  }

  private func transpose<Word: BitwiseCopyable>(_ word: Word.Type, into memory: TensorMemory) {
    let from = unsafe bytes.assumingMemoryBound(to: Word.self)
    let to = unsafe memory.bytes.assumingMemoryBound(to: Word.self)
    let (height, width) = (shape[0], shape[1])
    // Squares of this side stay in the first-level cache on both sides.
    let side = 32
    for top in stride(from: 0, to: height, by: side) {
      for left in stride(from: 0, to: width, by: side) {
        for i in top..<min(top + side, height) {
          for j in left..<min(left + side, width) {
            unsafe to[j &* height &+ i] = from[i &* width &+ j]
          }
        }
      }
    }
  }

  /// A copy with the rows of this matrix, or the numbers of this vector, in another order.
  ///
  /// - Precondition: `order` holds rows of this tensor; a vector is not quantised.
  package func reordered(_ order: [Int], name: String? = nil) -> Tensor {
    let stride = shape.count > 1 ? rowBytes : type.blockBytes
    let memory = TensorMemory(byteCount: order.count * stride)
    for (i, row) in order.enumerated() {
      precondition(row >= 0 && row < shape[0], "row \(row) of \(shape[0])")
      unsafe UnsafeMutableRawBufferPointer(
        rebasing: memory.bytes[(i * stride)..<((i + 1) * stride)]
      )
      .copyMemory(
        from: UnsafeRawBufferPointer(rebasing: bytes[(row * stride)..<((row + 1) * stride)]))
    }
    return unsafe Tensor(
      name: name ?? self.name, type: type, shape: [order.count] + shape.dropFirst(),
      bytes: UnsafeRawBufferPointer(rebasing: memory.bytes[..<(order.count * stride)]),
      owner: memory)
  }
}
