// Licensed under the Apache License, Version 2.0.

public import Sampling

/// The sum of rho over a space's states: the evidence, from scratch.
public func evidence<Target: Sampling.Target>(of space: EnumeratedTarget<Target>) -> Double {
  space.states.reduce(0) { $0 + LogSpace.exp(space.target.logProbability(of: $1)) }
}

/// How far weighted draws are from being properly weighted for a target: the sum over states of
/// |mean of the weights of draws that are the state - rho(state)|, over the evidence.
///
/// The act returns the state and its log weight, or `nil` for a weight of zero.
public func properWeightDefect<Target: Sampling.Target>(
  on space: EnumeratedTarget<Target>,
  _ act: (inout EnumeratedChoices) -> (state: Target.State, logWeight: Double)?
) -> Double {
  weightDefect(
    Dictionary(
      uniqueKeysWithValues: space.states.map {
        ($0, LogSpace.exp(space.target.logProbability(of: $0)))
      }), act)
}

/// The same where the right mean of each outcome's weights is given.
public func weightDefect<Outcome: Hashable>(
  _ expected: [Outcome: Double],
  _ act: (inout EnumeratedChoices) -> (state: Outcome, logWeight: Double)?
) -> Double {
  let law = outcomes { choices in
    act(&choices).map { Weighted(state: $0.state, logWeight: $0.logWeight) }
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
