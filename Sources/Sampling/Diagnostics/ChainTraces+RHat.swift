// Licensed under the Apache License, Version 2.0.

extension ChainTraces {
  /// The larger of ``bulkRHat`` and ``foldedRHat``: the pooled spread over that within half chains.
  ///
  /// **Edge cases.** The halves of a single chain are compared. Chains that are constant at
  /// different values have an infinite R-hat, because they have not converged. If all draws are the same, it is undefined.
  public var rHat: Estimate { Self.rHat(bulkRHat, foldedRHat) }

  /// ``rHat`` from its two parts, if they are already known.
  public static func rHat(_ bulk: Estimate, _ folded: Estimate) -> Estimate {
    // Folding merges two values that lie symmetrically about the median; the bulk then decides.
    bulk.map { max($0, folded.value ?? $0) }
  }

  /// R-hat of the rank-normalised half chains, which shows whether they differ in location.
  public var bulkRHat: Estimate { compared { rankNormalised(split($0)) } }

  /// ``bulkRHat`` and ``bulkEffectiveSize`` together, so that ranks are computed only once.
  public var bulk: (rHat: Estimate, effectiveSize: Estimate) {
    let ranks = defect(minimum: 4) == nil ? rankNormalised(split(numbers)) : []
    return (compared { _ in ranks }, effectiveSize { _ in ranks })
  }

  /// R-hat of the rank-normalised distances of half chains from the median of all draws.
  ///
  /// It shows whether they differ in spread.
  public var foldedRHat: Estimate {
    compared { chains in
      let halves = split(chains)
      return rankNormalised(folded(halves))
    }
  }

  /// R-hat of the half chains without rank normalisation.
  ///
  /// Reference: Gelman, Carlin, Stern, Dunson, Vehtari and Rubin 2013, "Bayesian Data Analysis",
  /// section 11.4.
  public var splitRHat: Estimate { compared(needsFinite: true, split) }

  /// R-hat of the whole chains without splitting, as in Gelman and Rubin 1992.
  public var unsplitRHat: Estimate { compared(needsFinite: true) { $0 } }

  /// Nested R-hat, for many short chains: the spread between superchains over that within them.
  ///
  /// The chains of one superchain start at the same state, and different superchains start at
  /// different states. The value is near 1 if the superchains have forgotten their starts, however
  /// short the chains are. If a superchain has several chains, one draw of each is enough.
  ///
  /// Reference: Margossian, Hoffman, Sountsov, Riou-Durand, Vehtari and Gelman 2024, "Nested R-hat:
  /// assessing the convergence of Markov chain Monte Carlo when running many short chains",
  /// equations 3 to 6.
  ///
  /// - Parameter size: the number of neighbouring chains that make one superchain.
  /// - Returns: a value near 1 if the superchains agree.
  /// - Precondition: the size is positive.
  public func nestedRHat(superchainsOf size: Int) -> Estimate {
    precondition(size > 0, "a superchain has chains")
    if let reason = defect(minimum: 1, needsFinite: true) { return .undefined(reason) }
    guard chains.count % size == 0 else {
      return .undefined("\(chains.count) chains don't divide into superchains of \(size)")
    }
    guard chains.count / size > 1 else {
      return .undefined("there is only one superchain")
    }
    guard count > 1 || size > 1 else {
      return .undefined("superchains of one chain with one draw have no spread within")
    }
    let groups = stride(from: 0, to: chains.count, by: size).map { numbers[$0..<$0 + size] }
    let between = variance(groups.map { average($0.map(average)) })
    let within = average(
      groups.map { group in
        (size > 1 ? variance(group.map(average)) : 0)
          + (count > 1 ? average(group.map(variance)) : 0)
      })
    if within == 0 {
      return between == 0 ? .undefined("all draws are the same") : .value(.infinity)
    }
    return finite((1 + between / within).squareRoot())
  }

  private func compared(
    needsFinite: Bool = false, _ transform: ([[Double]]) -> [[Double]]
  ) -> Estimate {
    if let reason = defect(minimum: 4, needsFinite: needsFinite) { return .undefined(reason) }
    if isConstant { return .undefined("all draws are the same") }
    let transformed = transform(numbers)
    // A single chain is compared with itself: its first half with its last.
    guard transformed.count > 1 else {
      return .undefined("one chain that is not split cannot be compared with others")
    }
    if transformed.contains(where: { $0.contains(where: \.isNaN) }) {
      return .undefined("the median draw is infinite")
    }
    let draws = Double(transformed[0].count)
    let between = draws * variance(transformed.map(average))
    let within = average(transformed.map(variance))
    if within == 0 {
      return between == 0
        ? .undefined("all draws are equally far from their median") : .value(.infinity)
    }
    return finite(((between / within + draws - 1) / draws).squareRoot())
  }
}

/// Distances from the median of all draws.
func folded(_ chains: [[Double]]) -> [[Double]] {
  let median = quantile(0.5, ofSorted: ascending(chains.flatMap { $0 }).values)
  return chains.map { $0.map { $0 == median ? 0 : abs($0 - median) } }
}
