// Licensed under the Apache License, Version 2.0.

/// A temperature that rises with the entropy: low where the model is certain, high where it is not.
///
/// With h the entropy of the remaining tokens, divided by the log of their number, the temperature
/// is low + (high - low) h^exponent.
///
/// Reference: llama.cpp, "dynatemp" (`llama_sampler_init_temp_ext`), after Kalomaze 2023.
///
/// **Edge cases.** A single remaining token is left as it is. A temperature of 0 keeps only the
/// most probable token, as in ``Temperature``.
public struct DynamicTemperature: NextTokenTransform {
  /// The temperature if one token has all the probability.
  public let low: Double
  /// The temperature if all remaining tokens are equally probable.
  public let high: Double
  /// The exponent of the relative entropy.
  public let exponent: Double

  /// Creates the transform; temperatures are finite, 0 or more and in order, the exponent positive.
  public init(low: Double, high: Double, exponent: Double = 1) throws(DecodingError) {
    guard low >= 0 && low < .infinity else {
      throw .argument("dynamic-temperature", "a low temperature is 0 or more, and finite", low)
    }
    guard high >= low && high < .infinity else {
      throw .argument(
        "dynamic-temperature", "a high temperature is not below \(low), and finite", high)
    }
    guard exponent > 0 && exponent < .infinity else {
      throw .argument("dynamic-temperature", "an exponent is positive and finite", exponent)
    }
    self.low = low
    self.high = high
    self.exponent = exponent
  }

  /// Returns `false`: only differences of logits matter.
  public var readsLevel: Bool { false }

  /// The name in messages: `dynamic-temperature LOW,HIGH,EXPONENT`.
  public var name: String { "dynamic-temperature \(low),\(high),\(exponent)" }

  /// True, because it reads only the logits.
  public var dependsOnLogitsAlone: Bool { true }

  /// Divides the logits by the temperature.
  public func apply(to next: inout NextTokens, using choices: inout some ChoiceSource) {
    let count = next.candidates.count
    guard count > 1 else { return }
    let total = next.weigh()
    let share = next.entropy(total: total) / LogSpace.log(Double(count))
    // Rounding can leave 0 ... 1.
    let bent = share <= 0 ? 0 : LogSpace.exp(exponent * LogSpace.log(min(1, share)))
    guard let temperature = try? Temperature(low + (high - low) * bent) else {
      preconditionFailure("a mean of two temperatures is a temperature")
    }
    temperature.apply(to: &next, using: &choices)
  }
}
