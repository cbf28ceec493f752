// Licensed under the Apache License, Version 2.0.

/// GPT-NeoX (Black 2022; Pythia): part of each head is rotated, both parts of a block read its input.
enum GPTNeoX {
  static func configuration(_ source: GGUFSource) throws(NeuralError) -> NetworkConfiguration {
    let width = try source.size("embedding_length")
    let heads = try source.size("attention.head_count")
    let headSize = try source.headSize(width: width, heads: heads)
    var result = try configuration(
      vocabularySize: source.vocabularySize(), width: width, heads: heads,
      blocks: source.size("block_count", most: 4096),
      feedForwardWidth: source.size("feed_forward_length"),
      contextLength: source.size("context_length"),
      epsilon: source.epsilon("attention.layer_norm_epsilon"),
      // The file does not say which; the published models use the error function.
      activation: .gelu, rotary: source.rotary(headSize: headSize, pairsNeighbours: false))
    result.isParallel = try source.flag("use_parallel_residual", default: true)
    return result
  }

  static func configuration(_ source: JSONSource) throws(NeuralError) -> NetworkConfiguration {
    let width = try source.size("hidden_size", default: 6144)
    let heads = try source.size("num_attention_heads", default: 64)
    let headSize = try GGUFSource.headSize(width: width, heads: heads)
    var result = try configuration(
      vocabularySize: source.size("vocab_size", default: 50_432), width: width, heads: heads,
      blocks: source.size("num_hidden_layers", default: 44, most: 4096),
      feedForwardWidth: source.size("intermediate_size", default: 24_576),
      contextLength: source.size("max_position_embeddings", default: 2048),
      epsilon: source.epsilon("layer_norm_eps", default: 1e-5),
      activation: source.activation("hidden_act", default: "gelu"),
      rotary: source.rotary(
        headSize: headSize, baseKeys: ["rotary_emb_base", "rope_theta"], share: 0.25))
    result.isParallel = try source.flag("use_parallel_residual", default: true)
    return result
  }

  private static func configuration(
    vocabularySize: Int, width: Int, heads: Int, blocks: Int, feedForwardWidth: Int,
    contextLength: Int, epsilon: Float, activation: NetworkConfiguration.Activation,
    rotary: NetworkConfiguration.Rotary
  ) throws(NeuralError) -> NetworkConfiguration {
    try NetworkConfiguration(
      gpt: .gptNeoX, vocabularySize: vocabularySize, width: width, heads: heads, blocks: blocks,
      feedForwardWidth: feedForwardWidth, contextLength: contextLength, epsilon: epsilon,
      activation: activation, positions: .rotary(rotary))
  }

  static var gguf: NetworkLayout {
    var layout = NetworkLayout(names: NetworkLayout.ggufNames)
    layout.fusion = .stacked
    layout.attentionBias = .required
    layout.attentionOutputBias = .required
    layout.feedForwardBias = .required
    layout.head = .own
    return layout
  }

  static func folder(_ source: JSONSource) throws(NeuralError) -> NetworkLayout {
    var layout = NetworkLayout(names: [
      .tokenEmbedding: "gpt_neox.embed_in", .finalNorm: "gpt_neox.final_layer_norm",
      .head: "embed_out", .attentionNorm: "gpt_neox.layers.#.input_layernorm",
      .fused: "gpt_neox.layers.#.attention.query_key_value",
      .attentionOutput: "gpt_neox.layers.#.attention.dense",
      .feedForwardNorm: "gpt_neox.layers.#.post_attention_layernorm",
      .up: "gpt_neox.layers.#.mlp.dense_h_to_4h", .down: "gpt_neox.layers.#.mlp.dense_4h_to_h",
    ])
    layout.fusion = .perHead
    let hasBias = try source.flag("attention_bias", default: true)
    layout.attentionBias = hasBias ? .required : .never
    layout.attentionOutputBias = hasBias ? .required : .never
    layout.feedForwardBias = .required
    layout.head = try source.flag("tie_word_embeddings", default: false) ? .tied : .own
    layout.isIgnored = {
      $0.hasSuffix(".attention.bias") || $0.hasSuffix(".attention.masked_bias")
        || $0.hasSuffix(".rotary_emb.inv_freq")
    }
    return layout
  }
}
