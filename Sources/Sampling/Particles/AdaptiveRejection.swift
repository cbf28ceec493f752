// Licensed under the Apache License, Version 2.0.

/// Rejection sampling from the model that never proposes again what it found to be impossible.
///
/// Each prefix keeps how much of its probability has turned out to be rejected: tokens that no
/// allowed text goes on with, and the rejected share of whole texts. Proposals are drawn from what is
/// left, so their acceptance rises, and it is known exactly by what share of the model's texts are left.
///
/// **Keeps** rho: an attempt's accepted text has the law rho / Z whatever was learnt before, so that
/// draws are independent. Removing the mass is not the same as drawing among allowed tokens, which
/// favours prefixes that few texts can complete.
/// **Accuracy.** Masses left are relative to 1e-13: what differences leave little of is added up
/// anew.
/// Source: Mansinghka, Roy, Jonas and Tenenbaum 2009, "Exact and approximate sampling by
/// systematic stochastic search"; Parys et al. 2025, "Constrained adaptive rejection sampling".
public struct AdaptiveRejection<Source: TokenSource>: Sendable {
  /// What one proposal came to.
  public enum Outcome: Hashable, Sendable {
    /// A draw from rho.
    case accepted(TokenSequence)
    /// Nothing.
    case rejected
    /// All of the model's texts turned out to be impossible.
    case exhausted
  }

  private struct Child {
    var probability: Double
    /// The share of the texts through it that is left.
    var left: Double
    /// Its own node, or -1.
    var node: Int32
  }

  /// What is sampled from.
  public let target: SentenceTarget<Source.Model, TokenAutomaton>
  /// Which texts can still become allowed ones.
  public let lookAhead: LookAhead
  /// Draws the model's tokens.
  public let source: Source
  /// The log of M: what the log of rho over the model's probability of a text does not exceed.
  public let logBound: Double
  /// How many tokens are kept in mind at most; from then on nothing more is learnt.
  public let capacity: Int
  /// How often a token is drawn again before the whole vocabulary is asked.
  public let attempts: Int
  private var nodes: [[Token: Child]] = [[:]]
  /// For each node, what share of the texts through it is left, and what it was when it was last
  /// added up.
  private var shares: [Double] = [1]
  private var summedShares: [Double] = [1]
  private var childCount = 0

  /// A sampler that has learnt nothing yet.
  ///
  /// - Parameters:
  ///   - target: what is sampled from.
  ///   - lookAhead: which texts can be completed, by the target's automaton.
  ///   - source: draws the model's tokens.
  ///   - logBound: the log of M; where the model's probabilities add up to more than 1, M covers
  ///     the product of these sums along a text.
  ///   - capacity: how many tokens are kept in mind at most, some hundred bytes each.
  ///   - attempts: how often a token is drawn again before the whole vocabulary is asked.
  public init(
    _ target: SentenceTarget<Source.Model, TokenAutomaton>, _ lookAhead: LookAhead, source: Source,
    logBound: Double = 0, capacity: Int = 1 << 20, attempts: Int = 1024
  ) {
    precondition(attempts > 0 && capacity >= 0, "a token is drawn at least once")
    self.target = target
    self.lookAhead = lookAhead
    self.source = source
    self.logBound = logBound
    self.capacity = capacity
    self.attempts = attempts
  }

  /// What share of the model's texts is left to be proposed; an attempt's acceptance is
  /// Z / (M x this share).
  public var share: Double { shares[0] }

