// Licensed under the Apache License, Version 2.0.

/// Effective sample sizes: how many independent draws give equally good estimates.
///
/// They use Geyer's initial monotone sequence over all chains.
///
/// Reference: Geyer 1992, "Practical Markov chain Monte Carlo"; Vehtari and others 2021, section 3.
extension ChainTraces {
  /// Effective sample size of the bulk: of the rank-normalised half chains.
  public var bulkEffectiveSize: Estimate { effectiveSize { rankNormalised(split($0)) } }

  /// Effective sample size of the tails: the smaller of those of the 5 % and 95 % quantiles.
  public var tailEffectiveSize: Estimate {
    .smaller(effectiveSize(ofQuantile: 0.05), effectiveSize(ofQuantile: 0.95))
  }

  /// Effective sample size of the mean: of the half chains as they are.
  public var meanEffectiveSize: Estimate { effectiveSize(needsFinite: true, of: split) }

  /// Effective sample size of the standard deviation: of the squared distances from the mean.
  public var deviationEffectiveSize: Estimate {
    effectiveSize(needsFinite: true) { split(squaredDistances($0)) }
  }

  /// Effective sample size of the median.
  public var medianEffectiveSize: Estimate { effectiveSize(ofQuantile: 0.5) }

  /// Effective sample size of the median distance from the median.
  public var absoluteDeviationEffectiveSize: Estimate {
    effectiveSize { chains in
      let distances = folded(chains)
      let median = Sampling.quantile(0.5, ofSorted: ascending(distances.flatMap { $0 }).values)
      return split(distances.map { $0.map { $0 <= median ? 1 : 0 } })
    }
  }

  /// Effective sample size of the rank-normalised distances from the median.
  public var foldedEffectiveSize: Estimate {
    effectiveSize { rankNormalised(folded(split($0))) }
  }

  /// Effective sample size of the mean of the whole chains, not split.
  public var unsplitEffectiveSize: Estimate { effectiveSize(needsFinite: true) { $0 } }

  /// Effective sample size of a quantile: of the indicator of the draws up to it.
  public func effectiveSize(ofQuantile probability: Double) -> Estimate {
    let bound = sorted.isEmpty ? 0 : Sampling.quantile(probability, ofSorted: sorted)
    return effectiveSize { split($0.map { $0.map { $0 <= bound ? 1 : 0 } }) }
  }

  /// Effective sample size of a small interval: of the indicator of the draws between two
  /// quantiles.
  public func effectiveSize(ofQuantiles range: ClosedRange<Double>) -> Estimate {
    guard !sorted.isEmpty else { return effectiveSize { split($0) } }
    let low = Sampling.quantile(range.lowerBound, ofSorted: sorted)
    let high = Sampling.quantile(range.upperBound, ofSorted: sorted)
    return effectiveSize { split($0.map { $0.map { low <= $0 && $0 <= high ? 1 : 0 } }) }
  }

  /// The number of draws that are worth one independent draw when estimating the mean.
  ///
  /// It is 1 + 2 x the sum of the autocorrelations.
  public var autocorrelationTime: Estimate {
    meanEffectiveSize.map { Double(chains.count * count) / $0 }
  }

  /// The autocorrelation within one chain.
  ///
  /// - Parameters:
  ///   - chain: the index of the chain in ``chains``.
  ///   - lag: a number of rows of the trace, smaller than the number of draws.
  /// - Returns: a number in -1 ... 1.
  /// - Precondition: the chain exists and the lag is in range.
  public func autocorrelation(ofChain chain: Int, lag: Int) -> Estimate {
    precondition(chains.indices.contains(chain), "there is no chain \(chain)")
    precondition((0..<count).contains(lag), "a lag lies in 0 ..< \(count), got \(lag)")
    if let reason = defect(minimum: 1, needsFinite: true) { return .undefined(reason) }
    let covariance = Autocovariance([numbers[chain]])
    let whole = covariance.direct(0)
    guard whole > 0 else { return .undefined("the chain never moves") }
    return finite(covariance.direct(lag) / whole)
  }

  func effectiveSize(
    needsFinite: Bool = false, of transform: ([[Double]]) -> [[Double]]
  ) -> Estimate {
    if let reason = defect(minimum: 4, needsFinite: needsFinite) { return .undefined(reason) }
    if isConstant { return .undefined("all draws are the same") }
    let transformed = transform(numbers)
    if transformed.contains(where: { $0.contains(where: \.isNaN) }) {
      return .undefined("the median draw is infinite")
    }
    return finite(initialMonotoneEffectiveSize(transformed))
  }
}

/// Squared distances from the mean of all draws.
func squaredDistances(_ chains: [[Double]]) -> [[Double]] {
  let all = centred(chains.flatMap { $0 }).map { $0 * $0 }
  let draws = chains[0].count
  return chains.indices.map { Array(all[$0 * draws..<($0 + 1) * draws]) }
}

/// Geyer's initial monotone estimate of the effective sample size over several chains.
func initialMonotoneEffectiveSize(_ chains: [[Double]]) -> Double {
  let draws = chains[0].count
  let size = Double(chains.count * draws)
  var covariance = Autocovariance(chains)
  let first = covariance[0]
  let within = first * Double(draws) / Double(draws - 1)
  let pooled = first + (chains.count > 1 ? variance(chains.map(average)) : 0)
  guard pooled > 0 else { return size }
  let time = initialMonotoneTime(draws: draws) { 1 - (within - covariance[$0]) / pooled }
  // Antithetic chains can be better than independent draws, but only up to a limit.
  return size / max(time, 1 / (LogSpace.log(size) / LogSpace.log(10)))
}

/// 1 + 2 x the sum of the autocorrelations, truncated and made monotone as for a reversible chain.
func initialMonotoneTime(draws: Int, _ correlation: (Int) -> Double) -> Double {
  guard draws > 1 else { return 1 }
  var rho = [Double](repeating: 0, count: draws)
  var even = 1.0
  rho[0] = 1
  var odd = correlation(1)
  rho[1] = odd
  var t = 1
  while t < draws - 3, even + odd > 0 {
    even = correlation(t + 1)
    odd = correlation(t + 2)
    if even + odd >= 0 {
      rho[t + 1] = even
      rho[t + 2] = odd
    }
    t += 2
  }
  let last = t - 2
  if even > 0 { rho[last + 1] = even }
  t = 1
  while t <= last - 2 {
    if rho[t + 1] + rho[t + 2] > rho[t - 1] + rho[t] {
      rho[t + 1] = (rho[t - 1] + rho[t]) / 2
      rho[t + 2] = rho[t + 1]
    }
    t += 2
  }
  return -1 + 2 * rho[0..<max(0, last + 1)].reduce(0, +) + rho[last + 1]
}
