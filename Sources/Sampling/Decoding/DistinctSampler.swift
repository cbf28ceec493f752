// Licensed under the Apache License, Version 2.0.

/// Draws distinct texts, one after another without replacement.
///
/// **Keeps.** Each text is drawn in proportion to its probability under the model as the transforms
/// change it, among the texts that have not been drawn. This is the law of the n largest
/// Gumbel-perturbed log-probabilities, in their order, and so the law of stochastic beam search. Every
/// choice is finite: a text is drawn token by token, and each beginning remembers how much is left
/// behind it.
///
/// References: Kool, van Hoof and Welling 2019, "Stochastic beams and where to find them: the
/// Gumbel-top-k trick for sampling sequences without replacement", section 2.3 and appendix A, for
/// the law; Shi, Bieber and Sutton 2020, "Incremental sampling without replacement for sequence
/// models", algorithm 1.
///
/// **Edge cases.** A text that the limit cuts is a text of its own. Where there are fewer texts than
/// asked for, all are drawn. When time is up, the sampler returns the finished ones.
public struct DistinctSampler: Sendable {
  /// The options that all decoders share.
  public let rules: DecodingRules

  /// Creates a sampler; by default it draws from the unchanged model.
  ///
  /// - Throws: where a transform draws at random, because a text then has no fixed probability.
  public init(_ rules: DecodingRules = .plain) throws(DecodingError) {
    self.rules = try rules.withoutRandomTransforms("sampling without replacement")
  }

  /// Draws texts after a prompt.
  ///
  /// - Parameters:
  ///   - count: how many, 0 or more.
  ///   - model: the model.
  ///   - prompt: the beginning of all texts.
  ///   - choices: what draws.
  ///   - watch: is called with each text as soon as it is drawn.
  /// - Returns: the texts in the order in which they were drawn.
  /// - Throws: `DecodingError` where no token is left, a logit is no number, or the constraint cannot
  ///   be met; and what the model throws.
  /// - Complexity: that of as many texts drawn with replacement; all tokens drawn are remembered.
  public func draw<Model: LanguageModel>(
    _ count: Int, from model: Model, after prompt: TokenSequence = [],
    using choices: inout some ChoiceSource, watch: (DecodedText) -> Void = { _ in }
  ) throws -> DistinctTexts {
    try draw(count, model, prompt, under: rules.opened, using: &choices, watch)
  }

  private func draw<Model: LanguageModel>(
    _ count: Int, _ model: Model, _ prompt: TokenSequence,
    under constraint: some TokenConstraint, using choices: inout some ChoiceSource,
    _ watch: (DecodedText) -> Void
  ) throws -> DistinctTexts {
    precondition(count >= 0, "a number of texts is 0 or more, got \(count)")
    var rows = NextRows(model)
    let start = try Decoding(&rows, after: prompt, under: constraint, rules)
    var next = rules.makeNextTokens(for: model.vocabulary)
    var tree = DrawnTexts()
    var texts: [DecodedText] = []
    var remaining = [1.0]
    while texts.count < count, tree.remaining > 0 {
      // The rows of the start are shared by all texts.
      guard let text = try tree.draw(from: start, rows, &next, rules, using: &choices) else {
        break
      }
      if case .drawn(let decoded) = text {
        texts.append(decoded)
        remaining.append(tree.remaining)
        watch(decoded)
      }
    }
    return DistinctTexts(texts: texts, remaining: remaining)
  }
}

/// Texts drawn without replacement, and the probability that is left.
public struct DistinctTexts: Sendable {
  /// The texts in the order in which they were drawn; `logDrawn` is a text's log-probability when one
  /// alone is drawn.
  public let texts: [DecodedText]
  /// The probability of all texts that are not drawn yet, before each draw and after the last one; 0
  /// where there are no more.
  public let remaining: [Double]

  /// When the next text would arrive, in a race where text i needs an exponential time of rate p(i)
  /// and the texts drawn are the first to arrive.
  ///
  /// Minus its logarithm is the threshold of the perturbed log-probabilities: the largest one of a
  /// text that is not drawn.
  ///
  /// - Returns: a positive number; infinite where no text is left.
  public func raceTime(using choices: inout some ChoiceSource) -> Double {
    var time = 0.0
    for rate in remaining {
      // The middle of one of 2^53 intervals: neither 0 nor 1.
      let uniform = (Double(choices.index(below: 1 << 53)) + 0.5) * 0x1p-53
      time -= LogSpace.log(uniform) / rate
    }
    return time
  }

