// Licensed under the Apache License, Version 2.0.

import Foundation
import Testing

@testable import Neural

/// Folders in Hugging Face's layout with two blocks and small numbers.
enum HandmadeFolder {
  typealias Stored = (name: String, shape: [Int], values: [Float])

  /// Multiples of 1/64, different in every tensor: exact in half precision.
  static func tensor(_ name: String, _ shape: Int...) -> Stored {
    var state = name.utf8.reduce(UInt32(7)) { $0 &* 31 &+ UInt32($1) }
    let values = (0..<shape.reduce(1, *)).map { _ -> Float in
      state = state &* 1_664_525 &+ 1_013_904_223
      return (Float(state >> 25) - 64) / 64
    }
    return (name, shape, values)
  }

  /// A Llama of width 64, 4 heads of 16, 2 heads of keys, vocabulary of 5.
  static func llamaTensors(prefix: String = "model.") -> [Stored] {
    var result = [
      tensor(prefix + "embed_tokens.weight", 5, 64), tensor(prefix + "norm.weight", 64),
    ]
    for i in 0..<2 {
      let block = prefix + "layers.\(i)."
      result += [
        tensor(block + "input_layernorm.weight", 64),
        tensor(block + "self_attn.q_proj.weight", 64, 64),
        tensor(block + "self_attn.k_proj.weight", 32, 64),
        tensor(block + "self_attn.v_proj.weight", 32, 64),
        tensor(block + "self_attn.o_proj.weight", 64, 64),
        tensor(block + "post_attention_layernorm.weight", 64),
        tensor(block + "mlp.gate_proj.weight", 96, 64),
        tensor(block + "mlp.up_proj.weight", 96, 64),
        tensor(block + "mlp.down_proj.weight", 64, 96),
      ]
    }
    return result
  }

  static let llamaConfig =
    #""hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2, "num_hidden_layers": 2, "#
    + #""intermediate_size": 96, "vocab_size": 5, "max_position_embeddings": 32, "#
    + #""tie_word_embeddings": true"#

  static let tokenizer = """
    {"added_tokens": [{"id": 4, "content": "<e>", "special": true}],
     "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false},
     "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "c": 3}, "merges": [["a", "b"]]}}
    """

  static func make(
    _ config: String, _ tensors: [Stored], tokenizer: String? = nil
  ) throws -> TestFolder {
    let folder = try TestFolder()
    try folder.write("config.json", "{\(config)}")
    try folder.write("model.safetensors", HandmadeSafetensors.bytes(tensors))
    if let tokenizer { try folder.write("tokenizer.json", tokenizer) }
    return folder
  }

  static func llama(
    _ more: String = "", kind: String = "llama", _ change: (inout [Stored]) -> Void = { _ in }
  ) throws -> TestFolder {
    var tensors = llamaTensors()
    change(&tensors)
    return try make(
      "\"model_type\": \"\(kind)\", \(llamaConfig)\(more.isEmpty ? "" : ", " + more)", tensors,
      tokenizer: tokenizer)
  }

  /// The network of such a folder, which may go once its files are mapped.
  static func network(_ more: String = "", kind: String = "llama") throws -> NetworkFile {
    let folder = try llama(more, kind: kind)
    return try withExtendedLifetime(folder) { try NetworkFile.open(folder.path) }
  }

  static func message(
    _ more: String = "", kind: String = "llama", _ change: (inout [Stored]) -> Void = { _ in }
  ) throws -> String {
    let folder = try llama(more, kind: kind, change)
    return NeuralTests.message { _ = try NetworkFile.open(folder.path) }
  }
}

