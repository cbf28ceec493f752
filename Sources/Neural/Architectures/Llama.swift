// Licensed under the Apache License, Version 2.0.

/// Llama (Touvron 2023) and what differs from it little: Mistral, Qwen2, Qwen3.
///
/// Root-mean-square norms, rotary positions, fewer heads of keys and values, gated feed-forward part.
enum Llama {
  static func configuration(
    _ source: GGUFSource, _ architecture: NetworkConfiguration.Architecture
  ) throws(NeuralError) -> NetworkConfiguration {
    let width = try source.size("embedding_length")
    let heads = try source.size("attention.head_count")
    let headSize = try source.headSize(width: width, heads: heads)
    if let experts = try source.optionalInteger("expert_count"), experts > 0 {
      throw NeuralError(
        "\(source.title("expert_count")) is \(experts): mixtures of experts are not supported")
    }
    let context = try source.size("context_length")
    let rotary = try source.rotary(
      headSize: headSize, pairsNeighbours: architecture == .llama)
    let window = try source.optionalInteger("attention.sliding_window").flatMap {
      $0 > 0 && $0 < context ? $0 : nil
    }
    return NetworkConfiguration(
      architecture: architecture, vocabularySize: try source.vocabularySize(), width: width,
      heads: heads, keyValueHeads: try source.size("attention.head_count_kv", default: heads),
      headSize: headSize, feedForwardWidth: try source.size("feed_forward_length"),
      contextLength: context,
      norm: .rootMeanSquare(epsilon: try source.epsilon("attention.layer_norm_rms_epsilon")),
      activation: .silu, isGated: true, positions: .rotary(rotary),
      blocks: Array(
        repeating: .init(window: window), count: try source.size("block_count", most: 4096)),
      attentionScale: Float(1 / Double(headSize).squareRoot()))
  }

  static func configuration(
    _ source: JSONSource, _ architecture: NetworkConfiguration.Architecture
  ) throws(NeuralError) -> NetworkConfiguration {
    let width = try source.size("hidden_size")
    let heads = try source.size("num_attention_heads")
    let stated = try source.optionalInteger("head_dim")
    let headSize =
      try architecture == .qwen3 && stated == nil
      ? 128 : source.headSize(width: width, heads: heads)
    let context = try source.size("max_position_embeddings", default: 2048)
    let rotary = try source.rotary(headSize: headSize, baseKeys: ["rope_theta"])
    let blocks = try source.size("num_hidden_layers", most: 4096)
    return NetworkConfiguration(
      architecture: architecture, vocabularySize: try source.size("vocab_size"), width: width,
      heads: heads, keyValueHeads: try source.size("num_key_value_heads", default: heads),
      headSize: headSize, feedForwardWidth: try source.size("intermediate_size"),
      contextLength: context,
      norm: .rootMeanSquare(epsilon: try source.epsilon("rms_norm_eps", default: 1e-6)),
      activation: try source.activation("hidden_act", default: "silu"), isGated: true,
      positions: .rotary(rotary),
      blocks: try windows(source, architecture, blocks: blocks).map {
        .init(window: $0.flatMap { $0 < context ? $0 : nil })
      },
      attentionScale: Float(1 / Double(headSize).squareRoot()))
  }

  /// How far each block sees.
  private static func windows(
    _ source: JSONSource, _ architecture: NetworkConfiguration.Architecture, blocks: Int
  ) throws(NeuralError) -> [Int?] {
    switch architecture {
    case .mistral:
      // An absent key means 4096 there, null none.
      guard source.value.object?["sliding_window"] != .null else {
        return Array(repeating: nil, count: blocks)
      }
      let window = try source.size("sliding_window", default: 4096)
      return Array(repeating: window, count: blocks)
    case .qwen2, .qwen3:
      guard try source.flag("use_sliding_window", default: false) else {
        return Array(repeating: nil, count: blocks)
      }
      let window = try source.size("sliding_window", default: 4096)
      if let kinds = try source.blockKinds(count: blocks) { return kinds.map { $0 ? window : nil } }
      let first = try source.optionalInteger("max_window_layers") ?? 28
      return (0..<blocks).map { $0 >= first ? window : nil }
    default: return Array(repeating: nil, count: blocks)
    }
  }

  static func gguf(_ architecture: NetworkConfiguration.Architecture) -> NetworkLayout {
    var layout = NetworkLayout(names: NetworkLayout.ggufNames)
    layout.attentionBias = architecture == .qwen2 ? .required : .optional
    layout.attentionOutputBias = .optional
    layout.feedForwardBias = .optional
    layout.hasHeadNorms = architecture == .qwen3
    // The rotary embedding's divisors stand in the configuration.
    layout.isIgnored = { $0 == "rope_freqs.weight" }
    return layout
  }

  static func folder(
    _ source: JSONSource, _ architecture: NetworkConfiguration.Architecture
  ) throws(NeuralError) -> NetworkLayout {
    var layout = NetworkLayout(names: [
      .tokenEmbedding: "embed_tokens", .finalNorm: "norm", .head: "lm_head",
      .attentionNorm: "layers.#.input_layernorm", .query: "layers.#.self_attn.q_proj",
      .key: "layers.#.self_attn.k_proj", .value: "layers.#.self_attn.v_proj",
      .queryNorm: "layers.#.self_attn.q_norm", .keyNorm: "layers.#.self_attn.k_norm",
      .attentionOutput: "layers.#.self_attn.o_proj",
      .feedForwardNorm: "layers.#.post_attention_layernorm", .gate: "layers.#.mlp.gate_proj",
      .up: "layers.#.mlp.up_proj", .down: "layers.#.mlp.down_proj",
    ])
    layout.prefixes = ["model.", ""]
    layout.unprefixed = [.head]
    let hasBias = try source.flag("attention_bias", default: false)
    layout.attentionBias = hasBias || architecture == .qwen2 ? .required : .never
    layout.attentionOutputBias = hasBias ? .required : .never
    layout.feedForwardBias = try source.flag("mlp_bias", default: false) ? .required : .never
    layout.head = try source.flag("tie_word_embeddings", default: false) ? .tied : .own
    layout.hasHeadNorms = architecture == .qwen3
    layout.isIgnored = { $0.hasSuffix(".rotary_emb.inv_freq") }
    return layout
  }
}

extension JSONSource {
  /// Whether each block sees a window only, from 'layer_types'; nil if the key is absent.
  func blockKinds(count: Int) throws(NeuralError) -> [Bool]? {
    guard let kinds = value["layer_types"] else { return nil }
    guard let list = kinds.array, list.count == count else {
      throw NeuralError(
        "\(title("layer_types")) is wrong (found \(kinds.array.map { "\($0.count) entries" } ?? kinds.kind), "
          + "expected one for each of \(count) blocks)")
    }
    var result: [Bool] = []
    for kind in list {
      switch kind.string {
      case "sliding_attention": result.append(true)
      case "full_attention": result.append(false)
      case let other:
        throw NeuralError(
          "\(title("layer_types")) is not supported (found '\(other ?? kind.kind)', expected "
            + "sliding_attention or full_attention)")
      }
    }
    return result
  }
}
