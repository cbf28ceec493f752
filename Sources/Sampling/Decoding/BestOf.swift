// Licensed under the Apache License, Version 2.0.

/// The best of several sampled texts under a score.
///
/// **Keeps.** With F(s) the probability that one text of the sampler scores s at most, the best of n
/// scores s at most with probability F(s)^n; among texts of equal score the sampler's own proportions
/// are kept. It is a choice, no draw from the model, and has no importance weight.
///
/// Reference: Nakano et al. 2021, "WebGPT: browser-assisted question-answering with human feedback",
/// best-of-n.
///
/// **Edge cases.** Of equal scores the first text is taken. A score of minus infinity is the worst; one
/// that is not a number counts as it.
public struct BestOf: Sendable {
  /// Where the texts come from.
  public let sampler: AncestralSampler
  /// How many compete.
  public let count: Int
  /// How good a text is.
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

  /// A text after a prompt.
  ///
  /// - Parameters:
  ///   - model: whose text.
  ///   - prompt: what it begins with.
  ///   - choices: what draws.
  /// - Returns: the best text, whose `logDrawn` is that of a single draw, and its score.
  /// - Throws: as ``AncestralSampler/draw(from:after:using:watch:)``.
  public func draw<Model: FiniteContextModel>(
    from model: Model, after prompt: TokenSequence = [], using choices: inout some ChoiceSource
  ) throws(DecodingError) -> (text: DecodedText, score: Double) {
    var best: (text: DecodedText, score: Double)?
    for _ in 0..<count {
      // The time that was given is not given again to each text.
      if best != nil, sampler.rules.isTimeUp() { break }
      let text = try sampler.draw(from: model, after: prompt, using: &choices)
      // Nor does a text compete that time has cut.
      if best != nil, sampler.rules.isTimeUp() { break }
      let score = score(text)
      if best.map({ score > $0.score }) ?? true {
        best = (text, score.isNaN ? -.infinity : score)
      }
    }
    guard let best else { preconditionFailure("one text at least competes") }
    return best
  }
}
