// Licensed under the Apache License, Version 2.0.

/// The smallest most probable set whose mass reaches p.
///
/// Reference: Holtzman, Buys, Du, Forbes and Choi 2020, "The curious case of neural text
/// degeneration", eq. 2.
///
/// **Edge cases.** A mass equal to p reaches it. 0 keeps the most probable token; 1 removes
/// nothing, whatever rounding says. Of equal tokens the lower ones are kept.
public struct Nucleus: Truncation {
  /// The mass to be reached.
  public let mass: Double
  /// Whether end tokens are never removed; they come on top of the set.
  public let keepsEnd: Bool

  /// The set of a mass from 0 to 1.
  public init(_ mass: Double, keepsEnd: Bool = false) throws(DecodingError) {
    guard mass >= 0 && mass <= 1 else {
      throw .argument("top-p", "a mass lies in 0 ... 1", mass)
    }
    self.mass = mass
    self.keepsEnd = keepsEnd
  }

  /// `top-p P`.
  public var name: String { named("top-p \(mass)") }

  /// Keeps the set.
  ///
  /// - Complexity: O(candidates) expected.
  public func truncate(_ next: inout NextTokens, using choices: inout some ChoiceSource) {
    guard mass < 1 else { return }
    next.keepFirst(reaching: mass)
  }
}

/// The most typical set whose mass reaches a bound: tokens whose surprisal is nearest the entropy.
///
/// Reference: Meister, Pimentel, Wiher and Cotterell 2023, "Locally typical sampling", eq. 10.
///
/// **Edge cases.** As of ``Nucleus``; the most probable token may go.
public struct LocallyTypical: Truncation {
  /// The mass to be reached.
  public let mass: Double
  /// Whether end tokens are never removed; they come on top of the set.
  public let keepsEnd: Bool

  /// The set of a positive mass up to 1.
  public init(_ mass: Double, keepsEnd: Bool = false) throws(DecodingError) {
    guard mass > 0 && mass <= 1 else {
      throw .argument("typical", "a mass is positive and at most 1", mass)
    }
    self.mass = mass
    self.keepsEnd = keepsEnd
  }

  /// `typical P`.
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
  /// Keeps the first tokens of the prepared order, one at least, until their weights reach a goal.
  mutating func takeFirst(reaching goal: Double) {
    var sum = 0.0
    repeat {
      guard let token = takeNext() else { break }
      sum += weights[token.index]
    } while sum < goal
    removeRest()
  }
}
