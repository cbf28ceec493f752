// Licensed under the Apache License, Version 2.0.

/// An ability of a model that commands can require.
public enum Capability: String, CaseIterable, Sendable {
  /// Next-token probabilities, which decoders and samplers need.
  case language
  /// Lower orders to back off to, which annealed texts start from.
  case backoff
  /// Contexts of few tokens, in which single tokens are looked up.
  case finiteContext
  /// Exact sums over all texts.
  case exact
  /// A surrogate model over the same tokens, which screens moves.
  case screen
  /// A token's probability given both sides.
  case masked
  /// A vector that represents a text's meaning.
  case embedding

  /// The name of the capability in messages.
  public var noun: String {
    switch self {
    case .language: "next-token probabilities"
    case .backoff: "lower orders to begin with"
    case .finiteContext: "contexts of few tokens"
    case .exact: "exact sums"
    case .screen: "n-grams that screen moves"
    case .masked: "probabilities by both sides"
    case .embedding: "sentence embeddings"
    }
  }
}
