// Licensed under the Apache License, Version 2.0.

/// Tokens in proportion to v without a vector over the vocabulary: the model's tokens are drawn and
/// accepted in proportion to what is added to them, and what was rejected is never drawn again.
///
/// Drawing goes on to a second acceptance, which gives the weight. With R_k the probability left
/// after k rejections and m rejections in all, the weight is 1 / (1/R_0 + ... + 1/R_m): the mean,
/// given what was rejected, of whether the very first draw was accepted, whose mean in turn is the
/// sum of v in units of its largest gain. After ``attempts`` rejections that sum is computed, and
/// the same mean is taken.
///
/// Whether the text ends is decided first, as likely as the end's share of v would be if all else
/// came as expected: the end adds far more than other tokens, which would make their acceptance small.
///
/// **Requires** a fluency of at least 1, so that probabilities of acceptance lie in 0 ... 1.
/// Source of the idea: Lipkin et al. 2025, "Fast controlled generation from language models with
/// adaptive weighted rejection sampling".
public struct RejectedTokens<Source: TokenSource>: TokenProposal {
  /// What is sampled from.
  public let target: SentenceTarget<Source.Model, TokenAutomaton>
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
  ///   - attempts: how many rejections there may be before the whole vocabulary is asked; `nil` for
  ///     as many as take about as long as that.
  public init(
    _ target: SentenceTarget<Source.Model, TokenAutomaton>, _ lookAhead: LookAhead, source: Source,
    attempts: Int? = nil
  ) {
    let attempts = attempts ?? max(16, target.model.vocabulary.count / 8)
    precondition(target.fluency >= 1, "acceptance needs a fluency of at least 1")
    precondition(attempts > 0, "a token is drawn before it is rejected")
    self.target = target
    self.lookAhead = lookAhead
    self.source = source
    self.attempts = attempts
  }

  /// A token with a proper weight.
  ///
  /// - Complexity: two draws over the share of v, expected, and no more than `attempts` and one
  ///   pass over the vocabulary.
  @inlinable
  public func draw(
    after prefix: Prefix<Source.Model>, using choices: inout some ChoiceSource
  ) -> (token: Token, logWeight: Double)? {
    let state = Int(prefix.state)
    let gains = Gains(lookAhead, prefix)
    let model = target.model
    var end = lookAhead.automaton.finalWeights[state]
    if end > -.infinity {
      end += target.fluency * model.logProbability(of: model.vocabulary.end, in: prefix.context)
    }
    guard gains.most > -.infinity else {
      return end > -.infinity
        ? (model.vocabulary.end, end - lookAhead.logExpectations[state]) : nil
    }
    // The end's share if all else came as expected.
    let share = 1 / (1 + LogSpace.exp(lookAhead.logRests[state] - end))
    if share > 0, choices.chance(share) {
      return (model.vocabulary.end, end - LogSpace.log(share) - lookAhead.logExpectations[state])
    }
    guard share < 1 else { return nil }
    let unit = gains.most - lookAhead.logExpectations[state] - LogSpace.log(1 - share)
    // Of rejected tokens, how likely they are accepted when they come again.
    var rejected = RejectedChances()
    var left = 1.0
    var inverses = 1.0
    var first: Token?
    var logSum = 0.0
    while rejected.count < attempts {
      let (drawn, chance) = drawLeft(prefix.context, rejected, gains, using: &choices)
      guard let chance else {
        if let first { return (first, unit + drawn.logSum - LogSpace.log(inverses)) }
        first = drawn.token
        continue
      }
      rejected.insert(drawn.token, chance)
      logSum = drawn.logSum
      // Less than what rounding leaves of 1 cannot be told from it.
      left = max(
        left - LogSpace.exp(drawn.logProbability - drawn.logSum) * (1 - chance), .ulpOfOne)
      if rejected.count < attempts { inverses += 1 / left }
    }
    return drawFromSum(
      prefix, first, unit: unit, logMost: gains.most, logSum: logSum, inverses: inverses,
      using: &choices)
  }

  /// A token of what is left when the rejected part of each rejected token is taken away; where it
  /// is rejected itself, how likely it is to be accepted when it comes again.
  @inlinable
  func drawLeft(
    _ context: Source.Model.Context, _ rejected: RejectedChances, _ gains: Gains,
    using choices: inout some ChoiceSource
  ) -> (drawn: DrawnToken, rejectedAt: Double?) {
    for _ in 0..<attempts {
      let drawn = source.draw(in: context, using: &choices)
      if let chance = rejected[drawn.token] {
        if chance > 0, choices.chance(chance) { return (drawn, nil) }
      } else {
        let chance = acceptance(gains, drawn.token, drawn.logProbability)
        return (drawn, chance > 0 && choices.chance(chance) ? nil : chance)
      }
    }
    return drawLeftFromVector(context, rejected, gains, using: &choices)
  }

