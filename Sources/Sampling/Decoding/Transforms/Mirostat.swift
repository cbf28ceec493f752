// Licensed under the Apache License, Version 2.0.

/// Mirostat 2: a bound on the surprise of tokens, steered so that the mean surprise is tau.
///
/// The surprise of a token is -log2 p. The bound starts at 2 tau. After each token it falls by eta
/// times the difference between the token's surprise, in the distribution it was drawn from, and
/// tau.
///
/// Reference: Basu, Ramachandran, Keskar and Varshney 2021, "Mirostat: a neural text decoding
/// algorithm that directly controls perplexity", algorithm 2 of the authors' code.
///
/// **Edge cases.** The most probable token stays, however surprising. Later transforms change the
/// surprise from which the bound learns.
public struct Mirostat: Truncation {
  /// The target surprise in bits.
  public let tau: Double
  /// The learning rate of the bound.
  public let eta: Double
  /// Whether end tokens are never removed.
  public let keepsEnd: Bool
  /// The largest surprise that is kept at the next step, in bits.
  public private(set) var bound: Double

  /// Creates the transform; tau is positive and finite, eta is finite and 0 or more.
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

  /// The name in messages: `mirostat TAU,ETA`.
  public var name: String { named("mirostat \(tau),\(eta)") }

  /// False, because the bound changes from step to step.
  public var dependsOnLogitsAlone: Bool { false }

  /// Removes tokens whose surprise exceeds the bound.
  public mutating func truncate(_ next: inout NextTokens, using choices: inout some ChoiceSource) {
    let logTotal = LogSpace.log(next.weigh())
    let best = next.best
    for token in next.candidates where token != best.token {
      if (logTotal - (next[token] - best.logit)) / log2 > bound { next.remove(token) }
    }
  }

  /// Updates the bound with the surprise of the token.
  public mutating func accept(_ token: Token, logProbability: Double) {
    bound -= eta * (-logProbability / log2 - tau)
  }
}

private let log2 = 0.693_147_180_559_945_3
