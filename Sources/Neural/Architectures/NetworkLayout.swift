// Licensed under the Apache License, Version 2.0.

/// A part of a network that files store as tensors; the raw value is its name in GGUF files.
enum NetworkPart: String, CaseIterable {
  case tokenEmbedding = "token_embd"
  case positionEmbedding = "position_embd"
  case typeEmbedding = "token_types"
  case embeddingNorm = "token_embd_norm"
  case finalNorm = "output_norm"
  case head = "output"
  case headDense = "head_dense"
  case headNorm = "head_norm"
  // Parts of a block.
  case attentionNorm = "attn_norm"
  case query = "attn_q"
  case key = "attn_k"
  case value = "attn_v"
  case fused = "attn_qkv"
  case queryNorm = "attn_q_norm"
  case keyNorm = "attn_k_norm"
  case attentionOutput = "attn_output"
  case postAttentionNorm = "post_attention_norm"
  case feedForwardNorm = "ffn_norm"
  case gate = "ffn_gate"
  case up = "ffn_up"
  case down = "ffn_down"
  case postFeedForwardNorm = "post_ffw_norm"

  var isInBlock: Bool {
    switch self {
    case .tokenEmbedding, .positionEmbedding, .typeEmbedding, .embeddingNorm, .finalNorm, .head,
      .headDense, .headNorm:
      false
    default: true
    }
  }
}

/// How one kind of file stores the tensors of one architecture.
struct NetworkLayout {
  enum Presence {
    case never, required
    /// Taken if the file has it.
    case optional
  }
  enum Fusion {
    /// Queries, keys and values have a matrix each.
    case none
    /// One matrix holds all queries, then all keys, then all values.
    case stacked
    /// One matrix holds queries, keys and values of the first head, then of the second, and so on.
    case perHead
  }
  enum Head {
    /// The head's matrix is the table of embeddings.
    case tied
    case own
    /// Its own matrix if the file has one, else tied.
    case ownOrTied
    /// A sentence embedder.
    case none
  }

  /// Names without ".weight" and ".bias"; '#' is the number of the block.
  var names: [NetworkPart: String]
  /// Where the names of the trunk may begin; the first that holds the table of embeddings counts.
  var prefixes: [String] = [""]
  /// Parts whose names stand as they are, without the prefix.
  var unprefixed: Set<NetworkPart> = []
  var fusion = Fusion.none
  /// Matrices are stored as `[inputs, outputs]` (GPT-2's Conv1D).
  var isTransposed = false
  var attentionBias = Presence.never
  var attentionOutputBias = Presence.never
  var feedForwardBias = Presence.never
  var head = Head.ownOrTied
  /// Name of the head's bias, candidates in order; none: no bias.
  var headBias: [String] = []
  var hasHeadNorms = false
  var hasPostNorms = false
  var hasFinalNorm = true
  /// Added to the factors of norms (Gemma's files hold the factor minus 1).
  var normOffset: Float = 0
  /// Tensors that do not belong to the network's forward pass; everything else must be used.
  var isIgnored: @Sendable (String) -> Bool = { _ in false }

  /// Names of GGUF files: the raw values, in blocks behind "blk.#.".
  static let ggufNames = Dictionary(
    uniqueKeysWithValues: NetworkPart.allCases.map {
      ($0, $0.isInBlock ? "blk.#.\($0.rawValue)" : $0.rawValue)
    })
}

/// Takes the tensors of a network out of a file and checks their shapes.
struct WeightReader {
  private let table: TensorTable
  private let layout: NetworkLayout
  private let prefix: String
  private var used: Set<String> = []

  init(_ table: TensorTable, _ layout: NetworkLayout) {
    self.table = table
    self.layout = layout
    let embedding = layout.names[.tokenEmbedding, default: "token_embd"] + ".weight"
    prefix = layout.prefixes.first { table.contains($0 + embedding) } ?? layout.prefixes[0]
  }

  /// All weights of a network.
  ///
  /// Matrices are views into the file, except where it stores them transposed or fused by head.
  /// Vectors are of type F32, finite, and copies where the file has other types.
  static func weights(
    _ table: TensorTable, _ layout: NetworkLayout, _ configuration: NetworkConfiguration
  ) throws(NeuralError) -> (weights: NetworkWeights, ignored: [String]) {
    var reader = WeightReader(table, layout)
    let weights = try reader.weights(configuration)
    var ignored: [String] = []
    for entry in table.entries where !reader.used.contains(entry.name) {
      guard layout.isIgnored(entry.name) else {
        throw NeuralError(
          "the tensor '\(entry.name)' does not belong to the architecture "
            + "'\(configuration.architecture.rawValue)' as gensample knows it, so the network would "
            + "compute something else without it")
      }
      ignored.append(entry.name)
    }
    return (weights, ignored)
  }

