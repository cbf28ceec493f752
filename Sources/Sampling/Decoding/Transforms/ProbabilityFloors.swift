// Licensed under the Apache License, Version 2.0.

/// Tokens at least so probable as a share of the most probable one.
///
/// Reference: Nguyen, Baker, Neo, Roush, Kirsch and Shwartz-Ziv 2024, "Turning up the heat: min-p
/// sampling", section 4.
///
/// **Edge cases.** 0 removes nothing; 1 keeps the tokens as probable as the first.
public struct MinP: Truncation {
  /// The share.
  public let share: Double
  /// Whether end tokens are never removed.
  public let keepsEnd: Bool

  /// A share from 0 to 1.
  public init(_ share: Double, keepsEnd: Bool = false) throws(DecodingError) {
    guard share >= 0 && share <= 1 else {
      throw .argument("min-p", "a share lies in 0 ... 1", share)
    }
    self.share = share
    self.keepsEnd = keepsEnd
  }

  /// `min-p P`.
  public var name: String { named("min-p \(share)") }

  /// Keeps what reaches the share.
  public func truncate(_ next: inout NextTokens, using choices: inout some ChoiceSource) {
    guard share > 0 else { return }
    next.keep(reaching: share)
  }
}

/// Tokens whose probability reaches `a` times the square of the largest one.
///
/// Reference: BlinkDL's RWKV-LM, "top-a"; KoboldAI's form, exponent 2.
///
/// **Edge cases.** 0 removes nothing; the most probable token stays.
public struct TopA: Truncation {
  /// The factor.
  public let factor: Double
  /// Whether end tokens are never removed.
  public let keepsEnd: Bool

  /// A factor from 0 to 1.
  public init(_ factor: Double, keepsEnd: Bool = false) throws(DecodingError) {
    guard factor >= 0 && factor <= 1 else {
      throw .argument("top-a", "a factor lies in 0 ... 1", factor)
    }
    self.factor = factor
    self.keepsEnd = keepsEnd
  }

  /// `top-a A`.
  public var name: String { named("top-a \(factor)") }

  /// Keeps what reaches the floor.
  public func truncate(_ next: inout NextTokens, using choices: inout some ChoiceSource) {
    // With the largest weight 1, its probability is 1 / total.
    guard factor > 0 else { return }
    next.keep { factor / $0 }
  }
}

/// Tokens of at least a fixed probability.
///
/// Reference: Hewitt, Manning and Liang 2022, "Truncation sampling as language model desmoothing",
/// section 4.2.
///
/// **Edge cases.** 0 removes nothing; the most probable tokens stay, however improbable.
public struct EpsilonCutoff: Truncation {
  /// The floor.
  public let epsilon: Double
  /// Whether end tokens are never removed.
  public let keepsEnd: Bool

  /// A floor from 0 to below 1.
  public init(_ epsilon: Double, keepsEnd: Bool = false) throws(DecodingError) {
    guard epsilon >= 0 && epsilon < 1 else {
      throw .argument("epsilon", "a floor lies in 0 ..< 1", epsilon)
    }
    self.epsilon = epsilon
    self.keepsEnd = keepsEnd
  }

  /// `epsilon E`.
  public var name: String { named("epsilon \(epsilon)") }

  /// Keeps what reaches the floor.
  public func truncate(_ next: inout NextTokens, using choices: inout some ChoiceSource) {
    guard epsilon > 0 else { return }
    next.keep { epsilon * $0 }
  }
}

/// Tokens of at least min(epsilon, sqrt(epsilon) exp(-entropy)).
///
/// Reference: Hewitt, Manning and Liang 2022, "Truncation sampling as language model desmoothing",
/// eq. 8, with alpha = sqrt(epsilon).
///
/// **Edge cases.** As of ``EpsilonCutoff``.
public struct EtaCutoff: Truncation {
  /// Epsilon.
  public let epsilon: Double
  /// Whether end tokens are never removed.
  public let keepsEnd: Bool

  /// An epsilon from 0 to below 1.
  public init(_ epsilon: Double, keepsEnd: Bool = false) throws(DecodingError) {
    guard epsilon >= 0 && epsilon < 1 else {
      throw .argument("eta", "epsilon lies in 0 ..< 1", epsilon)
    }
    self.epsilon = epsilon
    self.keepsEnd = keepsEnd
  }

  /// `eta E`.
  public var name: String { named("eta \(epsilon)") }

  /// Keeps what reaches the floor.
  public func truncate(_ next: inout NextTokens, using choices: inout some ChoiceSource) {
    let total = next.weigh()
    let entropy = next.entropy(total: total)
    next.keep(
      reaching: min(epsilon, epsilon.squareRoot() * LogSpace.exp(-entropy)) * total)
  }
}

/// Tokens whose logit lies at most n standard deviations below the largest.
///
/// Reference: Tang, Liu, Xu, Yang and Yu 2024, "Top-n-sigma: not all logits are you need", eq. 6;
/// the deviation is that of the whole population of the tokens left.
///
/// **Edge cases.** 0 keeps the tokens as probable as the first; temperature does not change what
/// is kept; infinity removes nothing.
public struct TopNSigma: Truncation {
  /// n.
  public let deviations: Double
  /// Whether end tokens are never removed.
  public let keepsEnd: Bool

  /// A number of deviations, 0 or more.
  public init(_ deviations: Double, keepsEnd: Bool = false) throws(DecodingError) {
    guard deviations >= 0 else {
      throw .argument("top-n-sigma", "a number of deviations is 0 or more", deviations)
    }
    self.deviations = deviations
    self.keepsEnd = keepsEnd
  }

  /// `top-n-sigma S`.
  public var name: String { named("top-n-sigma \(deviations)") }

  /// Keeps what lies near.
  public func truncate(_ next: inout NextTokens, using choices: inout some ChoiceSource) {
    guard deviations < .infinity else { return }
    next.keep(within: deviations)
  }
}
