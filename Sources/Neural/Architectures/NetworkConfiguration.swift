import Foundation

/// Sizes and choices of one network: what a file says about itself, checked.
///
/// Loaders fill it, the engine reads it. The architectures that are supported differ in these fields
/// only, so that the engine has one forward pass.
package struct NetworkConfiguration: Sendable, Equatable {
  package enum Architecture: String, Sendable, CaseIterable {
    case gpt2, gptNeoX = "gpt_neox", llama, mistral, qwen2, qwen3
    case gemma3, bert, roberta
  }

  package enum Norm: Sendable, Equatable {
    case layer(epsilon: Float)
    case rootMeanSquare(epsilon: Float)
  }

  package enum Activation: Sendable, Equatable {
    /// x Phi(x) by the error function.
    case gelu
    /// The approximation of `gelu` by tanh.
    case geluTanh
    /// x sigmoid(x).
    case silu
    case relu
  }

  package enum Positions: Sendable, Equatable {
    /// Row `position + offset` of a table is added to the embedding (RoBERTa: offset 2).
    case learned(offset: Int)
    case rotary(Rotary)
  }

  /// Rotary position embedding (Su 2021).
  package struct Rotary: Sendable, Equatable {
    package enum Scaling: Sendable, Equatable {
      case none
      /// Positions are divided by `factor`.
      case linear(factor: Double)
      /// Llama 3: low frequencies divided by `factor`, high ones kept, those between mixed.
      case llama3(
        factor: Double, lowFrequencyFactor: Double, highFrequencyFactor: Double,
        originalLength: Int)
      /// Frequency i is divided by number i; half as many as `dimensions` (GGUF files of Llama 3).
      case divisors([Float])
    }
    package var base: Double
    /// Numbers at the start of each head that are rotated; even, at most the size of a head.
    package var dimensions: Int
    /// Whether neighbours (2i, 2i+1) are rotated together (GGUF `llama`), or i with i + dimensions/2.
    package var pairsNeighbours: Bool
    package var scaling: Scaling
    package init(
      base: Double, dimensions: Int, pairsNeighbours: Bool, scaling: Scaling = .none
    ) {
      self.base = base
      self.dimensions = dimensions
      self.pairsNeighbours = pairsNeighbours
      self.scaling = scaling
    }
  }

  /// What differs from block to block.
  package struct Block: Sendable, Equatable {
    /// Positions that a position sees, itself included; nil: all before it.
    package var window: Int?
    /// Overrides the network's rotary embedding (Gemma 3: local blocks).
    package var rotary: Rotary?
    package init(window: Int? = nil, rotary: Rotary? = nil) {
      self.window = window
      self.rotary = rotary
    }
  }

  package var architecture: Architecture
  package var vocabularySize: Int
  /// Numbers in the residual stream of one position.
  package var width: Int
  package var heads: Int
  /// Heads of keys and values; divides `heads`.
  package var keyValueHeads: Int
  package var headSize: Int
  package var feedForwardWidth: Int
  /// Most positions that a text may have.
  package var contextLength: Int
  package var norm: Norm
  package var activation: Activation
  /// The feed-forward part is down(activation(gate x) * up x), not down(activation(up x)).
  package var isGated: Bool
  package var positions: Positions
  package var blocks: [Block]
  /// Norms stand behind each part's residual sum (BERT), not before the part.
  package var normsAfterSums: Bool = false
  /// Attention and feed-forward part both read the block's input (GPT-NeoX).
  package var isParallel: Bool = false
  /// Every position sees all (masked models, sentence embedders), not only what stands left.
  package var isBidirectional: Bool = false
  package var embeddingScale: Float = 1
  /// Factor on the products of queries and keys, usually 1 / sqrt(headSize).
  package var attentionScale: Float

  package init(
    architecture: Architecture, vocabularySize: Int, width: Int, heads: Int, keyValueHeads: Int,
    headSize: Int, feedForwardWidth: Int, contextLength: Int, norm: Norm, activation: Activation,
    isGated: Bool, positions: Positions, blocks: [Block], attentionScale: Float
  ) {
    self.architecture = architecture
    self.vocabularySize = vocabularySize
    self.width = width
    self.heads = heads
    self.keyValueHeads = keyValueHeads
    self.headSize = headSize
    self.feedForwardWidth = feedForwardWidth
    self.contextLength = contextLength
    self.norm = norm
    self.activation = activation
    self.isGated = isGated
    self.positions = positions
    self.blocks = blocks
    self.attentionScale = attentionScale
  }
}

extension NetworkConfiguration.Rotary {
  /// What each of the `dimensions / 2` frequencies base^(-2i / dimensions) is divided by.
  package var divisors: [Double] {
    let count = dimensions / 2
    switch scaling {
    case .none: return Array(repeating: 1, count: count)
    case .linear(let factor): return Array(repeating: factor, count: count)
    case .divisors(let divisors): return divisors.map { Double($0) }
    case .llama3(let factor, let low, let high, let originalLength):
      return (0..<count).map { i in
        let frequency = pow(base, -2 * Double(i) / Double(dimensions))
        // How often the angle goes round in the length of the first training.
        let turns = Double(originalLength) * frequency / (2 * .pi)
        if turns < low { return factor }
        if turns > high { return 1 }
        let share = (turns - low) / (high - low)
        return 1 / ((1 - share) / factor + share)
      }
    }
  }
}
