// Licensed under the Apache License, Version 2.0.

/// Draws tokens in proportion to v from the row of all tokens, under a look-ahead that knows the last
/// token, or else one that knows the constraint's state alone.
///
/// The look-ahead may be that of another model over the same tokens, which is cheaper.
/// **Keeps** the target as ``GuidedTokens`` does, whatever is expected.
public struct TwistedTokens<Target: TextTarget>: ProportionalTokens
where Target.Constraint == TokenAutomaton {
  /// The target that texts are sampled from.
  public let target: Target
  /// Which texts can be completed, and what is expected behind a state.
  public let lookAhead: AutomatonLookAhead
  /// What is expected behind a state and a last token; `nil` if that was not computed.
  public let bigrams: BigramLookAhead?

  /// Tokens of a target, steered by a look-ahead over the target's constraint.
  ///
  /// - Parameters:
  ///   - target: the target that texts are sampled from.
  ///   - lookAhead: what is expected behind a state.
  ///   - bigrams: the same behind a last token, too; its states and tokens are the target's.
  public init(_ target: Target, _ lookAhead: AutomatonLookAhead, bigrams: BigramLookAhead?) {
    precondition(
      bigrams.map { $0.model.vocabulary.count == target.model.vocabulary.count } ?? true,
      "one vocabulary for both")
    self.target = target
    self.lookAhead = lookAhead
    self.bigrams = bigrams
  }

  /// The estimate behind the last token, or behind the state.
  public func logExpectation(after prefix: Prefix<Target.Model, TokenAutomaton>) -> Double {
    guard let bigrams else { return lookAhead.logExpectation(prefix.state) }
    return bigrams.logExpectation(
      prefix.state, after: prefix.tokens.last ?? bigrams.model.vocabulary.start)
  }

  /// The log of v for each token after a prefix.
  ///
  /// - Complexity: O(vocabulary).
  public func logValues(after prefix: Prefix<Target.Model, TokenAutomaton>) -> [Double] {
    logValues(after: prefix) { logs in
      let (fluency, count) = (target.fluency, prefix.tokens.count)
      if let bigrams {
        bigrams.addGains(to: &logs, fluency: fluency, prefix.state, count: count)
      } else {
        lookAhead.addGains(to: &logs, fluency: fluency, prefix.state, count: count)
      }
    }
  }

  /// A token in proportion to v.
  ///
  /// - Complexity: O(vocabulary).
  public func draw(
    after prefix: Prefix<Target.Model, TokenAutomaton>, using choices: inout some ChoiceSource
  ) -> (token: Token, logWeight: Double)? {
    draw(by: logValues(after: prefix), after: prefix, using: &choices)
  }

  /// The log of the token's share of the sum of v.
  ///
  /// - Complexity: O(vocabulary).
  public func logProbability(
    of token: Token, after prefix: Prefix<Target.Model, TokenAutomaton>
  ) -> Double {
    let logs = logValues(after: prefix)
    return logs[token.index] == -.infinity ? -.infinity : logs[token.index] - LogSpace.sum(logs)
  }
}
