// Licensed under the Apache License, Version 2.0.

import LM
import Runs
import Sampling

/// Draws texts without replacement and writes them with their inclusion probabilities.
///
/// `sample --without-replacement` and `beam --stochastic` follow the same law.
struct DistinctRun {
  private let sampler: DistinctSampler
  private let count: Int

  /// A run with the number of texts that the option asks for.
  init(_ rules: DecodingRules, count: Int, of counting: String, option: String)
    throws(CommandFailure)
  {
    // All texts are kept until their inclusion probabilities are known.
    guard count <= 1_000_000 else {
      throw .usage("--\(counting) takes at most 1000000 --\(option), got \(count)")
    }
    do {
      sampler = try DistinctSampler(rules)
    } catch {
      throw .usage("--\(option): \(error)")
    }
    self.count = count
  }

  /// Draws all texts, then writes them.
  func write(
    to results: DecodingResults, _ model: NGramModel, after prompt: TokenSequence, seed: UInt64,
    watch: () -> Void, drawn: () -> Void
  ) throws {
    var choices = RandomChoices(Philox(seed: seed).stream(0))
    let texts = try sampler.draw(count, from: model, after: prompt, using: &choices) { _ in
      watch()
    }
    drawn()
    // Inclusion probabilities depend on all texts.
    let time = texts.raceTime(using: &choices)
    for text in texts.texts {
      if results.isClosed { break }
      try results.write(
        text,
        logInclusion: DistinctTexts.logInclusion(logProbability: text.logDrawn, before: time))
    }
    try results.finish(seed: seed, remaining: texts.remaining.last)
  }
}
