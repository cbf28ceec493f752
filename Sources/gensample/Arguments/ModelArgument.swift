// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Sampling

/// Options that say what a model is.
enum ModelOptions {
  static let model = Option(
    "model", "NAME|PATH", "a built-in model or a model file (default english)")
  static let tokens = Option(
    "tokens", "KIND",
    "characters: the words of the ARPA file are single characters, and texts have no spaces between "
      + "them")

  /// What the words of an ARPA file are, if it is said.
  static func tokenization(_ arguments: Arguments) throws(CommandFailure) -> Tokenization? {
    var texts = arguments.texts("tokens")
    // `smc` says by the same option how it draws tokens.
    if arguments.command == SMC.name {
      texts.removeAll { SMC.Tokens(rawValue: $0) != nil }
    }
    guard let text = texts.first else { return nil }
    guard text == Tokenization.characters.rawValue else {
      let own = arguments.command == SMC.name ? SMC.Tokens.allCases.map(\.rawValue) : []
      throw .usage(
        "--tokens takes \(alternatives([Tokenization.characters.rawValue] + own)), got '\(text)'"
          + (own.isEmpty ? "; without it a model file says itself what its words are" : ""))
    }
    return .characters
  }
}

/// A built-in model by its name, or the model in a file.
///
/// - Parameters:
///   - name: the name.
///   - arguments: may say what the words of an ARPA file are.
///   - isReversed: whether a model of reversed texts needs no word of warning.
/// - Returns: the model.
/// - Throws: where there is none, or it is no model.
func loadModel(
  _ name: String, _ arguments: Arguments, isReversed: Bool = false
) throws -> NGramModel {
  let model = try findModel(name, ModelOptions.tokenization(arguments))
  if try ModelOptions.tokenization(arguments) != nil, model.vocabulary.spacing != .none {
    throw CommandFailure.usage(
      "--tokens characters is for ARPA files of other programs; '\(name)' says itself that its "
        + "tokens are \(Tokenization(model.vocabulary.spacing).rawValue)")
  }
  if !isReversed, model.readsBackward {
    report(
      "gensample: '\(name)' is a model of reversed texts, which reads and writes texts from their "
        + "ends; use it with gibbs --masked")
  }
  return model
}

private func findModel(_ name: String, _ tokenization: Tokenization?) throws -> NGramModel {
  if let builtIn = BuiltInModel(rawValue: name) { return try builtIn.load() }
  try refuseOtherKinds(name)
  do {
    return try NGramModel(path: name, tokenization: tokenization)
  } catch let error as LoadError where error.kind == .cannotRead {
    let isName = !name.contains("/") && !name.contains(".")
    guard isName else { throw error }
    let names = BuiltInModel.allCases.map(\.rawValue)
    let near = nearest(to: name, among: names).map { "; did you mean '\($0)'?" } ?? "."
    throw CommandFailure(
      .unreadable,
      "there is no model '\(name)'\(near) Give a file, or a built-in model: "
        + names.joined(separator: " or "))
  }
}

/// Refuses models that gensample cannot read, with a message that says what it can read.
private func refuseOtherKinds(_ name: String) throws(CommandFailure) {
  let read =
    ". gensample reads .gsm, .arpa and .arpa.gz files, and the built-in models "
    + BuiltInModel.allCases.map(\.rawValue).joined(separator: " and ")
  var isFolder: ObjCBool = false
  if unsafe FileManager.default.fileExists(atPath: name, isDirectory: &isFolder),
    isFolder.boolValue
  {
    let isNeural = FileManager.default.fileExists(atPath: name + "/config.json")
    throw CommandFailure(
      .unreadable,
      (isNeural
        ? "'\(name)' is a folder of a neural model, and gensample cannot read neural models yet"
        : "'\(name)' is a folder, but a model file was expected") + read)
  }
  if name.hasPrefix("http://") || name.hasPrefix("https://") {
    throw CommandFailure(.usage, "gensample cannot use a server as a model yet ('\(name)')" + read)
  }
  if [".gguf", ".safetensors"].contains(where: name.lowercased().hasSuffix),
    FileManager.default.fileExists(atPath: name)
  {
    throw CommandFailure(
      .unreadable,
      "'\(name)' is a neural model, and gensample cannot read neural models yet" + read)
  }
}

/// A model in the layout that chains of many steps need, with words to draw.
func loadFastModel(
  _ name: String, _ arguments: Arguments, isReversed: Bool = false
) throws -> NGramModel {
  let loaded = try loadModel(name, arguments, isReversed: isReversed)
  let weights = loaded.unigramWeights
  guard
    weights.indices.contains(where: { loaded.vocabulary.isDrawable(Token($0)) && weights[$0] > 0 })
  else {
    throw CommandFailure(
      .data,
      "model '\(name)' gives every token probability 0, so there is nothing to sample; train a "
        + "model on more text")
  }
  return loaded.layout == .fast ? loaded : try NGramModel(loaded.makeTrie(), layout: .fast)
}
