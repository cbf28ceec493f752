// Licensed under the Apache License, Version 2.0.

/// Writes a folder in Hugging Face's layout as a GGUF file that llama.cpp reads.
///
/// Matrices are rounded to the nearest as llama.cpp rounds them; rows that are no whole number of
/// blocks are written as F16. Vectors and the tables of positions and types stay F32.
package struct GGUFConversion {
  /// What the GGUF file says differently, in sentences.
  package private(set) var notes: [String] = []
  private var writer = GGUFWriter()

  /// - Throws: `NeuralError` without the path.
  package static func write(
    _ network: NetworkFile, to path: String, as type: TensorType
  ) throws(NeuralError) -> GGUFConversion {
    guard TensorType.written.contains(type) else {
      throw NeuralError(
        "\(type.rawValue) is not written (expected "
          + TensorType.written.map(\.rawValue).joined(separator: ", ") + ")")
    }
    guard case .folder(let folder) = network.tokenizer else {
      throw NeuralError("only folders in Hugging Face's layout are converted")
    }
    guard network.weights.headTransform == nil else {
      throw NeuralError("GGUF files cannot hold the head of a masked model. Use the folder.")
    }
    var conversion = GGUFConversion()
    let sizes = network.configuration
    try conversion.addSizes(sizes, network.description, type)
    try conversion.addTokenizer(
      TokenizerMetadata(folder: folder, vocabularySize: sizes.vocabularySize), network.description)
    try conversion.addWeights(network.weights, sizes, type)
    try conversion.writer.write(to: path)
    return conversion
  }

  private static func name(
    _ architecture: NetworkConfiguration.Architecture
  ) throws(NeuralError) -> String {
    switch architecture {
    case .gpt2: "gpt2"
    case .gptNeoX: "gptneox"
    case .llama, .mistral: "llama"
    case .qwen2: "qwen2"
    case .qwen3: "qwen3"
    case .gemma3: "gemma3"
    case .bert: "bert"
    case .roberta:
      throw NeuralError("RoBERTa is not converted to GGUF. Use the folder.")
    }
  }

  private mutating func addSizes(
    _ sizes: NetworkConfiguration, _ description: NetworkDescription, _ type: TensorType
  ) throws(NeuralError) {
    let name = try Self.name(sizes.architecture)
    writer.add("general.architecture", name)
    writer.add("general.type", "model")
    if let own = description.name { writer.add("general.name", own) }
    if let licence = description.licence, !licence.hasPrefix("see ") {
      writer.add("general.license", licence)
    }
    let kinds: [TensorType: Int] = [.f32: 0, .f16: 1, .q4_1: 3, .q8_0: 7]
    try writer.add("general.file_type", kinds[type] ?? 0)
    try writer.add("general.quantization_version", 2)
    try writer.add("\(name).context_length", contextLength(sizes))
    try writer.add("\(name).embedding_length", sizes.width)
    try writer.add("\(name).block_count", sizes.blocks.count)
    try writer.add("\(name).feed_forward_length", sizes.feedForwardWidth)
    try writer.add("\(name).attention.head_count", sizes.heads)
    try writer.add("\(name).vocab_size", sizes.vocabularySize)
    switch sizes.norm {
    case .layer(let epsilon): writer.add("\(name).attention.layer_norm_epsilon", epsilon)
    case .rootMeanSquare(let epsilon):
      writer.add("\(name).attention.layer_norm_rms_epsilon", epsilon)
    }
    if sizes.architecture == .bert {
      writer.add("\(name).attention.causal", false)
      // The mean over all positions.
      try writer.add("\(name).pooling_type", 1)
      try writer.add("tokenizer.ggml.token_type_count", 2)
    }
    if sizes.architecture == .gptNeoX {
      writer.add("\(name).use_parallel_residual", sizes.isParallel)
    }
    try checkRepresentable(sizes)
    guard case .rotary(let rotary) = sizes.positions else { return }
    try writer.add("\(name).attention.head_count_kv", sizes.keyValueHeads)
    try writer.add("\(name).attention.key_length", sizes.headSize)
    try writer.add("\(name).attention.value_length", sizes.headSize)
    try writer.add("\(name).rope.dimension_count", rotary.dimensions)
    writer.add("\(name).rope.freq_base", Float(rotary.base))
    switch rotary.scaling {
    case .none: break
    case .linear(let factor):
      writer.add("\(name).rope.scaling.type", "linear")
      writer.add("\(name).rope.scaling.factor", Float(factor))
    case .llama3, .divisors:
      let divisors = rotary.divisors.map { Float($0) }
      try writer.add(
        "rope_freqs.weight",
        [.init(Tensor(name: "rope_freqs", shape: [divisors.count], values: divisors))], as: .f32)
    }
    if sizes.architecture == .gemma3 {
      let window = sizes.blocks.lazy.compactMap(\.window).first ?? sizes.contextLength
      try writer.add("\(name).attention.sliding_window", window)
    }
  }

  /// Blocks of Gemma 3 may see a window; elsewhere GGUF files cannot say so.
  private mutating func contextLength(_ sizes: NetworkConfiguration) -> Int {
    guard sizes.architecture != .gemma3,
      let window = sizes.blocks.lazy.compactMap(\.window).min()
    else { return sizes.contextLength }
    notes.append(
      "The context length is \(window), not \(sizes.contextLength): llama.cpp knows no attention "
        + "window for this architecture, and up to \(window) tokens it makes no difference.")
    return window
  }

  /// Throws where llama.cpp would compute something else from the file.
  private func checkRepresentable(_ sizes: NetworkConfiguration) throws(NeuralError) {
    let usual = Float(1 / Double(sizes.headSize).squareRoot())
    guard sizes.attentionScale == usual else {
      throw NeuralError(
        "llama.cpp fixes the scale of attention (found \(sizes.attentionScale), expected \(usual))")
    }
    let activation: NetworkConfiguration.Activation =
      switch sizes.architecture {
      case .gpt2, .gemma3: .geluTanh
      case .gptNeoX, .bert, .roberta: .gelu
      default: .silu
      }
    guard sizes.activation == activation else {
      throw NeuralError(
        "llama.cpp fixes the activation (found \(sizes.activation), expected \(activation))")
    }
    guard sizes.architecture == .gemma3 else { return }
    for (i, block) in sizes.blocks.enumerated() {
      let isGlobal = (i + 1) % 6 == 0
      guard isGlobal == (block.rotary == nil),
        isGlobal
          || block.rotary?.base == 10_000
            && block.rotary?.scaling == NetworkConfiguration.Rotary.Scaling.none
      else {
        throw NeuralError(
          "llama.cpp fixes which blocks are local and how they rotate, and block \(i) differs")
      }
    }
  }

  private mutating func addTokenizer(
    _ tokenizer: TokenizerMetadata, _ description: NetworkDescription
  ) throws(NeuralError) {
    writer.add("tokenizer.ggml.model", tokenizer.model)
    if let pre = tokenizer.pre { writer.add("tokenizer.ggml.pre", pre) }
    writer.add("tokenizer.ggml.tokens", tokenizer.tokens)
    writer.add("tokenizer.ggml.token_type", tokenizer.kinds.map(\.rawValue))
    if let scores = tokenizer.scores { writer.add("tokenizer.ggml.scores", scores) }
    if let merges = tokenizer.merges { writer.add("tokenizer.ggml.merges", merges) }
    let tokens = description.tokens
    var roles = tokenizer.roles.filter { role in
      !(role.name == "bos" && tokens.begin != nil || role.name == "eos" && !tokens.ends.isEmpty)
    }
    if let begin = tokens.begin { roles.append(("bos", Int(begin))) }
    if let end = tokens.ends.first { roles.append(("eos", Int(end))) }
    if tokens.ends.count > 1 { roles.append(("eot", Int(tokens.ends[1]))) }
    if let padding = tokens.padding, !roles.contains(where: { $0.name == "padding" }) {
      roles.append(("padding", Int(padding)))
    }
    for role in roles { try writer.add("tokenizer.ggml.\(role.name)_token_id", role.token) }
    if let adds = tokens.addsBegin { writer.add("tokenizer.ggml.add_bos_token", adds) }
    if let adds = tokens.addsEnd { writer.add("tokenizer.ggml.add_eos_token", adds) }
    if let adds = tokenizer.addsSpacePrefix { writer.add("tokenizer.ggml.add_space_prefix", adds) }
    if let template = description.chatTemplate { writer.add("tokenizer.chat_template", template) }
  }

  private mutating func addWeights(
    _ weights: NetworkWeights, _ sizes: NetworkConfiguration, _ type: TensorType
  ) throws(NeuralError) {
    try add(.tokenEmbedding, weights.tokenEmbedding, type)
    try add(.positionEmbedding, weights.positionEmbedding, .f32)
    try add(.typeEmbedding, weights.typeEmbedding, .f32)
    try add(.embeddingNorm, nil, weights.embeddingNorm)
    try add(.finalNorm, nil, weights.finalNorm)
    if let head = weights.head?.matrix,
      unsafe head.bytes.baseAddress != weights.tokenEmbedding.bytes.baseAddress
    {
      try add(.head, head, type)
    }
    for (i, block) in weights.blocks.enumerated() { try add(block, i, sizes, type) }
  }

  private mutating func add(
    _ block: NetworkWeights.Block, _ i: Int, _ sizes: NetworkConfiguration, _ type: TensorType
  ) throws(NeuralError) {
    let names = sizes.architecture == .bert ? BERT.gguf.names : NetworkLayout.ggufNames
    func name(_ part: NetworkPart) -> String {
      (names[part] ?? part.rawValue).replacing("#", with: "\(i)")
    }
    try addNorm(name(.attentionNorm), block.attentionNorm)
    try addNorm(name(.feedForwardNorm), block.feedForwardNorm)
    try addNorm(name(.queryNorm), block.queryNorm)
    try addNorm(name(.keyNorm), block.keyNorm)
    try addNorm(name(.postAttentionNorm), block.postAttentionNorm)
    try addNorm(name(.postFeedForwardNorm), block.postFeedForwardNorm)
    if sizes.architecture == .gpt2 || sizes.architecture == .gptNeoX {
      let all = [block.query, block.key, block.value]
      try writer.add("\(name(.fused)).weight", all.map { .init($0.matrix) }, as: type)
      let biases = all.compactMap(\.bias)
      if biases.count == 3 {
        try writer.add("\(name(.fused)).bias", biases.map { .init($0) }, as: .f32)
      }
    } else {
      try addLinear(name(.query), block.query, type, order: neighbours(sizes, heads: sizes.heads))
      try addLinear(
        name(.key), block.key, type, order: neighbours(sizes, heads: sizes.keyValueHeads))
      try addLinear(name(.value), block.value, type)
    }
    try addLinear(name(.attentionOutput), block.attentionOutput, type)
    try addLinear(name(.gate), block.gate, type)
    try addLinear(name(.up), block.up, type)
    try addLinear(name(.down), block.down, type)
  }

  /// The rows of queries or keys so that numbers rotated together are neighbours, as `llama` wants it.
  private func neighbours(_ sizes: NetworkConfiguration, heads: Int) -> [Int]? {
    guard sizes.architecture == .llama || sizes.architecture == .mistral,
      case .rotary(let rotary) = sizes.positions, !rotary.pairsNeighbours
    else { return nil }
    let (size, half) = (sizes.headSize, rotary.dimensions / 2)
    return (0..<heads).flatMap { head in
      (0..<size).map { i in
        let own = i < 2 * half ? i / 2 + i % 2 * half : i
        return head * size + own
      }
    }
  }

  private mutating func add(
    _ part: NetworkPart, _ tensor: Tensor?, _ type: TensorType
  ) throws(NeuralError) {
    guard let tensor else { return }
    try writer.add("\(part.rawValue).weight", [.init(tensor)], as: type)
  }

  private mutating func add(
    _ part: NetworkPart, _ block: Int?, _ norm: NetworkWeights.Norm?
  ) throws(NeuralError) {
    try addNorm(part.rawValue, norm)
  }

  private mutating func addNorm(
    _ name: String, _ norm: NetworkWeights.Norm?
  ) throws(NeuralError) {
    guard let norm else { return }
    try writer.add("\(name).weight", [.init(norm.weight)], as: .f32)
    if let bias = norm.bias { try writer.add("\(name).bias", [.init(bias)], as: .f32) }
  }

  private mutating func addLinear(
    _ name: String, _ linear: NetworkWeights.Linear?, _ type: TensorType, order: [Int]? = nil
  ) throws(NeuralError) {
    guard let linear else { return }
    try writer.add("\(name).weight", [.init(linear.matrix, order: order)], as: type)
    if let bias = linear.bias {
      try writer.add("\(name).bias", [.init(bias, order: order)], as: .f32)
    }
  }
}
