// Licensed under the Apache License, Version 2.0.

import LM
import Runs

/// Options of samplers that draw texts from left to right.
enum ParticleOptions {
  static let samples = Option("samples", "N", "how many results (default 5)")
  static let particles = Option(
    "particles", "N", "how many texts are written (default \(ImportanceSampler().particles))")
  static let maxTokens = Option(
    "max-tokens", "N",
    "longer texts are left out (default: what the constraints allow, else "
      + "\(LookAheadOptions.defaultMost), or twice what they need)")
  static let seed = Option(
    "seed", "N", "the same seed gives the same results (default: a random one, printed)")
  static let threads = Option(
    "threads", "N", "how many threads work at once (default: all cores)")
  static let lookAhead = Option(
    "look-ahead", "KIND|FILE",
    "bigrams or words: what is expected behind a text's last word, or behind any (default bigrams); "
      + "of a neural model: what the n-grams of FILE expect, made by train --tokenizer")
  static let memory = Option(
    "memory", "SIZE", "what a look-ahead by bigrams may take, such as 800M (default 1G)")
  static let weighted = Option(
    flag: "weighted", "print every text with its weight, instead of drawing some again by weight")
  static let withoutReplacement = Option(
    flag: "without-replacement", "draw each text again at most once, which makes them no draws")

  static func particles(_ arguments: Arguments) throws(CommandFailure) -> Int? {
    try arguments.integer("particles", in: 1...100_000_000)
  }

  static func samples(_ arguments: Arguments) throws(CommandFailure) -> Int? {
    try arguments.integer("samples", in: 0...1_000_000_000)
  }

  static func seed(_ arguments: Arguments) throws(CommandFailure) -> UInt64 {
    try arguments.seed("seed") ?? UInt64.random(in: 0...UInt64.max)
  }

  /// How texts are drawn from left to right.
  static func lookAhead(_ arguments: Arguments) throws(CommandFailure) -> LookAheadOptions {
    var options = LookAheadOptions()
    options.kind = arguments.text("look-ahead").flatMap { LookAheadKind(rawValue: $0) }
    options.memory = try arguments.bytes("memory") ?? options.memory
    options.mostTokens = try arguments.integer("max-tokens", in: 0...1_000_000)
    return options
  }

  /// The n-grams that look ahead for a neural model; `nil` if the model does it itself.
  static func companion(_ arguments: Arguments, of model: LoadedModel) throws -> LoadedModel? {
    guard let text = arguments.text("look-ahead"), LookAheadKind(rawValue: text) == nil else {
      return nil
    }
    guard model.isNeural else {
      _ = try arguments.choice("look-ahead", as: LookAheadKind.self)
      return nil
    }
    return try model.companion(text, for: "--look-ahead")
  }

  /// What is printed of weighted texts.
  static func choice(_ arguments: Arguments) throws(CommandFailure) -> WeightedChoice {
    var choice = WeightedChoice()
    choice.samples = try samples(arguments) ?? choice.samples
    choice.isWeighted = arguments.has("weighted")
    choice.isWithoutReplacement = arguments.has("without-replacement")
    guard !choice.isWeighted || !choice.isWithoutReplacement && !arguments.has("samples") else {
      throw .usage(
        "--weighted prints every text; --samples and --without-replacement choose some of them")
    }
    return choice
  }
}
