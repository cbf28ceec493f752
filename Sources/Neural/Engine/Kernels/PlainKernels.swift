// Licensed under the Apache License, Version 2.0.

import Foundation

/// What the kernels compute, in plain loops of double precision: the oracle of their tests.
package enum PlainKernels {
  /// `[input][row]`: the products, and the sums of |weight x input| that errors are measured by.
  package static func products(
    _ weights: Tensor, _ inputs: [[Float]]
  ) -> [[(product: Double, magnitude: Double)]] {
    let rows = (0..<weights.rows).map { weights.row($0) }
    return inputs.map { input in
      rows.map { row in
        let terms = zip(row, input).map { Double($0) * Double($1) }
        return (terms.reduce(0, +), terms.reduce(0) { $0 + abs($1) })
      }
    }
  }

  package static func rootMeanSquareNorm(
    _ input: [Float], weight: [Float], epsilon: Float
  ) -> [Double] {
    let squares = input.reduce(0) { $0 + Double($1) * Double($1) }
    let factor = 1 / (squares / Double(input.count) + Double(epsilon)).squareRoot()
    return zip(input, weight).map { Double($0) * factor * Double($1) }
  }

  package static func layerNorm(
    _ input: [Float], weight: [Float], bias: [Float]?, epsilon: Float
  ) -> [Double] {
    let mean = input.reduce(0) { $0 + Double($1) } / Double(input.count)
    let squares = input.reduce(0) { $0 + (Double($1) - mean) * (Double($1) - mean) }
    let factor = 1 / (squares / Double(input.count) + Double(epsilon)).squareRoot()
    return input.indices.map {
      (Double(input[$0]) - mean) * factor * Double(weight[$0]) + Double(bias?[$0] ?? 0)
    }
  }

  package static func activation(
    _ activation: NetworkConfiguration.Activation, of number: Float
  ) -> Double {
    let x = Double(number)
    return switch activation {
    case .gelu: 0.5 * x * erfc(-x * 0.5.squareRoot())
    case .geluTanh: x / (1 + exp(-2 * (2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
    case .silu: x / (1 + exp(-x))
    case .relu: max(x, 0)
    }
  }

  /// The mean of `values`, weighted by the softmax of scale times (query, key).
  package static func attention(
    query: [Float], keys: [[Float]], values: [[Float]], scale: Float
  ) -> [Double] {
    let scores = keys.map { key in
      zip(query, key).reduce(0) { $0 + Double($1.0) * Double($1.1) } * Double(scale)
    }
    let high = scores.max() ?? 0
    let weights = scores.map { exp($0 - high) }
    let sum = weights.reduce(0, +)
    return query.indices.map { component in
      zip(weights, values).reduce(0) { $0 + $1.0 * Double($1.1[component]) } / sum
    }
  }

  package static func logSum(_ logits: [Float]) -> Double {
    let high = Double(logits.max() ?? -.infinity)
    return high + log(logits.reduce(0) { $0 + exp(Double($1) - high) })
  }
}
