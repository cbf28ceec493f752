// Licensed under the Apache License, Version 2.0.

/// Transforms in the order in which they act.
///
/// ```swift
/// var chain = TransformChain([try Temperature(0.7), try TopK(40), try Nucleus(0.95)])
/// try chain.apply(to: &next, using: &choices)
/// ```
/// A copy is the chain of another text: states go with it.
public struct TransformChain: Sendable {
  /// The transforms with their states.
  public private(set) var transforms: [any NextTokenTransform]
  /// How many tokens each of them removed at the last step.
  public private(set) var removed: [Int]

  /// A chain; none changes nothing.
  public init(_ transforms: [any NextTokenTransform] = []) {
    self.transforms = transforms
    removed = [Int](repeating: 0, count: transforms.count)
  }

  /// Whether one of them draws.
  public var isRandom: Bool { transforms.contains { $0.isRandom } }

  /// Applies all of them in order.
  ///
  /// - Throws: where one leaves no token or a logit that is no number, by its name.
  public mutating func apply(
    to next: inout NextTokens, using choices: inout some ChoiceSource
  ) throws(DecodingError) {
    for i in transforms.indices {
      let before = next.candidates.count
      transforms[i].apply(to: &next, using: &choices)
      try next.settle(after: transforms[i].name)
      removed[i] = before - next.candidates.count
    }
  }

  /// Lets all of them take note of the token chosen.
  public mutating func accept(_ token: Token, logProbability: Double) {
    for i in transforms.indices { transforms[i].accept(token, logProbability: logProbability) }
  }
}

/// Choices for acts that make none.
struct NoChoices: ChoiceSource {
  func index(below count: Int) -> Int { preconditionFailure("a fixed act makes no choice") }
  func chance(_ probability: Double) -> Bool {
    preconditionFailure("a fixed act makes no choice")
  }
  func index(weights: borrowing Span<Double>) -> Int {
    preconditionFailure("a fixed act makes no choice")
  }
}