  func name(_ part: NetworkPart, _ block: Int? = nil) -> String {
    let name = layout.names[part] ?? part.rawValue
    let own = block.map { name.replacing("#", with: "\($0)", maxReplacements: 1) } ?? name
    return layout.unprefixed.contains(part) ? own : prefix + own
  }

  private mutating func weights(
    _ sizes: NetworkConfiguration
  ) throws(NeuralError) -> NetworkWeights {
    let width = sizes.width
    let embedding = try matrix(
      name(.tokenEmbedding) + ".weight", rows: sizes.vocabularySize, columns: width)
    var result = NetworkWeights(tokenEmbedding: embedding, blocks: [])
    if case .learned(let offset) = sizes.positions {
      result.positionEmbedding = try matrix(
        name(.positionEmbedding) + ".weight", rows: sizes.contextLength + offset, columns: width)
    }
    let isMasked = sizes.architecture == .bert || sizes.architecture == .roberta
    if isMasked {
      let types = name(.typeEmbedding) + ".weight"
      let shape = table[types]?.shape ?? [2, width]
      result.typeEmbedding = try matrix(
        types, rows: shape.count == 2 ? shape[0] : 2, columns: width)
      result.embeddingNorm = try norm(name(.embeddingNorm), width, sizes.norm)
    }
    for block in sizes.blocks.indices { result.blocks.append(try self.block(block, sizes)) }
    if layout.hasFinalNorm { result.finalNorm = try norm(name(.finalNorm), width, sizes.norm) }
    if isMasked && layout.head != .none {
      result.headTransform = .init(
        dense: try linear(.headDense, nil, outputs: width, inputs: width, bias: .required),
        norm: try norm(name(.headNorm), width, sizes.norm))
    }
    try readHead(of: &result, sizes)
    return result
  }

  private mutating func readHead(
    of weights: inout NetworkWeights, _ sizes: NetworkConfiguration
  ) throws(NeuralError) {
    let own = name(.head) + ".weight"
    switch layout.head {
    case .none: return
    case .tied:
      weights.head = .init(weights.tokenEmbedding)
      // Some programs write the tied matrix a second time.
      if let entry = table[own], entry.shape == weights.tokenEmbedding.shape { used.insert(own) }
    case .ownOrTied where !table.contains(own): weights.head = .init(weights.tokenEmbedding)
    case .own, .ownOrTied:
      weights.head = .init(
        try matrix(own, rows: sizes.vocabularySize, columns: sizes.width))
    }
    guard let first = layout.headBias.first else { return }
    let present = layout.headBias.filter { table.contains($0) }
    weights.head?.bias = try vector(present.first ?? first, sizes.vocabularySize)
    used.formUnion(present)
  }

  private mutating func block(
    _ i: Int, _ sizes: NetworkConfiguration
  ) throws(NeuralError) -> NetworkWeights.Block {
    let width = sizes.width
    let attention = try attention(i, sizes)
    let output = try linear(
      .attentionOutput, i, outputs: width, inputs: sizes.heads * sizes.headSize,
      bias: layout.attentionOutputBias)
    let (inner, bias) = (sizes.feedForwardWidth, layout.feedForwardBias)
    var block = NetworkWeights.Block(
      attentionNorm: try norm(name(.attentionNorm, i), width, sizes.norm),
      query: attention[0], key: attention[1], value: attention[2], attentionOutput: output,
      feedForwardNorm: try norm(name(.feedForwardNorm, i), width, sizes.norm),
      up: try linear(.up, i, outputs: inner, inputs: width, bias: bias),
      down: try linear(.down, i, outputs: width, inputs: inner, bias: bias))
    if sizes.isGated {
      block.gate = try linear(.gate, i, outputs: inner, inputs: width, bias: bias)
    }
    if layout.hasHeadNorms {
      block.queryNorm = try norm(name(.queryNorm, i), sizes.headSize, sizes.norm)
      block.keyNorm = try norm(name(.keyNorm, i), sizes.headSize, sizes.norm)
    }
    if layout.hasPostNorms {
      block.postAttentionNorm = try norm(name(.postAttentionNorm, i), width, sizes.norm)
      block.postFeedForwardNorm = try norm(name(.postFeedForwardNorm, i), width, sizes.norm)
    }
    return block
  }

