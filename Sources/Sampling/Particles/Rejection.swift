// Licensed under the Apache License, Version 2.0.

/// A weight above the bound that it was said to have.
public struct BoundExceeded: Error, Hashable, Sendable {
  /// The text that has this weight.
  public let text: TokenSequence
  /// Natural log of the weight.
  public let logWeight: Double
  /// The log of the bound.
  public let logBound: Double
}

/// Rejection sampling: a proposed text is kept with probability weight / M.
///
/// **Keeps** rho: the kept texts are independent draws from it, if no proposal's weight exceeds M. A
/// larger weight is an error at once, because the texts kept until then follow
/// min(rho, M x proposal).
/// Reference: von Neumann 1951.
public struct Rejection<Texts: TextProposal>: Sendable {
  /// The proposal that draws texts.
  public let texts: Texts
  /// The log of the bound M.
  public let logBound: Double

  /// Rejection of proposals whose log weights are at most the bound.
  public init(_ texts: Texts, logBound: Double) {
    self.texts = texts
    self.logBound = logBound
  }

  /// One proposal: a draw from rho, or `nil` where it is rejected.
  ///
  /// - Throws: ``BoundExceeded``, and what the model throws.
  public func attempt(using choices: inout some ChoiceSource) throws -> TokenSequence? {
    guard let proposed = try texts.draw(using: &choices) else { return nil }
    return try isKept(proposed, logBound: logBound, using: &choices) ? proposed.text : nil
  }
}

/// Whether a text of this weight is kept.
func isKept(
  _ proposed: WeightedText, logBound: Double, using choices: inout some ChoiceSource
) throws(BoundExceeded) -> Bool {
  let excess = proposed.logWeight - logBound
  // A weight that equals the bound is a sum of some hundred terms, with their rounding.
  guard excess <= 1e-9 else {
    throw BoundExceeded(
      text: proposed.text, logWeight: proposed.logWeight, logBound: logBound)
  }
  return choices.accepts { _ in excess }
}
