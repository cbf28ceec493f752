// Licensed under the Apache License, Version 2.0.

/// Divides the logits by a temperature, which raises probabilities to the power 1/T.
///
/// Reference: Ackley, Hinton and Sejnowski 1985, "A learning algorithm for Boltzmann machines", eq.
/// 4.
///
/// **Edge cases.** 0 keeps only the most probable token (the lowest number among equals), and
/// infinity makes all remaining tokens equally probable. If a tiny temperature makes a quotient
/// overflow, the quotients are computed relative to the largest logit.
public struct Temperature: NextTokenTransform {
  /// The temperature T, positive.
  public let temperature: Double

  /// Creates the transform; the temperature is from 0 to infinity.
  public init(_ temperature: Double) throws(DecodingError) {
    guard temperature >= 0 else {
      throw .argument("temperature", "a temperature is 0 or more", temperature)
    }
    self.temperature = temperature
  }

  /// Returns `false`: only differences of logits matter.
  public var readsLevel: Bool { false }

  /// The name in messages: `temperature T`.
  public var name: String { "temperature \(temperature)" }

  /// True, because it reads only the logits.
  public var dependsOnLogitsAlone: Bool { true }

  /// Divides the logits by the temperature.
  public func apply(to next: inout NextTokens, using choices: inout some ChoiceSource) {
    if temperature == 1 { return }
    let best = next.best
    if temperature == 0 {
      for token in next.candidates where token != best.token { next.remove(token) }
      return
    }
    // If the best logit is this large, a quotient that overflows also does so relative to the best.
    let isFinite =
      temperature > 1 || (temperature >= 0x1p-20 && abs(best.logit) < 0x1p900)
      || ((next.lowest() / temperature).isFinite && (best.logit / temperature).isFinite)
    let origin = isFinite ? 0 : best.logit
    next.divide(by: temperature, origin: origin)
  }
}
