// Licensed under the Apache License, Version 2.0.

public import Sampling

/// Choices played by visiting every branch exactly once, depth first.
///
/// Use it through ``outcomes(of:)``. Branches of probability zero are not visited.
public struct EnumeratedChoices: ChoiceSource {
  private struct Fork {
    var branch: Int
    var probabilities: [Double]
  }

  private var forks: [Fork] = []
  private var depth = 0
  /// Probability of the branch being played.
  public private(set) var probability = 1.0

  fileprivate init() {}

  private mutating func fork(_ probabilities: @autoclosure () -> [Double]) -> Int {
    if depth == forks.count {
      let probabilities = probabilities()
      guard let first = probabilities.firstIndex(where: { $0 > 0 }) else {
        preconditionFailure("a choice has a branch of positive probability")
      }
      forks.append(Fork(branch: first, probabilities: probabilities))
    }
    let fork = forks[depth]
    depth += 1
    probability *= fork.probabilities[fork.branch]
    return fork.branch
  }

  /// Goes on to the next branch; false after the last.
  fileprivate mutating func next() -> Bool {
    precondition(depth == forks.count, "an act makes the same choices when it is played again")
    depth = 0
    probability = 1
    while let last = forks.last {
      let rest = last.probabilities.indices.dropFirst(last.branch + 1)
      if let branch = rest.first(where: { last.probabilities[$0] > 0 }) {
        forks[forks.count - 1].branch = branch
        return true
      }
      forks.removeLast()
    }
    return false
  }

  /// Plays each of 0 ..< count in turn.
  public mutating func index(below count: Int) -> Int {
    precondition(count > 0, "a choice has at least one branch")
    return fork([Double](repeating: 1 / Double(count), count: count))
  }

  /// Plays true, then false.
  public mutating func chance(_ probability: Double) -> Bool {
    precondition(probability >= 0 && probability <= 1, "a probability lies in 0 ... 1")
    return fork([probability, 1 - probability]) == 0
  }

  /// Plays each index of positive weight in turn.
  public mutating func index(weights: borrowing Span<Double>) -> Int {
    var copy: [Double] = []
    for i in weights.indices { copy.append(weights[i]) }
    let total = copy.reduce(0, +)
    precondition(total > 0 && total < .infinity, "weights have a positive, finite sum")
    return fork(copy.map { $0 / total })
  }
}

/// The exact distribution of a random act's outcome, by playing every branch of its choices.
///
/// ```swift
/// let law = outcomes { choices in choices.index(below: 2) + choices.index(below: 2) }
/// // [0: 0.25, 1: 0.5, 2: 0.25]
/// ```
/// - Complexity: the number of branches times the cost of the act.
public func outcomes<Outcome: Hashable>(
  of act: (inout EnumeratedChoices) throws -> Outcome
) rethrows -> [Outcome: Double] {
  var law: [Outcome: Double] = [:]
  var choices = EnumeratedChoices()
  repeat {
    let outcome = try act(&choices)
    law[outcome, default: 0] += choices.probability
  } while choices.next()
  return law
}

/// Half the sum of absolute differences between two distributions.
public func totalVariation<Outcome: Hashable>(
  _ a: [Outcome: Double], _ b: [Outcome: Double]
) -> Double {
  Set(a.keys).union(b.keys).reduce(0) { $0 + abs(a[$1, default: 0] - b[$1, default: 0]) } / 2
}
