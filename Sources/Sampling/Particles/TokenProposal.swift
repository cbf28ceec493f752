// Licensed under the Apache License, Version 2.0.

/// A text that is being written from left to right under a target.
public struct Prefix<Model: LanguageModel>: Sendable {
  /// The tokens so far.
  public var tokens: [Token] = []
  /// The model's context behind them.
  public var context: Model.Context
  /// The automaton's state behind them.
  public var state: TokenAutomaton.State

  /// The empty text.
  public init(_ model: Model, _ lookAhead: LookAhead) {
    context = model.makeContext()
    state = lookAhead.automaton.start
  }

  mutating func append(_ token: Token, _ model: Model, _ automaton: TokenAutomaton) {
    tokens.append(token)
    model.advance(&context, by: token)
    state = automaton.next(state, token)
  }
}

/// Draws a next token together with a weight that makes up for how it was drawn.
///
/// With v(w) = p(w | context)^fluency x exp(nats of w) x (what is expected behind w), the end symbol
/// counting its final nats instead, the law is that of a proper weight: the mean of `exp(logWeight)`
/// over draws that are w is v(w) / (what was expected before w), for each w.
public protocol TokenProposal<Model>: Sendable {
  /// Whose tokens.
  associatedtype Model: LanguageModel
  /// What is sampled from.
  var target: SentenceTarget<Model> { get }
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
  public func logExpectation(after prefix: Prefix<Model>) -> Double {
    lookAhead.logExpectations[Int(prefix.state)]
  }

  /// The log of v for each token after a prefix, by what each token adds to its probability.
  func logValues(after prefix: Prefix<Model>, gain: (Int) -> Double) -> [Double] {
    let vocabulary = target.model.vocabulary
    var logs = target.model.logProbabilities(in: prefix.context)
    let end = logs[vocabulary.end.index]
    for i in logs.indices {
      let gain = gain(i)
      logs[i] = gain == -.infinity ? gain : target.fluency * logs[i] + gain
    }
    for special in [vocabulary.start, vocabulary.unknown].compactMap({ $0 }) {
      logs[special.index] = -.infinity
    }
    logs[vocabulary.end.index] =
      target.fluency * end + lookAhead.automaton.finalWeights[Int(prefix.state)]
    return logs
  }

