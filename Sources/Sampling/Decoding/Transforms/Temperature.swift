// Licensed under the Apache License, Version 2.0.

/// Logits divided by a temperature: probabilities raised to the power 1/T.
///
/// Reference: Ackley, Hinton and Sejnowski 1985, "A learning algorithm for Boltzmann machines", eq. 4.
///
/// **Edge cases.** 0 keeps the most probable token alone, the lowest of equals; infinity makes all
/// that are left equally probable. A quotient that is no finite number, as a tiny temperature gives
/// it, is taken relative to the largest logit.
public struct Temperature: NextTokenTransform {
  /// T.
  public let temperature: Double

  /// Division by a temperature from 0 to infinity.
  public init(_ temperature: Double) throws(DecodingError) {
    guard temperature >= 0 else {
      throw .argument("temperature", "a temperature is 0 or more", temperature)
    }
    self.temperature = temperature
  }

  /// `temperature T`.
  public var name: String { "temperature \(temperature)" }

  /// True.
  public var dependsOnLogitsAlone: Bool { true }

  /// Divides.
  public func apply(to next: inout NextTokens, using choices: inout some ChoiceSource) {
    if temperature == 1 { return }
    let best = next.best
    if temperature == 0 {
      for token in next.candidates where token != best.token { next.remove(token) }
      return
    }
    // Beside such a best logit one whose quotient overflows does so relative to the best, too.
    let isFinite =
      temperature > 1 || (temperature >= 0x1p-20 && abs(best.logit) < 0x1p900)
      || ((next.lowest() / temperature).isFinite && (best.logit / temperature).isFinite)
    let origin = isFinite ? 0 : best.logit
    next.divide(by: temperature, origin: origin)
  }
}
