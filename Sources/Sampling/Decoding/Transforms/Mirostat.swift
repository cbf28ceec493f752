// Licensed under the Apache License, Version 2.0.

/// Mirostat 2: tokens of at most a surprise that is steered so that the mean surprise is tau.
///
/// Surprise is -log2 p. The bound begins at 2 tau; after each token it falls by eta times what the
/// token's surprise, in the distribution drawn from, exceeded tau by.
///
/// Reference: Basu, Ramachandran, Keskar and Varshney 2021, "Mirostat: a neural text decoding
/// algorithm that directly controls perplexity", algorithm 2 of the authors' code.
///
/// **Edge cases.** The most probable token stays, however surprising. Transforms behind it change
/// the surprise that it learns from.
public struct Mirostat: Truncation {
  /// The surprise aimed at, in bits.
  public let tau: Double
  /// How fast the bound follows.
  public let eta: Double
  /// Whether end tokens are never removed.
  public let keepsEnd: Bool
  /// The largest surprise kept at the next step, in bits.
  public private(set) var bound: Double

  /// A positive, finite surprise and a finite rate, 0 or more.
  public init(tau: Double, eta: Double, keepsEnd: Bool = false) throws(DecodingError) {
    guard tau > 0 && tau < .infinity else {
      throw .argument("mirostat", "tau is positive and finite", tau)
    }
    guard eta >= 0 && eta < .infinity else {
      throw .argument("mirostat", "eta is 0 or more, and finite", eta)
    }
    self.tau = tau
    self.eta = eta
    self.keepsEnd = keepsEnd
    bound = 2 * tau
  }

  /// `mirostat TAU,ETA`.
  public var name: String { named("mirostat \(tau),\(eta)") }

  /// False: the bound moves.
  public var dependsOnLogitsAlone: Bool { false }

  /// Removes what surprises more than the bound.
  public mutating func truncate(_ next: inout NextTokens, using choices: inout some ChoiceSource) {
    let logTotal = LogSpace.log(next.weigh())
    let best = next.best
    for token in next.candidates where token != best.token {
      if (logTotal - (next[token] - best.logit)) / log2 > bound { next.remove(token) }
    }
  }

  /// Moves the bound.
  public mutating func accept(_ token: Token, logProbability: Double) {
    bound -= eta * (-logProbability / log2 - tau)
  }
}

private let log2 = 0.693_147_180_559_945_3
