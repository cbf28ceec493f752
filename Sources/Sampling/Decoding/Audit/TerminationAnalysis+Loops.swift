// Licensed under the Apache License, Version 2.0.

extension TerminationAnalysis {
  /// The probability that a text of a root ever reaches each loop.
  ///
  /// Their sum is the probability that the text never ends, except for a billionth of it. What
  /// reaches a component is passed on until it has left it, starting with the first component. What
  /// remains after very many passes is missing.
  ///
  /// - Parameter root: the number of the root.
  /// - Returns: the probabilities.
  /// - Complexity: O(steps x passes).
  public func loopProbabilities(ofRoot root: Int) -> [Double] {
    let root = chain.roots[root]
    // All texts that never end reach the only loop.
    if loops.count == 1 { return [neverEnds[root]] }
    guard !loops.isEmpty, neverEnds[root] > 0 else { return loops.map { _ in 0 } }
    var mass = [Double](repeating: 0, count: chain.contexts.count)
    mass[root] = 1
    var isClosed = [Bool](repeating: false, count: mass.count)
    for loop in loops { for state in loop.states { isClosed[state] = true } }
    var component = [Int32](repeating: -1, count: mass.count)
    for (index, states) in components.enumerated() {
      for state in states { component[state] = Int32(index) }
    }
    var following = mass
    for (index, states) in components.enumerated().reversed() where !isClosed[states[0]] {
      for _ in 0..<Self.mostPasses {
        var total = 0.0
        for state in states { following[state] = 0 }
        for state in states where mass[state] > 0 {
          for step in chain.steps[chain.ranges[state]] {
            let target = Int(step.target)
            let part = mass[state] * step.probability
            if component[target] == Int32(index) {
              following[target] += part
              total += part
            } else {
              mass[target] += part
            }
          }
        }
        for state in states { mass[state] = following[state] }
        // The rest leads to less than a billionth of the texts that never end.
        if total <= neverEnds[root] * 1e-9 { break }
      }
    }
    return loops.map { loop in loop.states.reduce(0) { $0 + mass[$1] } }
  }

  private static var mostPasses: Int { 20_000 }
}
