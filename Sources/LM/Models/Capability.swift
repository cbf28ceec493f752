// Licensed under the Apache License, Version 2.0.

/// What a model can do, as commands ask for it.
public enum Capability: String, CaseIterable, Sendable {
  /// Next-token probabilities: what decoders and samplers need.
  case language
  /// Lower orders to back off to: what annealed texts begin with.
  case backoff
  /// Sums over all texts.
  case exact
  /// A cheap model of the same tokens that screens moves.
  case screen
  /// A token's probability given both sides.
  case masked
  /// A vector of a text's meaning.
  case embedding

  /// How messages name it.
  public var noun: String {
    switch self {
    case .language: "next-token probabilities"
    case .backoff: "lower orders to begin with"
    case .exact: "exact sums"
    case .screen: "n-grams that screen moves"
    case .masked: "probabilities by both sides"
    case .embedding: "sentence embeddings"
    }
  }
}
