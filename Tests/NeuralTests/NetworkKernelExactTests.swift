// Licensed under the Apache License, Version 2.0.

import Foundation
import Testing

@testable import Neural

/// A small generator, so that numbers are the same in each run.
private struct Mixer: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    // Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators".
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  mutating func numbers(_ count: Int, _ range: ClosedRange<Float> = -1...1) -> [Float] {
    (0..<count).map { _ in Float.random(in: range, using: &self) }
  }
}

/// A matrix of random bytes with scales of moderate size.
private func randomMatrix(
  _ type: TensorType, rows: Int, columns: Int, using random: inout Mixer
) -> Tensor {
  let blocks = rows * columns / type.blockLength
  let memory = TensorMemory(byteCount: blocks * type.blockBytes)
  let halves: [Int] =
    switch type {
    case .f32, .bf16: []
    case .f16, .q8_0, .q4_0, .q5_0: [0]
    case .q4_1, .q5_1, .q4_K, .q5_K: [0, 2]
    case .q2_K: [80, 82]
    case .q3_K: [108]
    case .q6_K: [208]
    }
  for block in 0..<blocks {
    let start = block * type.blockBytes
    for i in 0..<type.blockBytes {
      unsafe memory.bytes[start + i] = UInt8(truncatingIfNeeded: random.next())
    }
    for offset in halves {
      // One of eight is subnormal.
      let exponent = random.next() % 8 == 0 ? 0 : UInt16.random(in: 8...17, using: &random)
      let bits = UInt16(truncatingIfNeeded: random.next()) & 0x83FF | exponent << 10
      unsafe memory.bytes.storeBytes(of: bits, toByteOffset: start + offset, as: UInt16.self)
    }
    let plain = Float.random(in: -1...1, using: &random)
    if type == .f32 {
      unsafe memory.bytes.storeBytes(of: plain, toByteOffset: start, as: Float.self)
    }
    if type == .bf16 {
      unsafe memory.bytes.storeBytes(
        of: UInt16(plain.bitPattern >> 16), toByteOffset: start, as: UInt16.self)
    }
  }
  return unsafe Tensor(
    name: "random", type: type, shape: [rows, columns],
    bytes: UnsafeRawBufferPointer(rebasing: memory.bytes[..<(blocks * type.blockBytes)]),
    owner: memory)
}

/// Columns that fill vectors, and columns that do not.
private func columns(of type: TensorType) -> [Int] {
  switch type.blockLength {
  case 1: [1, 16, 37, 96]
  case 32: [32, 96]
  default: [256, 512]
  }
}

private func product(
  _ weights: Tensor, rows: Range<Int>, _ inputs: [Float], count: Int, kernels: NetworkKernels
) -> [Float] {
  // Outputs lie apart, so that a write to the wrong place shows.
  let stride = rows.count + 3
  var outputs = [Float](repeating: -777, count: count * stride)
  unsafe MatrixProduct.run(
    weights, rows: rows, inputs: inputs, inputStride: weights.columns, count: count,
    outputs: &outputs, outputStride: stride, kernels: kernels)
  for i in 0..<count {
    #expect(outputs[(i * stride + rows.count)..<((i + 1) * stride)].allSatisfy { $0 == -777 })
  }
  return (0..<count).flatMap { outputs[($0 * stride)..<($0 * stride + rows.count)] }
}

private let levels = 0..<NetworkKernels.all.count

@Suite struct NetworkKernelExactTests {
  @Test(arguments: TensorType.allCases, levels)
  func rowsHaveTheNumbersOfThePlainLoops(_ type: TensorType, _ level: Int) {
    var random = Mixer(state: 1)
    for columns in columns(of: type) {
      let tensor = randomMatrix(type, rows: 3, columns: columns, using: &random)
      for row in 0..<3 {
        var found = [Float](repeating: -777, count: columns + 1)
        unsafe RowUnpacking.run(tensor, row: row, into: &found, kernels: NetworkKernels.all[level])
        #expect(found.dropLast() == tensor.row(row)[...])
        #expect(found.last == -777)
      }
    }
  }

