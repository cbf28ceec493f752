// Licensed under the Apache License, Version 2.0.

internal import CKernels
package import Neural
internal import Sampling

/// A model that is part of the program and needs no file and no download.
public enum BuiltInModel: String, CaseIterable, Sendable {
  /// Sentences from English classics for children and adventure books; tokens are words.
  case english
  /// Tang poems; tokens are characters.
  case tang
  /// English sentences by a small neural model; tokens are subwords.
  case englishLlama = "english-llama"
  /// Tang poems by a small neural model; tokens are characters.
  case tangGPT = "tang-gpt"

  /// Whether the model is a neural one.
  public var isNeural: Bool {
    switch self {
    case .english, .tang: false
    case .englishLlama, .tangGPT: true
    }
  }

  /// The title of the model's card, one line.
  public var summary: String {
    let title = card.prefix { $0 != "\n" }
    return title.split(separator: ": ").last.map(String.init) ?? ""
  }

  /// The model's card: sources, training, sizes, and perplexity on held-out text.
  public var card: String {
    let bytes =
      switch self {
      case .english: unsafe gensample_card_english()
      case .tang: unsafe gensample_card_tang()
      case .englishLlama: unsafe gensample_card_english_llama()
      case .tangGPT: unsafe gensample_card_tang_gpt()
      }
    return unsafe String(
      decoding: UnsafeRawBufferPointer(start: bytes.base, count: bytes.count), as: UTF8.self)
  }

  /// The model's file in memory.
  var bytes: UnsafeRawBufferPointer {
    let bytes =
      switch self {
      case .english: unsafe gensample_model_english()
      case .tang: unsafe gensample_model_tang()
      case .englishLlama: unsafe gensample_model_english_llama()
      case .tangGPT: unsafe gensample_model_tang_gpt()
      }
    return unsafe UnsafeRawBufferPointer(start: bytes.base, count: bytes.count)
  }

  /// All names, for messages: `a, b or c`.
  public static var names: String {
    let all = allCases.map(\.rawValue)
    return all.dropLast().joined(separator: ", ") + " or " + all[all.count - 1]
  }

  /// The file of a neural model, as if it were mapped.
  package var file: MappedFile { unsafe MappedFile(constant: bytes, name: rawValue) }

  /// Loads a model of n-grams.
  ///
  /// - Parameter layout: `small` is how the program stores it and takes no time; `fast` rebuilds it
  ///   for chains of many steps.
  /// - Returns: the model.
  /// - Throws: `LoadError` if the model is a neural one, which ``LoadedModel`` opens, or if the
  ///   program was built with a damaged model.
  public func load(layout: NGramLayout = .small) throws(LoadError) -> NGramModel {
    guard !isNeural else {
      throw LoadError(.badArgument, "'\(rawValue)' is a neural model; a model of n-grams is needed")
    }
    let small = try unsafe NGramModel(GSMMemory(constant: bytes, name: rawValue))
    return layout == .small ? small : try NGramModel(small.makeTrie(), layout: layout)
  }
}
