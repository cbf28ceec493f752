// Licensed under the Apache License, Version 2.0.

/// Draws tokens in proportion to v under a look-ahead that knows the last token.
///
/// What a context lists differs from what it backs off to by a list of corrections. So the sum of v is
/// a sum over these lists, plus one without context that is kept. A negative correction, as pruned
/// and quantised models have, counts as 0 when tokens are drawn; the drawn token is then accepted
/// with the share that it should have had. After ``attempts`` rejections, or where the remaining
/// length forbids some tokens, the whole row is used.
public struct BigramGuidedTokens<Model: FiniteContextModel>: ProportionalTokens {
  /// A prefix under the model and the automaton.
  public typealias Text = Prefix<Model, TokenAutomaton>

  /// The target that texts are sampled from.
  public let target: SentenceTarget<Model, TokenAutomaton>
  /// What steers the proposal.
  public let guide: BigramLookAhead
  /// How often a token may be rejected before the whole row is used.
  public let attempts: Int

  /// Tokens of a target, steered by a look-ahead over the target's automaton.
  ///
  /// - Parameters:
  ///   - target: the target that texts are sampled from.
  ///   - guide: what is expected, for the target's automaton, model and fluency.
  ///   - attempts: how often a token may be rejected before the whole row is used.
  public init(
    _ target: SentenceTarget<Model, TokenAutomaton>, _ guide: BigramLookAhead, attempts: Int = 64
  ) {
    precondition(
      target.model.vocabulary.count == guide.model.vocabulary.count, "one vocabulary for both")
    precondition(attempts > 0, "a token is drawn before it is rejected")
    self.target = target
    self.guide = guide
    self.attempts = attempts
  }

  /// Which texts can be completed.
  public var lookAhead: AutomatonLookAhead { guide.lookAhead }

  /// The estimate behind the last token.
  public func logExpectation(after prefix: Text) -> Double {
    guide.logExpectation(prefix.state, after: prefix.tokens.last ?? target.model.vocabulary.start)
  }

  /// The log of v for each token after a prefix.
  ///
  /// - Complexity: O(vocabulary).
  public func logValues(after prefix: Text) -> [Double] {
    logValues(after: prefix) { logs in
      guide.addGains(
        to: &logs, fluency: target.fluency, prefix.state, count: prefix.tokens.count)
    }
  }

  /// A token in proportion to v.
  ///
  /// - Complexity: O(arcs of the context and of those that it backs off to); at worst
  ///   O(vocabulary).
  public func draw(
    after prefix: Text, using choices: inout some ChoiceSource
  ) -> (token: Token, logWeight: Double)? {
    guard let lists = Lists(guide, after: prefix) else {
      return drawSlowly(after: prefix, using: &choices)
    }
    let logWeight =
      LogSpace.log(lists.total) + lookAhead.logExpectation(prefix.state)
      - logExpectation(after: prefix)
    for _ in 0..<attempts {
      let token = lists.draw(using: &choices)
      let share = lists.share(of: token)
      if share == 1 || choices.chance(share) { return (token, logWeight) }
    }
    return drawSlowly(after: prefix, using: &choices).map { ($0.token, logWeight) }
  }

  /// The log of the token's share of the sum of v.
  ///
  /// - Complexity: as of a draw.
  public func logProbability(of token: Token, after prefix: Text) -> Double {
    let vocabulary = target.model.vocabulary
    guard let lists = Lists(guide, after: prefix) else {
      let logs = logValues(after: prefix)
      return logs[token.index] == -.infinity ? -.infinity : logs[token.index] - LogSpace.sum(logs)
    }
    var log = -Double.infinity
    if token == vocabulary.end {
      log = lookAhead.constraint.endWeight(prefix.state)
    } else if vocabulary.isDrawable(token) {
      let gain = lists.gains[lookAhead.constraint.tokenClass(of: token)]
      if gain.logFactor > -.infinity {
        log = gain.logFactor + LogSpace.log(guide.expectations[gain.row + token.index])
      }
    }
    guard log > -.infinity else { return log }
    return target.fluency * target.model.logProbability(of: token, in: prefix.context) + log
      - LogSpace.log(lists.total) - lookAhead.logExpectation(prefix.state)
  }

  private func drawSlowly(
    after prefix: Text, using choices: inout some ChoiceSource
  ) -> (token: Token, logWeight: Double)? {
    draw(by: logValues(after: prefix), after: prefix, using: &choices)
  }
}

