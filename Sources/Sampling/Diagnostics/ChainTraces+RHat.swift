// Licensed under the Apache License, Version 2.0.

extension ChainTraces {
  /// How much larger the pooled spread is than that within half chains: the larger one of
  /// ``bulkRHat`` and ``foldedRHat``.
  ///
  /// **Edge cases.** Chains that are constant at different values have an infinite R-hat: they
  /// have not met. Where all draws are the same there is none.
  public var rHat: Estimate { Self.rHat(bulkRHat, foldedRHat) }

  /// ``rHat`` of the two that it is made of, where they are known already.
  public static func rHat(_ bulk: Estimate, _ folded: Estimate) -> Estimate {
    // Folding makes two values one where they lie alike about the median: the bulk then decides.
    bulk.map { max($0, folded.value ?? $0) }
  }

  /// R-hat of the rank-normalised half chains: whether they differ in place.
  public var bulkRHat: Estimate { compared { rankNormalised(split($0)) } }

  /// ``bulkRHat`` and ``bulkEffectiveSize``, whose ranks are looked for once.
  public var bulk: (rHat: Estimate, effectiveSize: Estimate) {
    let ranks = defect(minimum: 4) == nil ? rankNormalised(split(numbers)) : []
    return (compared { _ in ranks }, effectiveSize { _ in ranks })
  }

  /// R-hat of the rank-normalised distances of half chains from their median: whether they differ
  /// in spread.
  public var foldedRHat: Estimate {
    compared { chains in
      let halves = split(chains)
      return rankNormalised(folded(halves))
    }
  }

  /// R-hat of the half chains as they are.
  ///
  /// Reference: Gelman, Carlin, Stern, Dunson, Vehtari and Rubin 2013, "Bayesian Data Analysis",
  /// section 11.4.
  public var splitRHat: Estimate { compared(needsFinite: true, split) }

  /// R-hat of the whole chains as they are, as Gelman and Rubin had it in 1992.
  public var unsplitRHat: Estimate { compared(needsFinite: true) { $0 } }

  /// How much larger the spread of superchains is than that within them, for chains that are short
  /// but many.
  ///
  /// The chains of one superchain begin at one state; different superchains begin at different
  /// ones. The value is near 1 where the superchains have forgotten their beginnings, however short
  /// the chains are: one draw of each is enough where a superchain has several chains.
  ///
  /// Reference: Margossian, Hoffman, Sountsov, Riou-Durand, Vehtari and Gelman 2024, "Nested R-hat:
  /// assessing the convergence of Markov chain Monte Carlo when running many short chains",
  /// equations 3 to 6.
  ///
  /// - Parameter size: so many chains in a row make one superchain.
  /// - Returns: near 1 where the superchains agree.
  /// - Precondition: the size is positive.
  public func nestedRHat(superchainsOf size: Int) -> Estimate {
    precondition(size > 0, "a superchain has chains")
    if let reason = defect(minimum: 1, needsFinite: true) { return .undefined(reason) }
    guard chains.count % size == 0 else {
      return .undefined("\(chains.count) chains make no whole superchains of \(size)")
    }
    guard chains.count / size > 1 else {
      return .undefined("one superchain cannot be compared with others")
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
    guard chains.count > 1 else { return .undefined("one chain cannot be compared with others") }
    if isConstant { return .undefined("all draws are the same") }
    let transformed = transform(numbers)
    if transformed.contains(where: { $0.contains(where: \.isNaN) }) {
      return .undefined("the median draw is infinite")
    }
    let draws = Double(transformed[0].count)
    let between = draws * variance(transformed.map(average))
    let within = average(transformed.map(variance))
    if within == 0 {
      return between == 0
        ? .undefined("all draws lie alike about their median") : .value(.infinity)
    }
    return finite(((between / within + draws - 1) / draws).squareRoot())
  }
}

/// Distances from the median of all.
func folded(_ chains: [[Double]]) -> [[Double]] {
  let median = quantile(0.5, ofSorted: ascending(chains.flatMap { $0 }).values)
  return chains.map { $0.map { $0 == median ? 0 : abs($0 - median) } }
}
