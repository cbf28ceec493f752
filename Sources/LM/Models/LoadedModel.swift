// Licensed under the Apache License, Version 2.0.

internal import Foundation
public import Sampling
internal import Synchronization

/// A model that was opened by its name, with what all its users share.
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
  /// The name that it was opened by: a built-in model's, or a file's path.
  public let name: String
  /// What tells the model from others.
  public let checksum: UInt64
  /// The model.
  public let chainModel: any ChainModel
  private let shared = Shared()

  /// What is made once, on demand.
  private final class Shared: Sendable {
    let parts = Mutex<[ObjectIdentifier: any Sendable]>([:])
  }

  /// Opens a built-in model, or the model in a `.gsm`, `.arpa` or `.arpa.gz` file.
  ///
  /// - Parameters:
  ///   - name: the name, or a path.
  ///   - tokenization: what the words of an ARPA file are, if that is known.
  /// - Throws: `LoadError` where there is no such model, or the file holds none.
  public init(opening name: String, tokenization: Tokenization? = nil) throws {
    let model = try Self.find(name, tokenization)
    self.init(model, name: name, checksum: model.checksum)
  }

  /// A model that was opened already.
  ///
  /// - Parameters:
  ///   - model: the model.
  ///   - name: how messages name it.
  ///   - checksum: what tells it from others.
  public init(_ model: any ChainModel, name: String, checksum: UInt64) {
    self.name = name
    self.checksum = checksum
    chainModel = model
  }

  /// Its tokens.
  public var vocabulary: Vocabulary { chainModel.vocabulary }

  /// The bytes of all tokens as a tree, made once.
  public var tree: VocabularyTree { once { VocabularyTree(vocabulary) } }

  /// Divides texts into its tokens.
  public func makeTokenizer() -> Tokenizer { Tokenizer(for: vocabulary) }

  /// A part of the given type, made once for all who ask for it.
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

  // MARK: What it can do

  /// What it can do.
  public var capabilities: Set<Capability> {
    chainModel is NGramModel ? [.language, .backoff, .exact, .screen] : [.language]
  }

  /// Refuses a model that lacks what somebody needs.
  ///
  /// - Parameters:
  ///   - capability: what is needed.
  ///   - what: who needs it, as the user writes it: a command or an option.
  /// - Throws: `LoadError` that names both.
  public func require(_ capability: Capability, for what: String) throws(LoadError) {
    guard capabilities.contains(capability) else { throw lacks(capability, for: what) }
  }

  /// The n-gram model, for what is about n-grams.
  ///
  /// - Parameters:
  ///   - capability: what is needed of it.
  ///   - what: who needs it, as the user writes it: a command or an option.
  /// - Returns: the model.
  /// - Throws: `LoadError` where it is another kind of model.
  public func ngrams(_ capability: Capability, for what: String) throws(LoadError) -> NGramModel {
    guard let model = chainModel as? NGramModel else { throw lacks(capability, for: what) }
    return model
  }

  private func lacks(_ capability: Capability, for what: String) -> LoadError {
    LoadError(.badData, "\(what) needs \(capability.noun), which \(name) does not allow")
  }

  /// Whether it reads and writes texts from their ends.
  public var readsBackward: Bool { (chainModel as? NGramModel)?.readsBackward ?? false }

  /// The same model laid out for chains of many steps.
  ///
  /// - Returns: itself, where it is laid out so already or needs no layout.
  /// - Throws: `LoadError` where it gives no word a positive probability.
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
          + names.joined(separator: " or "))
    }
  }

  /// Refuses models that gensample cannot read, with a message that says what it can read.
  private static func refuseOtherKinds(_ name: String) throws(LoadError) {
    let read =
      ". gensample reads .gsm, .arpa and .arpa.gz files, and the built-in models "
      + BuiltInModel.allCases.map(\.rawValue).joined(separator: " and ")
    var isFolder: ObjCBool = false
    if unsafe FileManager.default.fileExists(atPath: name, isDirectory: &isFolder),
      isFolder.boolValue
    {
      let isNeural = FileManager.default.fileExists(atPath: name + "/config.json")
      throw LoadError(
        .cannotRead,
        (isNeural
          ? "'\(name)' is a folder of a neural model, and gensample cannot read neural models yet"
          : "'\(name)' is a folder, but a model file was expected") + read)
    }
    if name.hasPrefix("http://") || name.hasPrefix("https://") {
      throw LoadError(
        .badArgument, "gensample cannot use a server as a model yet ('\(name)')" + read)
    }
    if [".gguf", ".safetensors"].contains(where: name.lowercased().hasSuffix),
      FileManager.default.fileExists(atPath: name)
    {
      throw LoadError(
        .cannotRead,
        "'\(name)' is a neural model, and gensample cannot read neural models yet" + read)
    }
  }
}
