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
    "of a neural model: canonical, only the tokens that its tokenizer gives a text, or any; of an "
      + "ARPA file: characters, its words are single characters without spaces between them")
  static let context = Option(
    "context", "TEXT", "a neural model reads this before each text; it is no part of the text")
  static let contextFile = Option("context-file", "FILE", "the same from a file")
  static let user = Option(
    "user", "TEXT", "texts answer this turn of a chat, in the neural model's own chat format")
  static let system = Option("system", "TEXT", "the system prompt of the chat")
  static let begin = Option(
    "begin", "TOKEN,...|none",
    "the special tokens before each text of a neural model (default: what its files say)")

  static let memory = Option(
    "memory", "SIZE", "what a neural model may keep of texts that it has read (default 256M)")

  /// The options of all commands that open a model to write texts.
  static let all = [model, tokens, context, contextFile, user, system, begin]
  /// What only neural models take.
  private static let neural = [context, contextFile, user, system, begin].map(\.name)

  /// What `--tokens` says of a model.
  enum Tokens: String, CaseIterable {
    case canonical, any, characters
  }

  /// What `--tokens` says of the model; `nil` if it says nothing.
  static func tokens(_ arguments: Arguments) throws(CommandFailure) -> Tokens? {
    var texts = arguments.texts("tokens")
    let hasOwn = arguments.command == ParticleSampler.TokenDrawing.command
    if hasOwn {
      texts.removeAll { ParticleSampler.TokenDrawing(rawValue: $0) != nil }
    }
    guard let text = texts.first else { return nil }
    guard let tokens = Tokens(rawValue: text) else {
      let own = hasOwn ? ParticleSampler.TokenDrawing.allCases.map(\.rawValue) : []
      throw .usage(
        "--tokens takes \(alternatives(Tokens.allCases.map(\.rawValue) + own)), got '\(text)'"
          + (own.isEmpty ? "; without it a model file says itself what its words are" : ""))
    }
    return tokens
  }

  /// How a neural model is used.
  ///
  /// Decoders write any tokens, samplers those that stand for a text.
  static func neural(
    _ arguments: Arguments, isDecoder: Bool
  ) throws -> NeuralModel.Options {
    var options = NeuralModel.Options()
    guard !arguments.has("context") || !arguments.has("context-file") else {
      throw CommandFailure.usage("give either --context or --context-file")
    }
    options.context =
      try arguments.text("context")
      ?? arguments.text("context-file").map { try TextInput.lines($0).joined(separator: "\n") }
      ?? ""
    if let user = arguments.text("user") {
      options.chat = ChatTurn(user: user, system: arguments.text("system"))
    } else if arguments.has("system") {
      throw CommandFailure.usage("--system needs --user, the turn that texts answer")
    }
    if let begin = arguments.text("begin") {
      options.beginning = begin == "none" ? [] : begin.split(separator: ",").map(String.init)
    }
    options.allowsAnyTokens = try (tokens(arguments) ?? (isDecoder ? .any : .canonical)) == .any
    options.threads = try PlanOptions.threads(arguments)
    // Commands whose look-ahead or sums take memory have one limit for each of them.
    options.memory = try arguments.bytes("memory") ?? options.memory
    return options
  }

  /// Whether the model that the options name is a neural one.
  static func isNeural(_ arguments: Arguments) -> Bool {
    guard let name = arguments.text("model") else { return false }
    return NeuralModel.isNeural(path: name)
  }

  /// Refuses options that the model does not take.
  static func check(
    _ arguments: Arguments, _ name: String, _ model: LoadedModel, _ tokens: Tokens?
  ) throws(CommandFailure) {
    if model.isNeural {
      guard tokens != .characters else {
        throw .usage("--tokens characters is for ARPA files, but '\(name)' is a neural model")
      }
      return
    }
    if let option = neural.first(where: arguments.has) {
      throw .usage("--\(option) is for neural models, but '\(name)' is a model of n-grams")
    }
    guard let tokens else { return }
    guard tokens == .characters else {
      throw .usage(
        "--tokens \(tokens.rawValue) is for neural models, but '\(name)' is a model of n-grams")
    }
    guard model.vocabulary.spacing == .none else {
      throw .usage(
        "--tokens characters is for ARPA files of other programs; '\(name)' says itself that its "
          + "tokens are \(Tokenization(model.vocabulary.spacing).rawValue)")
    }
  }
}

/// A built-in model by its name, or the model in a file.
///
/// - Parameters:
///   - name: the name.
///   - arguments: may say what the words of an ARPA file are.
///   - isReversed: whether a model of reversed texts needs no word of warning.
///   - isDecoder: whether texts are written from left to right, in any tokens.
///   - isFurther: whether it helps the model that the options are about, or is only looked at.
/// - Returns: the model.
/// - Throws: where there is none, or it is no model.
func openModel(
  _ name: String, _ arguments: Arguments, isReversed: Bool = false, isDecoder: Bool = false,
  isFurther: Bool = false
) throws -> LoadedModel {
  let tokens = try ModelOptions.tokens(arguments)
  let model = try LoadedModel(
    opening: name, tokenization: tokens == .characters ? .characters : nil,
    options: ModelOptions.neural(arguments, isDecoder: isDecoder))
  if let owner = (model.chainModel as? NGramModel)?.ownerOfTokens {
    guard isFurther else {
      throw LoadError(
        .badData,
        "'\(name)' has the tokens of '\(owner)' and helps that model only: give it to --screen, "
          + "--draft or --look-ahead")
    }
    return model
  }
  try ModelOptions.check(arguments, name, model, tokens)
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
  try openModel(name, arguments, isReversed: isReversed, isFurther: true)
    .ngrams(.language, for: arguments.command)
}
