// Licensed under the Apache License, Version 2.0.

/// GPT-2 (Radford 2019): learned positions, layer norm before each part, fused queries, keys, values.
enum GPT2 {
  static func configuration(_ source: GGUFSource) throws(NeuralError) -> NetworkConfiguration {
    let width = try source.size("embedding_length")
    return try configuration(
      vocabularySize: source.vocabularySize(), width: width,
      heads: source.size("attention.head_count"), blocks: source.size("block_count", most: 4096),
      feedForwardWidth: source.size("feed_forward_length", default: 4 * width),
      contextLength: source.size("context_length"),
      epsilon: source.epsilon("attention.layer_norm_epsilon", default: 1e-5),
      activation: .geluTanh)
  }

  static func configuration(_ source: JSONSource) throws(NeuralError) -> NetworkConfiguration {
    try source.refuse("scale_attn_by_inverse_layer_idx")
    try source.refuse("add_cross_attention")
    let width = try source.size("n_embd", default: 768)
    var result = try configuration(
      vocabularySize: source.size("vocab_size", default: 50_257), width: width,
      heads: source.size("n_head", default: 12),
      blocks: source.size("n_layer", default: 12, most: 4096),
      feedForwardWidth: source.size("n_inner", default: 4 * width),
      contextLength: source.size("n_positions", "n_ctx", default: 1024),
      epsilon: source.epsilon("layer_norm_epsilon", default: 1e-5),
      activation: source.activation("activation_function", default: "gelu_new"))
    if try !source.flag("scale_attn_weights", default: true) { result.attentionScale = 1 }
    return result
  }

  private static func configuration(
    vocabularySize: Int, width: Int, heads: Int, blocks: Int, feedForwardWidth: Int,
    contextLength: Int, epsilon: Float, activation: NetworkConfiguration.Activation
  ) throws(NeuralError) -> NetworkConfiguration {
    try NetworkConfiguration(
      gpt: .gpt2, vocabularySize: vocabularySize, width: width, heads: heads, blocks: blocks,
      feedForwardWidth: feedForwardWidth, contextLength: contextLength, epsilon: epsilon,
      activation: activation, positions: .learned(offset: 0))
  }

  static var gguf: NetworkLayout {
    var layout = NetworkLayout(names: NetworkLayout.ggufNames)
    layout.fusion = .stacked
    layout.attentionBias = .required
    layout.attentionOutputBias = .required
    layout.feedForwardBias = .required
    return layout
  }

  static func folder(_ source: JSONSource) throws(NeuralError) -> NetworkLayout {
    var layout = NetworkLayout(names: [
      .tokenEmbedding: "wte", .positionEmbedding: "wpe", .finalNorm: "ln_f", .head: "lm_head",
      .attentionNorm: "h.#.ln_1", .fused: "h.#.attn.c_attn", .attentionOutput: "h.#.attn.c_proj",
      .feedForwardNorm: "h.#.ln_2", .up: "h.#.mlp.c_fc", .down: "h.#.mlp.c_proj",
    ])
    layout.prefixes = ["transformer.", ""]
    layout.unprefixed = [.head]
    layout.fusion = .stacked
    layout.isTransposed = true
    layout.attentionBias = .required
    layout.attentionOutputBias = .required
    layout.feedForwardBias = .required
    layout.head = try source.flag("tie_word_embeddings", default: true) ? .tied : .own
    // The causal mask, which early files store as a tensor.
    layout.isIgnored = { $0.hasSuffix(".attn.bias") || $0.hasSuffix(".attn.masked_bias") }
    return layout
  }
}

extension NetworkConfiguration {
  /// The sizes of GPT-2 and of what was made after it: whole heads, layer norms, no gates.
  init(
    gpt architecture: Architecture, vocabularySize: Int, width: Int, heads: Int, blocks: Int,
    feedForwardWidth: Int, contextLength: Int, epsilon: Float, activation: Activation,
    positions: Positions
  ) throws(NeuralError) {
    let headSize = try GGUFSource.headSize(width: width, heads: heads)
    self.init(
      architecture: architecture, vocabularySize: vocabularySize, width: width, heads: heads,
      keyValueHeads: heads, headSize: headSize, feedForwardWidth: feedForwardWidth,
      contextLength: contextLength, norm: .layer(epsilon: epsilon), activation: activation,
      isGated: false, positions: positions, blocks: Array(repeating: .init(), count: blocks),
      attentionScale: Float(1 / Double(headSize).squareRoot()))
  }
}