  /// The log of the probability that a text arrives before a time.
  ///
  /// For the time of ``raceTime(using:)`` it is a text's inclusion probability q. The sum of p / q x f
  /// over the texts drawn is then an unbiased estimate of the expectation of f.
  ///
  /// Reference: Kool, van Hoof and Welling 2019, eq. 9, where it is P(G > kappa), with kappa the
  /// logarithm of 1 / time.
  ///
  /// - Parameters:
  ///   - logProbability: the text's.
  ///   - time: positive, as ``raceTime(using:)`` gives it.
  /// - Returns: at most 0.
  public static func logInclusion(logProbability: Double, before time: Double) -> Double {
    let logRate = logProbability + LogSpace.log(time)
    // 1 - exp(-x) is x where x lies below rounding.
    return logRate < -40 ? logRate : LogSpace.complement(-LogSpace.exp(logRate))
  }
}

/// The beginnings of the texts that were drawn, each with the share that is left of it.
private struct DrawnTexts {
  enum Draw {
    case drawn(DecodedText)
    /// What was left of a beginning is too small for a number.
    case none
  }

  private struct Beginning {
    /// The share of its probability that belongs to texts that are not drawn.
    var remaining = 1.0
    var followers: [Token: Int] = [:]
  }

  private struct Step {
    let beginning: Int
    let token: Token
    let probability: Double
    /// The probability that is left behind the other tokens.
    let others: Double
  }

  private var beginnings = [Beginning()]
  private var steps: [Step] = []
  private var weights: [Double] = []

  var remaining: Double { beginnings[0].remaining }

  /// Draws one of the texts that are left; `nil` when time is up.
  mutating func draw<Model: LanguageModel, Constraint: TokenConstraint>(
    from start: Decoding<Model, Constraint>, _ rows: NextRows<Model>, _ next: inout NextTokens,
    _ rules: DecodingRules, using choices: inout some ChoiceSource
  ) throws -> Draw? {
    var rows = rows
    var decoding = start
    var fixed = NoChoices()
    var here = 0
    steps.removeAll(keepingCapacity: true)
    while true {
      // The model's law says nothing of a text that time closes.
      if rules.isTimeUp() { return nil }
      decoding.closeIfDue(rules)
      if decoding.ending != nil { break }
      try decoding.read(&rows)
      try decoding.look(rows, &next, rules, using: &fixed)
      next.normalize()
      let candidates = next.candidates
      weights.removeAll(keepingCapacity: true)
      var total = 0.0
      for token in candidates {
        var weight = LogSpace.exp(next[token])
        if let follower = beginnings[here].followers[token] {
          weight *= beginnings[follower].remaining
        }
        weights.append(weight)
        total += weight
      }
      guard total > 0 else {
        update(from: 0)
        return Draw.none
      }
      let chosen = choices.index(weights: weights)
      let token = candidates[chosen]
      // Adding the others up, rather than subtracting the chosen one, keeps the digits of a small
      // rest.
      var others = 0.0
      for i in weights.indices where i != chosen { others += weights[i] }
      steps.append(
        Step(
          beginning: here, token: token, probability: LogSpace.exp(next[token]), others: others))
      if let follower = beginnings[here].followers[token] {
        here = follower
      } else {
        beginnings.append(Beginning())
        beginnings[here].followers[token] = beginnings.count - 1
        here = beginnings.count - 1
      }
      decoding.commit(
        rows, token, logProbability: next[token], isEnd: next.isEnd(token), rules)
    }
    update(from: 0)
    return .drawn(decoding.decoded(logDrawn: decoding.logDrawn))
  }

  /// Leaves a share of the beginning that was reached last, and updates those before it.
  private mutating func update(from share: Double) {
    var share = share
    if let last = steps.last, let end = beginnings[last.beginning].followers[last.token] {
      beginnings[end].remaining = share
    } else {
      beginnings[0].remaining = share
    }
    for step in steps.reversed() {
      // Rounding can give a little more than 1.
      share = min(1, step.others + step.probability * share)
      beginnings[step.beginning].remaining = share
    }
  }
}
