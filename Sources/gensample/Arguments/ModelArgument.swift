// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Sampling

/// Loads a built-in model by its name, or the model in a file.
///
/// - Parameters:
///   - name: the name of the built-in model, or a path.
///   - isReversed: whether the caller expects a model of reversed texts, so no warning is needed.
/// - Returns: the model.
/// - Throws: if there is no such model or the file is not a valid model.
func loadModel(_ name: String, isReversed: Bool = false) throws -> NGramModel {
  let model = try findModel(name)
  if !isReversed, model.readsBackward {
    report(
      "gensample: '\(name)' is a model of reversed texts, which reads and writes texts from their "
        + "ends; use it with gibbs --masked")
  }
  return model
}

private func findModel(_ name: String) throws -> NGramModel {
  if let builtIn = BuiltInModel(rawValue: name) { return try builtIn.load() }
  try refuseOtherKinds(name)
  do {
    return try NGramModel(path: name)
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

/// Loads a model in the fast layout, for chains of many steps; it has at least one token to draw.
func loadFastModel(_ name: String, isReversed: Bool = false) throws -> NGramModel {
  let loaded = try loadModel(name, isReversed: isReversed)
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
