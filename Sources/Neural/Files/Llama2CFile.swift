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
    var tensors: [Tensor] = []
    var offset = 28
    for part in parts {
      guard let count = TensorType.f32.byteCount(shape: part.shape),
        unsafe count <= file.bytes.count - offset
      else {
        throw unsafe NeuralError(
          "byte \(offset): the file ends within the tensor '\(part.name)' of shape \(part.shape) "
            + "(found \(file.bytes.count) bytes). It is incomplete, or no llama2.c checkpoint.")
      }
      unsafe tensors.append(
        Tensor(
          name: part.name, type: .f32, shape: part.shape,
          bytes: UnsafeRawBufferPointer(rebasing: file.bytes[offset..<(offset + count)]),
          owner: file))
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

  /// `tensors` in the order of the file.
  private static func weights(
    _ tensors: [Tensor], blocks: Int
  ) throws(NeuralError) -> NetworkWeights {
    /// One block's share of a tensor of two or three dimensions.
    func share(_ all: Tensor, _ block: Int) -> Tensor {
      let part = all.part(block..<(block + 1), name: "\(all.name)[\(block)]")
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
    var result = NetworkWeights(tokenEmbedding: tensors[0], blocks: [])
    for i in 0..<blocks {
      let parts = tensors[1...9].map { share($0, i) }
      result.blocks.append(
        .init(
          attentionNorm: try norm(parts[0]), query: .init(parts[1]), key: .init(parts[2]),
          value: .init(parts[3]), attentionOutput: .init(parts[4]),
          feedForwardNorm: try norm(parts[5]), gate: .init(parts[6]), up: .init(parts[8]),
          down: .init(parts[7])))
    }
    result.finalNorm = try norm(tensors[10])
    // Behind the tables of rotations, which are computed anew.
    result.head = .init(tensors.count > 12 ? tensors[12] : tensors[0])
    return result
  }
}
