// Licensed under the Apache License, Version 2.0.

internal import CKernels
internal import Sampling

/// A model that is part of the program: no file, no download.
public enum BuiltInModel: String, CaseIterable, Sendable {
  /// Sentences of English classics for children and of adventures, by words.
  case english
  /// Tang poems, by characters.
  case tang

  /// What it is, in one line: its card's title.
  public var summary: String {
    let title = card.prefix { $0 != "\n" }
    return title.split(separator: ": ").last.map(String.init) ?? ""
  }

  /// Its card: sources, how it was made, sizes and perplexity on text that it has not seen.
  public var card: String {
    let bytes = unsafe self == .english ? gensample_card_english() : gensample_card_tang()
    return unsafe String(
      decoding: UnsafeRawBufferPointer(start: bytes.base, count: bytes.count), as: UTF8.self)
  }

  /// The model.
  ///
  /// - Parameter layout: `small` is what the program holds and takes no time; `fast` lays it out
  ///   anew, once, for chains of many steps.
  /// - Returns: the model.
  /// - Throws: `LoadError` where the program was built with a damaged model.
  public func load(layout: NGramLayout = .small) throws(LoadError) -> NGramModel {
    let bytes = unsafe self == .english ? gensample_model_english() : gensample_model_tang()
    let small = try unsafe NGramModel(
      GSMMemory(
        constant: UnsafeRawBufferPointer(start: bytes.base, count: bytes.count), name: rawValue))
    return layout == .small ? small : try NGramModel(small.makeTrie(), layout: layout)
  }
}
