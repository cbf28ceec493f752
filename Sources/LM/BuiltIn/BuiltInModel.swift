// Licensed under the Apache License, Version 2.0.

internal import CKernels
internal import Sampling

/// A model that is part of the program and needs no file and no download.
public enum BuiltInModel: String, CaseIterable, Sendable {
  /// Sentences from English classics for children and adventure books; tokens are words.
  case english
  /// Tang poems; tokens are characters.
  case tang

  /// The title of the model's card, one line.
  public var summary: String {
    let title = card.prefix { $0 != "\n" }
    return title.split(separator: ": ").last.map(String.init) ?? ""
  }

  /// The model's card: sources, training, sizes, and perplexity on held-out text.
  public var card: String {
    let bytes = unsafe self == .english ? gensample_card_english() : gensample_card_tang()
    return unsafe String(
      decoding: UnsafeRawBufferPointer(start: bytes.base, count: bytes.count), as: UTF8.self)
  }

  /// Loads the model.
  ///
  /// - Parameter layout: `small` is how the program stores it and takes no time; `fast` rebuilds it
  ///   for chains of many steps.
  /// - Returns: the model.
  /// - Throws: `LoadError` if the program was built with a damaged model.
  public func load(layout: NGramLayout = .small) throws(LoadError) -> NGramModel {
    let bytes = unsafe self == .english ? gensample_model_english() : gensample_model_tang()
    let small = try unsafe NGramModel(
      GSMMemory(
        constant: UnsafeRawBufferPointer(start: bytes.base, count: bytes.count), name: rawValue))
    return layout == .small ? small : try NGramModel(small.makeTrie(), layout: layout)
  }
}
