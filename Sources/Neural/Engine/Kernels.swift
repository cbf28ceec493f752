// Licensed under the Apache License, Version 2.0.

import Foundation

// Plain loops for what a forward pass computes. Each result depends on its own row (and head) only, and
// its sums have one fixed order, so that a row gets the same bits in every batch.

/// Products of a matrix of weights with many rows of numbers.
@safe enum MatrixProduct {
  /// Writes `outputs[i * outputStride + r - rows.lowerBound]`, the product of row `r` of the weights
  /// with row `i` of the inputs, for `r` in `rows` and `i` in `0 ..< count`.
  static func run(
    _ weights: Tensor, rows: Range<Int>, inputs: UnsafePointer<Float>, inputStride: Int,
    count: Int, outputs: UnsafeMutablePointer<Float>, outputStride: Int
  ) {
    let columns = weights.columns
    unsafe withUnsafeTemporaryAllocation(of: Float.self, capacity: columns) { row in
      for r in rows {
        unsafe weights.row(r, into: row)
        for i in 0..<count {
          let input = unsafe inputs + i * inputStride
          var sum: Float = 0
          for column in 0..<columns { unsafe sum += row[column] * input[column] }
          unsafe outputs[i * outputStride + r - rows.lowerBound] = sum
        }
      }
    }
  }
}

/// Norms of rows of numbers. `input` and `output` may be the same.
@safe enum RowNorm {
  static func rootMeanSquare(
    _ input: UnsafePointer<Float>, count: Int, weight: UnsafePointer<Float>, epsilon: Float,
    output: UnsafeMutablePointer<Float>
  ) {
    var squares: Float = 0
    for i in 0..<count { unsafe squares += input[i] * input[i] }
    let factor = 1 / (squares / Float(count) + epsilon).squareRoot()
    for i in 0..<count { unsafe output[i] = input[i] * factor * weight[i] }
  }

  static func layer(
    _ input: UnsafePointer<Float>, count: Int, weight: UnsafePointer<Float>,
    bias: UnsafePointer<Float>?, epsilon: Float, output: UnsafeMutablePointer<Float>
  ) {
    var sum: Float = 0
    for i in 0..<count { unsafe sum += input[i] }
    let mean = sum / Float(count)
    var squares: Float = 0
    for i in 0..<count {
      let difference = unsafe input[i] - mean
      squares += difference * difference
    }
    let factor = 1 / (squares / Float(count) + epsilon).squareRoot()
    for i in 0..<count {
      unsafe output[i] = (input[i] - mean) * factor * weight[i] + (bias?[i] ?? 0)
    }
  }
}

/// Activations of the feed-forward part.
@safe enum ActivationKernel {
  /// Replaces each number by its activation, times the number of `factors` at the same place if given.
  static func run(
    _ activation: NetworkConfiguration.Activation, _ numbers: UnsafeMutablePointer<Float>,
    factors: UnsafePointer<Float>?, count: Int
  ) {
    for i in 0..<count {
      let x = unsafe numbers[i]
      let y: Float =
        switch activation {
        case .gelu: 0.5 * x * (1 + erff(x * Float(0.5).squareRoot()))
        case .geluTanh: 0.5 * x * (1 + tanhf(0.797_884_56 * (x + 0.044715 * x * x * x)))
        case .silu: x / (1 + expf(-x))
        case .relu: max(x, 0)
        }
      unsafe numbers[i] = y * (factors?[i] ?? 1)
    }
  }
}

/// Attention of one position over blocks of keys and values.
@safe enum AttentionKernel {
  /// Positions in a block.
  static let blockLength = 16

  /// The weighted mean of values for `group` queries that share a head of keys and values.
  ///
  /// `blocks[b]` holds positions `16 b ..< 16 b + 16`. Its keys start `keyOffset` numbers in and lie by
  /// component, `[headSize][16]`; its values start `valueOffset` numbers in and lie by position,
  /// `[16][headSize]`. Only positions in `visible` are read: others may hold anything. Sums go
  /// through blocks in order, whatever was computed when.
  static func run(
    queries: UnsafePointer<Float>, group: Int, headSize: Int,
    blocks: UnsafePointer<UnsafePointer<Float>>, keyOffset: Int, valueOffset: Int,
    visible: Range<Int>, scale: Float, outputs: UnsafeMutablePointer<Float>
  ) {
    for head in 0..<group {
      let query = unsafe queries + head * headSize
      let output = unsafe outputs + head * headSize
      var high = -Float.infinity
      var total: Float = 0
      for d in 0..<headSize { unsafe output[d] = 0 }
      var position = visible.lowerBound
      while position < visible.upperBound {
        let block = position / blockLength
        let slots =
          position % blockLength..<min(blockLength, visible.upperBound - block * blockLength)
        let keys = unsafe blocks[block] + keyOffset
        let values = unsafe blocks[block] + valueOffset
        var scores = InlineScores()
        var blockHigh = -Float.infinity
        for slot in slots {
          var sum: Float = 0
          for d in 0..<headSize { unsafe sum += query[d] * keys[d * blockLength + slot] }
          scores[slot] = sum * scale
          blockHigh = max(blockHigh, sum * scale)
        }
        if blockHigh > high {
          let factor = expf(high - blockHigh)
          total *= factor
          for d in 0..<headSize { unsafe output[d] *= factor }
          high = blockHigh
        }
        for slot in slots {
          let weight = expf(scores[slot] - high)
          total += weight
          for d in 0..<headSize { unsafe output[d] += weight * values[slot * headSize + d] }
        }
        position = (block + 1) * blockLength
      }
      for d in 0..<headSize { unsafe output[d] /= total }
    }
  }

  private typealias InlineScores = SIMD16<Float>
}

/// The head of a network without rows of logits that nobody reads.
@safe enum HeadKernel {
  /// The largest of `count` logits and the sum of exp(logit - largest).
  static func partialSum(_ logits: UnsafePointer<Float>, count: Int) -> (high: Float, sum: Float) {
    var high = -Float.infinity
    var isNumber = true
    for i in 0..<count {
      unsafe high = max(high, logits[i])
      unsafe isNumber = isNumber && logits[i] == logits[i]
    }
    guard isNumber else { return (.nan, .nan) }
    var sum: Float = 0
    for i in 0..<count { unsafe sum += expf(logits[i] - high) }
    return (high, sum)
  }
}
