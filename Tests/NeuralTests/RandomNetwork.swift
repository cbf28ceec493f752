// Licensed under the Apache License, Version 2.0.

import Testing

@testable import Neural

/// A small network with random weights, of any shape that configurations can express.
struct RandomNetwork: Sendable, CustomTestStringConvertible {
  let name: String
  let configuration: NetworkConfiguration
  let weights: NetworkWeights

  var testDescription: String { name }

  /// One network for each way in which architectures differ.
  static let all: [RandomNetwork] = [
    make("gpt2", seed: 1) {
      $0.norm = .layer(epsilon: 1e-5)
      $0.activation = .geluTanh
      $0.isGated = false
      $0.positions = .learned(offset: 0)
    },
    make("gpt_neox", seed: 2) {
      $0.norm = .layer(epsilon: 1e-5)
      $0.activation = .gelu
      $0.isGated = false
      $0.isParallel = true
      $0.positions = .rotary(.init(base: 10_000, dimensions: 4, pairsNeighbours: false))
    },
    make("llama", seed: 3) { _ in },
    make("llama of GGUF files", seed: 4) {
      $0.positions = .rotary(.init(base: 10_000, dimensions: 8, pairsNeighbours: true))
    },
    make("llama 3", seed: 5) {
      $0.positions = .rotary(
        .init(
          base: 100, dimensions: 8, pairsNeighbours: false,
          scaling: .llama3(
            factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalLength: 16)))
    },
    make("linear scaling", seed: 6) {
      $0.activation = .relu
      $0.positions = .rotary(
        .init(base: 100, dimensions: 8, pairsNeighbours: false, scaling: .linear(factor: 2)))
    },
    make("mistral", seed: 7) { $0.blocks = [.init(window: 5), .init(window: 5)] },
    make("qwen2", seed: 8, hasBiases: true) { $0.keyValueHeads = 1 },
    make("qwen3", seed: 9, normsHeads: true) { $0.headSize = 4 },
    make("gemma3", seed: 10, normsHeads: true, normsResults: true) {
      $0.activation = .geluTanh
      $0.embeddingScale = 4
      $0.attentionScale = 0.5
      $0.blocks = [
        .init(
          window: 17, rotary: .init(base: 100, dimensions: 8, pairsNeighbours: false)), .init(),
      ]
    },
    make("bert", seed: 11, hasHeadTransform: true) {
      $0.norm = .layer(epsilon: 1e-12)
      $0.activation = .gelu
      $0.isGated = false
      $0.normsAfterSums = true
      $0.isBidirectional = true
      $0.positions = .learned(offset: 0)
    },
    make("roberta", seed: 12, hasHeadTransform: true) {
      $0.norm = .layer(epsilon: 1e-5)
      $0.activation = .gelu
      $0.isGated = false
      $0.normsAfterSums = true
      $0.isBidirectional = true
      $0.positions = .learned(offset: 2)
    },
  ]

  static let causal = all.filter { !$0.configuration.isBidirectional }
  static let masked = all.filter { $0.configuration.isBidirectional }

  static func make(
    _ name: String, seed: UInt64, vocabularySize: Int = 11, hasBiases: Bool = false,
    normsHeads: Bool = false, normsResults: Bool = false, hasHeadTransform: Bool = false,
    change: (inout NetworkConfiguration) -> Void
  ) -> RandomNetwork {
    var random = RandomNumbers(seed: seed)
    var sizes = NetworkConfiguration(
      architecture: .llama, vocabularySize: vocabularySize, width: 16, heads: 4, keyValueHeads: 2,
      headSize: 8, feedForwardWidth: 24, contextLength: 64, norm: .rootMeanSquare(epsilon: 1e-6),
      activation: .silu, isGated: true,
      positions: .rotary(.init(base: 10_000, dimensions: 8, pairsNeighbours: false)),
      blocks: [.init(), .init()], attentionScale: 0.35)
    change(&sizes)
    if case .rotary(var rotary) = sizes.positions, rotary.dimensions > sizes.headSize {
      rotary.dimensions = sizes.headSize
      sizes.positions = .rotary(rotary)
    }
    let isLayerNorm = if case .layer = sizes.norm { true } else { false }
    func tensor(_ shape: [Int], mean: Float = 0, spread: Float) -> Tensor {
      let count = shape.reduce(1, *)
      return Tensor(
        name: "random", shape: shape,
        values: (0..<count).map { _ in mean + spread * random.number() })
    }
    func linear(_ outputs: Int, _ inputs: Int, _ bias: Bool) -> NetworkWeights.Linear {
      .init(
        tensor([outputs, inputs], spread: 1.6 / Float(inputs).squareRoot()),
        bias: bias ? tensor([outputs], spread: 0.3) : nil)
    }
    func norm(_ size: Int) -> NetworkWeights.Norm {
      .init(
        tensor([size], mean: 1, spread: 0.3),
        bias: isLayerNorm ? tensor([size], spread: 0.3) : nil)
    }
    let width = sizes.width
    let attention = sizes.heads * sizes.headSize
    let keyValue = sizes.keyValueHeads * sizes.headSize
    let blocks = sizes.blocks.map { _ in
      NetworkWeights.Block(
        attentionNorm: norm(width), query: linear(attention, width, hasBiases || isLayerNorm),
        key: linear(keyValue, width, hasBiases || isLayerNorm),
        value: linear(keyValue, width, hasBiases || isLayerNorm),
        queryNorm: normsHeads ? norm(sizes.headSize) : nil,
        keyNorm: normsHeads ? norm(sizes.headSize) : nil,
        attentionOutput: linear(width, attention, isLayerNorm),
        postAttentionNorm: normsResults ? norm(width) : nil, feedForwardNorm: norm(width),
        gate: sizes.isGated ? linear(sizes.feedForwardWidth, width, false) : nil,
        up: linear(sizes.feedForwardWidth, width, isLayerNorm),
        down: linear(width, sizes.feedForwardWidth, isLayerNorm),
        postFeedForwardNorm: normsResults ? norm(width) : nil)
    }
    var learned: Int?
    if case .learned(let offset) = sizes.positions { learned = sizes.contextLength + offset }
    let weights = NetworkWeights(
      tokenEmbedding: tensor([vocabularySize, width], spread: 1),
      positionEmbedding: learned.map { tensor([$0, width], spread: 0.5) },
      typeEmbedding: hasHeadTransform ? tensor([2, width], spread: 0.5) : nil,
      embeddingNorm: hasHeadTransform ? norm(width) : nil, blocks: blocks,
      finalNorm: sizes.normsAfterSums ? nil : norm(width),
      headTransform: hasHeadTransform
        ? .init(dense: linear(width, width, true), norm: norm(width)) : nil,
      head: linear(vocabularySize, width, hasHeadTransform))
    return RandomNetwork(name: name, configuration: sizes, weights: weights)
  }

  func open(threads: Int = 1, memory: Int = 1 << 20) -> Network {
    // Pieces are tiny, so that threads share even these networks.
    Network(configuration, weights, threads: threads, memory: memory, pieceCost: 100)
  }
}

/// Numbers of a small generator, the same on all platforms.
struct RandomNumbers: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 }

  // SplitMix64 (Steele, Lea and Flood 2014).
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  /// Between -1 and 1.
  mutating func number() -> Float { Float(Int64(bitPattern: next()) >> 40) / Float(1 << 23) }

  mutating func tokens(_ count: Int, below size: Int) -> [Int32] {
    (0..<count).map { _ in Int32(next() % UInt64(size)) }
  }
}
