// Licensed under the Apache License, Version 2.0.

/// The best texts that a beam of fixed width finds.
///
/// At each step all continuations of the beam are ranked by log-probability under the model as the
/// transforms change it. Of the first `width`, those that end are kept as finished; the first
/// `width` that do not end are the next beam. A finished text's score is its log-probability
/// divided by length^penalty, its end counted and its prompt not. The search stops when no
/// continuation of the beam can reach the scores of `width` finished texts.
///
/// Reference: Wu et al. 2016, "Google's neural machine translation system", section 7, with the
/// penalty length^a of transformers and fairseq.
///
/// **Edge cases.** Width 1 without a penalty is greedy decoding. Of equal continuations that of the
/// better text comes first, then the lower token's.
public struct BeamSearch: Sendable {
  /// A text with the score that it was ranked by.
  public struct Result: Hashable, Sendable {
    /// The text; its `logDrawn` is 0.
    public let decoded: DecodedText
    /// Its log-probability under the transformed model, divided by length^penalty.
    public let score: Double
  }

  /// What it was told.
  public let rules: DecodingRules
  /// How many texts go on at each step.
  public let width: Int
  /// The exponent of the length.
  public let lengthPenalty: Double

  /// A search.
  ///
  /// - Throws: where a transform draws at random, the width is not positive, or the penalty is not
  ///   finite.
  public init(
    width: Int = 4, lengthPenalty: Double = 0, _ rules: DecodingRules = .plain
  ) throws(DecodingError) {
    guard width >= 1 else {
      throw DecodingError(.badArgument, "width: a beam has at least 1 text, got \(width)")
    }
    guard lengthPenalty.isFinite else {
      throw DecodingError(
        .badArgument, "length-penalty: an exponent is finite, got \(lengthPenalty)")
    }
    self.rules = try rules.withoutRandomTransforms("beam search")
    self.width = width
    self.lengthPenalty = lengthPenalty
  }

  private struct Continuation {
    let parent: Int
    let token: Token
    let logProbability: Double
    let logTransformed: Double
    let isEnd: Bool
  }

  /// The best texts after a prompt.
  ///
  /// - Parameters:
  ///   - model: whose texts.
  ///   - prompt: what they begin with.
  /// - Returns: up to `width` texts: finished ones by score, then those that the limit of tokens
  ///   cut.
  /// - Throws: where a text of the beam has no token left, or a logit is no number.
  /// - Complexity: steps x width x (vocabulary + width log vocabulary).
  public func decode<Model: LanguageModel>(
    _ model: Model, after prompt: TokenSequence = []
  ) throws(DecodingError) -> [Result] {
    var next = rules.makeNextTokens(for: model.vocabulary)
    var choices = NoChoices()
    var beam = [try Decoding(model, after: prompt, chain: rules.transforms)]
    var finished: [Result] = []
    var continuations: [Continuation] = []
    for step in 1...rules.maxTokens {
      continuations.removeAll(keepingCapacity: true)
      for parent in beam.indices {
        try beam[parent].look(model, &next, using: &choices)
        next.normalize()
        next.orderByLogit()
        var going = 0
        while going < width, let token = next.takeNext() {
          let isEnd = next.isEnd(token)
          if !isEnd { going += 1 }
          continuations.append(
            Continuation(
              parent: parent, token: token, logProbability: next[token],
              logTransformed: beam[parent].logTransformed + next[token], isEnd: isEnd))
        }
      }
      continuations.sort { a, b in
        if a.logTransformed != b.logTransformed { return a.logTransformed > b.logTransformed }
        return (a.parent, a.token) < (b.parent, b.token)
      }
      var successors: [Decoding<Model>] = []
      for (rank, one) in continuations.enumerated() {
        guard one.isEnd ? rank < width : successors.count < width else { continue }
        var successor = beam[one.parent]
        successor.commit(
          model, one.token, logProbability: one.logProbability, isEnd: one.isEnd)
        if one.isEnd {
          keep(result(successor), in: &finished)
        } else {
          successors.append(successor)
        }
      }
      beam = successors
      if beam.isEmpty { break }
      if finished.count == width, let worst = finished.last,
        beam.allSatisfy({ bound($0.logTransformed, after: step) <= worst.score })
      {
        return finished
      }
    }
    let cut = beam.map { result($0) }.sorted { $0.score > $1.score }
    return finished + cut.prefix(width - finished.count)
  }

  private func result<Model: LanguageModel>(_ decoding: Decoding<Model>) -> Result {
    Result(
      decoded: decoding.decoded(logDrawn: 0),
      score: score(decoding.logTransformed, length: decoding.count))
  }

  private func score(_ logProbability: Double, length: Int) -> Double {
    logProbability == 0
      ? 0 : logProbability / LogSpace.exp(lengthPenalty * LogSpace.log(Double(length)))
  }

  /// What no continuation of a text exceeds: its log-probability can only fall.
  private func bound(_ logProbability: Double, after step: Int) -> Double {
    score(logProbability, length: lengthPenalty >= 0 ? rules.maxTokens : step + 1)
  }

  /// Puts a text behind those of no lower score and keeps the first `width`.
  private func keep(_ result: Result, in finished: inout [Result]) {
    let place = finished.firstIndex { $0.score < result.score } ?? finished.count
    finished.insert(result, at: place)
    if finished.count > width { finished.removeLast() }
  }
}
