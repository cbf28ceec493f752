// Licensed under the Apache License, Version 2.0.

public import Sampling
internal import Synchronization

/// A model opened by its name, with the parts that all its users share.
///
/// ```swift
/// let model = try LoadedModel(opening: "english")
/// let statements = try ConstraintFile.parse("include \"sea\"", path: "sea.txt")
/// let compiled = try CompiledConstraints(statements, for: model.tree)
/// ```
///
/// A compiled constraint belongs to the vocabulary tree that it was compiled for, so there is one
/// tree for each opened model.
public struct LoadedModel: Sendable {
  /// The name that opened it: a built-in model's name, or a file's path.
  public let name: String
  /// A number that identifies the model's contents.
  public let checksum: UInt64
  /// The model itself, in the form that chains use.
  public let chainModel: any ChainModel
  private let shared = Shared()

  /// Parts that are made once, on demand.
  private final class Shared: Sendable {
    let parts = Mutex<[ObjectIdentifier: any Sendable]>([:])
  }

  /// Opens a built-in model, the n-gram model in a `.gsm`, `.arpa` or `.arpa.gz` file, or the
  /// neural model in a GGUF file, in a folder with `config.json`, or in a llama2.c checkpoint.
  ///
  /// - Parameters:
  ///   - name: the name, or a path.
  ///   - tokenization: how the words of an ARPA file were made, if that is known.
  ///   - options: how a neural model is used.
  /// - Throws: `LoadError` if there is no such model, or the file does not hold one.
  public init(
    opening name: String, tokenization: Tokenization? = nil,
    options: NeuralModel.Options = NeuralModel.Options()
  ) throws {
    if NeuralModel.isNeural(path: name) {
      let model = try NeuralModel(path: name, options: options)
      self.init(model, name: name, checksum: model.checksum)
    } else {
      let model = try Self.find(name, tokenization)
      self.init(model, name: name, checksum: model.checksum)
    }
  }

  /// Wraps a model that is already open.
  ///
  /// - Parameters:
  ///   - model: the model.
  ///   - name: the model's name in messages.
  ///   - checksum: a number that identifies its contents.
  public init(_ model: any ChainModel, name: String, checksum: UInt64) {
    self.name = name
    self.checksum = checksum
    chainModel = model
  }

  /// The tokens that the model knows.
  public var vocabulary: Vocabulary { chainModel.vocabulary }

  /// The bytes of all tokens as a tree, made once.
  public var tree: VocabularyTree { once { VocabularyTree(vocabulary) } }

  /// Makes a tokenizer that divides texts into the model's tokens.
  public func makeTokenizer() -> Tokenizer {
    (chainModel as? NeuralModel).map { Tokenizer($0.encoder) } ?? Tokenizer(for: vocabulary)
  }

  /// The tokens of a text; `nil` for parts without a token.
  public func tokens(of text: String) -> [Token?] {
    var tokenizer = makeTokenizer()
    return tokenizer.tokens(of: text, in: vocabulary)
  }

  /// Returns the shared part of the given type, and makes it at the first request.
  package func once<Part: Sendable>(_ make: () throws -> Part) rethrows -> Part {
    let key = ObjectIdentifier(Part.self)
    if let made = shared.parts.withLock({ $0[key] }) as? Part { return made }
    let part = try make()
    return shared.parts.withLock { parts in
      if let made = parts[key] as? Part { return made }
      parts[key] = part
      return part
    }
  }

  /// Whether the model is a neural one.
  public var isNeural: Bool { chainModel is NeuralModel }

  // MARK: Capabilities

  /// The abilities of the model that commands can require.
  public var capabilities: Set<Capability> {
    chainModel is NGramModel
      ? [.language, .backoff, .finiteContext, .exact, .screen] : [.language]
  }

