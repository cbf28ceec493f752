// Licensed under the Apache License, Version 2.0.

/// Min-p: keeps tokens that are at least `share` times as probable as the most probable one.
///
/// Reference: Nguyen, Baker, Neo, Roush, Kirsch and Shwartz-Ziv 2024, "Turning up the heat: min-p
/// sampling", section 4.
///
/// **Edge cases.** 0 removes nothing. 1 keeps only the tokens that are as probable as the first.
public struct MinP: Truncation {
  /// The share of the largest probability.
  public let share: Double
  /// Whether end tokens are never removed.
  public let keepsEnd: Bool

  /// Creates the transform; the share is from 0 to 1.
  public init(_ share: Double, keepsEnd: Bool = false) throws(DecodingError) {
    guard share >= 0 && share <= 1 else {
      throw .argument("min-p", "a share lies in 0 ... 1", share)
    }
    self.share = share
    self.keepsEnd = keepsEnd
  }

  /// The name in messages: `min-p P`.
  public var name: String { named("min-p \(share)") }

  /// Removes the tokens below the share.
  public func truncate(_ next: inout NextTokens, using choices: inout some ChoiceSource) {
    guard share > 0 else { return }
    next.keep(reaching: share)
  }
}

/// Top-a: keeps tokens whose probability is at least `factor` times the square of the largest one.
///
/// Reference: BlinkDL's RWKV-LM, "top-a"; KoboldAI's form, exponent 2.
///
/// **Edge cases.** 0 removes nothing. The most probable token always stays.
public struct TopA: Truncation {
  /// The factor.
  public let factor: Double
  /// Whether end tokens are never removed.
  public let keepsEnd: Bool

  /// Creates the transform; the factor is from 0 to 1.
  public init(_ factor: Double, keepsEnd: Bool = false) throws(DecodingError) {
    guard factor >= 0 && factor <= 1 else {
      throw .argument("top-a", "a factor lies in 0 ... 1", factor)
    }
    self.factor = factor
    self.keepsEnd = keepsEnd
  }

  /// The name in messages: `top-a A`.
  public var name: String { named("top-a \(factor)") }

  /// Removes the tokens below the floor.
  public func truncate(_ next: inout NextTokens, using choices: inout some ChoiceSource) {
    // The largest weight is 1, so its probability is 1 / total.
    guard factor > 0 else { return }
    next.keep { factor / $0 }
  }
}

/// Epsilon sampling: keeps tokens with at least a fixed probability.
///
/// Reference: Hewitt, Manning and Liang 2022, "Truncation sampling as language model desmoothing",
/// section 4.2.
///
/// **Edge cases.** 0 removes nothing. The most probable tokens always stay, however improbable.
public struct EpsilonCutoff: Truncation {
  /// The smallest probability that is kept.
  public let epsilon: Double
  /// Whether end tokens are never removed.
  public let keepsEnd: Bool

  /// Creates the transform; epsilon is in 0 ..< 1.
  public init(_ epsilon: Double, keepsEnd: Bool = false) throws(DecodingError) {
    guard epsilon >= 0 && epsilon < 1 else {
      throw .argument("epsilon", "a floor lies in 0 ..< 1", epsilon)
    }
    self.epsilon = epsilon
    self.keepsEnd = keepsEnd
  }

  /// The name in messages: `epsilon E`.
  public var name: String { named("epsilon \(epsilon)") }

  /// Removes the tokens below the floor.
  public func truncate(_ next: inout NextTokens, using choices: inout some ChoiceSource) {
    guard epsilon > 0 else { return }
    next.keep { epsilon * $0 }
  }
}

/// Eta sampling: keeps tokens with a probability of at least min(epsilon, sqrt(epsilon)
/// exp(-entropy)).
///
/// Reference: Hewitt, Manning and Liang 2022, "Truncation sampling as language model desmoothing",
/// eq. 8, with alpha = sqrt(epsilon).
///
/// **Edge cases.** The same as for ``EpsilonCutoff``.
public struct EtaCutoff: Truncation {
  /// The parameter epsilon.
  public let epsilon: Double
  /// Whether end tokens are never removed.
  public let keepsEnd: Bool

  /// Creates the transform; epsilon is in 0 ..< 1.
  public init(_ epsilon: Double, keepsEnd: Bool = false) throws(DecodingError) {
    guard epsilon >= 0 && epsilon < 1 else {
      throw .argument("eta", "epsilon lies in 0 ..< 1", epsilon)
    }
    self.epsilon = epsilon
    self.keepsEnd = keepsEnd
  }

  /// The name in messages: `eta E`.
  public var name: String { named("eta \(epsilon)") }

  /// Removes the tokens below the floor.
  public func truncate(_ next: inout NextTokens, using choices: inout some ChoiceSource) {
    let total = next.weigh()
    let entropy = next.entropy(total: total)
    next.keep(
      reaching: min(epsilon, epsilon.squareRoot() * LogSpace.exp(-entropy)) * total)
  }
}

/// Top-n-sigma: keeps tokens whose logit is at most n standard deviations below the largest.
///
/// Reference: Tang, Liu, Xu, Yang and Yu 2024, "Top-n-sigma: not all logits are you need", eq. 6;
/// the deviation is that of the whole population of remaining tokens.
///
/// **Edge cases.** 0 keeps only the tokens that are as probable as the first, and infinity removes
/// nothing. A temperature does not change which tokens are kept.
public struct TopNSigma: Truncation {
  /// The number n of standard deviations.
  public let deviations: Double
  /// Whether end tokens are never removed.
  public let keepsEnd: Bool

  /// Creates the transform; the number of deviations is 0 or more.
  public init(_ deviations: Double, keepsEnd: Bool = false) throws(DecodingError) {
    guard deviations >= 0 else {
      throw .argument("top-n-sigma", "a number of deviations is 0 or more", deviations)
    }
    self.deviations = deviations
    self.keepsEnd = keepsEnd
  }

  /// The name in messages: `top-n-sigma S`.
  public var name: String { named("top-n-sigma \(deviations)") }

  /// Removes the tokens with lower logits.
  public func truncate(_ next: inout NextTokens, using choices: inout some ChoiceSource) {
    guard deviations < .infinity else { return }
    next.keep(within: deviations)
  }
}