  /// A token in proportion to v, given the log of v for each.
  func draw(
    by logValues: [Double], after prefix: Prefix<Model>, using choices: inout some ChoiceSource
  ) -> (token: Token, logWeight: Double)? {
    var values = logValues
    let most = values.max() ?? -.infinity
    guard most > -.infinity else { return nil }
    var sum = 0.0
    for i in values.indices {
      values[i] = values[i] == -.infinity ? 0 : LogSpace.exp(values[i] - most)
      sum += values[i]
    }
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
public struct GuidedTokens<Model: LanguageModel>: ProportionalTokens {
  /// What is sampled from.
  public let target: SentenceTarget<Model>
  /// What is expected.
  public let lookAhead: LookAhead

  /// Tokens of a target under a look-ahead, which has the target's automaton.
  public init(_ target: SentenceTarget<Model>, _ lookAhead: LookAhead) {
    self.target = target
    self.lookAhead = lookAhead
  }

  /// The log of v for each token after a prefix.
  ///
  /// - Complexity: O(vocabulary).
  public func logValues(after prefix: Prefix<Model>) -> [Double] {
    let gains = lookAhead.gains(prefix.state, count: prefix.tokens.count)
    return logValues(after: prefix) { gains[Int(lookAhead.automaton.classes[$0])] }
  }

  /// A token in proportion to v.
  ///
  /// - Complexity: O(vocabulary).
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

/// Tokens in proportion to v without a vector over the vocabulary: the model's tokens are drawn and
/// accepted in proportion to what is added to them, and what was rejected is never drawn again.
///
/// Drawing goes on to a second acceptance, which gives the weight. With R_k the probability left
/// after k rejections and m rejections in all, the weight is 1 / (1/R_0 + ... + 1/R_m): the mean,
/// given what was rejected, of whether the very first draw was accepted, whose mean in turn is the
/// sum of v in units of its largest gain. After ``attempts`` rejections that sum is computed, and
/// the same mean is taken.
///
/// **Requires** a fluency of at least 1, so that probabilities of acceptance lie in 0 ... 1.
/// Source of the idea: Lipkin et al. 2025, "Fast controlled generation from language models with
/// adaptive weighted rejection sampling".
public struct RejectedTokens<Source: TokenSource>: TokenProposal {
  /// What is sampled from.
  public let target: SentenceTarget<Source.Model>
  /// What is expected.
  public let lookAhead: LookAhead
  /// Draws the model's tokens.
  public let source: Source
  /// How many rejections there may be before the whole vocabulary is asked.
  public let attempts: Int

  /// Tokens of a target under a look-ahead.
  ///
  /// - Parameters:
  ///   - target: what is sampled from; its fluency is at least 1.
  ///   - lookAhead: what is expected, by the target's automaton.
  ///   - source: draws the model's tokens.
  ///   - attempts: how many rejections there may be before the whole vocabulary is asked.
  public init(
    _ target: SentenceTarget<Source.Model>, _ lookAhead: LookAhead, source: Source,
    attempts: Int = 4096
  ) {
    precondition(target.fluency >= 1, "acceptance needs a fluency of at least 1")
    precondition(attempts > 0, "a token is drawn before it is rejected")
    self.target = target
    self.lookAhead = lookAhead
    self.source = source
    self.attempts = attempts
  }

  /// A token whose law is in proportion to v, and an unbiased weight.
  ///
  /// - Complexity: two draws over the share of v, expected, and no more than `attempts` and one
  ///   pass over the vocabulary.
  public func draw(
    after prefix: Prefix<Source.Model>, using choices: inout some ChoiceSource
  ) -> (token: Token, logWeight: Double)? {
    let automaton = lookAhead.automaton
    let vocabulary = target.model.vocabulary
    let gains = lookAhead.gains(prefix.state, count: prefix.tokens.count)
    let endGain = automaton.finalWeights[Int(prefix.state)]
    let most = max(gains.max() ?? -.infinity, endGain)
    guard most > -.infinity else { return nil }
    func acceptance(_ token: Token, _ logProbability: Double) -> Double {
      let gain =
        token == vocabulary.end
        ? endGain
        : vocabulary.isDrawable(token) ? gains[Int(automaton.classes[token.index])] : -.infinity
      guard gain > -.infinity else { return 0 }
      return min(1, LogSpace.exp((target.fluency - 1) * logProbability + gain - most))
    }
    let unit = most - lookAhead.logExpectations[Int(prefix.state)]
    // Of rejected tokens, how likely they are accepted when they come again.
    var rejected: [Token: Double] = [:]
    var left = 1.0
    var inverses = 1.0
    var first: Token?
    while rejected.count < attempts {
      let (drawn, isAccepted) = drawLeft(prefix.context, rejected, acceptance, using: &choices)
      if isAccepted {
        if let first { return (first, unit + drawn.logSum - LogSpace.log(inverses)) }
        first = drawn.token
      } else {
        let chance = acceptance(drawn.token, drawn.logProbability)
        rejected[drawn.token] = chance
        // Less than what rounding leaves of 1 cannot be told from it.
        left = max(
          left - LogSpace.exp(drawn.logProbability - drawn.logSum) * (1 - chance), .ulpOfOne)
        if rejected.count < attempts { inverses += 1 / left }
      }
    }
    // The same mean where the sum of v is known.
    let logs = target.model.logProbabilities(in: prefix.context)
    let logSum = LogSpace.sum(logs)
    let values = logs.enumerated().map { i, log in
      LogSpace.exp(log - logSum) * acceptance(Token(i), log)
    }
    let sum = values.reduce(0, +)
    guard sum > 0 else { return nil }
    let logWeight = logSum + LogSpace.log(sum / (1 + sum * inverses))
    return (first ?? Token(choices.index(weights: values)), unit + logWeight)
  }

  /// A token of what is left when the rejected part of each rejected token is taken away, and
  /// whether it is accepted.
  private func drawLeft(
    _ context: Source.Model.Context, _ rejected: [Token: Double],
    _ acceptance: (Token, Double) -> Double, using choices: inout some ChoiceSource
  ) -> (drawn: DrawnToken, isAccepted: Bool) {
    for _ in 0..<attempts {
      let drawn = source.draw(in: context, using: &choices)
      if let chance = rejected[drawn.token] {
        if chance > 0, choices.chance(chance) { return (drawn, true) }
      } else {
        let chance = acceptance(drawn.token, drawn.logProbability)
        return (drawn, chance > 0 && choices.chance(chance))
      }
    }
    let logs = target.model.logProbabilities(in: context)
    let weights = logs.enumerated().map { i, log in
      LogSpace.exp(log) * (rejected[Token(i)] ?? 1)
    }
    let token = Token(choices.index(weights: weights))
    let drawn = DrawnToken(
      token, logProbability: logs[token.index], logSum: LogSpace.sum(logs))
    if rejected[token] != nil { return (drawn, true) }
    let chance = acceptance(token, drawn.logProbability)
    return (drawn, chance > 0 && choices.chance(chance))
  }
}