@Suite struct NetworkFileTests {
  @Test func matricesAreViewsIntoTheFile() throws {
    let network = try HandmadeFolder.network()
    let weights = network.weights
    #expect(weights.tensors.allSatisfy { $0.owner === network.files[0] })
    #expect(weights.blocks.count == 2)
    #expect(
      weights.blocks[1].key.matrix.floats
        == HandmadeFolder.tensor("model.layers.1.self_attn.k_proj.weight", 32, 64).values)
    #expect(network.description.parameters == 5 * 64 + 64 + 2 * 30_848)
  }

  @Test(
    arguments: [
      (#""rope_theta": 500.0"#, 500, NetworkConfiguration.Rotary.Scaling.none),
      (#""rope_scaling": {"type": "linear", "factor": 4}"#, 10_000, .linear(factor: 4)),
      (#""rope_parameters": {"rope_theta": 7, "rope_type": "default"}"#, 7, .none),
      (
        #""rope_scaling": {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "#
          + #""high_freq_factor": 4.0, "original_max_position_embeddings": 8192}"#, 10_000,
        .llama3(
          factor: 32, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalLength: 8192)
      ),
    ] as [(String, Double, NetworkConfiguration.Rotary.Scaling)])
  func rotationsAreRead(
    _ text: String, _ base: Double, _ scaling: NetworkConfiguration.Rotary.Scaling
  ) throws {
    let network = try HandmadeFolder.network(text)
    #expect(
      network.configuration.positions
        == .rotary(
          .init(base: base, dimensions: 16, pairsNeighbours: false, scaling: scaling)))
  }

  @Test func windowsAreRead() throws {
    let mistral = try HandmadeFolder.llama(#""sliding_window": 8"#, kind: "mistral")
    #expect(
      try NetworkFile.open(mistral.path).configuration.blocks.map(\.window) == [8, 8])
    let none = try HandmadeFolder.llama(#""sliding_window": null"#, kind: "mistral")
    #expect(try NetworkFile.open(none.path).configuration.blocks.map(\.window) == [nil, nil])
  }

  @Test func severalEndTokensAreRead() throws {
    let folder = try HandmadeFolder.llama(#""bos_token_id": 0, "eos_token_id": 1"#)
    try folder.write("generation_config.json", #"{"eos_token_id": [4, 3]}"#)
    let tokens = try NetworkFile.open(folder.path).description.tokens
    #expect(tokens.begin == 0)
    #expect(tokens.ends == [4, 3])
    try folder.write("generation_config.json", #"{"eos_token_id": [4, 5]}"#)
    #expect(
      message { _ = try NetworkFile.open(folder.path) }
        == "the end token is none of the network's (found 5, expected less than 5)")
  }

  @Test func whatTheTokenizerAddsIsRead() throws {
    let folder = try HandmadeFolder.llama()
    let template =
      #"{"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<e>"}}, "#
      + #"{"Sequence": {"id": "A"}}], "special_tokens": {"<e>": {"ids": [4]}}}"#
    for processor in [template, #"{"type": "Sequence", "processors": [\#(template)]}"#] {
      try folder.write(
        "tokenizer.json", #"{"x": "post_processor", "post_processor" : \#(processor), "y": 1}"#)
      let tokens = try NetworkFile.open(folder.path).description.tokens
      #expect(tokens.begin == 4)
      #expect(tokens.addsBegin == true)
      #expect(tokens.addsEnd == false)
    }
  }

  @Test func severalFilesAreOneNetwork() throws {
    let folder = try TestFolder()
    try folder.write("config.json", #"{"model_type": "llama", \#(HandmadeFolder.llamaConfig)}"#)
    let tensors = HandmadeFolder.llamaTensors()
    try folder.write("a.safetensors", HandmadeSafetensors.bytes(Array(tensors[..<5])))
    try folder.write("b.safetensors", HandmadeSafetensors.bytes(Array(tensors[5...])))
    let places = tensors.enumerated().map {
      "\"\($1.name)\": \"\($0 < 5 ? "a" : "b").safetensors\""
    }
    func index(_ places: [String]) -> String {
      "{\"weight_map\": {" + places.joined(separator: ",") + "}}"
    }
    try folder.write("model.safetensors.index.json", index(places))
    #expect(try NetworkFile.open(folder.path).files.count == 2)
    try folder.write("model.safetensors.index.json", index(places + ["\"x\": \"a.safetensors\""]))
    #expect(
      message { _ = try NetworkFile.open(folder.path) }
        == "a.safetensors: the tensor 'x' is missing, which model.safetensors.index.json says is "
        + "there")
    try folder.write("model.safetensors.index.json", index(["\"x\": \"../a.safetensors\""]))
    #expect(
      message { _ = try NetworkFile.open(folder.path) }
        == "model.safetensors.index.json: the file of the tensor 'x' is wrong (expected the name of "
        + "a file in the same folder)")
  }

  @Test func wrongTensorsAreNamed() throws {
    #expect(
      try HandmadeFolder.message { $0[3] = HandmadeFolder.tensor($0[3].name, 64, 32) }
        == "the tensor 'model.layers.0.self_attn.q_proj.weight' has the wrong shape (found [64, 32], "
        + "expected [64, 64])")
    #expect(
      try HandmadeFolder.message { $0[1] = HandmadeFolder.tensor($0[1].name, 63) }
        == "the tensor 'model.norm.weight' has the wrong shape (found [63], expected [64])")
    #expect(
      try HandmadeFolder.message { $0.removeLast() }
        == "the tensor 'model.layers.1.mlp.down_proj.weight' is missing (found 19 tensors, among "
        + "them 'model.layers.0.mlp.down_proj.weight')")
    #expect(
      try HandmadeFolder.message { $0.append(HandmadeFolder.tensor("model.extra", 2)) }
        == "the tensor 'model.extra' does not belong to the architecture 'llama' as gensample knows "
        + "it, so the network would compute something else without it")
    #expect(
      try HandmadeFolder.message { $0[1].values[3] = .nan }
        == "the tensor 'model.norm.weight' is damaged: number 3 is not finite (found nan)")
  }

  @Test func whatIsNotSupportedIsNamed() throws {
    #expect(
      try HandmadeFolder.message(#""rope_scaling": {"type": "yarn", "factor": 2}"#)
        == "config.json: the scaling of rotary positions is not supported (found 'yarn', expected "
        + "default, linear or llama3)")
    #expect(
      try HandmadeFolder.message(#""hidden_act": "quick_gelu""#)
        == "config.json: 'hidden_act' is not supported (found 'quick_gelu', expected gelu, gelu_new, "
        + "gelu_pytorch_tanh, silu or relu)")
    #expect(
      try HandmadeFolder.message(kind: "mamba")
        == "config.json: the model_type 'mamba' is not supported. Supported are: "
        + NetworkFile.supported + ".")
    #expect(
      try HandmadeFolder.message(#""quantization_config": {}"#).contains(
        "quantised safetensors are not supported"))
    // The first of two members with one name counts, so the whole config is written anew.
    let folder = try HandmadeFolder.llama()
    for (text, expected) in [
      (
        #""hidden_size": 0"#,
        "config.json: 'hidden_size' is wrong (found 0, expected 1 to 16777216)"
      ),
      (
        #""hidden_size": "a""#,
        "config.json: 'hidden_size' is wrong (found a string, expected an integer)"
      ),
      (
        #""hidden_size": 64, "num_attention_heads": 5"#,
        "the width is no multiple of the number of heads (found 64 and 5)"
      ), (#""x": 1"#, "config.json: 'hidden_size' is missing"),
    ] {
      try folder.write(
        "config.json", #"{"model_type": "llama", \#(text), "num_attention_heads": 4}"#)
      #expect(message { _ = try NetworkFile.open(folder.path) } == expected)
    }
    var gguf = HandmadeGGUF()
    gguf.addKey("general.architecture", 8) { $0.add("rwkv6") }
    let path = try folder.write("x.gguf", gguf.bytes)
    #expect(
      message { _ = try NetworkFile.open(path) }
        == "the architecture 'rwkv6' is not supported. Supported are: \(NetworkFile.supported).")
  }

  @Test func picklesAreRefusedWithTheWayToConvertThem() throws {
    let folder = try TestFolder()
    for start in [[0x50, 0x4b, 3, 4], [0x80, 2, 0x7d, 0x71]] as [[UInt8]] {
      let path = try folder.write("pytorch_model.bin", start + [0, 0, 0, 0])
      #expect(message { _ = try NetworkFile.open(path) } == FileSystem.pickleAdvice)
      try folder.write("config.json", #"{"model_type": "llama", \#(HandmadeFolder.llamaConfig)}"#)
      #expect(
        message { _ = try NetworkFile.open(folder.path) }
          == "pytorch_model.bin: " + FileSystem.pickleAdvice)
    }
    let empty = try TestFolder()
    #expect(
      message { _ = try NetworkFile.open(empty.path) }
        == "the folder has no config.json, so this is no model in Hugging Face's layout")
    try empty.write("m.gguf", "x")
    #expect(
      message { _ = try NetworkFile.open(empty.path) }
        == "the folder has no config.json. Give the file '\(empty.path)/m.gguf' itself.")
    #expect(
      message { _ = try NetworkFile.open(empty.path + "/m.gguf") }.hasPrefix(
        "byte 0: the file ends"))
  }

  @Test(arguments: [
    (#"{"t": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}"#, "has the wrong size"),
    (#"{"t": {"dtype": "F32", "shape": [2], "data_offsets": [0, 80]}}"#, "lies outside the file"),
    (#"{"t": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 8]}}"#, "shape of the tensor 't'"),
    (
      #"{"t": {"dtype": "F32", "shape": [1099511627776, 1099511627776], "data_offsets": [0, 8]}}"#,
      "has the wrong size"
    ),
    (
      #"{"t": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, "#
        + #""u": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}}"#, "overlap in the file"
    ),
    (#"{"t": {"shape": [2], "data_offsets": [0, 8]}}"#, "dtype of the tensor 't' is wrong"),
    ("[]", "byte 8: the header is wrong (found an array, expected an object)"),
    ("{", "the header, which starts at byte 8: byte"),
  ]) func wrongSafetensorsAreNamed(_ header: String, _ expected: String) throws {
    let folder = try TestFolder()
    let bytes = HandmadeSafetensors.bytes(header: header, data: Array(repeating: 0, count: 16))
    let path = try folder.write("x.safetensors", bytes)
    let found = message { _ = try SafetensorsFile(path) }
    #expect(found.contains(expected))
  }

  /// GPT-NeoX stores queries, keys and values of one head together.
  @Test func headsOfGPTNeoXAreTakenApart() throws {
    let block = "gpt_neox.layers.0."
    func t(_ name: String, _ shape: Int...) -> HandmadeFolder.Stored {
      (name, shape, (0..<shape.reduce(1, *)).map { Float($0) })
    }
    let folder = try HandmadeFolder.make(
      #""model_type": "gpt_neox", "hidden_size": 4, "num_attention_heads": 2, "#
        + #""num_hidden_layers": 1, "intermediate_size": 4, "vocab_size": 3, "rotary_pct": 1.0"#,
      [
        t("gpt_neox.embed_in.weight", 3, 4), t("embed_out.weight", 3, 4),
        t("gpt_neox.final_layer_norm.weight", 4), t("gpt_neox.final_layer_norm.bias", 4),
        t(block + "input_layernorm.weight", 4), t(block + "input_layernorm.bias", 4),
        t(block + "post_attention_layernorm.weight", 4),
        t(block + "post_attention_layernorm.bias", 4),
        t(block + "attention.query_key_value.weight", 12, 4),
        t(block + "attention.query_key_value.bias", 12),
        t(block + "attention.dense.weight", 4, 4), t(block + "attention.dense.bias", 4),
        t(block + "mlp.dense_h_to_4h.weight", 4, 4), t(block + "mlp.dense_h_to_4h.bias", 4),
        t(block + "mlp.dense_4h_to_h.weight", 4, 4), t(block + "mlp.dense_4h_to_h.bias", 4),
      ])
    let network = try NetworkFile.open(folder.path)
    #expect(network.configuration.isParallel)
    // Rows of the fused matrix: q0 q0 k0 k0 v0 v0 q1 q1 k1 k1 v1 v1.
    #expect(network.weights.blocks[0].query.bias?.floats == [0, 1, 6, 7])
    #expect(network.weights.blocks[0].key.bias?.floats == [2, 3, 8, 9])
    #expect(network.weights.blocks[0].value.bias?.floats == [4, 5, 10, 11])
    #expect(network.weights.blocks[0].key.matrix.row(2) == [32, 33, 34, 35])
  }

  @Test(
    TestData.isNeeded,
    arguments: [
      "english-llama", "gpt2-shakespeare", "llama-stories260K", "nano-bert", "nano-gpt2",
      "nano-llama", "tang-gpt", "tang-mlm",
    ]) func foldersOpen(_ name: String) throws
  {
    let network = try NetworkFile.open(TestData.path("models/\(name)"))
    #expect(network.description.ignored.isEmpty)
    #expect(network.weights.head != nil)
  }

  @Test(TestData.isNeeded) func aCheckpointOfLlama2CIsTheFolderWithOtherRows() throws {
    let folder = try NetworkFile.open(TestData.path("models/llama-stories260K"))
    let path = TestData.path("models/stories260K-llama2c/stories260K.bin")
    let checkpoint = try NetworkFile.open(path)
    let (a, b) = (folder.weights, checkpoint.weights)
    #expect(a.tokenEmbedding.floats == b.tokenEmbedding.floats)
    for (x, y) in zip(a.blocks, b.blocks) {
      #expect(x.gate?.matrix.floats == y.gate?.matrix.floats)
      #expect(x.up.matrix.floats == y.up.matrix.floats)
      #expect(x.down.matrix.floats == y.down.matrix.floats)
      #expect(x.value.matrix.floats == y.value.matrix.floats)
      // Neighbours there, halves here: 8 numbers a head.
      #expect(x.query.matrix.row(1) == y.query.matrix.row(2))
      #expect(x.query.matrix.row(4) == y.query.matrix.row(1))
    }
    let bytes = try #require(FileManager.default.contents(atPath: path))
    let cut = try TestFolder()
    #expect(
      message { _ = try NetworkFile.open(cut.write("x.bin", Array(bytes[..<100_000]))) }
        .contains("the file ends within the tensor 'token_embedding_table'"))
  }

  @Test(TestModels.areNeeded) func realModelsOpen() throws {
    let smol = try NetworkFile.open(TestModels.path("smollm2.gguf"))
    #expect(smol.description.tokens.ends == [2, 0])
    #expect(smol.description.chatFormat == .chatML)
    #expect(smol.description.licence == "apache-2.0")
    let gemma = try NetworkFile.open(TestModels.path("gemma3.gguf"))
    #expect(gemma.description.tokens.ends == [1, 106])
    #expect(
      gemma.configuration.blocks.map { $0.window == nil }
        == (1...18).map { $0 % 6 == 0 })
    #expect(try NetworkFile.open(TestModels.path("minilm")).weights.head == nil)
    let antibodies = try NetworkFile.open(TestModels.path("antiberty")).weights
    #expect(antibodies.head?.matrix.name == "cls.predictions.decoder.weight")
    #expect(antibodies.head?.bias?.name == "cls.predictions.decoder.bias")
  }
}