/// The arcs of a prefix's contexts, level by level, each token weighed by what it adds to v.
private struct Lists {
  /// The arcs of one context, with their weights.
  struct Level {
    var context: Int
    /// By arc; negative ones count as 0.
    var weights: [Double]
    /// The sum of the weights.
    var sum: Double
    /// The sum of these and of everything backed off to, as tokens are drawn.
    var total: Double
  }

  let guide: BigramLookAhead
  let state: TokenAutomaton.State
  let gains: [BigramLookAhead.Gain]
  let endGain: Double
  /// From the longest context to the shortest, without context 0.
  var levels: [Level] = []
  /// The sum of v, in units of what is expected without context.
  var total: Double
  /// Whether some correction is negative, so that some tokens are drawn too often.
  var hasNegative = false

  /// `nil` where the row of all tokens is needed.
  init?<Model: FiniteContextModel>(
    _ guide: BigramLookAhead, after prefix: Prefix<Model, TokenAutomaton>
  ) {
    self.guide = guide
    state = prefix.state
    let count = prefix.tokens.count
    guard guide.needs[Int(state)] <= guide.lookAhead.mostTokens - count - 1 else { return nil }
    gains = guide.gains(state, count: count)
    endGain = guide.endGain(state)
    let model = guide.model
    total = 0
    for sum in guide.blockSums[blocks] { total += sum }
    // Logarithms hold what is too small or too large for a factor.
    guard gains.allSatisfy({ $0.factor > 0 && $0.factor < .infinity || $0.logFactor == -.infinity })
    else { return nil }
    var drawn = total
    for context in model.chain(model.context(behind: prefix.tokens)).dropLast().reversed() {
      var level = Level(context: context, weights: [], sum: 0, total: 0)
      level.weights.reserveCapacity(model.arcs[context].count)
      var negative = 0.0
      for arc in model.arcs[context] {
        let weight = guide.coefficients[Int(arc)] * value(model.tokens[Int(arc)])
        level.weights.append(max(0, weight))
        level.sum += max(0, weight)
        negative += min(0, weight)
      }
      if negative < 0 { hasNegative = true }
      total = level.sum + negative + model.backoffs[context] * total
      drawn = level.sum + model.backoffs[context] * drawn
      level.total = drawn
      levels.append(level)
    }
    levels.reverse()
    // A smaller rest may be rounding error.
    guard total > 1e-6 * drawn, drawn < .infinity else { return nil }
  }

  private var blocks: Range<Int> {
    let count = guide.model.arcs[0].count / BigramLookAhead.blockSize + 1
    return Int(state) * count..<(Int(state) + 1) * count
  }

  private func value(_ token: UInt32) -> Double {
    if token == guide.model.vocabulary.end.rawValue { return endGain }
    let gain = gains[guide.lookAhead.constraint.tokenClass(of: Token(rawValue: token))]
    return gain.factor == 0 ? 0 : gain.factor * guide.expectations[gain.row + Int(token)]
  }

  /// A token in proportion to v, with negative corrections counted as 0.
  func draw(using choices: inout some ChoiceSource) -> Token {
    let model = guide.model
    for level in levels where level.sum > 0 {
      guard choices.chance(min(1, level.sum / level.total)) else { continue }
      let arc = Int(model.arcs[level.context].lowerBound) + choices.index(weights: level.weights)
      return Token(rawValue: model.tokens[arc])
    }
    let size = BigramLookAhead.blockSize
    let block = choices.index(weights: guide.blockSums.span.extracting(blocks))
    let first = Int(model.arcs[0].lowerBound) + block * size
    let arcs = first..<min(Int(model.arcs[0].upperBound), first + size)
    let arc = choices.index(
      weights: arcs.map { model.weights[$0] * value(model.tokens[$0]) })
    return Token(rawValue: model.tokens[first + arc])
  }

  /// The share of a token's draws that should be accepted.
  func share(of token: Token) -> Double {
    guard hasNegative else { return 1 }
    let model = guide.model
    var drawn = 0.0
    var factor = 1.0
    for level in levels {
      let arc = model.arc(token.rawValue, of: level.context)
      if arc >= 0 { drawn += factor * max(0, guide.coefficients[arc]) }
      factor *= model.backoffs[level.context]
    }
    let arc = model.arc(token.rawValue, of: 0)
    drawn += factor * (arc >= 0 ? model.weights[arc] : 0)
    let weight = model.step(levels.first?.context ?? 0, token.rawValue).weight
    return min(1, weight / drawn)
  }
}
