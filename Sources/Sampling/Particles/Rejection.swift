// Licensed under the Apache License, Version 2.0.

/// A weight above the bound that it was said to have.
public struct BoundExceeded: Error, Hashable, Sendable {
  /// Whose weight.
  public let text: TokenSequence
  /// Its natural log.
  public let logWeight: Double
  /// The log of the bound.
  public let logBound: Double
}

/// Rejection sampling: a proposed text is kept with probability weight / M.
///
/// **Keeps** rho: what is kept are independent draws from it, if no proposal's weight exceeds M. An
/// excess is an error at once, since what was kept until then follows min(rho, M x proposal).
/// Reference: von Neumann 1951.
public struct Rejection<Texts: TextProposal>: Sendable {
  /// What is proposed.
  public let texts: Texts
  /// The log of M.
  public let logBound: Double

  /// Rejection of proposals whose log weights are at most the bound.
  public init(_ texts: Texts, logBound: Double) {
    self.texts = texts
    self.logBound = logBound
  }

  /// One proposal: a draw from rho, or `nil` where it is rejected.
  ///
  /// - Throws: ``BoundExceeded``.
  public func attempt(
    using choices: inout some ChoiceSource
  ) throws(BoundExceeded) -> TokenSequence? {
    guard let proposed = texts.draw(using: &choices) else { return nil }
    return try isKept(proposed, logBound: logBound, using: &choices) ? proposed.text : nil
  }
}

/// Whether a text of this weight is kept.
func isKept(
  _ proposed: WeightedText, logBound: Double, using choices: inout some ChoiceSource
) throws(BoundExceeded) -> Bool {
  let excess = proposed.logWeight - logBound
  // A weight that is the bound itself is a sum of some hundred terms, rounded.
  guard excess <= 1e-9 else {
    throw BoundExceeded(
      text: proposed.text, logWeight: proposed.logWeight, logBound: logBound)
  }
  return choices.accepts { _ in excess }
}
