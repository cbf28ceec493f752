// Licensed under the Apache License, Version 2.0.

/// XTC: with some probability, removes all tokens above a threshold except the least probable of
/// them.
///
/// Reference: Weidmann 2024, "Exclude top choices", text-generation-webui pull request 6335.
///
/// **Edge cases.** It takes a random choice only if two tokens reach the threshold, so a threshold
/// above 1/2 has no effect. If several tokens are least probable, the one with the highest number
/// stays. With `keepsEnd`, an end among the top choices stays.
public struct TopChoiceExclusion: Truncation {
  /// The probability of removing the top choices.
  public let probability: Double
  /// The probability from which a token is a top choice.
  public let threshold: Double
  /// Whether end tokens are never removed.
  public let keepsEnd: Bool

  /// Creates the transform; both parameters are from 0 to 1.
  public init(
    probability: Double, threshold: Double, keepsEnd: Bool = false
  ) throws(DecodingError) {
    guard probability >= 0 && probability <= 1 else {
      throw .argument("xtc", "a probability lies in 0 ... 1", probability)
    }
    guard threshold >= 0 && threshold <= 1 else {
      throw .argument("xtc", "a threshold lies in 0 ... 1", threshold)
    }
    self.probability = probability
    self.threshold = threshold
    self.keepsEnd = keepsEnd
  }

  /// The name in messages: `xtc P,T`.
  public var name: String { named("xtc \(probability),\(threshold)") }
  /// True, because it tosses a coin.
  public var isRandom: Bool { true }
  /// False, because it tosses a coin.
  public var dependsOnLogitsAlone: Bool { false }

  /// Tosses the coin, then removes the top choices.
  public func truncate(_ next: inout NextTokens, using choices: inout some ChoiceSource) {
    let floor = threshold * next.weigh()
    var count = 0
    var last: Token?
    for token in next.candidates where next.weights[token.index] >= floor {
      count += 1
      if let least = last, next[token] > next[least] { continue }
      last = token
    }
    guard count > 1, choices.chance(probability) else { return }
    for token in next.candidates
    where next.weights[token.index] >= floor && token != last {
      next.remove(token)
    }
  }
}
