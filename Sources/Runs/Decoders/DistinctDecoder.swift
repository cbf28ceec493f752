// Licensed under the Apache License, Version 2.0.

import LM
package import Sampling

/// Draws texts without replacement, each with its inclusion probability.
///
/// `sample --without-replacement` and `beam --stochastic` follow the same law.
package struct DistinctDecoder: TextDecoder {
  package static let name = "sample"

  package let rules: DecodingRules
  private let sampler: DistinctSampler
  private let count: Int
  private let ownSeed: UInt64

  /// A decoder for the number of texts that an option asks for.
  package init(
    _ rules: DecodingRules, count: Int, of counting: String, option: String, seed: UInt64
  ) throws(RunError) {
    // All texts are kept until their inclusion probabilities are known.
    guard count <= 1_000_000 else {
      throw .usage("--\(counting) takes at most 1000000 --\(option), got \(count)")
    }
    do {
      sampler = try DistinctSampler(rules)
    } catch {
      throw .usage("--\(option): \(error)")
    }
    self.rules = rules
    self.count = count
    ownSeed = seed
  }

  package var unit: String { "texts" }
  package var work: Int { count }
  package var seed: UInt64? { ownSeed }
  package var showsGrowth: Bool { false }

  package func run(_ recorder: DecodingRecorder) throws {
    var choices = RandomChoices(Philox(seed: ownSeed).stream(0))
    let monitor = recorder.monitor
    let texts = try sampler.draw(
      count, from: recorder.model.chainModel, after: recorder.prompt, using: &choices
    ) { _ in monitor.add(1) }
    recorder.endProgress()
    // Inclusion probabilities depend on all texts.
    let time = texts.raceTime(using: &choices)
    for text in texts.texts {
      if recorder.isClosed { break }
      try recorder.write(
        text,
        logInclusion: DistinctTexts.logInclusion(logProbability: text.logDrawn, before: time))
    }
    recorder.finish(remaining: texts.remaining.last)
  }
}