  /// The same from the vector of all probabilities.
  @usableFromInline
  func drawLeftFromVector(
    _ context: Source.Model.Context, _ rejected: RejectedChances, _ gains: Gains,
    using choices: inout some ChoiceSource
  ) -> (drawn: DrawnToken, rejectedAt: Double?) {
    let logs = target.model.logProbabilities(in: context)
    let weights = logs.enumerated().map { i, log in
      LogSpace.exp(log) * (rejected[Token(i)] ?? 1)
    }
    let token = Token(choices.index(weights: weights))
    let drawn = DrawnToken(
      token, logProbability: logs[token.index], logSum: LogSpace.sum(logs))
    if rejected[token] != nil { return (drawn, nil) }
    let chance = acceptance(gains, token, drawn.logProbability)
    return (drawn, chance > 0 && choices.chance(chance) ? nil : chance)
  }

  /// The mean that ends the attempts, where the sum of v is known.
  @inlinable
  func drawFromSum(
    _ prefix: Prefix<Source.Model>, _ first: Token?, unit: Double, logMost: Double,
    logSum: Double, inverses: Double, using choices: inout some ChoiceSource
  ) -> (token: Token, logWeight: Double)? {
    let all = GuidedTokens(target, lookAhead)
    var logValues = all.logValues(after: prefix)
    logValues[target.model.vocabulary.end.index] = -.infinity
    guard let (token, logWeight) = all.draw(by: logValues, after: prefix, using: &choices)
    else { return nil }
    // In units of the largest gain, of what the model gives all tokens.
    let sum = LogSpace.exp(logWeight + all.logExpectation(after: prefix) - logMost - logSum)
    return (first ?? token, unit + logSum + LogSpace.log(sum / (1 + sum * inverses)))
  }

  /// What chances of acceptance behind a prefix are reckoned from.
  @usableFromInline
  struct Gains {
    @usableFromInline let state: TokenAutomaton.State
    @usableFromInline let count: Int
    /// The most that any token adds.
    @usableFromInline let most: Double

    @inlinable
    init(_ lookAhead: LookAhead, _ prefix: Prefix<Source.Model>) {
      state = prefix.state
      count = prefix.tokens.count
      most = lookAhead.mostGain(state, count: count)
    }
  }

  /// How likely a token that is not the end is accepted.
  @inlinable
  func acceptance(_ gains: Gains, _ token: Token, _ logProbability: Double) -> Double {
    guard target.model.vocabulary.isDrawable(token) else { return 0 }
    let gain = lookAhead.gain(
      gains.state, lookAhead.automaton.classes[token.index], count: gains.count)
    guard gain > -.infinity else { return 0 }
    let steepness = target.fluency - 1
    let log = gain - gains.most + (steepness == 0 ? 0 : steepness * logProbability)
    return log == 0 ? 1 : min(1, LogSpace.exp(log))
  }
}

/// Tokens that were rejected in one place, each with its chance: open addressing, half full at most.
@usableFromInline
struct RejectedChances {
  @usableFromInline var slots = [Slot](repeating: .empty, count: 64)
  @usableFromInline var count = 0

  @usableFromInline
  struct Slot {
    @usableFromInline var token: Token
    /// Negative in an empty slot.
    @usableFromInline var chance: Double

    @inlinable
    init(_ token: Token, _ chance: Double) {
      self.token = token
      self.chance = chance
    }

    @inlinable
    static var empty: Slot { Slot(Token(0), -1) }
  }

  @inlinable
  init() {}

  /// Where a token is, or would be.
  @inlinable
  func place(of token: Token) -> Int {
    // Fibonacci hashing: Knuth 1998, volume 3, section 6.4.
    var place = Int(truncatingIfNeeded: UInt64(token.rawValue) &* 0x9e37_79b9_7f4a_7c15 >> 32)
    while true {
      place &= slots.count - 1
      if slots[place].chance < 0 || slots[place].token == token { return place }
      place += 1
    }
  }

  @inlinable
  subscript(token: Token) -> Double? {
    let chance = slots[place(of: token)].chance
    return chance < 0 ? nil : chance
  }

  /// Adds a token that is not in it.
  @inlinable
  mutating func insert(_ token: Token, _ chance: Double) {
    if 2 * (count + 1) > slots.count { grow() }
    slots[place(of: token)] = Slot(token, chance)
    count += 1
  }

  @usableFromInline
  mutating func grow() {
    let old = slots
    slots = [Slot](repeating: .empty, count: 2 * old.count)
    for slot in old where slot.chance >= 0 { slots[place(of: slot.token)] = slot }
  }
}
