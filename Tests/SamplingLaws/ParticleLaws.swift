// Licensed under the Apache License, Version 2.0.

public import Sampling

/// The sum of rho over a space's states, computed from scratch: the evidence.
public func evidence<Target: Sampling.Target>(of space: EnumeratedTarget<Target>) -> Double {
  space.states.reduce(0) { $0 + LogSpace.exp(space.target.logProbability(of: $1)) }
}

/// How far weighted draws are from being properly weighted for a target: the sum over states of
/// |mean of the weights of draws that are the state - rho(state)|, over the evidence.
///
/// The act returns the state and its log weight, or `nil` for a weight of zero.
public func properWeightDefect<Target: Sampling.Target>(
  on space: EnumeratedTarget<Target>,
  _ act: (inout EnumeratedChoices) throws -> (state: Target.State, logWeight: Double)?
) rethrows -> Double {
  try weightDefect(
    Dictionary(
      uniqueKeysWithValues: space.states.map {
        ($0, LogSpace.exp(space.target.logProbability(of: $0)))
      }), act)
}

/// The same where the right mean of each outcome's weights is given.
public func weightDefect<Outcome: Hashable>(
  _ expected: [Outcome: Double],
  _ act: (inout EnumeratedChoices) throws -> (state: Outcome, logWeight: Double)?
) rethrows -> Double {
  let law = try outcomes { choices in
    try act(&choices).map { Weighted(state: $0.state, logWeight: $0.logWeight) }
  }
  var means: [Outcome: Double] = [:]
  for (drawn, probability) in law {
    guard let drawn else { continue }
    means[drawn.state, default: 0] += probability * LogSpace.exp(drawn.logWeight)
  }
  let total = expected.values.reduce(0, +)
  return Set(means.keys).union(expected.keys).reduce(0) {
    $0 + abs(means[$1, default: 0] - expected[$1, default: 0])
  } / total
}

private struct Weighted<State: Hashable>: Hashable {
  var state: State
  var logWeight: Double
}

/// How far particle runs are from being unbiased, for each text and for the evidence.
///
/// - Parameters:
///   - expected: rho of each text.
///   - count: the number of particles.
///   - run: one run of so many particles.
/// - Returns: the largest difference between rho of a text and the mean of its weights' sum over the
///   count, and that between the evidence and its mean estimate; both divided by the evidence.
public func particleDefect(
  _ expected: [TokenSequence: Double], count: Int,
  _ run: (inout EnumeratedChoices) throws -> WeightedTexts
) rethrows -> (texts: Double, evidence: Double) {
  let law = try outcomes { choices in
    let texts = try run(&choices)
    var outcome = RunOutcome(evidence: texts.draws.isEmpty ? 0 : LogSpace.exp(texts.logEvidence))
    for draw in texts.draws {
      outcome.sums[draw.text, default: 0] += LogSpace.exp(draw.logWeight) / Double(count)
    }
    return outcome
  }
  var means: [TokenSequence: Double] = [:]
  var evidenceMean = 0.0
  for (outcome, probability) in law {
    for (text, sum) in outcome.sums { means[text, default: 0] += probability * sum }
    evidenceMean += probability * outcome.evidence
  }
  let z = expected.values.reduce(0, +)
  let texts = Set(means.keys).union(expected.keys).map {
    abs(means[$0, default: 0] - expected[$0, default: 0])
  }
  return ((texts.max() ?? 0) / z, abs(evidenceMean - z) / z)
}

private struct RunOutcome: Hashable {
  var sums: [TokenSequence: Double] = [:]
  var evidence: Double
}

/// The distribution of what is kept, given that something is, against the expected weights: total
/// variation.
public func keptDefect(
  _ expected: [TokenSequence: Double],
  _ attempt: (inout EnumeratedChoices) throws -> TokenSequence?
) rethrows -> Double {
  var kept: [TokenSequence: Double] = [:]
  for (text, probability) in try outcomes(of: attempt) {
    if let text { kept[text, default: 0] += probability }
  }
  let (a, b) = (kept.values.reduce(0, +), expected.values.reduce(0, +))
  return totalVariation(kept.mapValues { $0 / a }, expected.mapValues { $0 / b })
}
