// Licensed under the Apache License, Version 2.0.

/// Transforms in the order in which they act.
///
/// ```swift
/// var chain = TransformChain([try Temperature(0.7), try TopK(40), try Nucleus(0.95)])
/// try chain.apply(to: &next, using: &choices)
/// ```
/// Those that forbid (``NextTokenTransform/forbids``) act before all others, wherever they stand:
/// else a truncation could leave nothing but what they remove. A copy is the chain of another text:
/// states go with it.
public struct TransformChain: Sendable {
  /// The transforms with their states.
  public private(set) var transforms: [any NextTokenTransform]
  /// Whether each step keeps ``removals``, which takes a copy of the logits for each transform.
  public var explains = false
  /// The tokens that each transform removed at the last step, if the chain explains.
  public private(set) var removals: [Removal] = []
  /// Whether one of the transforms reads the level of the logits.
  let readsLevel: Bool
  /// The mass of the nucleus that ends the chain; `nil` where another transform does, or it keeps the
  /// ends.
  private var finalMass: Double?

  /// Creates a chain; an empty one changes nothing.
  public init(_ transforms: [any NextTokenTransform] = []) {
    let transforms = transforms.filter(\.forbids) + transforms.filter { !$0.forbids }
    self.transforms = transforms
    readsLevel = transforms.contains { $0.readsLevel }
    if let nucleus = transforms.last as? Nucleus, !nucleus.keepsEnd { finalMass = nucleus.mass }
  }

  /// Whether one of the transforms draws at random.
  public var isRandom: Bool { transforms.contains { $0.isRandom } }

  /// Whether all transforms depend on the logits alone.
  public var dependsOnLogitsAlone: Bool { transforms.allSatisfy { $0.dependsOnLogitsAlone } }

  /// Applies all transforms in order.
  ///
  /// - Throws: where one leaves no token or a logit that is no number, by its name.
  public mutating func apply(
    to next: inout NextTokens, using choices: inout some ChoiceSource
  ) throws(DecodingError) {
    noteEnds(&next)
    if explains { removals.removeAll(keepingCapacity: true) }
    for i in transforms.indices {
      let snapshot = explains ? next.snapshot() : nil
      transforms[i].apply(to: &next, using: &choices)
      try next.settle(after: transforms[i].name)
      if let snapshot { removals.append(next.removal(by: transforms[i].name, since: snapshot)) }
    }
  }

  /// Applies all of them in order and draws a token from what they leave.
  ///
  /// A nucleus at the end is drawn from without a list of its tokens, so what is left afterwards is
  /// not said.
  ///
  /// **Keeps.** The law of ``apply(to:using:)`` and then ``NextTokens/draw(using:)``.
  ///
  /// - Returns: the token and its log-probability after the whole chain.
  /// - Throws: as ``apply(to:using:)``.
  public mutating func draw(
    from next: inout NextTokens, using choices: inout some ChoiceSource
  ) throws(DecodingError) -> (token: Token, logProbability: Double) {
    guard let mass = finalMass, !explains else {
      try apply(to: &next, using: &choices)
      return next.draw(using: &choices)
    }
    noteEnds(&next)
    for i in transforms.indices.dropLast() {
      transforms[i].apply(to: &next, using: &choices)
      try next.settle(after: transforms[i].name)
    }
    return next.draw(reaching: mass, using: &choices)
  }

  /// Notes the model's own probability of ending, where one of them asks for it.
  ///
  /// ``apply(to:using:)`` does it; who changes the logits before that does it first.
  func noteEnds(_ next: inout NextTokens) {
    if transforms.contains(where: { $0.readsModelEnd }) { next.noteEnds() }
  }

  /// Tells all transforms which token was chosen.
  public mutating func accept(_ token: Token, logProbability: Double) {
    for i in transforms.indices { transforms[i].accept(token, logProbability: logProbability) }
  }
}

/// The tokens that a transform removed at one step, as figures.
public struct Removal: Hashable, Sendable {
  /// The transform, as the user writes it.
  public let name: String
  /// The number of removed tokens.
  public let count: Int
  /// Their total probability before the transform.
  public let mass: Double
  /// The probability of the most probable one; 0 if none was removed.
  public let largest: Double
  /// The three most probable ones.
  public let foremost: [Token]
}

extension NextTokens {
  /// The tokens that are left with their logits.
  mutating func snapshot() -> [(token: Token, logit: Double)] {
    candidates.map { ($0, self[$0]) }
  }

  /// What is no longer left.
  func removal(by name: String, since before: [(token: Token, logit: Double)]) -> Removal {
    var high = -Double.infinity
    for (_, logit) in before { high = max(high, logit) }
    var total = 0.0
    var mass = 0.0
    var count = 0
    var foremost: [(token: Token, logit: Double)] = []
    for one in before {
      let weight = LogSpace.exp(one.logit - high)
      total += weight
      guard self[one.token] == -.infinity else { continue }
      count += 1
      mass += weight
      guard foremost.count < 3 || one.logit > foremost[2].logit else { continue }
      let place = foremost.firstIndex { $0.logit < one.logit } ?? foremost.count
      foremost.insert(one, at: place)
      if foremost.count > 3 { foremost.removeLast() }
    }
    return Removal(
      name: name, count: count, mass: mass / total,
      largest: foremost.first.map { LogSpace.exp($0.logit - high) / total } ?? 0,
      foremost: foremost.map(\.token))
  }
}

/// A source of choices for transforms that make none.
struct NoChoices: ChoiceSource {
  func index(below count: Int) -> Int { preconditionFailure("a fixed act makes no choice") }
  func chance(_ probability: Double) -> Bool {
    preconditionFailure("a fixed act makes no choice")
  }
  func index(weights: borrowing Span<Double>) -> Int {
    preconditionFailure("a fixed act makes no choice")
  }
}
