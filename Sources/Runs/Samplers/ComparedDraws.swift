// Licensed under the Apache License, Version 2.0.

import Sampling

/// What a compared sampler drew.
struct ComparedDraws {
  enum Texts {
    /// Equally weighted texts, in order, by chain.
    case chains([[TokenSequence]])
    /// Independent weighted texts.
    case weighted(WeightedTexts)
    /// The texts of independent runs; those of one run are related.
    case runs([WeightedTexts])
  }

  var texts: Texts
  /// How much of what was done.
  var work: (unit: String, count: Int)
  /// The log of the evidence and its error, if the sampler estimates it.
  var logEvidence: (value: Double, error: Estimate)?
  /// Remarks for people.
  var notes: [String] = []

  /// How many independent draws of equal weight tell as much of a number of the texts.
  func effectiveCount(_ quantity: (TokenSequence) -> Double) -> Double {
    switch texts {
    case .chains(let chains):
      let traces = ChainTraces(chains.map { $0.map(quantity) })
      return traces.meanEffectiveSize.value ?? Double(traces.chains.count * traces.count)
    case .weighted(let drawn): return drawn.effectiveSize
    case .runs(let runs): return WeightedTexts(runs.flatMap(\.draws), zeroCount: 0).effectiveSize
    }
  }

  /// The mean of a number of the texts, and its standard error.
  func mean(_ quantity: (TokenSequence) -> Double) -> (mean: Estimate, error: Estimate) {
    switch texts {
    case .chains(let chains):
      let traces = ChainTraces(chains.map { $0.map(quantity) })
      return (traces.mean, traces.meanError)
    case .weighted(let drawn):
      guard let mean = drawn.mean(quantity) else { return Self.nothing }
      return (.value(mean.value), .value(mean.error))
    case .runs(let runs):
      return Self.mean(
        runs.compactMap { run in run.mean(quantity).map { (run.logEvidence, $0.value) } })
    }
  }

  private static let nothing: (mean: Estimate, error: Estimate) = (
    .undefined("nothing was drawn"), .undefined("nothing was drawn")
  )

  /// The mean of runs' means by their evidences, with its error by the delta method over runs.
  private static func mean(
    _ runs: [(logEvidence: Double, mean: Double)]
  ) -> (mean: Estimate, error: Estimate) {
    let total = LogSpace.sum(runs.map(\.logEvidence))
    guard total > -.infinity else { return nothing }
    let shares = runs.map { LogSpace.exp($0.logEvidence - total) }
    let mean = zip(shares, runs).reduce(0) { $0 + $1.0 * $1.1.mean }
    guard runs.count > 1 else { return (.value(mean), .undefined("one run has no spread")) }
    let squares = zip(shares, runs).reduce(0) { sum, run in
      let part = run.0 * (run.1.mean - mean)
      return sum + part * part
    }
    let count = Double(runs.count)
    return (.value(mean), .value((squares * count / (count - 1)).squareRoot()))
  }
}
