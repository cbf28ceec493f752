// Licensed under the Apache License, Version 2.0.

/// The best of several sampled texts under a score.
///
/// **Keeps.** Let F(s) be the probability that one text of the sampler scores s at most. The best of n
/// then scores s at most with probability F(s)^n, and texts of equal score keep the sampler's
/// proportions. The result isn't a draw from the model and has no importance weight.
///
/// **Cost.** A model that reads in batches draws all texts together, one batch a step.
///
/// Reference: Nakano et al. 2021, "WebGPT: browser-assisted question-answering with human feedback",
/// best-of-n.
///
/// **Edge cases.** Of equal scores the first text wins. A score of minus infinity is the worst. A score
/// that is not a number counts as minus infinity.
public struct BestOf: Sendable {
  /// The sampler that draws the competing texts.
  public let sampler: AncestralSampler
  /// The number of texts that compete.
  public let count: Int
  /// The score of a text; higher is better.
  public let score: @Sendable (DecodedText) -> Double

  /// The best of a positive number of texts.
  public init(
    _ count: Int, of sampler: AncestralSampler, score: @escaping @Sendable (DecodedText) -> Double
  ) throws(DecodingError) {
    guard count >= 1 else {
      throw DecodingError(.badArgument, "best-of: at least 1 text competes, got \(count)")
    }
    self.count = count
    self.sampler = sampler
    self.score = score
  }

  /// Draws the texts and returns the best one.
  ///
  /// - Parameters:
  ///   - model: the model.
  ///   - prompt: the beginning of all texts.
  ///   - choices: what draws.
  /// - Returns: the best text, whose `logDrawn` is that of a single draw, and its score.
  /// - Throws: as ``AncestralSampler/draw(from:after:using:watch:)``.
  public func draw<Model: LanguageModel>(
    from model: Model, after prompt: TokenSequence = [], using choices: inout some ChoiceSource
  ) throws -> (text: DecodedText, score: Double) {
    guard model.readsDirectly else {
      return best(of: try sampler.draw(count, from: model, after: prompt, using: &choices))
    }
    var texts: [DecodedText] = []
    for _ in 0..<count {
      // All texts share the time that was given.
      if !texts.isEmpty, sampler.rules.isTimeUp() { break }
      let text = try sampler.draw(from: model, after: prompt, using: &choices)
      // A text that time has cut doesn't compete.
      if !texts.isEmpty, sampler.rules.isTimeUp() { break }
      texts.append(text)
    }
    return best(of: texts)
  }

  private func best(of texts: [DecodedText]) -> (text: DecodedText, score: Double) {
    var best: (text: DecodedText, score: Double)?
    // Time cuts all texts of a batch at once. Where it has cut every one, all compete.
    let whole = texts.filter { $0.ending != .timeUp }
    for text in whole.isEmpty ? texts : whole {
      let score = score(text)
      if best.map({ score > $0.score }) ?? true {
        best = (text, score.isNaN ? -.infinity : score)
      }
    }
    guard let best else { preconditionFailure("at least one text competes") }
    return best
  }
}
