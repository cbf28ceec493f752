// Licensed under the Apache License, Version 2.0.

import LM
import Runs
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
    let hasOwn = arguments.command == ParticleSampler.TokenDrawing.command
    if hasOwn {
      texts.removeAll { ParticleSampler.TokenDrawing(rawValue: $0) != nil }
    }
    guard let text = texts.first else { return nil }
    guard text == Tokenization.characters.rawValue else {
      let own = hasOwn ? ParticleSampler.TokenDrawing.allCases.map(\.rawValue) : []
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
func openModel(
  _ name: String, _ arguments: Arguments, isReversed: Bool = false
) throws -> LoadedModel {
  let tokenization = try ModelOptions.tokenization(arguments)
  let model = try LoadedModel(opening: name, tokenization: tokenization)
  if tokenization != nil, model.vocabulary.spacing != .none {
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

/// The same, where it is one of n-grams.
func loadModel(
  _ name: String, _ arguments: Arguments, isReversed: Bool = false
) throws -> NGramModel {
  try openModel(name, arguments, isReversed: isReversed)
    .ngrams(.language, for: arguments.command)
}
