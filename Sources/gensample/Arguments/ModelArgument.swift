// Licensed under the Apache License, Version 2.0.

import LM

/// A built-in model by its name, or the model in a file.
func loadModel(_ name: String) throws -> NGramModel {
  if let builtIn = BuiltInModel(rawValue: name) { return try builtIn.load() }
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

/// A model in the layout that chains of many steps need.
func loadFastModel(_ name: String) throws -> NGramModel {
  let model = try loadModel(name)
  return model.layout == .fast ? model : try NGramModel(model.makeTrie(), layout: .fast)
}
