// Licensed under the Apache License, Version 2.0.

/// Where a network's sizes stand: the metadata of a GGUF file or a folder's `config.json`.
protocol ConfigurationSource {
  /// What a key is called in messages.
  func title(_ key: String) -> String
  /// Nil if the key is absent; throws if it is no integer.
  func optionalInteger(_ key: String) throws(NeuralError) -> Int?
  func optionalNumber(_ key: String) throws(NeuralError) -> Double?
  func optionalBoolean(_ key: String) throws(NeuralError) -> Bool?
  func optionalString(_ key: String) throws(NeuralError) -> String?
}

extension ConfigurationSource {
  /// The first of several keys that is there, else the default, within bounds.
  func size(
    _ keys: String..., default value: Int? = nil, most: Int = 1 << 24
  ) throws(NeuralError) -> Int {
    for key in keys {
      guard let found = try optionalInteger(key) else { continue }
      guard found >= 1 && found <= most else {
        throw NeuralError(
          "\(title(key)) is wrong (found \(found), expected 1 to \(most))")
      }
      return found
    }
    guard let value else { throw NeuralError("\(title(keys[0])) is missing") }
    return value
  }

  func positive(_ keys: String..., default value: Double? = nil) throws(NeuralError) -> Double {
    for key in keys {
      guard let found = try optionalNumber(key) else { continue }
      guard found > 0 && found.isFinite else {
        throw NeuralError("\(title(key)) is wrong (found \(found), expected a positive number)")
      }
      return found
    }
    guard let value else { throw NeuralError("\(title(keys[0])) is missing") }
    return value
  }

  func epsilon(_ keys: String..., default value: Double? = nil) throws(NeuralError) -> Float {
    for key in keys {
      guard let found = try optionalNumber(key) else { continue }
      guard found >= 0 && found < 1 else {
        throw NeuralError("\(title(key)) is wrong (found \(found), expected 0 to 1)")
      }
      return Float(found)
    }
    guard let value else { throw NeuralError("\(title(keys[0])) is missing") }
    return Float(value)
  }

  func flag(_ key: String, default value: Bool) throws(NeuralError) -> Bool {
    try optionalBoolean(key) ?? value
  }

  /// Refuses a setting that changes what the network computes and is not supported.
  func refuse(_ key: String, unless allowed: Bool = false) throws(NeuralError) {
    guard !(try flag(key, default: allowed) != allowed) else {
      throw NeuralError("\(title(key)) is \(!allowed), which is not supported")
    }
  }

  /// Refuses a number other than 0.
  func refuseNumber(_ key: String) throws(NeuralError) {
    if let value = try optionalNumber(key), value != 0 {
      throw NeuralError("\(title(key)) is \(value), which is not supported")
    }
  }
}

/// Metadata of a GGUF file behind the architecture's name.
struct GGUFSource: ConfigurationSource {
  let file: GGUFFile
  let architecture: String

  func title(_ key: String) -> String { "the metadata key '\(architecture).\(key)'" }

  func optionalInteger(_ key: String) throws(NeuralError) -> Int? {
    let full = "\(architecture).\(key)"
    // Some files state a size for each block.
    if case .array(let array) = file[full] {
      guard let values = array.integers, let first = values.first,
        values.allSatisfy({ $0 == first })
      else {
        throw NeuralError(
          "\(title(key)) differs from block to block, which is not supported")
      }
      return first
    }
    return try file.integer(full)
  }
  func optionalNumber(_ key: String) throws(NeuralError) -> Double? {
    try file.number("\(architecture).\(key)")
  }
  func optionalBoolean(_ key: String) throws(NeuralError) -> Bool? {
    try file.boolean("\(architecture).\(key)")
  }
  func optionalString(_ key: String) throws(NeuralError) -> String? {
    try file.string("\(architecture).\(key)")
  }

  /// The rows of the table of embeddings.
  func vocabularySize() throws(NeuralError) -> Int {
    let embedding = try file.tensors.tensor("token_embd.weight")
    guard embedding.shape.count == 2, embedding.shape[0] <= 1 << 24 else {
      throw NeuralError(
        "the tensor 'token_embd.weight' has the wrong shape (found \(embedding.shape), expected two "
          + "dimensions)")
    }
    return embedding.shape[0]
  }

