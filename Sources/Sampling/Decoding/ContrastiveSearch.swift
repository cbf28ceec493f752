// Licensed under the Apache License, Version 2.0.

/// A token that contrastive search compares with others.
public struct ComparedToken: Hashable, Sendable {
  /// The token that is compared.
  public let token: Token
  /// Its natural log-probability among the tokens that the transforms left.
  public let logProbability: Double
  /// How much the context behind it resembles the most similar earlier one, from 0 to 1.
  public let resemblance: Double
  /// The token with the largest score is chosen.
  public let score: Double
}

/// Chooses tokens that are probable and don't lead back to an earlier context.
///
/// Of the `candidates` most probable tokens v, the search chooses the one with the largest
/// (1 - penalty) p(v) - penalty max_j s(v, j). Here s(v, j) says how much the context behind v
/// resembles the context behind an earlier token j of the text or of its prompt.
///
/// Reference: Su, Lan, Wang, Yogatama, Kong and Collier 2022, "A contrastive framework for neural
/// text generation", eq. 5. In the paper a context is a network's hidden state and s is a cosine.
/// Here a context is represented by the square roots of the model's probabilities of the next token,
/// which every model has. Their cosine is the Bhattacharyya coefficient: 1 for contexts that predict
/// the same, 0 for contexts that share no next token.
///
/// **Cost.** One batch a step, with a run for each candidate.
///
/// **Edge cases.** A penalty of 0 or a single candidate gives greedy decoding. An end and a text's
/// first token resemble nothing. Of equal scores the more probable token is chosen, of equally
/// probable tokens the lowest.
public struct ContrastiveSearch: Sendable {
  /// The options that all decoders share.
  public let rules: DecodingRules
  /// The number of tokens compared at each step.
  public let candidates: Int
  /// The weight of the resemblance, from 0 to 1.
  public let penalty: Double
  /// The number of last tokens that a candidate is compared with.
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

  /// Decodes the text after a prompt.
  ///
  /// - Parameters:
  ///   - model: the model.
  ///   - prompt: the beginning of the text.
  ///   - watch: is called with each token behind the prompt as soon as it is chosen.
  /// - Returns: the text; its `logDrawn` is 0.
  /// - Throws: `DecodingError` where no token is left, a logit is no number, or the constraint cannot
  ///   be met; and what the model throws.
  /// - Complexity: a token takes candidates x window x vocabulary; memory is window x vocabulary.
  public func decode<Model: LanguageModel>(
    _ model: Model, after prompt: TokenSequence = [], watch: (Token) -> Void = { _ in }
  ) throws -> DecodedText {
    try decode(model, prompt, under: rules.opened, watch)
  }

  private func decode<Model: LanguageModel>(
    _ model: Model, _ prompt: TokenSequence, under constraint: some TokenConstraint,
    _ watch: (Token) -> Void
  ) throws -> DecodedText {
    var next = rules.makeNextTokens(for: model.vocabulary)
    var rows = NextRows(model)
    var decoding = try Decoding(&rows, after: prompt, under: constraint, rules)
    var choices = NoChoices()
    var past = RecentContexts(limit: window)
    try remember(prompt, of: model, in: &past)
    var batch = NextRows(model)
    var firsts: [Token] = []
    var runs: [Int] = []
    while true {
      decoding.closeIfDue(rules)
      if decoding.ending != nil { break }
      try decoding.read(&rows)
      try decoding.look(rows, &next, rules, using: &choices)
      next.normalize()
      next.orderByLogit()
      firsts.removeAll(keepingCapacity: true)
      while firsts.count < candidates, let token = next.takeNext() { firsts.append(token) }
      runs.removeAll(keepingCapacity: true)
      if !model.readsDirectly {
        for token in firsts { runs.append(next.isEnd(token) ? 0 : decoding.add(token, to: &batch)) }
        try batch.read()
      }
      var best: (token: Token, score: Double, roots: [Float], run: Int?)?
      var compared: [ComparedToken] = []
      for (i, token) in firsts.enumerated() {
        // Many candidates may take longer than there is time.
        if best != nil, rules.isTimeUp() { break }
        let isEnd = next.isEnd(token)
        var roots: [Float] = []
        if !isEnd, model.readsDirectly {
          var following = decoding.context
          model.advanceDirectly(&following, by: token)
          roots = Self.representation(of: following, model)
        } else if !isEnd {
          let row = batch.row(at: NextRows.Place(run: runs[i], index: 0))
          roots = Self.representation(Array(row), model.vocabulary)
        }
        let resemblance = isEnd ? 0 : past.largestProduct(with: roots)
        let score = (1 - penalty) * LogSpace.exp(next[token]) - penalty * resemblance
        if best.map({ score > $0.score }) ?? true {
          best = (token, score, roots, isEnd || model.readsDirectly ? nil : runs[i])
        }
        guard rules.explains else { continue }
        compared.append(
          ComparedToken(
            token: token, logProbability: next[token], resemblance: resemblance, score: score))
      }
      guard let best else { preconditionFailure("a look leaves a token") }
      let isEnd = next.isEnd(best.token)
      decoding.commit(
        rows, best.token, logProbability: next[best.token], isEnd: isEnd, rules,
        compared: compared)
      if let run = best.run {
        // The batch has read the chosen token: its row serves the next step.
        swap(&rows, &batch)
        decoding.take(from: rows, run: run)
      }
      if !isEnd {
        past.append(best.roots)
        watch(best.token)
      }
    }
    return decoding.decoded(logDrawn: 0)
  }

  /// Remembers the contexts behind the prompt's last tokens.
  private func remember<Model: LanguageModel>(
    _ prompt: TokenSequence, of model: Model, in past: inout RecentContexts
  ) throws {
    let first = max(0, prompt.count - window)
    var context = try model.makeContext()
    if model.readsDirectly {
      for (place, token) in prompt.enumerated() {
        model.advanceDirectly(&context, by: token)
        if place >= first { past.append(Self.representation(of: context, model)) }
      }
      return
    }
    var rows = NextRows(model)
    if first > 0 {
      let run = rows.add(context, Array(prompt.tokens[..<first]), rows: .none)
      try rows.read()
      context = rows.context(ofRun: run, behind: first)
    }
    // Rows of a whole window could need more memory than there is: about 32 MB are read at once.
    let most = max(1, (4 << 20) / model.vocabulary.count)
    var place = first
    while place < prompt.count {
      let part = Array(prompt.tokens[place..<min(place + most, prompt.count)])
      let run = rows.add(context, part, rows: .all)
      try rows.read()
      for i in 1...part.count {
        let row = rows.row(at: NextRows.Place(run: run, index: i))
        past.append(Self.representation(Array(row), model.vocabulary))
      }
      context = rows.context(ofRun: run, behind: part.count)
      place += part.count
    }
  }

  private static func representation<Model: LanguageModel>(
    of context: Model.Context, _ model: Model
  ) -> [Float] {
    var values = [Double](repeating: 0, count: model.vocabulary.count)
    var span = values.mutableSpan
    model.fillDirectly(&span, behind: context)
    return representation(values, model.vocabulary)
  }

  /// Square roots of the next token's probabilities, without tokens that are never drawn.
  private static func representation(_ row: [Double], _ vocabulary: Vocabulary) -> [Float] {
    var values = row
    values[vocabulary.start.index] = -.infinity
    if let unknown = vocabulary.unknown { values[unknown.index] = -.infinity }
    for control in vocabulary.controls { values[control.index] = -.infinity }
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
