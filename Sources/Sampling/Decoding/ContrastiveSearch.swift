// Licensed under the Apache License, Version 2.0.

/// A token among those that contrastive search compares.
public struct ComparedToken: Hashable, Sendable {
  /// The token.
  public let token: Token
  /// Its natural log-probability among what was left after the transforms.
  public let logProbability: Double
  /// How much the context behind it resembles an earlier one at most, from 0 to 1.
  public let resemblance: Double
  /// What decides: the largest is chosen.
  public let score: Double
}

/// The token that is probable and leads to where the text has not been.
///
/// Of the `candidates` most probable tokens v that is chosen which has the largest
/// (1 - penalty) p(v) - penalty max_j s(v, j), where s(v, j) is how much the context behind v
/// resembles that behind an earlier token j of the text, the prompt's among them.
///
/// Reference: Su, Lan, Wang, Yogatama, Kong and Collier 2022, "A contrastive framework for neural
/// text generation", eq. 5. There a context is a network's hidden state and s a cosine. Here, for
/// models that have none, a context is represented by the square roots of the model's probabilities
/// of the next token, and s is their cosine, the Bhattacharyya coefficient: 1 for contexts that
/// predict the same, 0 for contexts that share no next token.
///
/// **Edge cases.** A penalty of 0 and a single candidate are greedy decoding. An end resembles nothing,
/// and so does a text's first token. Of equal scores the more probable token is taken, of equally
/// probable ones the lowest.
public struct ContrastiveSearch: Sendable {
  /// What it was told.
  public let rules: DecodingRules
  /// How many tokens are compared.
  public let candidates: Int
  /// How much resemblance weighs, from 0 to 1.
  public let penalty: Double
  /// How many of the last tokens a candidate is compared with.
  public let window: Int

  /// A search; by default of 5 candidates that are compared with the last 256 tokens.
  ///
  /// - Throws: where a transform draws at random, or a number lies outside its range.
  public init(
    candidates: Int = 5, penalty: Double = 0.6, window: Int = 256, _ rules: DecodingRules = .plain
  ) throws(DecodingError) {
    guard candidates >= 1 else {
      throw DecodingError(
        .badArgument, "contrastive: at least 1 candidate is compared, got \(candidates)")
    }
    guard penalty >= 0 && penalty <= 1 else {
      throw DecodingError(.badArgument, "contrastive: a penalty lies in 0 ... 1, got \(penalty)")
    }
    guard window >= 1 else {
      throw DecodingError(
        .badArgument, "contrastive-window: at least 1 token is looked back to, got \(window)")
    }
    self.rules = try rules.withoutRandomTransforms("contrastive search")
    self.candidates = candidates
    self.penalty = penalty
    self.window = window
  }

  /// The text after a prompt.
  ///
  /// - Parameters:
  ///   - model: whose text.
  ///   - prompt: what it begins with.
  ///   - watch: is told each token behind the prompt as soon as it is chosen.
  /// - Returns: the text; its `logDrawn` is 0.
  /// - Throws: where no token is left, a logit is no number, or the constraint cannot be met.
  /// - Complexity: a token takes candidates x window x vocabulary; memory is window x vocabulary.
  public func decode<Model: FiniteContextModel>(
    _ model: Model, after prompt: TokenSequence = [], watch: (Token) -> Void = { _ in }
  ) throws(DecodingError) -> DecodedText {
    var next = rules.makeNextTokens(for: model.vocabulary)
    var decoding = try Decoding(model, after: prompt, rules: rules)
    var choices = NoChoices()
    var past = RecentContexts(limit: window)
    var context = model.makeContext()
    for (place, token) in prompt.enumerated() {
      model.advance(&context, by: token)
      if place >= prompt.count - window { past.append(Self.representation(of: context, model)) }
    }
    while true {
      decoding.closeIfDue(rules)
      if decoding.ending != nil { break }
      try decoding.look(model, &next, rules, using: &choices)
      next.normalize()
      next.orderByLogit()
      var best: (token: Token, score: Double, roots: [Float])?
      var compared: [ComparedToken] = []
      for _ in 0..<candidates {
        guard let token = next.takeNext() else { break }
        // Many candidates may take longer than there is time.
        if best != nil, rules.isTimeUp() { break }
        let isEnd = next.isEnd(token)
        var roots: [Float] = []
        if !isEnd {
          var following = decoding.context
          model.advance(&following, by: token)
          roots = Self.representation(of: following, model)
        }
        let resemblance = isEnd ? 0 : past.largestProduct(with: roots)
        let score = (1 - penalty) * LogSpace.exp(next[token]) - penalty * resemblance
        if best.map({ score > $0.score }) ?? true { best = (token, score, roots) }
        guard rules.explains else { continue }
        compared.append(
          ComparedToken(
            token: token, logProbability: next[token], resemblance: resemblance, score: score))
      }
      guard let best else { preconditionFailure("a look leaves a token") }
      let isEnd = next.isEnd(best.token)
      decoding.commit(
        model, best.token, logProbability: next[best.token], isEnd: isEnd, rules,
        compared: compared)
      if !isEnd {
        past.append(best.roots)
        watch(best.token)
      }
    }
    return decoding.decoded(logDrawn: 0)
  }

  /// Square roots of the next token's probabilities, tokens that are never drawn left out.
  private static func representation<Model: FiniteContextModel>(
    of context: Model.Context, _ model: Model
  ) -> [Float] {
    var values = [Double](repeating: 0, count: model.vocabulary.count)
    var span = values.mutableSpan
    model.logProbabilities(in: context, into: &span)
    values[model.vocabulary.start.index] = -.infinity
    if let unknown = model.vocabulary.unknown { values[unknown.index] = -.infinity }
    var total = 0.0
    for i in values.indices {
      values[i] = LogSpace.exp(values[i] / 2)
      total += values[i] * values[i]
    }
    let scale = total > 0 ? 1 / total.squareRoot() : 0
    return values.map { Float($0 * scale) }
  }
}

/// The representations of the last contexts.
private struct RecentContexts {
  let limit: Int
  private var roots: [[Float]] = []
  private var oldest = 0

  init(limit: Int) { self.limit = limit }

  mutating func append(_ one: [Float]) {
    if roots.count < limit {
      roots.append(one)
    } else {
      roots[oldest] = one
      oldest = (oldest + 1) % limit
    }
  }

  /// The largest inner product; 0 where there is nothing to compare with.
  func largestProduct(with other: [Float]) -> Double {
    var largest = 0.0
    for one in roots {
      var sums = SIMD8<Float>()
      var place = 0
      while place + 8 <= one.count {
        var a = SIMD8<Float>()
        var b = SIMD8<Float>()
        for lane in 0..<8 {
          a[lane] = one[place + lane]
          b[lane] = other[place + lane]
        }
        sums += a * b
        place += 8
      }
      var sum = Double(sums.sum())
      while place < one.count {
        sum += Double(one[place]) * Double(other[place])
        place += 1
      }
      largest = max(largest, sum)
    }
    return largest
  }
}
