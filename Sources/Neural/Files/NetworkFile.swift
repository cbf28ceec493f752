// Licensed under the Apache License, Version 2.0.

/// A network as it lies on disk: sizes, weights, and where its tokenizer is.
package struct NetworkFile: Sendable {
  /// Where a tokenizer for the network can be made from.
  package enum TokenizerSource: Sendable {
    /// The keys `tokenizer.ggml.*`.
    case gguf(GGUFFile)
    /// `tokenizer.json`, `vocab.json` + `merges.txt`, `vocab.txt` or `tokenizer.model` in a folder.
    case folder(String)
    /// A llama2.c checkpoint holds none; `tokenizer.bin` lies beside it.
    case none
  }

  package let path: String
  package let configuration: NetworkConfiguration
  package let weights: NetworkWeights
  package let tokenizer: TokenizerSource
  package let description: NetworkDescription
  /// The files that hold the weights.
  package let files: [MappedFile]

  /// What can be opened, for messages.
  package static let supported =
    "GGUF (llama, qwen2, qwen3, gemma3, gpt2, gptneox, bert), a folder with config.json (gpt2, "
    + "gpt_neox, llama, mistral, qwen2, qwen3, gemma3_text, bert, roberta) and safetensors, or a "
    + "llama2.c checkpoint"

  /// Opens a file or a folder; reads headers and small vectors, not the matrices.
  ///
  /// - Throws: `NeuralError` without the path.
  package static func open(_ path: String) throws(NeuralError) -> NetworkFile {
    guard FileSystem.exists(path) else {
      throw NeuralError("there is no such file or folder")
    }
    if FileSystem.isFolder(path) {
      let end = path.lastIndex { $0 != "/" } ?? path.startIndex
      return try folder(String(path[...end]))
    }
    let file = try MappedFile(path)
    if unsafe FileSystem.isPickle(file.bytes) { throw NeuralError(FileSystem.pickleAdvice) }
    if unsafe file.bytes.count >= 4
      && file.bytes.loadUnaligned(as: UInt32.self).littleEndian == GGUFFile.magic
    {
      return try gguf(GGUFFile(file))
    }
    if path.hasSuffix(".safetensors") {
      throw NeuralError(
        "weights alone are not enough. Give the folder that holds them and config.json.")
    }
    let checkpoint = try Llama2CFile(file)
    return NetworkFile(
      path: path, configuration: checkpoint.configuration, weights: checkpoint.weights,
      tokenizer: .none,
      description: NetworkDescription(
        format: "llama2.c checkpoint",
        tensors: checkpoint.weights.tensors.map {
          unsafe .init(
            name: $0.name, shape: $0.shape, typeName: $0.type.rawValue, byteCount: $0.bytes.count,
            tensor: $0)
        },
        // llama2.c fixes both.
        tokens: .init(begin: 1, ends: [2], addsBegin: true)),
      files: [file])
  }

  /// Opens a GGUF file that is in memory already.
  package static func open(_ file: MappedFile) throws(NeuralError) -> NetworkFile {
    try gguf(GGUFFile(file))
  }

  private static func gguf(_ file: GGUFFile) throws(NeuralError) -> NetworkFile {
    let name = try file.string("general.architecture") ?? ""
    let source = GGUFSource(file: file, architecture: name)
    let configuration: NetworkConfiguration
    let layout: NetworkLayout
    switch name {
    case "llama":
      (configuration, layout) = (try Llama.configuration(source, .llama), Llama.gguf(.llama))
    case "qwen2":
      (configuration, layout) = (try Llama.configuration(source, .qwen2), Llama.gguf(.qwen2))
    case "qwen3":
      (configuration, layout) = (try Llama.configuration(source, .qwen3), Llama.gguf(.qwen3))
    case "gemma3": (configuration, layout) = (try Gemma3.configuration(source), Gemma3.gguf)
    case "gpt2": (configuration, layout) = (try GPT2.configuration(source), GPT2.gguf)
    case "gptneox": (configuration, layout) = (try GPTNeoX.configuration(source), GPTNeoX.gguf)
    case "bert": (configuration, layout) = (try BERT.configuration(source), BERT.gguf)
    default:
      throw NeuralError("the architecture '\(name)' is not supported. Supported are: \(supported).")
    }
    try configuration.check()
    let (weights, ignored) = try WeightReader.weights(file.tensors, layout, configuration)
    let tokens = try NetworkDescription.Tokens(file)
    try tokens.check(vocabularySize: configuration.vocabularySize)
    return NetworkFile(
      path: file.file.path, configuration: configuration, weights: weights, tokenizer: .gguf(file),
      description: try NetworkDescription(
        file, tokens: tokens, ignored: ignored),
      files: [file.file])
  }

  private static func folder(_ path: String) throws(NeuralError) -> NetworkFile {
    let configPath = path + "/config.json"
    guard FileSystem.exists(configPath) else {
      let gguf = FileSystem.names(in: path).first { $0.hasSuffix(".gguf") }
      throw NeuralError(
        "the folder has no config.json"
          + (gguf.map { ". Give the file '\(path)/\($0)' itself." }
            ?? ", so this is no model in Hugging Face's layout"))
    }
    let config = try FileSystem.json("config.json", in: path)
    guard config.object != nil else {
      throw NeuralError("config.json: found \(config.kind), expected an object")
    }
    let kind = config["model_type"]?.string ?? ""
    // Multimodal files hold the text model's sizes in an object of their own.
    let source = JSONSource(value: kind == "gemma3" ? config["text_config"] ?? config : config)
    if config["quantization_config"] != nil {
      throw NeuralError(
        "config.json: 'quantization_config' is there, but quantised safetensors are not supported. "
          + "Use the GGUF file of this model.")
    }
    let configuration: NetworkConfiguration
    switch kind {
    case "gpt2": configuration = try GPT2.configuration(source)
    case "gpt_neox": configuration = try GPTNeoX.configuration(source)
    case "llama": configuration = try Llama.configuration(source, .llama)
    case "mistral": configuration = try Llama.configuration(source, .mistral)
    case "qwen2": configuration = try Llama.configuration(source, .qwen2)
    case "qwen3": configuration = try Llama.configuration(source, .qwen3)
    case "gemma3", "gemma3_text": configuration = try Gemma3.configuration(source)
    case "bert": configuration = try BERT.configuration(source, .bert)
    case "roberta": configuration = try BERT.configuration(source, .roberta)
    default:
      throw NeuralError(
        "config.json: the model_type '\(kind)' is not supported. Supported are: \(supported).")
    }
    let architecture = configuration.architecture
    try configuration.check()
    let (table, files) = try SafetensorsFile.open(folder: path)
    let layout: NetworkLayout =
      switch architecture {
      case .gpt2: try GPT2.folder(source)
      case .gptNeoX: try GPTNeoX.folder(source)
      case .llama, .mistral, .qwen2, .qwen3: try Llama.folder(source, architecture)
      case .gemma3: try Gemma3.folder(source)
      case .bert, .roberta: BERT.folder(architecture, table)
      }
    let (weights, ignored) = try WeightReader.weights(table, layout, configuration)
    let tokens = try NetworkDescription.Tokens(folder: path, config: config)
    try tokens.check(vocabularySize: configuration.vocabularySize)
    return NetworkFile(
      path: path, configuration: configuration, weights: weights, tokenizer: .folder(path),
      description: NetworkDescription(
        folder: path, table: table, tokens: tokens, ignored: ignored),
      files: files)
  }
}

extension NetworkWeights {
  /// All tensors, each once, in the order of the forward pass.
  package var tensors: [Tensor] {
    var result: [Tensor] = []
    func add(_ tensor: Tensor?) { if let tensor { result.append(tensor) } }
    func add(_ linear: Linear?) {
      add(linear?.matrix)
      add(linear?.bias)
    }
    func add(_ norm: Norm?) {
      add(norm?.weight)
      add(norm?.bias)
    }
    add(tokenEmbedding)
    add(positionEmbedding)
    add(typeEmbedding)
    add(embeddingNorm)
    for block in blocks {
      add(block.attentionNorm)
      add(block.query)
      add(block.key)
      add(block.value)
      add(block.queryNorm)
      add(block.keyNorm)
      add(block.attentionOutput)
      add(block.postAttentionNorm)
      add(block.feedForwardNorm)
      add(block.gate)
      add(block.up)
      add(block.down)
      add(block.postFeedForwardNorm)
    }
    add(finalNorm)
    add(headTransform?.dense)
    add(headTransform?.norm)
    if let head, unsafe head.matrix.bytes.baseAddress != tokenEmbedding.bytes.baseAddress {
      add(head.matrix)
    }
    add(head?.bias)
    return result
  }
}
