// Licensed under the Apache License, Version 2.0.

/// A text that is being written from left to right under a target.
public struct Prefix<Model: FiniteContextModel>: Sendable {
  /// The tokens so far.
  public var tokens: [Token] = []
  /// The model's context behind them.
  public var context: Model.Context
  /// The automaton's state behind them.
  public var state: TokenAutomaton.State

  /// The empty text.
  @inlinable
  public init(_ model: Model, _ lookAhead: LookAhead) {
    context = model.makeContext()
    state = lookAhead.automaton.start
  }

  @inlinable
  mutating func append(_ token: Token, _ model: Model, _ automaton: TokenAutomaton) {
    tokens.append(token)
    model.advance(&context, by: token)
    state = automaton.following(state, token)
  }
}

/// Draws a next token together with a weight that makes up for how it was drawn.
///
/// With v(w) = p(w | context)^fluency x exp(nats of w) x (what is expected behind w), the end symbol
/// counting its final nats instead, the law is that of a proper weight: the mean of `exp(logWeight)`
/// over draws that are w is v(w) / (what was expected before w), for each w.
public protocol TokenProposal<Model>: Sendable {
  /// Whose tokens.
  associatedtype Model: FiniteContextModel
  /// What is sampled from.
  var target: SentenceTarget<Model, TokenAutomaton> { get }
  /// Which texts can be completed, and what is expected where nothing else says it.
  var lookAhead: LookAhead { get }

  /// The log of what is expected behind a prefix.
  func logExpectation(after prefix: Prefix<Model>) -> Double

  /// A token with its log weight; `nil` where the model gives nothing that is allowed a probability.
  func draw(
    after prefix: Prefix<Model>, using choices: inout some ChoiceSource
  ) -> (token: Token, logWeight: Double)?
}

extension TokenProposal {
  /// What the look-ahead says of the state.
  @inlinable
  public func logExpectation(after prefix: Prefix<Model>) -> Double {
    lookAhead.logExpectations[Int(prefix.state)]
  }

  /// The log of v for each token after a prefix, by what each token adds to its probability.
  @inlinable
  func logValues(after prefix: Prefix<Model>, gain: (Int) -> Double) -> [Double] {
    let vocabulary = target.model.vocabulary
    var logs = target.model.logProbabilities(in: prefix.context)
    let end = logs[vocabulary.end.index]
    for i in logs.indices {
      let gain = gain(i)
      logs[i] = gain == -.infinity ? gain : target.fluency * logs[i] + gain
    }
    logs[vocabulary.start.index] = -.infinity
    if let unknown = vocabulary.unknown { logs[unknown.index] = -.infinity }
    logs[vocabulary.end.index] =
      target.fluency * end + lookAhead.automaton.finalWeights[Int(prefix.state)]
    return logs
  }

  /// A token in proportion to v, given the log of v for each.
  @inlinable
  func draw(
    by logValues: [Double], after prefix: Prefix<Model>, using choices: inout some ChoiceSource
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
/// Its log weight is that of the sum of v over what was expected, whatever token is drawn.
public protocol ProportionalTokens<Model>: TokenProposal {
  /// Natural log of the probability with which a token is drawn after a prefix.
  func logProbability(of token: Token, after prefix: Prefix<Model>) -> Double
}

/// Tokens in proportion to v, through a vector over the vocabulary: the proposal of smallest variance.
public struct GuidedTokens<Model: FiniteContextModel>: ProportionalTokens {
  /// What is sampled from.
  public let target: SentenceTarget<Model, TokenAutomaton>
  /// What is expected.
  public let lookAhead: LookAhead

  /// Tokens of a target under a look-ahead, which has the target's automaton.
  public init(_ target: SentenceTarget<Model, TokenAutomaton>, _ lookAhead: LookAhead) {
    self.target = target
    self.lookAhead = lookAhead
  }

  /// The log of v for each token after a prefix.
  ///
  /// - Complexity: O(vocabulary).
  @inlinable
  public func logValues(after prefix: Prefix<Model>) -> [Double] {
    let gains = lookAhead.gains(prefix.state, count: prefix.tokens.count)
    return logValues(after: prefix) { gains[Int(lookAhead.automaton.classes[$0])] }
  }

  /// A token in proportion to v.
  ///
  /// - Complexity: O(vocabulary).
  @inlinable
  public func draw(
    after prefix: Prefix<Model>, using choices: inout some ChoiceSource
  ) -> (token: Token, logWeight: Double)? {
    draw(by: logValues(after: prefix), after: prefix, using: &choices)
  }

  /// The log of v of the token over the sum of v.
  ///
  /// - Complexity: O(vocabulary).
  public func logProbability(of token: Token, after prefix: Prefix<Model>) -> Double {
    let logs = logValues(after: prefix)
    return logs[token.index] == -.infinity ? -.infinity : logs[token.index] - LogSpace.sum(logs)
  }
}
