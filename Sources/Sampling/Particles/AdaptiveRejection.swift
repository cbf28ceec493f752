// Licensed under the Apache License, Version 2.0.

/// Rejection sampling from the model that never proposes again what it has found to be impossible.
///
/// For each prefix it remembers how much of the prefix's probability turned out to be rejected:
/// tokens that no allowed text goes on with, and the rejected share of whole texts. It proposes from
/// what is left. So the acceptance rate rises, and the share of the model's texts that is left is
/// known exactly.
///
/// **Keeps** rho: whatever was learnt before, an accepted text has the law rho / Z, so draws are
/// independent. Drawing among the allowed tokens only is something else: it favours prefixes that few
/// texts can complete.
/// **Accuracy.** The shares left have relative errors of about 1e-13: where a difference would lose
/// digits, the sum is computed anew.
/// References: Mansinghka, Roy, Jonas and Tenenbaum 2009, "Exact and approximate sampling by
/// systematic stochastic search"; Parys et al. 2025, "Constrained adaptive rejection sampling".
public struct AdaptiveRejection<
  Target: TextTarget, Source: TokenSource, Look: LookAhead
>: Sendable
where Source.Model == Target.Model, Look.Constraint == Target.Constraint {
  /// The outcome of one proposal.
  public enum Outcome: Hashable, Sendable {
    /// An independent draw from rho.
    case accepted(TokenSequence)
    /// The proposal was rejected, so there is no draw.
    case rejected
    /// None of the model's texts is possible.
    case exhausted
  }

  private typealias Text = Prefix<Target.Model, Target.Constraint>

  private struct Child {
    var probability: Double
    /// The share of the texts through it that is left.
    var left: Double
    /// Its own node, or -1.
    var node: Int32
  }

  /// The target that texts are sampled from.
  public let target: Target
  /// Which texts can still become allowed ones.
  public let lookAhead: Look
  /// Draws the model's tokens.
  public let source: Source
  /// The log of M, a bound of rho divided by the model's probability of a text.
  public let logBound: Double
  /// How many tokens are remembered at most; nothing more is learnt from then on.
  public let capacity: Int
  /// How often a token is drawn again before the whole vocabulary is asked.
  public let attempts: Int
  private var nodes: [[Token: Child]] = [[:]]
  /// For each node: the share of the texts through it that is left, and the same when it was last
  /// summed.
  private var shares: [Double] = [1]
  private var summedShares: [Double] = [1]
  private var childCount = 0

  /// A sampler that has learnt nothing yet.
  ///
  /// - Parameters:
  ///   - target: the target that texts are sampled from.
  ///   - lookAhead: which texts can be completed; it has the target's constraint.
  ///   - source: draws the model's tokens.
  ///   - logBound: the log of M. Where the model's probabilities add up to more than 1, M must cover
  ///     the product of these sums along a text.
  ///   - capacity: how many tokens are remembered at most, at some hundred bytes each.
  ///   - attempts: how often a token is drawn again before the whole vocabulary is asked.
  public init(
    _ target: Target, _ lookAhead: Look, source: Source, logBound: Double = 0,
    capacity: Int = 1 << 20, attempts: Int = 1024
  ) {
    precondition(attempts > 0 && capacity >= 0, "a token is drawn at least once")
    self.target = target
    self.lookAhead = lookAhead
    self.source = source
    self.logBound = logBound
    self.capacity = capacity
    self.attempts = attempts
  }

  /// The share of the model's texts that is left to be proposed.
  ///
  /// An attempt's acceptance rate is Z / (M x this share).
  public var share: Double { shares[0] }

  /// Makes one proposal and accepts or rejects it.
  ///
  /// - Throws: ``BoundExceeded``, and what the model throws.
  /// - Complexity: one batch per token, where the model needs batches; a few more where shares are
  ///   summed anew.
  public mutating func attempt(using choices: inout some ChoiceSource) throws -> Outcome {
    let model = target.model
    guard lookAhead.isSatisfiable, shares[0] > 0 else { return .exhausted }
    var prefix = try makePrefix()
    var probabilities: [Double] = []
    var node = 0
    var logWeight = 0.0
    while true {
      if !model.readsDirectly { try prefix.read(by: model) }
      guard let drawn = draw(prefix, node, using: &choices) else { return .exhausted }
      let token = drawn.token
      probabilities.append(drawn.probability)
      logWeight += drawn.logWeight
      let known = node < 0 ? nil : nodes[node][token]
      if token == model.vocabulary.end {
        logWeight += lookAhead.constraint.endWeight(prefix.state)
        let text = TokenSequence(prefix.tokens)
        if !target.isSpelled(prefix.tokens) { logWeight = -.infinity }
        if logWeight == -.infinity {
          try learn(prefix.tokens + [token], probabilities, left: 0)
          return .rejected
        }
        // For a text that was seen before, the share left is the very share that is accepted.
        if known != nil { return .accepted(text) }
        let proposed = WeightedText(text, logWeight: logWeight)
        if try isKept(proposed, logBound: logBound, using: &choices) { return .accepted(text) }
        try learn(
          prefix.tokens + [token], probabilities, left: LogSpace.exp(logWeight - logBound))
        return .rejected
      }
      guard model.vocabulary.isDrawable(token),
        let next = lookAhead.next(prefix.state, token, count: prefix.tokens.count)
      else {
        try learn(prefix.tokens + [token], probabilities, left: 0)
        return .rejected
      }
      logWeight += lookAhead.constraint.weight(prefix.state, token)
      prefix.append(token, model, leadingTo: next)
      node = known.map { Int($0.node) } ?? -1
    }
  }

  private func makePrefix() throws -> Text {
    Text(context: try target.model.makeContext(), state: lookAhead.constraint.start)
  }

  /// A proposed token; never more probable than under the model.
  private struct Proposed {
    var token: Token
    /// The probability of proposing it.
    var probability: Double
    /// What it adds to the text's log weight.
    var logWeight: Double
  }

  /// Turns a draw of the source into a proposal.
  ///
  /// Where the model's probabilities add up to less than 1, the rest stands for no text. The start
  /// symbol, which is in no text, represents it.
  private func proposed(
    _ drawn: DrawnToken, using choices: inout some ChoiceSource
  ) -> Proposed {
    let missing = max(0, 1 - LogSpace.exp(drawn.logSum))
    if missing > 0, choices.chance(missing) {
      return Proposed(token: target.model.vocabulary.start, probability: missing, logWeight: 0)
    }
    let excess = max(0, drawn.logSum)
    return Proposed(
      token: drawn.token, probability: LogSpace.exp(drawn.logProbability - excess),
      logWeight: (target.fluency - 1) * drawn.logProbability + excess)
  }

  /// A token in proportion to its probability and the share that is left behind it.
  private func draw(
    _ prefix: Text, _ node: Int, using choices: inout some ChoiceSource
  ) -> Proposed? {
    func draw() -> Proposed {
      let drawn = source.draw(after: prefix, using: &choices)
      return proposed(drawn, using: &choices)
    }
    guard node >= 0 else { return draw() }
    let children = nodes[node]
    for _ in 0..<attempts {
      let proposed = draw()
      guard let child = children[proposed.token] else { return proposed }
      if child.left > 0, choices.chance(child.left) { return proposed }
    }
    let (weights, logs, excess) = weights(prefix, children)
    guard weights.contains(where: { $0 > 0 }) else { return nil }
    let token = Token(choices.index(weights: weights))
    if token == target.model.vocabulary.start {
      return Proposed(token: token, probability: weights[token.index], logWeight: 0)
    }
    return Proposed(
      token: token, probability: LogSpace.exp(logs[token.index] - excess),
      logWeight: (target.fluency - 1) * logs[token.index] + excess)
  }

  /// Remembers that a prefix has less left than was thought.
  private mutating func learn(
    _ tokens: [Token], _ probabilities: [Double], left: Double
  ) throws {
    guard childCount + tokens.count <= capacity else { return }
    var path: [Int] = [0]
    for (token, probability) in zip(tokens.dropLast(), probabilities) {
      let node = path[path.count - 1]
      var child =
        nodes[node][token] ?? Child(probability: probability, left: 1, node: -1)
      if child.node < 0 {
        childCount += 1
        child.node = Int32(nodes.count)
        nodes.append([:])
        shares.append(1)
        summedShares.append(1)
        nodes[node][token] = child
      }
      path.append(Int(child.node))
    }
    childCount += 1
    var lost = 1 - left
    for place in tokens.indices.reversed() {
      let node = path[place]
      let probability = probabilities[place]
      let isLast = place == tokens.count - 1
      nodes[node][tokens[place]] =
        isLast
        ? Child(probability: probability, left: left, node: -1)
        : Child(
          probability: probability, left: shares[path[place + 1]], node: Int32(path[place + 1]))
      let before = shares[node]
      shares[node] -= lost * probability
      // Differences lose digits; a thousandth of a sum still has thirteen of them.
      if shares[node] < 1e-3 * summedShares[node] {
        shares[node] = try summedShare(of: node, after: tokens[..<place])
        summedShares[node] = shares[node]
      }
      lost = before - shares[node]
    }
  }

  private func summedShare(
    of node: Int, after tokens: some Sequence<Token>
  ) throws -> Double {
    var prefix = try makePrefix()
    for token in tokens { prefix.append(token, target.model, lookAhead.constraint) }
    try prefix.read(by: target.model)
    return weights(prefix, nodes[node]).weights.reduce(0, +)
  }

  /// For each token: the probability of proposing it times the share that is left behind it.
  private func weights(
    _ prefix: Text, _ children: [Token: Child]
  ) -> (weights: [Double], logs: [Double], excess: Double) {
    let logs = prefix.logProbabilities(by: target.model)
    let logSum = LogSpace.sum(logs)
    let excess = max(0, logSum)
    var weights = logs.map { LogSpace.exp($0 - excess) }
    weights[target.model.vocabulary.start.index] = max(0, 1 - LogSpace.exp(logSum))
    for (token, child) in children { weights[token.index] *= child.left }
    return (weights, logs, excess)
  }
}
