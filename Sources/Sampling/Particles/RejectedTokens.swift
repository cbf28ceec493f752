// Licensed under the Apache License, Version 2.0.

/// Draws tokens by v without a row over the vocabulary: the model's tokens are drawn and accepted in
/// proportion to their gain, and what was rejected is never drawn again.
///
/// Drawing goes on until a second token is accepted, which gives the weight. Let R_k be the
/// probability left after k rejections, and m the number of rejections in all. Then the weight is
/// 1 / (1/R_0 + ... + 1/R_m). Given the rejections, this is the mean of whether the very first draw
/// was accepted; the mean of that is the sum of v in units of its largest gain. After ``attempts``
/// rejections the sum is computed, and the same mean is taken.
///
/// Whether the text ends is decided first, with the share of v that the end would have if everything
/// else came as expected: an end gains far more than other tokens, which would make their acceptance
/// rate small.
///
/// **Requires** a fluency of at least 1, so that acceptance probabilities lie in 0 ... 1.
/// Source of the idea: Lipkin et al. 2025, "Fast controlled generation from language models with
/// adaptive weighted rejection sampling".
public struct RejectedTokens<Source: TokenSource, Look: LookAhead>: TokenProposal
where Source.Model: FiniteContextModel {
  /// A prefix under the source's model.
  public typealias Text = Prefix<Source.Model, Look.Constraint>

  /// The target that texts are sampled from.
  public let target: SentenceTarget<Source.Model, Look.Constraint>
  /// What steers the proposal.
  public let lookAhead: Look
  /// Draws the model's tokens.
  public let source: Source
  /// How many rejections there may be before the whole vocabulary is asked.
  public let attempts: Int

  /// Tokens of a target, steered by a look-ahead over the target's constraint.
  ///
  /// - Parameters:
  ///   - target: the target that texts are sampled from; its fluency is at least 1.
  ///   - lookAhead: which texts are allowed, and what is expected.
  ///   - source: draws the model's tokens.
  ///   - attempts: how many rejections there may be before the whole vocabulary is asked; `nil` for
  ///     as many as take about as long as that.
  public init(
    _ target: SentenceTarget<Source.Model, Look.Constraint>, _ lookAhead: Look, source: Source,
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
    after prefix: Text, using choices: inout some ChoiceSource
  ) -> (token: Token, logWeight: Double)? {
    let gains = Gains(lookAhead, prefix)
    let model = target.model
    let expectation = lookAhead.logExpectation(prefix.state)
    var end = lookAhead.constraint.endWeight(prefix.state)
    if end > -.infinity {
      end += target.fluency * model.logProbability(of: model.vocabulary.end, in: prefix.context)
    }
    guard gains.most > -.infinity else {
      return end > -.infinity
        ? (model.vocabulary.end, end - expectation) : nil
    }
    // The end's share, if everything else came as expected.
    let share = 1 / (1 + LogSpace.exp(lookAhead.logRest(prefix.state) - end))
    if share > 0, choices.chance(share) {
      return (model.vocabulary.end, end - LogSpace.log(share) - expectation)
    }
    guard share < 1 else { return nil }
    let unit = gains.most - expectation - LogSpace.log(1 - share)
    // For each rejected token, the probability of accepting it when it comes again.
    var rejected = RejectedChances()
    var left = 1.0
    var inverses = 1.0
    var first: Token?
    var logSum = 0.0
    while rejected.count < attempts {
      let (drawn, chance) = drawLeft(prefix, rejected, gains, using: &choices)
      guard let chance else {
        if let first { return (first, unit + drawn.logSum - LogSpace.log(inverses)) }
        first = drawn.token
        continue
      }
      rejected.insert(drawn.token, chance)
      logSum = drawn.logSum
      // Anything smaller is rounding error.
      left = max(
        left - LogSpace.exp(drawn.logProbability - drawn.logSum) * (1 - chance), .ulpOfOne)
      if rejected.count < attempts { inverses += 1 / left }
    }
    return drawFromSum(
      prefix, first, unit: unit, logMost: gains.most, logSum: logSum, inverses: inverses,
      using: &choices)
  }

  /// A token from what is left once the rejected part of each rejected token is taken away.
  ///
  /// Where it is rejected too, the probability of accepting it when it comes again.
  @inlinable
  func drawLeft(
    _ prefix: Text, _ rejected: RejectedChances, _ gains: Gains,
    using choices: inout some ChoiceSource
  ) -> (drawn: DrawnToken, rejectedAt: Double?) {
    for _ in 0..<attempts {
      let drawn = source.draw(after: prefix, using: &choices)
      if let chance = rejected[drawn.token] {
        if chance > 0, choices.chance(chance) { return (drawn, nil) }
      } else {
        let chance = acceptance(gains, drawn.token, drawn.logProbability)
        return (drawn, chance > 0 && choices.chance(chance) ? nil : chance)
      }
    }
    return drawLeftFromVector(prefix, rejected, gains, using: &choices)
  }

  /// The same from the row of all probabilities.
  @usableFromInline
  func drawLeftFromVector(
    _ prefix: Text, _ rejected: RejectedChances, _ gains: Gains,
    using choices: inout some ChoiceSource
  ) -> (drawn: DrawnToken, rejectedAt: Double?) {
    let logs = prefix.logProbabilities(by: target.model)
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

  /// The mean that ends the attempts, once the sum of v is computed.
  @inlinable
  func drawFromSum(
    _ prefix: Text, _ first: Token?, unit: Double, logMost: Double,
    logSum: Double, inverses: Double, using choices: inout some ChoiceSource
  ) -> (token: Token, logWeight: Double)? {
    let all = GuidedTokens(target, lookAhead)
    var logValues = all.logValues(after: prefix)
    logValues[target.model.vocabulary.end.index] = -.infinity
    guard let (token, logWeight) = all.draw(by: logValues, after: prefix, using: &choices)
    else { return nil }
    // In units of the largest gain times the model's sum over all tokens.
    let sum = LogSpace.exp(logWeight + all.logExpectation(after: prefix) - logMost - logSum)
    return (first ?? token, unit + logSum + LogSpace.log(sum / (1 + sum * inverses)))
  }

  /// What acceptance probabilities behind a prefix depend on.
  @usableFromInline
  struct Gains {
    @usableFromInline let state: Look.Constraint.State
    @usableFromInline let count: Int
    /// What no token's gain exceeds.
    @usableFromInline let most: Double

    @inlinable
    init(_ lookAhead: Look, _ prefix: Text) {
      state = prefix.state
      count = prefix.tokens.count
      most = lookAhead.mostGain(state, count: count)
    }
  }

  /// The probability of accepting a token that is not the end.
  @inlinable
  func acceptance(_ gains: Gains, _ token: Token, _ logProbability: Double) -> Double {
    guard target.model.vocabulary.isDrawable(token) else { return 0 }
    let gain = lookAhead.gain(gains.state, token, count: gains.count)
    guard gain > -.infinity else { return 0 }
    let steepness = target.fluency - 1
    let log = gain - gains.most + (steepness == 0 ? 0 : steepness * logProbability)
    return log == 0 ? 1 : min(1, LogSpace.exp(log))
  }
}

/// The tokens rejected at one place with their acceptance probabilities: a hash table with open
/// addressing, at most half full.
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

  /// The slot of a token, or the one where it would go.
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
