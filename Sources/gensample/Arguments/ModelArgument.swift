// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Sampling

/// A built-in model by its name, or the model in a file.
///
/// - Parameters:
///   - name: the name.
///   - isReversed: whether a model of reversed texts needs no word of warning.
/// - Returns: the model.
/// - Throws: where there is none, or it is no model.
func loadModel(_ name: String, isReversed: Bool = false) throws -> NGramModel {
  let model = try findModel(name)
  if !isReversed, model.readsBackward {
    report(
      "gensample: '\(name)' is a model of reversed texts: it reads and writes them from their ends; "
        + "it is for gibbs --masked")
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
    let near = nearest(to: name, among: names).map { ", did you mean '\($0)'?" } ?? ";"
    throw CommandFailure(
      .unreadable,
      "there is no model '\(name)'\(near) built in are \(names.joined(separator: ", ")), else give "
        + "a file")
  }
}

/// Refuses what may be a model, but is none of n-grams.
private func refuseOtherKinds(_ name: String) throws(CommandFailure) {
  let read =
    "; read are n-gram models in .gsm, .arpa and .arpa.gz files, which 'gensample train' and other "
    + "programs make, and the built-in ones "
    + BuiltInModel.allCases.map(\.rawValue).joined(separator: ", ")
  var isFolder: ObjCBool = false
  if unsafe FileManager.default.fileExists(atPath: name, isDirectory: &isFolder),
    isFolder.boolValue
  {
    let isNeural = FileManager.default.fileExists(atPath: name + "/config.json")
    throw CommandFailure(
      .unreadable,
      "'\(name)' is a folder"
        + (isNeural ? " of a neural model, and neural models are not read" : ", no model's file")
        + read)
  }
  if name.hasPrefix("http://") || name.hasPrefix("https://") {
    throw CommandFailure(.usage, "'\(name)' is a server, and servers are not asked" + read)
  }
  if [".gguf", ".safetensors"].contains(where: name.lowercased().hasSuffix),
    FileManager.default.fileExists(atPath: name)
  {
    throw CommandFailure(
      .unreadable, "'\(name)' is a neural model's file, and neural models are not read" + read)
  }
}

/// A model in the layout that chains of many steps need, with words to draw.
func loadFastModel(_ name: String, isReversed: Bool = false) throws -> NGramModel {
  let loaded = try loadModel(name, isReversed: isReversed)
  let weights = loaded.unigramWeights
  guard
    weights.indices.contains(where: { loaded.vocabulary.isDrawable(Token($0)) && weights[$0] > 0 })
  else {
    throw CommandFailure(
      .data,
      "model '\(name)' gives no word a positive probability, so that there is nothing to sample; "
        + "train one on more text")
  }
  return loaded.layout == .fast ? loaded : try NGramModel(loaded.makeTrie(), layout: .fast)
}
