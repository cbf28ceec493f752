// Licensed under the Apache License, Version 2.0.

/// Draws a next token together with the weight that makes up for how it was drawn.
///
/// Let v(w) = p(w | context)^fluency x exp(nats of w) x (the expectation behind w); for the end
/// symbol, the constraint's final nats replace the last two factors. Law: the weights are proper.
/// For each token w, the mean of `exp(logWeight)` over draws, counting only those that are w, is
/// v(w) / (the expectation before w).
public protocol TokenProposal<Target>: Sendable {
  /// The kind of target that tokens are drawn for.
  associatedtype Target: TextTarget
  /// What steers the proposal.
  associatedtype Look: LookAhead<Target.Constraint>
  /// The target's language model.
  typealias Model = Target.Model
  /// Which texts are allowed.
  typealias Constraint = Target.Constraint

  /// The target that texts are sampled from; its constraint is the look-ahead's.
  var target: Target { get }
  /// Which texts can be completed, and what is expected behind a state.
  var lookAhead: Look { get }

  /// The log of the mass that is expected behind a prefix.
  func logExpectation(after prefix: Prefix<Model, Constraint>) -> Double

  /// Does what draws need and the model does best for many prefixes at once: one batch.
  ///
  /// By default it reads what is unread, which is nothing for models that read directly.
  ///
  /// - Throws: what the model throws.
  func prepare(_ prefixes: inout [Prefix<Model, Constraint>]) throws

  /// A token with its log weight; `nil` where the model gives every allowed token probability 0.
  ///
  /// - Precondition: the prefix was prepared, or the model reads directly.
  func draw(
    after prefix: Prefix<Model, Constraint>, using choices: inout some ChoiceSource
  ) -> (token: Token, logWeight: Double)?
}

extension TokenProposal {
  /// The look-ahead's estimate for the state.
  @inlinable
  public func logExpectation(after prefix: Prefix<Model, Constraint>) -> Double {
    lookAhead.logExpectation(prefix.state)
  }

  /// Reads what is unread.
  public func prepare(_ prefixes: inout [Prefix<Model, Constraint>]) throws {
    try Prefix.read(&prefixes, by: target.model)
  }

  /// Prepares one prefix.
  @inlinable
  func prepare(_ prefix: inout Prefix<Model, Constraint>) throws {
    if target.model.readsDirectly { return }
    var alone = [prefix]
    try prepare(&alone)
    prefix = alone[0]
  }

  /// Creates the empty text, with the model's first context.
  ///
  /// - Throws: what the model throws where it cannot make a context.
  @inlinable
  public func makePrefix() throws -> Prefix<Model, Constraint> {
    Prefix(context: try target.model.makeContext(), state: lookAhead.constraint.start)
  }

  /// The log of v for each token after a prefix, given what turns log-probabilities into it for all
  /// tokens but the end.
  @inlinable
  func logValues(
    after prefix: Prefix<Model, Constraint>, addGains: (inout MutableSpan<Double>) -> Void
  ) -> [Double] {
    let vocabulary = target.model.vocabulary
    var logs = prefix.logProbabilities(by: target.model)
    let end = logs[vocabulary.end.index]
    var span = logs.mutableSpan
    addGains(&span)
    logs[vocabulary.start.index] = -.infinity
    if let unknown = vocabulary.unknown { logs[unknown.index] = -.infinity }
    for control in vocabulary.controls { logs[control.index] = -.infinity }
    logs[vocabulary.end.index] =
      target.fluency * end + lookAhead.constraint.endWeight(prefix.state)
    return logs
  }

  /// A token in proportion to v, given the log of v for each.
  @inlinable
  func draw(
    by logValues: [Double], after prefix: Prefix<Model, Constraint>,
    using choices: inout some ChoiceSource
  ) -> (token: Token, logWeight: Double)? {
    var most = -Double.infinity
    for value in logValues where value > most { most = value }
    guard most > -.infinity else { return nil }
    var values = [Double](repeating: 0, count: logValues.count)
    let sum = DenseNumbers.exponentials(
      of: logValues, first: logValues.count, minus: most, into: &values)
    let token = Token(choices.index(weights: values.span))
    return (token, most + LogSpace.log(sum) - logExpectation(after: prefix))
  }
}

/// A token proposal that draws exactly in proportion to v, and says with what probability.
///
/// Its weight is the sum of v divided by the expectation, whichever token is drawn.
public protocol ProportionalTokens<Target>: TokenProposal {
  /// Natural log of the probability with which a token is drawn after a prefix.
  ///
  /// - Precondition: the prefix was prepared, or the model reads directly.
  func logProbability(of token: Token, after prefix: Prefix<Model, Constraint>) -> Double
}

/// Draws tokens in proportion to v from the row of all tokens: for any model and any constraint.
///
/// No proposal under the same look-ahead has a smaller variance.
public struct GuidedTokens<Target: TextTarget, Look: LookAhead>: ProportionalTokens
where Look.Constraint == Target.Constraint {
  /// The target that texts are sampled from.
  public let target: Target
  /// What steers the proposal.
  public let lookAhead: Look

  /// Tokens of a target, steered by a look-ahead over the target's constraint.
  public init(_ target: Target, _ lookAhead: Look) {
    self.target = target
    self.lookAhead = lookAhead
  }

  /// The log of v for each token after a prefix.
  ///
  /// - Complexity: O(vocabulary).
  @inlinable
  public func logValues(after prefix: Prefix<Target.Model, Target.Constraint>) -> [Double] {
    logValues(after: prefix) { logs in
      lookAhead.addGains(
        to: &logs, fluency: target.fluency, prefix.state, count: prefix.tokens.count)
    }
  }

  /// A token in proportion to v.
  ///
  /// - Complexity: O(vocabulary).
  @inlinable
  public func draw(
    after prefix: Prefix<Target.Model, Target.Constraint>, using choices: inout some ChoiceSource
  ) -> (token: Token, logWeight: Double)? {
    draw(by: logValues(after: prefix), after: prefix, using: &choices)
  }

  /// The log of the token's share of the sum of v.
  ///
  /// - Complexity: O(vocabulary).
  public func logProbability(
    of token: Token, after prefix: Prefix<Target.Model, Target.Constraint>
  ) -> Double {
    let logs = logValues(after: prefix)
    return logs[token.index] == -.infinity ? -.infinity : logs[token.index] - LogSpace.sum(logs)
  }
}
