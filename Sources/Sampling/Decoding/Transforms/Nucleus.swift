// Licensed under the Apache License, Version 2.0.

/// Nucleus sampling: keeps the smallest set of most probable tokens whose mass reaches p.
///
/// Reference: Holtzman, Buys, Du, Forbes and Choi 2020, "The curious case of neural text
/// degeneration", eq. 2.
///
/// **Edge cases.** A mass equal to p counts as reached. 0 keeps only the most probable token. 1
/// removes nothing, whatever rounding does. Among equal tokens, those with lower numbers are kept.
public struct Nucleus: Truncation {
  /// The mass to reach.
  public let mass: Double
  /// Whether end tokens are never removed; they are added to the set.
  public let keepsEnd: Bool

  /// Creates the transform; the mass is from 0 to 1.
  public init(_ mass: Double, keepsEnd: Bool = false) throws(DecodingError) {
    guard mass >= 0 && mass <= 1 else {
      throw .argument("top-p", "a mass lies in 0 ... 1", mass)
    }
    self.mass = mass
    self.keepsEnd = keepsEnd
  }

  /// The name in messages: `top-p P`.
  public var name: String { named("top-p \(mass)") }

  /// Keeps the set.
  ///
  /// - Complexity: O(candidates) expected.
  public func truncate(_ next: inout NextTokens, using choices: inout some ChoiceSource) {
    guard mass < 1 else { return }
    next.keepFirst(reaching: mass)
  }
}

/// Locally typical sampling: keeps the tokens whose surprisal is nearest to the entropy, up to a
/// mass.
///
/// Reference: Meister, Pimentel, Wiher and Cotterell 2023, "Locally typical sampling", eq. 10.
///
/// **Edge cases.** The same as for ``Nucleus``, except that the most probable token can be removed.
public struct LocallyTypical: Truncation {
  /// The mass to reach.
  public let mass: Double
  /// Whether end tokens are never removed; they are added to the set.
  public let keepsEnd: Bool

  /// Creates the transform; the mass is positive and at most 1.
  public init(_ mass: Double, keepsEnd: Bool = false) throws(DecodingError) {
    guard mass > 0 && mass <= 1 else {
      throw .argument("typical", "a mass is positive and at most 1", mass)
    }
    self.mass = mass
    self.keepsEnd = keepsEnd
  }

  /// The name in messages: `typical P`.
  public var name: String { named("typical \(mass)") }

  /// Keeps the set.
  ///
  /// - Complexity: O(candidates + kept log candidates).
  public func truncate(_ next: inout NextTokens, using choices: inout some ChoiceSource) {
    guard mass < 1 else { return }
    let total = next.weigh()
    let entropy = next.entropy(total: total)
    let high = next.best.logit
    let logTotal = LogSpace.log(total)
    for token in next.candidates {
      next.keys[token.index] = -abs(logTotal - (next[token] - high) - entropy)
    }
    next.orderByKey()
    next.takeFirst(reaching: mass * total)
  }
}

extension NextTokens {
  /// Keeps the first tokens of the prepared order, at least one, until their weights reach a goal.
  mutating func takeFirst(reaching goal: Double) {
    var sum = 0.0
    repeat {
      guard let token = takeNext() else { break }
      sum += weights[token.index]
    } while sum < goal
    removeRest()
  }
}