  /// The size of a head that stands for keys and values.
  func headSize(width: Int, heads: Int) throws(NeuralError) -> Int {
    guard let stated = try optionalInteger("attention.key_length") else {
      return try GGUFSource.headSize(width: width, heads: heads)
    }
    if let values = try optionalInteger("attention.value_length"), values != stated {
      throw NeuralError(
        "heads of keys and values have different sizes, which is not supported (found \(stated) and "
          + "\(values))")
    }
    return try size("attention.key_length", default: stated, most: 1 << 16)
  }

  static func headSize(width: Int, heads: Int) throws(NeuralError) -> Int {
    guard width % heads == 0 else {
      throw NeuralError(
        "the width is no multiple of the number of heads (found \(width) and \(heads))")
    }
    return width / heads
  }

  /// The rotary embedding; the tensor `rope_freqs.weight` holds the divisors of Llama 3.
  func rotary(
    headSize: Int, pairsNeighbours: Bool, defaultBase: Double = 10_000
  ) throws(NeuralError) -> NetworkConfiguration.Rotary {
    var result = NetworkConfiguration.Rotary(
      base: try positive("rope.freq_base", default: defaultBase),
      dimensions: try size("rope.dimension_count", default: headSize, most: headSize),
      pairsNeighbours: pairsNeighbours)
    switch try optionalString("rope.scaling.type") {
    case nil, "none": break
    case "linear": result.scaling = .linear(factor: try positive("rope.scaling.factor"))
    case let other?:
      throw NeuralError(
        "\(title("rope.scaling.type")) is not supported (found '\(other)', expected none or linear)"
      )
    }
    if file.tensors.contains("rope_freqs.weight") {
      let divisors = try file.tensors.tensor("rope_freqs.weight")
      guard divisors.shape == [result.dimensions / 2], result.scaling == .none else {
        throw NeuralError(
          "the tensor 'rope_freqs.weight' has the wrong shape (found \(divisors.shape), expected "
            + "\([result.dimensions / 2]))")
      }
      let values = divisors.floats
      guard values.allSatisfy({ $0.isFinite && $0 > 0 }) else {
        throw NeuralError("the tensor 'rope_freqs.weight' is damaged (expected positive numbers)")
      }
      result.scaling = .divisors(values)
    }
    return result
  }
}

/// An object of a `config.json`.
struct JSONSource: ConfigurationSource {
  let value: JSONValue

  func title(_ key: String) -> String { "config.json: '\(key)'" }

  private func wrong(_ key: String, _ value: JSONValue, _ expected: String) -> NeuralError {
    NeuralError("\(title(key)) is wrong (found \(value.kind), expected \(expected))")
  }
  func optionalInteger(_ key: String) throws(NeuralError) -> Int? {
    guard let found = value[key] else { return nil }
    guard let integer = found.integer else { throw wrong(key, found, "an integer") }
    return integer
  }
  func optionalNumber(_ key: String) throws(NeuralError) -> Double? {
    guard let found = value[key] else { return nil }
    guard let number = found.number else { throw wrong(key, found, "a number") }
    return number
  }
  func optionalBoolean(_ key: String) throws(NeuralError) -> Bool? {
    guard let found = value[key] else { return nil }
    guard let flag = found.boolean else { throw wrong(key, found, "true or false") }
    return flag
  }
  func optionalString(_ key: String) throws(NeuralError) -> String? {
    guard let found = value[key] else { return nil }
    guard let string = found.string else { throw wrong(key, found, "a string") }
    return string
  }

  func headSize(width: Int, heads: Int) throws(NeuralError) -> Int {
    if try optionalInteger("head_dim") != nil { return try size("head_dim", most: 1 << 16) }
    return try GGUFSource.headSize(width: width, heads: heads)
  }