  @Test(arguments: TensorType.allCases, levels)
  func productsAreThoseOfThePlainLoops(_ type: TensorType, _ level: Int) {
    var random = Mixer(state: 2)
    for columns in columns(of: type) {
      let tensor = randomMatrix(type, rows: 7, columns: columns, using: &random)
      for count in [1, 2, 9] {
        let inputs = random.numbers(count * columns)
        let found = product(
          tensor, rows: 0..<7, inputs, count: count, kernels: NetworkKernels.all[level])
        let plain = PlainKernels.products(
          tensor, (0..<count).map { Array(inputs[($0 * columns)..<(($0 + 1) * columns)]) })
        for i in 0..<count {
          for row in 0..<7 {
            // A lane adds at most 128 products, each within half an ulp of a partial sum; errors of
            // different sign cancel, so they stay below an eighth of the bound 128 x 6e-8.
            let (exact, magnitude) = plain[i][row]
            #expect(abs(Double(found[i * 7 + row]) - exact) <= 1e-6 * magnitude)
          }
        }
      }
    }
  }

  /// The law that ratios of probabilities rest on.
  @Test(arguments: TensorType.allCases, levels)
  func aProductHasTheSameBitsInAnyBatchAndSplit(_ type: TensorType, _ level: Int) {
    var random = Mixer(state: 3)
    let kernels = NetworkKernels.all[level]
    let rows = 21
    for columns in columns(of: type) {
      let tensor = randomMatrix(type, rows: rows, columns: columns, using: &random)
      let inputs = (0..<16).map { _ in random.numbers(columns) }
      let alone = inputs.map { product(tensor, rows: 0..<rows, $0, count: 1, kernels: kernels) }
      for _ in 0..<8 {
        let batch = (0..<Int.random(in: 1...23, using: &random)).map { _ in
          Int.random(in: 0..<16, using: &random)
        }
        let first = Int.random(in: 0..<rows, using: &random)
        let last = Int.random(in: first...rows, using: &random)
        let found = product(
          tensor, rows: first..<last, batch.flatMap { inputs[$0] }, count: batch.count,
          kernels: kernels)
        let expected = batch.flatMap { alone[$0][first..<last] }
        #expect(
          found.map(\.bitPattern) == expected.map(\.bitPattern),
          "\(columns) \(batch) \(first)..<\(last)")
      }
    }
  }

  @Test(arguments: levels)
  func aLargeProductIsThatOfItsPanels(_ level: Int) {
    // Rows too long to stay in the first-level cache, for which panels have 28 of them.
    var random = Mixer(state: 4)
    let (rows, columns, count) = (33, 1056, 17)
    let tensor = randomMatrix(.q8_0, rows: rows, columns: columns, using: &random)
    let inputs = random.numbers(count * columns)
    let kernels = NetworkKernels.all[level]
    let whole = product(tensor, rows: 0..<rows, inputs, count: count, kernels: kernels)
    for i in 0..<count {
      let alone = product(
        tensor, rows: 0..<rows, Array(inputs[(columns * i)..<(columns * (i + 1))]), count: 1,
        kernels: kernels)
      #expect(alone == Array(whole[(rows * i)..<(rows * (i + 1))]))
    }
  }

  @Test(arguments: levels)
  func normsAreThoseOfThePlainLoops(_ level: Int) {
    var random = Mixer(state: 5)
    let kernels = NetworkKernels.all[level]
    for count in [1, 4, 29, 64] {
      let input = random.numbers(count, -2...6)
      let weight = random.numbers(count)
      let bias = random.numbers(count)
      var found = input
      unsafe found.withUnsafeMutableBufferPointer { found in
        guard let found = found.baseAddress else { return }
        unsafe RowNorm.rootMeanSquare(
          found, count: count, weight: weight, epsilon: 1e-5, output: found, kernels: kernels)
      }
      // Three roundings of numbers below 8.
      let plain = PlainKernels.rootMeanSquareNorm(input, weight: weight, epsilon: 1e-5)
      #expect(zip(found, plain).allSatisfy { abs(Double($0) - $1) < 8 * 2e-7 })
      for bias in [bias, nil] {
        var found = [Float](repeating: -777, count: count + 1)
        unsafe RowNorm.layer(
          input, count: count, weight: weight, bias: bias, epsilon: 1e-5, output: &found,
          kernels: kernels)
        let plain = PlainKernels.layerNorm(input, weight: weight, bias: bias, epsilon: 1e-5)
        #expect(zip(found, plain).allSatisfy { abs(Double($0) - $1) < 8 * 2e-7 })
        #expect(found.last == -777)
      }
    }
  }

  @Test(arguments: [NetworkConfiguration.Activation.gelu, .geluTanh, .silu, .relu], levels)
  func activationsAreThoseOfThePlainLoops(
    _ activation: NetworkConfiguration.Activation, _ level: Int
  ) {
    var random = Mixer(state: 6)
    for count in [1, 3, 200] {
      let input = random.numbers(count - 1, -12...12) + [0]
      let factors = random.numbers(count)
      for factors in [factors, nil] {
        var found = input + [-777]
        unsafe ActivationKernel.run(
          activation, &found, factors: factors, count: count, kernels: NetworkKernels.all[level])
        for i in 0..<count {
          let factor = Double(factors?[i] ?? 1)
          let plain = PlainKernels.activation(activation, of: input[i]) * factor
          #expect(abs(Double(found[i]) - plain) <= 3e-7 * abs(Double(input[i]) * factor))
        }
        #expect(found.last == -777)
      }
    }
  }

  @Test(arguments: levels)
  func activationsOfHugeNumbersAreTheirLimits(_ level: Int) {
    for activation in [NetworkConfiguration.Activation.gelu, .geluTanh, .silu, .relu] {
      var found: [Float] = [1e30, -1e30, 200, -200, .nan]
      unsafe ActivationKernel.run(
        activation, &found, factors: nil, count: 5, kernels: NetworkKernels.all[level])
      #expect(found.dropLast() == [1e30, 0, 200, 0], "\(activation)")
      #expect(found[4].isNaN)
    }
  }

  @Test(arguments: levels)
  func exponentialsAreWithinTwoUlps(_ level: Int) {
    var numbers = stride(from: Float(-87.2), through: 88.7, by: 0.171).map { $0 }
    let exact = numbers.map { exp(Double($0)) }
    unsafe RowSum.exponentials(
      &numbers, count: numbers.count, kernels: NetworkKernels.all[level])
    for (found, exact) in zip(numbers, exact) {
      #expect(abs(Double(found) - exact) <= 2 * Double(Float(exact).ulp))
    }
    var edges: [Float] = [0, -90, 89, -.infinity, .infinity, .nan]
    unsafe RowSum.exponentials(&edges, count: 6, kernels: NetworkKernels.all[level])
    #expect(edges.dropLast() == [1, 0, .infinity, 0, .infinity])
    #expect(edges[5].isNaN)
  }

  @Test(arguments: levels)
  func dotProductsAndSumsOfRowsAreThoseOfPlainLoops(_ level: Int) {
    var random = Mixer(state: 7)
    let kernels = NetworkKernels.all[level]
    for count in [1, 5, 16, 67] {
      let a = random.numbers(count)
      let b = random.numbers(count)
      let exact = zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) }
      let dot = unsafe RowSum.dot(a, b, count: count, kernels: kernels)
      #expect(abs(Double(dot) - exact) < 1e-6 * Double(count))
      var sum = b + [-777]
      unsafe RowSum.add(0.5, times: a, to: &sum, count: count, kernels: kernels)
      // Half of a number is exact, so this rounds once with and without fused products.
      #expect(sum == zip(a, b).map { 0.5 * $0 + $1 } + [-777])
    }
  }

  @Test(arguments: levels)
  func logSumsAreThoseOfPlainLoops(_ level: Int) {
    var random = Mixer(state: 8)
    let kernels = NetworkKernels.all[level]
    for count in [1, 15, 300] {
      let logits = random.numbers(count, -30...5)
      let found = unsafe HeadKernel.logSum(logits, count: count, kernels: kernels)
      #expect(abs(found - PlainKernels.logSum(logits)) < 2e-7)
      let part = unsafe HeadKernel.partialSum(logits, count: count, kernels: kernels)
      #expect(part.high == logits.max())
    }
    let masked: [Float] = [-.infinity, 1, -.infinity]
    #expect(unsafe HeadKernel.logSum(masked, count: 3, kernels: kernels) == 1)
    let dead: [Float] = [-.infinity, -.infinity]
    #expect(unsafe HeadKernel.logSum(dead, count: 2, kernels: kernels) == -.infinity)
    for place in [0, 17, 20] {
      var bad = [Float](repeating: 0, count: 21)
      bad[place] = .nan
      #expect(unsafe HeadKernel.logSum(bad, count: 21, kernels: kernels).isNaN)
    }
  }

  @Test(arguments: [1, 6, 16, 20, 64, 80], levels)
  func attentionIsThatOfPlainLoops(_ size: Int, _ level: Int) {
    var random = Mixer(state: 9)
    let kernels = NetworkKernels.all[level]
    let length = AttentionKernel.blockLength
    let positions = 45
    let group = 3
    let keys = (0..<positions).map { _ in random.numbers(size) }
    let values = (0..<positions).map { _ in random.numbers(size) }
    let queries = random.numbers(group * size, -3...3)
    let scale = 1 / Float(size).squareRoot()
    // Two numbers lie in front of keys and between them and values; what is not visible is NaN.
    let blockSize = 2 + length * size + 2 + length * size
    func attended(_ visible: Range<Int>, group: Range<Int>) -> [Float] {
      let blocks = (positions + length - 1) / length
      var memory = [Float](repeating: .nan, count: blocks * blockSize)
      for position in visible {
        let start = position / length * blockSize
        let slot = position % length
        for d in 0..<size {
          memory[start + 2 + d * length + slot] = keys[position][d]
          memory[start + 4 + length * size + slot * size + d] = values[position][d]
        }
      }
      var found = [Float](repeating: 0, count: group.count * size)
      unsafe memory.withUnsafeBufferPointer { memory in
        guard let start = memory.baseAddress else { return }
        let pointers = unsafe (0..<blocks).map { unsafe start + $0 * blockSize }
        let shared = Array(queries[(group.lowerBound * size)...])
        unsafe AttentionKernel.run(
          queries: shared, group: group.count, headSize: size, blocks: pointers, keyOffset: 2,
          valueOffset: 4 + length * size, visible: visible, scale: scale, outputs: &found,
          kernels: kernels)
      }
      return found
    }
    for visible in [0..<1, 0..<16, 0..<17, 5..<9, 5..<45, 33..<40] {
      let found = attended(visible, group: 0..<group)
      for head in 0..<group {
        let query = Array(queries[(head * size)..<((head + 1) * size)])
        let plain = PlainKernels.attention(
          query: query, keys: Array(keys[visible]), values: Array(values[visible]), scale: scale)
        let row = Array(found[(head * size)..<((head + 1) * size)])
        // Scores are below 30 in size, so their rounding changes weights by 30 x 6e-8 or less, and
        // values are below 1.
        #expect(zip(row, plain).allSatisfy { abs(Double($0) - $1) < 2e-6 })
        #expect(attended(visible, group: head..<(head + 1)) == row, "a head alone")
      }
    }
  }
}
