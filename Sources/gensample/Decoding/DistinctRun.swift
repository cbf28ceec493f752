// Licensed under the Apache License, Version 2.0.

import LM
import Sampling

/// Texts drawn without replacement, written with what each is worth: `sample --without-replacement`
/// and `beam --stochastic`, which follow one law.
struct DistinctRun {
  private let sampler: DistinctSampler
  private let count: Int

  /// A run, as an option asks for it.
  init(_ rules: DecodingRules, count: Int, of counting: String, option: String)
    throws(CommandFailure)
  {
    // All are kept until what each is worth is known.
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

  /// Draws and writes them all.
  func write(
    to results: DecodingResults, _ model: NGramModel, after prompt: TokenSequence, seed: UInt64,
    watch: () -> Void, drawn: () -> Void
  ) throws {
    var choices = RandomChoices(Philox(seed: seed).stream(0))
    let texts = try sampler.draw(count, from: model, after: prompt, using: &choices) { _ in
      watch()
    }
    drawn()
    // What a text is worth is known when all are there.
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
