// Licensed under the Apache License, Version 2.0.

/// Which texts can still be completed behind a constraint's state, and how much mass is expected
/// there: what steers particles.
///
/// Samplers are exact whatever finite estimates it gives; good ones keep their weights even. Before
/// its text is complete, a particle stands for the target of its tokens times the expectation
/// behind them: a twisted target.
/// References: Lew, Zhi-Xuan, Grand and Mansinghka 2023, "Sequential Monte Carlo steering"; Whiteley
/// and Lee 2014, "Twisted particle filters".
public protocol LookAhead<Constraint>: Sendable {
  /// What says which texts are allowed.
  associatedtype Constraint: TokenConstraint

  /// Which texts are allowed, and what soft weights add.
  var constraint: Constraint { get }

  /// The most tokens that a text may have.
  var mostTokens: Int { get }

  /// The log of the mass that is expected behind a state; finite.
  func logExpectation(_ state: Constraint.State) -> Double

  /// The same without the text that ends at once; finite.
  func logRest(_ state: Constraint.State) -> Double

  /// What a token adds in a state: its nats and the expectation behind it.
  ///
  /// - Parameters:
  ///   - state: the state before the token.
  ///   - token: a token other than start, end and unknown.
  ///   - count: how many tokens come before it.
  /// - Returns: nats; minus infinity where the text could not be completed.
  func gain(_ state: Constraint.State, _ token: Token, count: Int) -> Double

  /// A bound that no token's gain exceeds; minus infinity only where no token can follow.
  func mostGain(_ state: Constraint.State, count: Int) -> Double

  /// Turns each log-probability into fluency x log-probability + gain.
  ///
  /// - Parameters:
  ///   - logs: one place per token. What it leaves for start, end and unknown has no meaning.
  ///   - fluency: the factor of the log-probabilities.
  ///   - state: the state before the tokens.
  ///   - count: how many tokens come before them.
  func addGains(
    to logs: inout MutableSpan<Double>, fluency: Double, _ state: Constraint.State, count: Int)
}

extension LookAhead {
  /// Whether any allowed text has at most ``mostTokens`` tokens.
  public var isSatisfiable: Bool {
    constraint.shortestCompletion(constraint.start).map { $0 <= mostTokens } ?? false
  }

  /// The state behind a token; `nil` where the text could not be completed any more.
  @inlinable
  func next(_ state: Constraint.State, _ token: Token, count: Int) -> Constraint.State? {
    guard let next = constraint.next(state, token),
      let shortest = constraint.shortestCompletion(next), shortest <= mostTokens - count - 1
    else { return nil }
    return next
  }
}

/// Which texts can be completed, and no estimate of anything: for any constraint.
///
/// All live states promise the same, so particles learn of a soft weight only when it is added.
public struct CompletionLookAhead<Constraint: TokenConstraint>: LookAhead {
  /// Which texts are allowed.
  public let constraint: Constraint
  /// The most tokens that a text may have.
  public let mostTokens: Int

  /// A look-ahead without estimates.
  ///
  /// - Precondition: the bound is not negative.
  public init(_ constraint: Constraint, mostTokens: Int) {
    precondition(mostTokens >= 0, "a text has no negative length")
    self.constraint = constraint
    self.mostTokens = mostTokens
  }

  /// Returns 0: every live state has the same estimate.
  public func logExpectation(_ state: Constraint.State) -> Double { 0 }

  /// Returns 0: every live state has the same estimate.
  public func logRest(_ state: Constraint.State) -> Double { 0 }

  /// The nats that the constraint adds for the token.
  public func gain(_ state: Constraint.State, _ token: Token, count: Int) -> Double {
    next(state, token, count: count) == nil ? -.infinity : constraint.weight(state, token)
  }

  /// The largest nats among the allowed tokens.
  ///
  /// - Complexity: O(allowed tokens), or less where the constraint has no soft weights.
  public func mostGain(_ state: Constraint.State, count: Int) -> Double {
    let allowed = constraint.mask(state, within: mostTokens - count - 1)
    if constraint.isUniform { return allowed.memberCount == 0 ? -.infinity : 0 }
    return allowed.tokens.reduce(-.infinity) { max($0, constraint.weight(state, $1)) }
  }

  /// Adds the nats of the allowed tokens.
  ///
  /// - Complexity: O(vocabulary).
  public func addGains(
    to logs: inout MutableSpan<Double>, fluency: Double, _ state: Constraint.State, count: Int
  ) {
    let allowed = constraint.mask(state, within: mostTokens - count - 1)
    for i in logs.indices {
      let token = Token(i)
      logs[i] =
        allowed.contains(token)
        ? fluency * logs[i] + constraint.weight(state, token) : -.infinity
    }
  }
}
