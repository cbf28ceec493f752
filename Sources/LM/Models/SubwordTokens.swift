// Licensed under the Apache License, Version 2.0.

public import Sampling

/// The tokens of a neural model, for a model of n-grams over them: a companion.
///
/// A companion numbers its tokens as the neural model does. So it can screen moves, draft texts and
/// look ahead for that model, and for no other.
public struct SubwordTokens: Sendable {
  /// The name of the neural model.
  public let name: String
  /// The tokens, numbered as the neural model numbers them.
  public let vocabulary: Vocabulary
  /// A number that tells vocabularies apart: of all spellings, of the end, and of the controls.
  public let checksum: UInt64
  private let encoder: any TextEncoder

  /// The tokens of a model with an encoder.
  package init(_ vocabulary: Vocabulary, _ encoder: any TextEncoder, name: String) {
    self.name = name
    self.vocabulary = vocabulary
    self.encoder = encoder
    checksum = Self.checksum(of: vocabulary)
  }

  /// The tokens of a text.
  func encode(_ text: String) throws -> [Token] { try encoder.tokens(of: text) }

  /// The lines of a description that say whose tokens a model has.
  var description: [(key: String, value: String)] {
    [(Self.nameKey, name), (Self.checksumKey, Self.hex(checksum))]
  }

  static let nameKey = "tokens of"
  static let checksumKey = "vocabulary"

  static func hex(_ number: UInt64) -> String {
    let digits = String(number, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  private static func checksum(of vocabulary: Vocabulary) -> UInt64 {
    var bytes: [UInt8] = []
    func add(_ number: Int) {
      for i in 0..<4 { bytes.append(UInt8(truncatingIfNeeded: number >> (8 * i))) }
    }
    add(vocabulary.count)
    add(vocabulary.end.index)
    for i in 0..<vocabulary.count {
      let spelling = vocabulary.bytes(of: Token(i))
      add(spelling.count)
      bytes.append(contentsOf: spelling)
    }
    for control in vocabulary.controls { add(control.index) }
    return LM.checksum(of: bytes)
  }

  /// A token as the trainer counts it.
  static func bytes(of token: Token) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: token.index >> (8 * $0)) }
  }

  /// The token that ``bytes(of:)`` wrote.
  static func token(in bytes: some Sequence<UInt8>) -> UInt32 {
    bytes.enumerated().reduce(0) { $0 | UInt32($1.element) << (8 * UInt32($1.offset)) }
  }
}

extension NGramModel {
  /// The name of the neural model whose tokens it has; `nil` if its tokens are its own.
  public var ownerOfTokens: String? {
    description.first { $0.key == SubwordTokens.nameKey }?.value
  }
}

extension LoadedModel {
  /// The tokens of a neural model.
  ///
  /// - Throws: `LoadError` if it is none.
  public func subwordTokens() throws(LoadError) -> SubwordTokens {
    guard let model = chainModel as? NeuralModel else {
      throw LoadError(.badArgument, "--tokenizer takes a neural model, but '\(name)' is none")
    }
    return SubwordTokens(model.vocabulary, model.encoder, name: name)
  }

  /// Opens a model of n-grams over the tokens of this neural model.
  ///
  /// - Parameters:
  ///   - path: a file that training with this model's tokens has written.
  ///   - what: the option that needs it, as the user writes it.
  /// - Returns: the model, in a layout for chains.
  /// - Throws: `LoadError` if its tokens are others; the message names both models.
  public func companion(_ path: String, for what: String) throws -> LoadedModel {
    try companion(LoadedModel(opening: path), for: what)
  }

  /// A loaded model of n-grams as a companion of this one.
  package func companion(_ opened: LoadedModel, for what: String) throws -> LoadedModel {
    guard isNeural else {
      throw LoadError(
        .badArgument,
        "\(what) takes a file for neural models only, but '\(name)' has n-grams itself")
    }
    let tokens = try subwordTokens()
    let advice = "Train one with 'gensample train TEXT --tokenizer \(name) -o FILE.gsm'."
    guard let grams = opened.chainModel as? NGramModel, let owner = grams.ownerOfTokens else {
      throw LoadError(
        .badData,
        "\(what) needs n-grams of the tokens of '\(name)', but '\(opened.name)' has tokens of its "
          + "own. \(advice)")
    }
    let sum = SubwordTokens.hex(tokens.checksum)
    let found = grams.description.first { $0.key == SubwordTokens.checksumKey }?.value ?? "none"
    guard found == sum, grams.vocabulary.count == tokens.vocabulary.count,
      grams.vocabulary.start == tokens.vocabulary.start
    else {
      throw LoadError(
        .badData,
        "\(what): '\(opened.name)' has the tokens of '\(owner)' (vocabulary \(found)), but '\(name)' "
          + "has others (vocabulary \(sum)). \(advice)")
    }
    let fast = try opened.laidOutForChains()
    guard var model = fast.chainModel as? NGramModel else { return fast }
    // The file does not list control tokens.
    model.vocabulary = tokens.vocabulary
    return LoadedModel(model, name: opened.name, checksum: opened.checksum)
  }
}
