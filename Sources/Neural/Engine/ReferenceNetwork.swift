// Licensed under the Apache License, Version 2.0.

import Foundation

/// A forward pass that is slow and obvious: double precision, no cache, no batch, one thread.
///
/// Tests compare `Network` with it.
package struct ReferenceNetwork {
  package typealias Row = [Double]

  private struct Linear {
    var matrix: [Row]
    var bias: Row?
  }

  private struct Norm {
    var weight: Row
    var bias: Row?
  }

  private struct Block {
    var attentionNorm: Norm
    var query: Linear
    var key: Linear
    var value: Linear
    var queryNorm: Norm?
    var keyNorm: Norm?
    var attentionOutput: Linear
    var postAttentionNorm: Norm?
    var feedForwardNorm: Norm
    var gate: Linear?
    var up: Linear
    var down: Linear
    var postFeedForwardNorm: Norm?
  }

  private let configuration: NetworkConfiguration
  private let tokenEmbedding: [Row]
  private let positionEmbedding: [Row]?
  private let typeEmbedding: Row?
  private let embeddingNorm: Norm?
  private let blocks: [Block]
  private let finalNorm: Norm?
  private let headTransform: (dense: Linear, norm: Norm)?
  private let head: Linear?

  package init(_ configuration: NetworkConfiguration, _ weights: NetworkWeights) {
    func rows(_ tensor: Tensor) -> [Row] {
      (0..<tensor.rows).map { tensor.row($0).map(Double.init) }
    }
    func vector(_ tensor: Tensor) -> Row { rows(tensor)[0] }
    func linear(_ part: NetworkWeights.Linear) -> Linear {
      Linear(matrix: rows(part.matrix), bias: part.bias.map(vector))
    }
    func norm(_ part: NetworkWeights.Norm) -> Norm {
      Norm(weight: vector(part.weight), bias: part.bias.map(vector))
    }
    self.configuration = configuration
    tokenEmbedding = rows(weights.tokenEmbedding)
    positionEmbedding = weights.positionEmbedding.map(rows)
    typeEmbedding = weights.typeEmbedding.map { rows($0)[0] }
    embeddingNorm = weights.embeddingNorm.map(norm)
    finalNorm = weights.finalNorm.map(norm)
    headTransform = weights.headTransform.map { (linear($0.dense), norm($0.norm)) }
    head = weights.head.map(linear)
    blocks = weights.blocks.map {
      Block(
        attentionNorm: norm($0.attentionNorm), query: linear($0.query), key: linear($0.key),
        value: linear($0.value), queryNorm: $0.queryNorm.map(norm), keyNorm: $0.keyNorm.map(norm),
        attentionOutput: linear($0.attentionOutput),
        postAttentionNorm: $0.postAttentionNorm.map(norm),
        feedForwardNorm: norm($0.feedForwardNorm), gate: $0.gate.map(linear), up: linear($0.up),
        down: linear($0.down), postFeedForwardNorm: $0.postFeedForwardNorm.map(norm))
    }
  }

  /// The logits at each position.
  ///
  /// `trace` is given the residual stream of all positions, first that of the embedding and then that
  /// behind each block.
  package func logits(_ tokens: [Int32], trace: (([Row]) -> Void)? = nil) -> [Row] {
    hiddenStates(tokens, trace: trace).map { state in
      var state = state
      if let headTransform {
        state = normed(apply(headTransform.dense, state).map(activated), headTransform.norm)
      }
      return head.map { apply($0, state) } ?? []
    }
  }

  /// The natural logarithms of the probabilities behind each position.
  package func logProbabilities(_ tokens: [Int32]) -> [Row] {
    logits(tokens).map { row in
      let high = row.max() ?? 0
      let normaliser = high + log(row.reduce(0) { $0 + exp($1 - high) })
      return row.map { $0 - normaliser }
    }
  }

  /// What the last block, and the final norm if there is one, give at each position.
  package func hiddenStates(_ tokens: [Int32], trace: (([Row]) -> Void)? = nil) -> [Row] {
    var stream = tokens.indices.map { position in
      var row = tokenEmbedding[Int(tokens[position])].map {
        $0 * Double(configuration.embeddingScale)
      }
      if case .learned(let offset) = configuration.positions, let positionEmbedding {
        row = sum(row, positionEmbedding[position + offset])
      }
      if let typeEmbedding { row = sum(row, typeEmbedding) }
      return embeddingNorm.map { normed(row, $0) } ?? row
    }
    trace?(stream)
    for (block, choices) in zip(blocks, configuration.blocks) {
      if configuration.normsAfterSums {
        let attended = attention(stream, block, choices)
        for p in stream.indices {
          stream[p] = normed(sum(stream[p], attended[p]), block.attentionNorm)
          stream[p] = normed(sum(stream[p], feedForward(stream[p], block)), block.feedForwardNorm)
        }
      } else {
        var attended = attention(stream.map { normed($0, block.attentionNorm) }, block, choices)
        if let norm = block.postAttentionNorm { attended = attended.map { normed($0, norm) } }
        for p in stream.indices {
          let between = sum(stream[p], attended[p])
          var fed = feedForward(
            normed(configuration.isParallel ? stream[p] : between, block.feedForwardNorm), block)
          if let norm = block.postFeedForwardNorm { fed = normed(fed, norm) }
          stream[p] = sum(between, fed)
        }
      }
      trace?(stream)
    }
    return finalNorm.map { norm in stream.map { normed($0, norm) } } ?? stream
  }

  private func attention(
    _ inputs: [Row], _ block: Block, _ choices: NetworkConfiguration.Block
  ) -> [Row] {
    let size = configuration.headSize
    let group = configuration.heads / configuration.keyValueHeads
    var rotary = choices.rotary
    if rotary == nil, case .rotary(let network) = configuration.positions { rotary = network }
    func heads(_ part: Linear, _ norm: Norm?, _ rotary: NetworkConfiguration.Rotary?) -> [[Row]] {
      inputs.indices.map { position in
        let all = apply(part, inputs[position])
        return stride(from: 0, to: all.count, by: size).map { start in
          var head = Row(all[start..<start + size])
          if let norm { head = normed(head, norm) }
          return rotary.map { rotated(head, position, $0) } ?? head
        }
      }
    }
    let queries = heads(block.query, block.queryNorm, rotary)
    let keys = heads(block.key, block.keyNorm, rotary)
    let values = heads(block.value, nil, nil)
    return inputs.indices.map { p in
      let last = configuration.isBidirectional ? inputs.count - 1 : p
      let first = choices.window.map { max(0, p - $0 + 1) } ?? 0
      var joined: Row = []
      for head in 0..<configuration.heads {
        let scores = (first...last).map {
          product(queries[p][head], keys[$0][head / group]) * Double(configuration.attentionScale)
        }
        let high = scores.max() ?? 0
        let weights = scores.map { exp($0 - high) }
        let total = weights.reduce(0, +)
        var mean = Row(repeating: 0, count: size)
        for (weight, other) in zip(weights, first...last) {
          for d in 0..<size { mean[d] += weight / total * values[other][head / group][d] }
        }
        joined += mean
      }
      return apply(block.attentionOutput, joined)
    }
  }

  private func feedForward(_ input: Row, _ block: Block) -> Row {
    let up = apply(block.up, input)
    guard let gate = block.gate else { return apply(block.down, up.map(activated)) }
    let opened = apply(gate, input).map(activated)
    return apply(block.down, zip(opened, up).map { $0 * $1 })
  }

  private func rotated(
    _ head: Row, _ position: Int, _ rotary: NetworkConfiguration.Rotary
  ) -> Row {
    var head = head
    let half = rotary.dimensions / 2
    for (i, frequency) in rotary.frequencies.enumerated() {
      let angle = Double(position) * frequency
      let a = rotary.pairsNeighbours ? 2 * i : i
      let b = rotary.pairsNeighbours ? 2 * i + 1 : i + half
      (head[a], head[b]) = (
        head[a] * cos(angle) - head[b] * sin(angle), head[a] * sin(angle) + head[b] * cos(angle)
      )
    }
    return head
  }

  private func normed(_ row: Row, _ norm: Norm) -> Row {
    let count = Double(row.count)
    let scaled: Row
    switch configuration.norm {
    case .rootMeanSquare(let epsilon):
      let mean = row.reduce(0) { $0 + $1 * $1 } / count
      scaled = row.map { $0 / (mean + Double(epsilon)).squareRoot() }
    case .layer(let epsilon):
      let mean = row.reduce(0, +) / count
      let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count
      scaled = row.map { ($0 - mean) / (variance + Double(epsilon)).squareRoot() }
    }
    let factored = zip(scaled, norm.weight).map { $0 * $1 }
    return norm.bias.map { sum(factored, $0) } ?? factored
  }

  private func activated(_ x: Double) -> Double {
    switch configuration.activation {
    case .gelu: 0.5 * x * (1 + erf(x * 0.5.squareRoot()))
    case .geluTanh: 0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
    case .silu: x / (1 + exp(-x))
    case .relu: max(x, 0)
    }
  }

  private func apply(_ part: Linear, _ input: Row) -> Row {
    let outputs = part.matrix.map { product($0, input) }
    return part.bias.map { sum(outputs, $0) } ?? outputs
  }

  private func product(_ a: Row, _ b: Row) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }

  private func sum(_ a: Row, _ b: Row) -> Row { zip(a, b).map { $0 + $1 } }
}

extension NetworkConfiguration.Rotary {
  /// The angle by which each pair turns from one position to the next.
  var frequencies: [Double] {
    (0..<dimensions / 2).map { i in
      let frequency = pow(base, -2 * Double(i) / Double(dimensions))
      switch scaling {
      case .none: return frequency
      case .linear(let factor): return frequency / factor
      case .divisors(let divisors): return frequency / Double(divisors[i])
      case .llama3(let factor, let lowFrequency, let highFrequency, let originalLength):
        let turns = Double(originalLength) * frequency / (2 * Double.pi)
        if turns < lowFrequency { return frequency / factor }
        if turns > highFrequency { return frequency }
        let share = (turns - lowFrequency) / (highFrequency - lowFrequency)
        return (1 - share) * frequency / factor + share * frequency
      }
    }
  }
}