  func activation(
    _ key: String, default name: String
  ) throws(NeuralError) -> NetworkConfiguration.Activation {
    switch try optionalString(key) ?? name {
    case "gelu": .gelu
    case "gelu_new", "gelu_pytorch_tanh", "gelu_fast": .geluTanh
    case "silu", "swish": .silu
    case "relu": .relu
    case let other:
      throw NeuralError(
        "\(title(key)) is not supported (found '\(other)', expected gelu, gelu_new, "
          + "gelu_pytorch_tanh, silu or relu)")
    }
  }

  /// The rotary embedding; `kind` names the blocks where the file tells kinds apart.
  func rotary(
    headSize: Int, kind: String? = nil, defaultBase: Double = 10_000, baseKeys: [String],
    share: Double = 1
  ) throws(NeuralError) -> NetworkConfiguration.Rotary {
    // Since version 5 of transformers all stands in 'rope_parameters', perhaps by kind of block.
    var parameters = value["rope_parameters"]
    if let kind, let own = parameters?[kind] { parameters = own }
    let scaling = parameters ?? value["rope_scaling"]
    let source = JSONSource(value: scaling ?? .null)
    var base = try parameters == nil ? nil : source.optionalNumber("rope_theta")
    for key in baseKeys where base == nil { base = try optionalNumber(key) }
    var part = try parameters == nil ? nil : source.optionalNumber("partial_rotary_factor")
    for key in ["partial_rotary_factor", "rotary_pct"] where part == nil {
      part = try optionalNumber(key)
    }
    let rotated = Double(headSize) * (part ?? share)
    guard rotated >= 2, rotated <= Double(headSize) else {
      throw NeuralError(
        "config.json: the share of a head that is rotated is wrong (found \(part ?? share), expected "
          + "above 0 and at most 1)")
    }
    let checkedBase = base ?? defaultBase
    guard checkedBase > 0, checkedBase.isFinite else {
      throw NeuralError(
        "\(title("rope_theta")) is wrong (found \(checkedBase), expected a positive number)")
    }
    return NetworkConfiguration.Rotary(
      base: checkedBase, dimensions: Int(rotated), pairsNeighbours: false,
      scaling: try source.scaling())
  }

  private func scaling() throws(NeuralError) -> NetworkConfiguration.Rotary.Scaling {
    let old = try optionalString("type")
    switch try optionalString("rope_type") ?? old ?? "default" {
    case "default": return .none
    case "linear": return .linear(factor: try positive("factor"))
    case "llama3":
      let low = try positive("low_freq_factor")
      let high = try positive("high_freq_factor")
      guard high > low else {
        throw NeuralError(
          "config.json: 'high_freq_factor' is wrong (found \(high), expected more than "
            + "'low_freq_factor', \(low))")
      }
      return .llama3(
        factor: try positive("factor"), lowFrequencyFactor: low, highFrequencyFactor: high,
        originalLength: try size("original_max_position_embeddings"))
    case let other:
      throw NeuralError(
        "config.json: the scaling of rotary positions is not supported (found '\(other)', expected "
          + "default, linear or llama3)")
    }
  }
}

extension NetworkConfiguration {
  /// Throws if sizes do not fit together.
  func check() throws(NeuralError) {
    guard heads % keyValueHeads == 0 else {
      throw NeuralError(
        "the number of heads is no multiple of the number of heads of keys and values (found "
          + "\(heads) and \(keyValueHeads))")
    }
    // All later products of sizes stay far below 2^63.
    for (what, value, most) in [
      ("the width", width, 1 << 20), ("the number of heads", heads, 1 << 16),
      ("the size of a head", headSize, 1 << 16), ("the number of blocks", blocks.count, 4096),
    ] where value < 1 || value > most {
      throw NeuralError("\(what) is wrong (found \(value), expected 1 to \(most))")
    }
    var all = blocks.compactMap(\.rotary)
    if case .rotary(let rotary) = positions { all.append(rotary) }
    for rotary in all where rotary.dimensions % 2 != 0 || rotary.dimensions > headSize {
      throw NeuralError(
        "the numbers of a head that are rotated are wrong (found \(rotary.dimensions), expected an "
          + "even number up to \(headSize))")
    }
  }
}
