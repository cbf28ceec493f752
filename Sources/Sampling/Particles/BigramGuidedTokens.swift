// Licensed under the Apache License, Version 2.0.

/// Tokens in proportion to v under a look-ahead that knows the last token.
///
/// What a context lists differs from what it backs off to by a list of corrections, so that the sum
/// of v is one over these lists and one without context, which is kept. A negative correction, as
/// in pruned and quantised models, counts as 0 where tokens are drawn, and the token is accepted
/// with what that added taken off. After ``attempts`` rejections, or where the length left forbids
/// some tokens, the whole vector is asked.
public struct BigramGuidedTokens<Model: FiniteContextModel>: ProportionalTokens {
  /// What is sampled from.
  public let target: SentenceTarget<Model, TokenAutomaton>
  /// What is expected.
  public let guide: BigramLookAhead
  /// How often a token may be rejected before the whole vector is asked.
  public let attempts: Int

  /// Tokens of a target under a look-ahead.
  ///
  /// - Parameters:
  ///   - target: what is sampled from.
  ///   - guide: what is expected, by the target's automaton, its model and its fluency.
  ///   - attempts: how often a token may be rejected before the whole vector is asked.
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
  public var lookAhead: LookAhead { guide.lookAhead }

  /// What is expected behind the last token.
  public func logExpectation(after prefix: Prefix<Model>) -> Double {
    guide.logExpectation(prefix.state, after: prefix.tokens.last ?? target.model.vocabulary.start)
  }

  /// The log of v for each token after a prefix.
  ///
  /// - Complexity: O(vocabulary).
  public func logValues(after prefix: Prefix<Model>) -> [Double] {
    let gains = guide.gains(prefix.state, count: prefix.tokens.count)
    return logValues(after: prefix) { token in
      let gain = gains[Int(lookAhead.automaton.classes[token])]
      return gain.logFactor == -.infinity
        ? -.infinity : gain.logFactor + LogSpace.log(guide.expectations[gain.row + token])
    }
  }

  /// A token in proportion to v.
  ///
  /// - Complexity: O(what the context and those that it backs off to list); at worst
  ///   O(vocabulary).
  public func draw(
    after prefix: Prefix<Model>, using choices: inout some ChoiceSource
  ) -> (token: Token, logWeight: Double)? {
    guard let lists = Lists(guide, after: prefix) else {
      return drawSlowly(after: prefix, using: &choices)
    }
    let logWeight =
      LogSpace.log(lists.total) + lookAhead.logExpectations[Int(prefix.state)]
      - logExpectation(after: prefix)
    for _ in 0..<attempts {
      let token = lists.draw(using: &choices)
      let share = lists.share(of: token)
      if share == 1 || choices.chance(share) { return (token, logWeight) }
    }
    return drawSlowly(after: prefix, using: &choices).map { ($0.token, logWeight) }
  }

  /// The log of v of the token over the sum of v.
  ///
  /// - Complexity: as of a draw.
  public func logProbability(of token: Token, after prefix: Prefix<Model>) -> Double {
    let vocabulary = target.model.vocabulary
    let state = Int(prefix.state)
    guard let lists = Lists(guide, after: prefix) else {
      let logs = logValues(after: prefix)
      return logs[token.index] == -.infinity ? -.infinity : logs[token.index] - LogSpace.sum(logs)
    }
    var log = -Double.infinity
    if token == vocabulary.end {
      log = lookAhead.automaton.finalWeights[state]
    } else if vocabulary.isDrawable(token) {
      let gain = lists.gains[Int(lookAhead.automaton.classes[token.index])]
      if gain.logFactor > -.infinity {
        log = gain.logFactor + LogSpace.log(guide.expectations[gain.row + token.index])
      }
    }
    guard log > -.infinity else { return log }
    return target.fluency * target.model.logProbability(of: token, in: prefix.context) + log
      - LogSpace.log(lists.total) - lookAhead.logExpectations[state]
  }

  private func drawSlowly(
    after prefix: Prefix<Model>, using choices: inout some ChoiceSource
  ) -> (token: Token, logWeight: Double)? {
    draw(by: logValues(after: prefix), after: prefix, using: &choices)
  }
}

/// What is listed behind a prefix, level by level, each token weighed by what it adds to v.
private struct Lists {
  /// One context's own.
  struct Level {
    var context: Int
    /// By arc; negative ones count as 0.
    var weights: [Double]
    /// Their sum.
    var sum: Double
    /// The sum of these and all that is backed off to, as tokens are drawn.
    var total: Double
  }

  let guide: BigramLookAhead
  let state: TokenAutomaton.State
  let gains: [BigramLookAhead.Gain]
  let endGain: Double
  /// From the longest context to the shortest but context 0.
  var levels: [Level] = []
  /// The sum of v, in units of what is expected without context.
  var total: Double
  /// Whether tokens are drawn too often that some context takes from.
  var hasNegative = false

  /// `nil` where the vector of all tokens is needed.
  init?<Model: FiniteContextModel>(_ guide: BigramLookAhead, after prefix: Prefix<Model>) {
    self.guide = guide
    state = prefix.state
    let count = prefix.tokens.count
    guard Int(guide.needs[Int(state)]) <= guide.lookAhead.mostTokens - count - 1 else { return nil }
    gains = guide.gains(state, count: count)
    endGain = guide.endGain(state)
    let model = guide.model
    total = 0
    for sum in guide.blockSums[blocks] { total += sum }
    // What is too small or too large for a factor, logarithms hold.
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
    // What rounding could leave of it is no number to draw by.
    guard total > 1e-6 * drawn, drawn < .infinity else { return nil }
  }

  private var blocks: Range<Int> {
    let count = guide.model.arcs[0].count / BigramLookAhead.blockSize + 1
    return Int(state) * count..<(Int(state) + 1) * count
  }

  private func value(_ token: UInt32) -> Double {
    if token == guide.model.vocabulary.end.rawValue { return endGain }
    let gain = gains[Int(guide.lookAhead.automaton.classes[Int(token)])]
    return gain.factor == 0 ? 0 : gain.factor * guide.expectations[gain.row + Int(token)]
  }

  /// A token in proportion to v where no correction is negative; else in proportion to what leaves
  /// negative ones out.
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

  /// What share of the times that a token is drawn it should have been.
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