  /// One proposal.
  ///
  /// - Throws: ``BoundExceeded``.
  public mutating func attempt(
    using choices: inout some ChoiceSource
  ) throws(BoundExceeded) -> Outcome {
    let model = target.model
    guard lookAhead.isSatisfiable, shares[0] > 0 else { return .exhausted }
    var prefix = Prefix(model, lookAhead)
    var probabilities: [Double] = []
    var node = 0
    var logWeight = 0.0
    while true {
      guard let drawn = draw(prefix.context, node, using: &choices) else { return .exhausted }
      let token = drawn.token
      probabilities.append(drawn.probability)
      logWeight += drawn.logWeight
      let known = node < 0 ? nil : nodes[node][token]
      if token == model.vocabulary.end {
        logWeight += lookAhead.automaton.finalWeights[Int(prefix.state)]
        let text = TokenSequence(prefix.tokens)
        if logWeight == -.infinity {
          learn(prefix.tokens + [token], probabilities, left: 0)
          return .rejected
        }
        // What is known of a text's end is the very share that is accepted.
        if known != nil { return .accepted(text) }
        let proposed = WeightedText(text, logWeight: logWeight)
        if try isKept(proposed, logBound: logBound, using: &choices) { return .accepted(text) }
        learn(
          prefix.tokens + [token], probabilities, left: LogSpace.exp(logWeight - logBound))
        return .rejected
      }
      if !model.vocabulary.isDrawable(token) {
        learn(prefix.tokens + [token], probabilities, left: 0)
        return .rejected
      }
      logWeight += lookAhead.automaton.weight(prefix.state, token)
      prefix.append(token, model, lookAhead.automaton)
      guard lookAhead.isLive(prefix.state, count: prefix.tokens.count) else {
        learn(prefix.tokens, probabilities, left: 0)
        return .rejected
      }
      node = known.map { Int($0.node) } ?? -1
    }
  }

  /// A token as it is proposed: never with more than the model's probability of it.
  private struct Proposed {
    var token: Token
    /// How likely it is proposed.
    var probability: Double
    /// What it adds to the text's log weight.
    var logWeight: Double
  }

  /// A token of the model.
  ///
  /// Where its probabilities add up to less than 1, the rest stands for no text at all, under the
  /// name of the start symbol, which no text has.
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
    _ context: Source.Model.Context, _ node: Int, using choices: inout some ChoiceSource
  ) -> Proposed? {
    func draw() -> Proposed {
      let drawn = source.draw(in: context, using: &choices)
      return proposed(drawn, using: &choices)
    }
    guard node >= 0 else { return draw() }
    let children = nodes[node]
    for _ in 0..<attempts {
      let proposed = draw()
      guard let child = children[proposed.token] else { return proposed }
      if child.left > 0, choices.chance(child.left) { return proposed }
    }
    let (weights, logs, excess) = weights(context, children)
    guard weights.contains(where: { $0 > 0 }) else { return nil }
    let token = Token(choices.index(weights: weights))
    if token == target.model.vocabulary.start {
      return Proposed(token: token, probability: weights[token.index], logWeight: 0)
    }
    return Proposed(
      token: token, probability: LogSpace.exp(logs[token.index] - excess),
      logWeight: (target.fluency - 1) * logs[token.index] + excess)
  }

  /// Takes away what a prefix turned out to have less than was thought.
  private mutating func learn(_ tokens: [Token], _ probabilities: [Double], left: Double) {
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
        shares[node] = summedShare(of: node, after: tokens[..<place])
        summedShares[node] = shares[node]
      }
      lost = before - shares[node]
    }
  }

  private func summedShare(of node: Int, after tokens: some Sequence<Token>) -> Double {
    var context = target.model.makeContext()
    for token in tokens { target.model.advance(&context, by: token) }
    return weights(context, nodes[node]).weights.reduce(0, +)
  }

  /// How likely each token is proposed, times the share that is left behind it.
  private func weights(
    _ context: Source.Model.Context, _ children: [Token: Child]
  ) -> (weights: [Double], logs: [Double], excess: Double) {
    let logs = target.model.logProbabilities(in: context)
    let logSum = LogSpace.sum(logs)
    let excess = max(0, logSum)
    var weights = logs.map { LogSpace.exp($0 - excess) }
    weights[target.model.vocabulary.start.index] = max(0, 1 - LogSpace.exp(logSum))
    for (token, child) in children { weights[token.index] *= child.left }
    return (weights, logs, excess)
  }
}