  /// Queries, keys and values.
  private mutating func attention(
    _ i: Int, _ sizes: NetworkConfiguration
  ) throws(NeuralError) -> [NetworkWeights.Linear] {
    let rows = sizes.heads * sizes.headSize
    let keyRows = sizes.keyValueHeads * sizes.headSize
    guard layout.fusion != .none else {
      return [
        try linear(.query, i, outputs: rows, inputs: sizes.width, bias: layout.attentionBias),
        try linear(.key, i, outputs: keyRows, inputs: sizes.width, bias: layout.attentionBias),
        try linear(.value, i, outputs: keyRows, inputs: sizes.width, bias: layout.attentionBias),
      ]
    }
    let all = try linear(
      .fused, i, outputs: rows + 2 * keyRows, inputs: sizes.width, bias: layout.attentionBias)
    let parts: [NetworkPart] = [.query, .key, .value]
    if layout.fusion == .stacked {
      let ends = [0, rows, rows + keyRows, rows + 2 * keyRows]
      return (0..<3).map { part in
        let range = ends[part]..<ends[part + 1]
        return .init(
          all.matrix.part(range, name: "\(all.matrix.name) (\(parts[part].rawValue))"),
          bias: all.bias?.part(range))
      }
    }
    let size = sizes.headSize
    return (0..<3).map { part in
      let order = (0..<sizes.heads).flatMap { head in
        (0..<size).map { (head * 3 + part) * size + $0 }
      }
      return .init(
        all.matrix.reordered(order, name: "\(all.matrix.name) (\(parts[part].rawValue))"),
        bias: all.bias?.reordered(order))
    }
  }

  private mutating func linear(
    _ part: NetworkPart, _ block: Int?, outputs: Int, inputs: Int, bias: NetworkLayout.Presence
  ) throws(NeuralError) -> NetworkWeights.Linear {
    let name = name(part, block)
    var result: NetworkWeights.Linear
    if layout.isTransposed {
      let stored = try matrix(name + ".weight", rows: inputs, columns: outputs)
      guard stored.type.blockLength == 1 else {
        throw NeuralError(
          "the tensor '\(stored.name)' is transposed and quantised, which is not supported (found "
            + "\(stored.type.rawValue), expected F32, F16 or BF16)")
      }
      result = .init(stored.transposed())
    } else {
      result = .init(try matrix(name + ".weight", rows: outputs, columns: inputs))
    }
    let hasBias = bias == .required || (bias == .optional && table.contains(name + ".bias"))
    if hasBias { result.bias = try vector(name + ".bias", outputs) }
    return result
  }

  private mutating func norm(
    _ name: String, _ width: Int, _ kind: NetworkConfiguration.Norm
  ) throws(NeuralError) -> NetworkWeights.Norm {
    // Files converted from TensorFlow spell the two gamma and beta.
    let weight = table.contains(name + ".gamma") ? ".gamma" : ".weight"
    let bias = table.contains(name + ".beta") ? ".beta" : ".bias"
    var result = NetworkWeights.Norm(
      try vector(name + weight, width, adding: layout.normOffset))
    if case .layer = kind { result.bias = try vector(name + bias, width) }
    return result
  }

  private mutating func matrix(
    _ name: String, rows: Int, columns: Int
  ) throws(NeuralError) -> Tensor {
    let tensor = try table.tensor(name)
    guard tensor.shape == [rows, columns] else {
      throw NeuralError(
        "the tensor '\(name)' has the wrong shape (found \(tensor.shape), expected "
          + "\([rows, columns]))")
    }
    guard columns % tensor.type.blockLength == 0 else {
      throw NeuralError(
        "a row of the tensor '\(name)' has no whole number of blocks (found \(columns) numbers, "
          + "expected a multiple of \(tensor.type.blockLength))")
    }
    used.insert(name)
    return tensor
  }

  private mutating func vector(
    _ name: String, _ count: Int, adding offset: Float = 0
  ) throws(NeuralError) -> Tensor {
    let tensor = try table.tensor(name)
    guard tensor.shape == [count] else {
      throw NeuralError(
        "the tensor '\(name)' has the wrong shape (found \(tensor.shape), expected \([count]))")
    }
    used.insert(name)
    var values = tensor.floats
    if let bad = values.firstIndex(where: { !$0.isFinite }) {
      throw NeuralError(
        "the tensor '\(name)' is damaged: number \(bad) is not finite (found \(values[bad]))")
    }
    if tensor.type == .f32 && offset == 0 { return tensor }
    if offset != 0 { for i in values.indices { values[i] += offset } }
    return Tensor(name: name, shape: [count], values: values)
  }
}
