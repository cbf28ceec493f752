// Licensed under the Apache License, Version 2.0.

/// XTC: with a probability, all tokens that reach a threshold go but the least probable of them.
///
/// Reference: Weidmann 2024, "Exclude top choices", text-generation-webui pull request 6335.
///
/// **Edge cases.** It draws only where two tokens reach the threshold, so a threshold above 1/2
/// never does anything. Of equal least probable tokens the highest stays. With `keepsEnd` an end
/// among the top choices stays.
public struct TopChoiceExclusion: Truncation {
  /// How often.
  public let probability: Double
  /// What makes a top choice.
  public let threshold: Double
  /// Whether end tokens are never removed.
  public let keepsEnd: Bool

  /// A probability and a threshold, both from 0 to 1.
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

  /// `xtc P,T`.
  public var name: String { named("xtc \(probability),\(threshold)") }
  /// True.
  public var isRandom: Bool { true }
  /// False: it draws.
  public var dependsOnLogitsAlone: Bool { false }

  /// Draws, then removes the top choices.
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
