// Licensed under the Apache License, Version 2.0.

/// BERT (Devlin 2018) and RoBERTa (Liu 2019): every position sees all; a masked head or none.
enum BERT {
  static func configuration(_ source: GGUFSource) throws(NeuralError) -> NetworkConfiguration {
    try source.refuse("attention.causal")
    let width = try source.size("embedding_length")
    return try configuration(
      .bert, vocabularySize: source.vocabularySize(), width: width,
      heads: source.size("attention.head_count"), blocks: source.size("block_count", most: 4096),
      feedForwardWidth: source.size("feed_forward_length"),
      contextLength: source.size("context_length"),
      epsilon: source.epsilon("attention.layer_norm_epsilon", default: 1e-12), activation: .gelu,
      offset: 0)
  }

  static func configuration(
    _ source: JSONSource, _ architecture: NetworkConfiguration.Architecture
  ) throws(NeuralError) -> NetworkConfiguration {
    try source.refuse("is_decoder")
    try source.refuse("add_cross_attention")
    if let kind = try source.optionalString("position_embedding_type"), kind != "absolute" {
      throw NeuralError(
        "\(source.title("position_embedding_type")) is not supported (found '\(kind)', expected "
          + "absolute)")
    }
    // RoBERTa counts positions from behind the padding token on.
    let offset =
      try architecture == .roberta ? (source.optionalInteger("pad_token_id") ?? 1) + 1 : 0
    let rows = try source.size("max_position_embeddings", default: 512)
    guard offset >= 0 && offset < rows else {
      throw NeuralError(
        "\(source.title("pad_token_id")) is wrong (found \(offset - 1), expected less than "
          + "\(rows - 1))")
    }
    return try configuration(
      architecture, vocabularySize: source.size("vocab_size", default: 30_522),
      width: source.size("hidden_size", default: 768),
      heads: source.size("num_attention_heads", default: 12),
      blocks: source.size("num_hidden_layers", default: 12, most: 4096),
      feedForwardWidth: source.size("intermediate_size", default: 3072),
      contextLength: rows - offset, epsilon: source.epsilon("layer_norm_eps", default: 1e-12),
      activation: source.activation("hidden_act", default: "gelu"), offset: offset)
  }

  private static func configuration(
    _ architecture: NetworkConfiguration.Architecture, vocabularySize: Int, width: Int, heads: Int,
    blocks: Int, feedForwardWidth: Int, contextLength: Int, epsilon: Float,
    activation: NetworkConfiguration.Activation, offset: Int
  ) throws(NeuralError) -> NetworkConfiguration {
    let headSize = try GGUFSource.headSize(width: width, heads: heads)
    var result = NetworkConfiguration(
      architecture: architecture, vocabularySize: vocabularySize, width: width, heads: heads,
      keyValueHeads: heads, headSize: headSize, feedForwardWidth: feedForwardWidth,
      contextLength: contextLength, norm: .layer(epsilon: epsilon), activation: activation,
      isGated: false, positions: .learned(offset: offset),
      blocks: Array(repeating: .init(), count: blocks),
      attentionScale: Float(1 / Double(headSize).squareRoot()))
    result.normsAfterSums = true
    result.isBidirectional = true
    return result
  }

  static var gguf: NetworkLayout {
    var layout = NetworkLayout(names: NetworkLayout.ggufNames)
    layout.names[.attentionNorm] = "blk.#.attn_output_norm"
    layout.names[.feedForwardNorm] = "blk.#.layer_output_norm"
    layout.attentionBias = .required
    layout.attentionOutputBias = .required
    layout.feedForwardBias = .required
    layout.head = .none
    layout.hasFinalNorm = false
    layout.isIgnored = { $0.hasPrefix("cls.") || $0.hasPrefix("cls_") }
    return layout
  }

  static func folder(
    _ architecture: NetworkConfiguration.Architecture, _ table: TensorTable
  ) -> NetworkLayout {
    let isRoBERTa = architecture == .roberta
    let dense = isRoBERTa ? "lm_head.dense" : "cls.predictions.transform.dense"
    var layout = NetworkLayout(names: [
      .tokenEmbedding: "embeddings.word_embeddings",
      .positionEmbedding: "embeddings.position_embeddings",
      .typeEmbedding: "embeddings.token_type_embeddings", .embeddingNorm: "embeddings.LayerNorm",
      .query: "encoder.layer.#.attention.self.query", .key: "encoder.layer.#.attention.self.key",
      .value: "encoder.layer.#.attention.self.value",
      .attentionOutput: "encoder.layer.#.attention.output.dense",
      .attentionNorm: "encoder.layer.#.attention.output.LayerNorm",
      .up: "encoder.layer.#.intermediate.dense", .down: "encoder.layer.#.output.dense",
      .feedForwardNorm: "encoder.layer.#.output.LayerNorm",
      .headDense: dense,
      .headNorm: isRoBERTa ? "lm_head.layer_norm" : "cls.predictions.transform.LayerNorm",
      .head: isRoBERTa ? "lm_head.decoder" : "cls.predictions.decoder",
    ])
    let trunk = isRoBERTa ? "roberta." : "bert."
    layout.prefixes = [trunk, ""]
    layout.unprefixed = [.headDense, .headNorm, .head]
    layout.attentionBias = .required
    layout.attentionOutputBias = .required
    layout.feedForwardBias = .required
    layout.hasFinalNorm = false
    let hasHead = table.contains(dense + ".weight")
    layout.head = hasHead ? .ownOrTied : .none
    if hasHead {
      // The decoder's own bias is the one that is added, where a file has both.
      layout.headBias =
        isRoBERTa
        ? ["lm_head.decoder.bias", "lm_head.bias"]
        : ["cls.predictions.decoder.bias", "cls.predictions.bias"]
    }
    // Poolers and heads for other tasks.
    layout.isIgnored = { name in
      let own = name.hasPrefix(trunk) ? name.dropFirst(trunk.count) : name[...]
      return !own.hasPrefix("encoder.") && !own.hasPrefix("embeddings.")
        || own == "embeddings.position_ids"
    }
    return layout
  }
}