  /// Refuses the model if it lacks a capability.
  ///
  /// - Parameters:
  ///   - capability: the capability that is needed.
  ///   - what: the command or option that needs it, as the user writes it.
  /// - Throws: `LoadError` that names both.
  public func require(_ capability: Capability, for what: String) throws(LoadError) {
    guard capabilities.contains(capability) else { throw lacks(capability, for: what) }
  }

  /// The n-gram model, for work that is about n-grams.
  ///
  /// - Parameters:
  ///   - capability: the capability that is needed.
  ///   - what: the command or option that needs it, as the user writes it.
  /// - Returns: the n-gram model.
  /// - Throws: `LoadError` if it is another kind of model.
  public func ngrams(_ capability: Capability, for what: String) throws(LoadError) -> NGramModel {
    guard let model = chainModel as? NGramModel else { throw lacks(capability, for: what) }
    return model
  }

  /// The number of tokens in the model's longest n-gram; `nil` for models of other kinds.
  public var order: Int? { (chainModel as? any BackoffModel)?.order }

  /// The same model cut to shorter n-grams.
  ///
  /// - Parameters:
  ///   - order: the most tokens of an n-gram, positive.
  ///   - capability: the capability that is needed.
  ///   - what: the command or option that needs it, as the user writes it.
  /// - Returns: the smaller model.
  /// - Throws: `LoadError` if the model has no n-grams, or there is no memory for fewer.
  public func lowered(
    to order: Int, _ capability: Capability, for what: String
  ) throws -> LoadedModel {
    let model = try ngrams(capability, for: what).lowered(to: order)
    return LoadedModel(model, name: name, checksum: model.checksum)
  }

  package func lacks(_ capability: Capability, for what: String) -> LoadError {
    LoadError(.badData, "\(what) needs \(capability.noun), which \(name) does not allow")
  }

  /// Whether the model reads and writes texts from their ends.
  public var readsBackward: Bool { (chainModel as? NGramModel)?.readsBackward ?? false }

  /// The same model in a layout for chains of many steps.
  ///
  /// - Returns: the model itself, if it already has this layout or needs none.
  /// - Throws: `LoadError` if it gives no token a positive probability.
  public func laidOutForChains() throws -> LoadedModel {
    guard let model = chainModel as? NGramModel else { return self }
    let weights = model.unigramWeights
    guard
      weights.indices.contains(where: { vocabulary.isDrawable(Token($0)) && weights[$0] > 0 })
    else {
      throw LoadError(
        .badData,
        "model '\(name)' gives every token probability 0, so there is nothing to sample; train a "
          + "model on more text")
    }
    if model.layout == .fast { return self }
    let fast = try NGramModel(model.makeTrie(), layout: .fast)
    return LoadedModel(fast, name: name, checksum: fast.checksum)
  }

  // MARK: Opening

  private static func find(_ name: String, _ tokenization: Tokenization?) throws -> NGramModel {
    if let builtIn = BuiltInModel(rawValue: name) { return try builtIn.load() }
    try refuseOtherKinds(name)
    do {
      return try NGramModel(path: name, tokenization: tokenization)
    } catch let error as LoadError where error.kind == .cannotRead {
      let isName = !name.contains("/") && !name.contains(".")
      guard isName else { throw error }
      let names = BuiltInModel.allCases.map(\.rawValue)
      let near = NearWords.nearest(to: name, among: names).map { "; did you mean '\($0)'?" } ?? "."
      throw LoadError(
        .cannotRead,
        "there is no model '\(name)'\(near) Give a file, or a built-in model: "
          + BuiltInModel.names)
    }
  }

  /// Refuses models that gensample cannot read, and says which ones it can.
  private static func refuseOtherKinds(_ name: String) throws(LoadError) {
    if name.hasPrefix("http://") || name.hasPrefix("https://") {
      throw LoadError(
        .badArgument,
        "gensample cannot use a server as a model yet ('\(name)'). gensample reads .gsm, .arpa, "
          + ".arpa.gz and .gguf files, folders with config.json, and the built-in models: "
          + BuiltInModel.names)
    }
  }
}
