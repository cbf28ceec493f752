// Licensed under the Apache License, Version 2.0.

/// A temperature that rises with the entropy: low where the model is sure, high where it is not.
///
/// With h the entropy of what is left, as a share of the logarithm of the number of tokens left, the
/// temperature is low + (high - low) h^exponent.
///
/// Reference: llama.cpp, "dynatemp" (`llama_sampler_init_temp_ext`), after Kalomaze 2023.
///
/// **Edge cases.** A token alone is left as it is. A temperature of 0 keeps the most probable token
/// alone, as ``Temperature`` does.
public struct DynamicTemperature: NextTokenTransform {
  /// The temperature where one token has all probability.
  public let low: Double
  /// The temperature where all tokens that are left are equally probable.
  public let high: Double
  /// How the share of the entropy bends.
  public let exponent: Double

  /// Two finite temperatures of 0 or more, the low one first, and a positive finite exponent.
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

  /// `dynamic-temperature LOW,HIGH,EXPONENT`.
  public var name: String { "dynamic-temperature \(low),\(high),\(exponent)" }

  /// True.
  public var dependsOnLogitsAlone: Bool { true }

  /// Divides by the temperature.
  public func apply(to next: inout NextTokens, using choices: inout some ChoiceSource) {
    let count = next.candidates.count
    guard count > 1 else { return }
    let total = next.weigh()
    let share = next.entropy(total: total) / LogSpace.log(Double(count))
    // Rounding may lead out of 0 ... 1.
    let bent = share <= 0 ? 0 : LogSpace.exp(exponent * LogSpace.log(min(1, share)))
    guard let temperature = try? Temperature(low + (high - low) * bent) else {
      preconditionFailure("a mean of temperatures is one")
    }
    temperature.apply(to: &next, using: &choices)
  }
}
