// Licensed under the Apache License, Version 2.0.

/// A checkpoint of llama2.c, "legacy" layout: seven integers, then all weights as F32.
///
/// The file has no mark of its own; it is known by its sizes.
struct Llama2CFile {
  let configuration: NetworkConfiguration
  let weights: NetworkWeights

  init(_ file: MappedFile) throws(NeuralError) {
    var reader = unsafe ByteReader(file.bytes)
    var header: [Int] = []
    for name in ["dim", "hidden_dim", "n_layers", "n_heads", "n_kv_heads", "vocab_size", "seq_len"]
    {
      header.append(Int(try reader.integer(Int32.self, for: "the header (\(name))")))
    }
    if header[0] == 0x616b_3432 {
      throw NeuralError(
        "byte 0: this version of llama2.c's checkpoints is not supported (found \(header[1]), "
          + "expected the legacy layout). Export it again with --version 0.")
    }
    let (width, inner, blocks, heads) = (header[0], header[1], header[2], header[3])
    let (keyHeads, vocabulary, context) = (header[4], abs(header[5]), header[6])
    let bounds = [
      (width, 1 << 20), (inner, 1 << 24), (blocks, 4096), (heads, 1 << 16), (keyHeads, 1 << 16),
      (vocabulary, 1 << 24), (context, 1 << 24),
    ]
    guard bounds.allSatisfy({ $0.0 >= 1 && $0.0 <= $0.1 }), width % heads == 0,
      heads % keyHeads == 0
    else {
      throw NeuralError(
        "byte 0: this is no file of a network that gensample knows (found neither GGUF nor "
          + "safetensors nor the header of a llama2.c checkpoint)")
    }
    let headSize = width / heads
    let keyRows = keyHeads * headSize
    // Sizes are bounded by 2^24 and 2^20, so no product of three overflows.
    let half = context * (headSize / 2)
    let parts: [(name: String, shape: [Int])] =
      [
        ("token_embedding_table", [vocabulary, width]), ("rms_att_weight", [blocks, width]),
        ("wq", [blocks, width, width]), ("wk", [blocks, keyRows, width]),
        ("wv", [blocks, keyRows, width]), ("wo", [blocks, width, width]),
        ("rms_ffn_weight", [blocks, width]), ("w1", [blocks, inner, width]),
        ("w2", [blocks, width, inner]), ("w3", [blocks, inner, width]),
        ("rms_final_weight", [width]), ("freq_cis", [2, half]),
      ] + (header[5] < 0 ? [("wcls", [vocabulary, width])] : [])
    var tensors: [String: Tensor] = [:]
    var offset = 28
    for part in parts {
      guard let count = TensorType.f32.byteCount(shape: part.shape),
        unsafe count <= file.bytes.count - offset
      else {
        throw unsafe NeuralError(
          "byte \(offset): the file ends within the tensor '\(part.name)' of shape \(part.shape) "
            + "(found \(file.bytes.count) bytes). It is incomplete, or no llama2.c checkpoint.")
      }
      tensors[part.name] = unsafe Tensor(
        name: part.name, type: .f32, shape: part.shape,
        bytes: UnsafeRawBufferPointer(rebasing: file.bytes[offset..<(offset + count)]), owner: file)
      offset += count
    }
    guard unsafe offset == file.bytes.count else {
      throw unsafe NeuralError(
        "byte \(offset): the file goes on behind its last tensor (found \(file.bytes.count) bytes, "
          + "expected \(offset))")
    }
    configuration = NetworkConfiguration(
      architecture: .llama, vocabularySize: vocabulary, width: width, heads: heads,
      keyValueHeads: keyHeads, headSize: headSize, feedForwardWidth: inner, contextLength: context,
      norm: .rootMeanSquare(epsilon: 1e-5), activation: .silu, isGated: true,
      positions: .rotary(.init(base: 10_000, dimensions: headSize, pairsNeighbours: true)),
      blocks: Array(repeating: .init(), count: blocks),
      attentionScale: Float(1 / Double(headSize).squareRoot()))
    weights = try Llama2CFile.weights(tensors, blocks: blocks)
    try configuration.check()
  }

  private static func weights(
    _ tensors: [String: Tensor], blocks: Int
  ) throws(NeuralError) -> NetworkWeights {
    /// One block's share of a tensor of three or two dimensions.
    func share(_ name: String, _ block: Int) -> Tensor {
      let all = tensors[name]!
      let part = all.part(block..<(block + 1), name: "\(name)[\(block)]")
      return unsafe Tensor(
        name: part.name, type: part.type, shape: Array(all.shape.dropFirst()), bytes: part.bytes,
        owner: part.owner)
    }
    func norm(_ tensor: Tensor) throws(NeuralError) -> NetworkWeights.Norm {
      guard tensor.floats.allSatisfy(\.isFinite) else {
        throw NeuralError("the tensor '\(tensor.name)' is damaged: not all numbers are finite")
      }
      return .init(tensor)
    }
    let embedding = tensors["token_embedding_table"]!
    var result = NetworkWeights(tokenEmbedding: embedding, blocks: [])
    for i in 0..<blocks {
      result.blocks.append(
        .init(
          attentionNorm: try norm(share("rms_att_weight", i)), query: .init(share("wq", i)),
          key: .init(share("wk", i)), value: .init(share("wv", i)),
          attentionOutput: .init(share("wo", i)),
          feedForwardNorm: try norm(share("rms_ffn_weight", i)), gate: .init(share("w1", i)),
          up: .init(share("w3", i)), down: .init(share("w2", i))))
    }
    result.finalNorm = try norm(tensors["rms_final_weight"]!)
    result.head = .init(tensors["wcls"] ?? embedding)
    return result
  }
}
