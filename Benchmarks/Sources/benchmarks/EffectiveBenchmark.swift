// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Sampling

/// Effective samples a second, by the spread of chain means around the mean of all: of the
/// log-probability, and of which word stands before a keyword.
enum EffectiveBenchmark {
  static let chains = 48

  /// What one kernel's chains found.
  struct Means {
    var name: String
    var seconds: Double
    /// By quantity: the chains' means, and the variance of what they saw.
    var means: [[Double]]
    var variances: [Double]
  }

  static func run(_ setting: Setting) throws {
    let model = try wikiText(setting)
    let target = try keywordTarget(model, ["war", "river", "album"])
    let unigram = UnigramTokens<NGramScorer>(model.vocabulary, weights: model.unigramWeights)
    let left = NGramLeftTokens<TokenAutomaton>(model)
    let full = NGramFullTokens<TokenAutomaton>(model)
    let swap = MetropolisHastings(SwapTokens<NGramScorer>())
    var all: [Means] = []
    func measure<Kernel: TransitionKernel>(
      _ name: String, _ kernel: @autoclosure () -> Kernel, _ steps: Int
    ) throws where Kernel.Scorer == IncrementalScorer<NGramModel, TokenAutomaton> {
      guard setting.only.map({ name.contains($0) }) ?? true else { return }
      all.append(try means(name, kernel(), target, setting.steps ?? steps, model))
      say("  \(name) done: mean \(all[all.count - 1].means[0].reduce(0, +) / Double(chains))")
    }
    try measure("unigram", StepsBenchmark.edits(unigram), 2_000_000)
    try measure(
      "unigram, swaps",
      Mixture {
        Weighted(3, StepsBenchmark.edits(unigram))
        Weighted(1, swap)
      },
      2_000_000)
    try measure("left", StepsBenchmark.edits(left), 1_000_000)
    try measure(
      "left, swaps",
      Mixture {
        Weighted(3, StepsBenchmark.edits(left))
        Weighted(1, swap)
      }, 1_000_000)
    try measure("full", StepsBenchmark.edits(full), 50_000)
    try measure(
      "full, swaps",
      Mixture {
        Weighted(3, StepsBenchmark.edits(full))
        Weighted(1, swap)
      }, 50_000)
    try measure("default mixture", NGramMoves(for: target, left: left), 1_000_000)
    for share in [0.05, 0.15] {
      try measure(
        "default and \(share) full",
        Mixture {
          Weighted(Int((share) * 1000), StepsBenchmark.edits(full))
          Weighted(1000 - Int((share) * 1000), NGramMoves(for: target, left: left))
        }, 400_000)
    }
    // Each kernel's mean of means is unbiased, so the most precise ones say where the truth is.
    say("\neffective samples a second, one thread; \(chains) chains each\n")
    say("kernel                     log-probability   word before 'war'   mean")
    let truths = (0..<2).map { truth(all, $0) }
    for one in all {
      let rates = (0..<2).map { q in
        one.variances[q] / spread(one.means[q], around: truths[q]) / one.seconds
      }
      say(
        one.name.padding(toLength: 27, withPad: " ", startingAt: 0)
          + short(rates[0]).padding(toLength: 18, withPad: " ", startingAt: 0)
          + short(rates[1]).padding(toLength: 20, withPad: " ", startingAt: 0)
          + String(format: "%.3f", one.means[0].reduce(0, +) / Double(chains)))
    }
  }

  static func spread(_ means: [Double], around truth: Double) -> Double {
    means.reduce(0) { $0 + ($1 - truth) * ($1 - truth) } / Double(means.count)
  }

  /// The mean over kernels, weighted by their precision.
  static func truth(_ all: [Means], _ quantity: Int) -> Double {
    var sum = 0.0
    var weights = 0.0
    for one in all {
      let means = one.means[quantity]
      let mean = means.reduce(0, +) / Double(means.count)
      let weight = 1 / max(spread(means, around: mean), 1e-12)
      sum += weight * mean
      weights += weight
    }
    return sum / weights
  }

  static func means<Kernel: TransitionKernel>(
    _ name: String, _ kernel: Kernel, _ target: SentenceTarget<NGramModel, TokenAutomaton>,
    _ steps: Int,
    _ model: NGramModel
  ) throws -> Means where Kernel.Scorer == IncrementalScorer<NGramModel, TokenAutomaton> {
    let war = model.vocabulary.token("war")
    let the = model.vocabulary.token("the")
    func quantities(_ scorer: IncrementalScorer<NGramModel, TokenAutomaton>) -> [Double] {
      let text = scorer.state
      let place = text.firstIndex { $0 == war } ?? 0
      return [scorer.logProbability, place > 0 && text[place - 1] == the ? 1 : 0]
    }
    // All kernels' chains warm up alike, so that their beginnings are no difference.
    let warm = NGramMoves(for: target, left: NGramLeftTokens<TokenAutomaton>(model))
    var starts: [IncrementalScorer<NGramModel, TokenAutomaton>] = []
    for chain in 0..<chains {
      var choices = RandomChoices(Philox(seed: 7).stream(UInt64(chain)))
      guard let start = try target.randomStart(using: &choices) else { continue }
      var scorer = target.makeScorer(at: start)
      var memory = warm.start(at: scorer)
      for _ in 0..<300_000 { _ = warm.step(&scorer, memory: &memory, using: &choices) }
      starts.append(scorer)
    }
    let every = max(1, steps / 2000)
    var means = [[Double]](repeating: [], count: 2)
    var all = [[Double]](repeating: [], count: 2)
    var seconds = 0.0
    for (chain, start) in starts.enumerated() {
      var choices = RandomChoices(Philox(seed: 11).stream(UInt64(chain)))
      var scorer = start
      var memory = kernel.start(at: scorer)
      var sums = [0.0, 0.0]
      var rows = 0
      let began = ContinuousClock.now
      for step in 1...steps {
        _ = kernel.step(&scorer, memory: &memory, using: &choices)
        guard step % every == 0 else { continue }
        let row = quantities(scorer)
        rows += 1
        for q in 0..<2 {
          sums[q] += row[q]
          all[q].append(row[q])
        }
      }
      seconds += began.duration(to: .now) / .seconds(1)
      for q in 0..<2 { means[q].append(sums[q] / Double(rows)) }
    }
    let variances = all.map { values in
      let mean = values.reduce(0, +) / Double(values.count)
      return values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)
    }
    return Means(
      name: name, seconds: seconds / Double(chains), means: means, variances: variances)
  }
}
