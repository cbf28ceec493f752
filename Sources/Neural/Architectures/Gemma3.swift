// Licensed under the Apache License, Version 2.0.

/// Gemma 3 (2025): local and global blocks, norms on both sides of each part and on each head.
enum Gemma3 {
  /// Every sixth block is global where a file says nothing else.
  private static let pattern = 6

  static func configuration(_ source: GGUFSource) throws(NeuralError) -> NetworkConfiguration {
    try source.refuseNumber("final_logit_softcapping")
    try source.refuseNumber("attn_logit_softcapping")
    let width = try source.size("embedding_length")
    let heads = try source.size("attention.head_count")
    let headSize = try source.headSize(width: width, heads: heads)
    let blocks = try source.size("block_count", most: 4096)
    let context = try source.size("context_length", default: 131_072)
    let global = try source.rotary(
      headSize: headSize, pairsNeighbours: false, defaultBase: 1_000_000)
    let local = NetworkConfiguration.Rotary(
      base: try source.positive("rope.freq_base_swa", default: 10_000),
      dimensions: global.dimensions, pairsNeighbours: false)
    let window = try source.size("attention.sliding_window", default: 1024)
    var result = NetworkConfiguration(
      architecture: .gemma3, vocabularySize: try source.vocabularySize(), width: width,
      heads: heads, keyValueHeads: try source.size("attention.head_count_kv", default: heads),
      headSize: headSize, feedForwardWidth: try source.size("feed_forward_length"),
      contextLength: context,
      norm: .rootMeanSquare(epsilon: try source.epsilon("attention.layer_norm_rms_epsilon")),
      activation: .geluTanh, isGated: true, positions: .rotary(global),
      blocks: (0..<blocks).map { i in
        (i + 1) % pattern == 0
          ? .init() : .init(window: window < context ? window : nil, rotary: local)
      },
      // The file does not say; the 27-billion model of 62 blocks is the exception.
      attentionScale: Float(
        1 / Double(blocks == 62 ? width / heads : headSize).squareRoot()))
    result.embeddingScale = Float(Double(width).squareRoot())
    return result
  }

  static func configuration(_ source: JSONSource) throws(NeuralError) -> NetworkConfiguration {
    try source.refuseNumber("final_logit_softcapping")
    try source.refuseNumber("attn_logit_softcapping")
    try source.refuse("use_bidirectional_attention")
    let width = try source.size("hidden_size", default: 2304)
    let headSize = try source.size("head_dim", default: 256, most: 1 << 16)
    let blocks = try source.size("num_hidden_layers", default: 26, most: 4096)
    let context = try source.size("max_position_embeddings", default: 131_072)
    let global = try source.rotary(
      headSize: headSize, kind: "full_attention", defaultBase: 1_000_000, baseKeys: ["rope_theta"])
    var local = NetworkConfiguration.Rotary(
      base: try source.positive("rope_local_base_freq", default: 10_000), dimensions: headSize,
      pairsNeighbours: false)
    if source.value["rope_parameters"]?["sliding_attention"] != nil {
      local = try source.rotary(headSize: headSize, kind: "sliding_attention", baseKeys: [])
    }
    let window = try source.size("sliding_window", default: 4096)
    let pattern = try source.size("sliding_window_pattern", default: pattern)
    let isLocal =
      try source.blockKinds(count: blocks) ?? (0..<blocks).map { ($0 + 1) % pattern != 0 }
    var result = NetworkConfiguration(
      architecture: .gemma3, vocabularySize: try source.size("vocab_size", default: 262_208),
      width: width, heads: try source.size("num_attention_heads", default: 8),
      keyValueHeads: try source.size("num_key_value_heads", default: 4), headSize: headSize,
      feedForwardWidth: try source.size("intermediate_size", default: 9216),
      contextLength: context,
      norm: .rootMeanSquare(epsilon: try source.epsilon("rms_norm_eps", default: 1e-6)),
      activation: try source.activation("hidden_activation", default: "gelu_pytorch_tanh"),
      isGated: true, positions: .rotary(global),
      blocks: isLocal.map {
        $0 ? .init(window: window < context ? window : nil, rotary: local) : .init()
      },
      attentionScale: Float(
        1 / (try source.positive("query_pre_attn_scalar", default: 256)).squareRoot()))
    result.embeddingScale = Float(Double(width).squareRoot())
    return result
  }

  static var gguf: NetworkLayout {
    var layout = NetworkLayout(names: NetworkLayout.ggufNames)
    layout.hasHeadNorms = true
    layout.hasPostNorms = true
    return layout
  }

  static func folder(_ source: JSONSource) throws(NeuralError) -> NetworkLayout {
    var layout = try Llama.folder(source, .gemma3)
    layout.names[.postAttentionNorm] = "layers.#.post_attention_layernorm"
    layout.names[.feedForwardNorm] = "layers.#.pre_feedforward_layernorm"
    layout.names[.postFeedForwardNorm] = "layers.#.post_feedforward_layernorm"
    layout.prefixes = ["model.", "language_model.model.", "model.language_model.", ""]
    layout.head = try source.flag("tie_word_embeddings", default: true) ? .tied : .own
    layout.hasHeadNorms = true
    layout.hasPostNorms = true
    layout.normOffset = 1
    // The parts that see pictures.
    layout.isIgnored = { $0.contains("vision_tower.") || $0.contains("multi_modal_projector.") }
    return layout
  }
}
