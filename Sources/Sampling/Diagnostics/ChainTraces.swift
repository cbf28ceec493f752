// Licensed under the Apache License, Version 2.0.

/// One real quantity along several chains, and what can be said of their convergence.
///
/// Reference: Vehtari, Gelman, Simpson, Carpenter and Bürkner 2021, "Rank-normalization, folding,
/// and localization: an improved R-hat"; the effective sample size by Geyer's initial monotone
/// sequence. Odd chains lose their middle draw when they are split.
public struct ChainTraces: Sendable {
  /// Draws by chain; all chains hold the same number.
  public let chains: [[Double]]

  /// The traces of some chains, the longer ones cut to the length of the shortest.
  public init(_ chains: [[Double]]) {
    let count = chains.map(\.count).min() ?? 0
    self.chains = chains.map { Array($0.prefix(count)) }
  }

  /// The number of draws of each chain.
  public var count: Int { chains.first?.count ?? 0 }

  private var all: [Double] { chains.flatMap { $0 } }

  /// The mean of all draws.
  public var mean: Estimate {
    guard count > 0 else { return .undefined("there are no draws") }
    let all = all
    guard all.allSatisfy(\.isFinite) else { return .undefined("a draw is not finite") }
    return .value(average(all))
  }

  /// How much larger the pooled spread is than that within half chains: the larger of the bulk's
  /// and the folded draws' rank-normalised split R-hat.
  ///
  /// **Edge cases.** Chains that are constant at different values have an infinite R-hat: they
  /// have not met. Where all draws are the same there is none.
  public var rHat: Estimate {
    if let reason = defect(minimum: 4) { return .undefined(reason) }
    guard chains.count > 1 else { return .undefined("one chain cannot be compared with others") }
    let halves = split(chains)
    let median = quantile(0.5, of: halves.flatMap { $0 })
    let bulk = plainRHat(rankNormalised(halves))
    let folded = plainRHat(rankNormalised(halves.map { $0.map { abs($0 - median) } }))
    // Folding makes two values one where they lie alike about the median: the bulk then decides.
    switch (bulk, folded) {
    case (let bulk?, let folded?): return .value(max(bulk, folded))
    case (let bulk?, nil): return .value(bulk)
    case (nil, let folded?): return .value(folded)
    case (nil, nil): return .undefined("all draws are the same")
    }
  }

  /// Effective sample size of the bulk: of the rank-normalised split chains.
  public var bulkEffectiveSize: Estimate {
    effectiveSize { rankNormalised(split($0)) }
  }

  /// Effective sample size of the tails: the smaller one of those of the 5 % and 95 % quantiles.
  public var tailEffectiveSize: Estimate {
    switch (effectiveSize(ofQuantile: 0.05), effectiveSize(ofQuantile: 0.95)) {
    case (.value(let low), .value(let high)): .value(min(low, high))
    case (.undefined(let reason), _), (_, .undefined(let reason)): .undefined(reason)
    }
  }

  /// Effective sample size of the mean: of the split chains as they are.
  public var meanEffectiveSize: Estimate { effectiveSize(of: split) }

  /// Effective sample size of a quantile: of the indicator of the draws up to it.
  public func effectiveSize(ofQuantile probability: Double) -> Estimate {
    effectiveSize { chains in
      let bound = quantile(probability, of: chains.flatMap { $0 })
      return split(chains.map { $0.map { $0 <= bound ? 1 : 0 } })
    }
  }

  /// Monte Carlo standard error of the mean.
  public var meanError: Estimate {
    switch meanEffectiveSize {
    case .undefined(let reason): .undefined(reason)
    case .value(let size): .value((variance(all) / size).squareRoot())
    }
  }

  private func defect(minimum: Int) -> String? {
    if chains.isEmpty { return "there are no chains" }
    if count < minimum { return "a chain has \(count) draws, and \(minimum) are needed" }
    if !all.allSatisfy(\.isFinite) { return "a draw is not finite" }
    return nil
  }

  private func effectiveSize(of transform: ([[Double]]) -> [[Double]]) -> Estimate {
    if let reason = defect(minimum: 4) { return .undefined(reason) }
    guard let low = all.min(), let high = all.max(), low < high else {
      return .undefined("all draws are the same")
    }
    return .value(plainEffectiveSize(transform(chains)))
  }
}

/// First and last halves of the chains, each a chain.
private func split(_ chains: [[Double]]) -> [[Double]] {
  chains.map { Array($0.prefix($0.count / 2)) } + chains.map { Array($0.suffix($0.count / 2)) }
}

/// Normal quantiles of the draws' ranks among all, ties sharing their mean rank.
private func rankNormalised(_ chains: [[Double]]) -> [[Double]] {
  let all = chains.flatMap { $0 }
  let order = all.indices.sorted { all[$0] < all[$1] }
  var scores = [Double](repeating: 0, count: all.count)
  var first = 0
  while first < order.count {
    var last = first
    while last + 1 < order.count, all[order[last + 1]] == all[order[first]] { last += 1 }
    let rank = Double(first + last) / 2 + 1
    // Blom's offsets of 3/8.
    let score = normalQuantile((rank - 0.375) / (Double(all.count) + 0.25))
    for i in first...last { scores[order[i]] = score }
    first = last + 1
  }
  var start = 0
  return chains.map { chain in
    defer { start += chain.count }
    return Array(scores[start..<start + chain.count])
  }
}

/// Taken about the first value, so that a large offset costs no digits.
private func average(_ values: [Double]) -> Double {
  values[0] + values.reduce(0) { $0 + ($1 - values[0]) } / Double(values.count)
}

private func variance(_ values: [Double]) -> Double {
  let centre = average(values)
  return values.reduce(0) { $0 + ($1 - centre) * ($1 - centre) } / Double(values.count - 1)
}

/// The quantile by linear interpolation between order statistics (type 7 of Hyndman and Fan).
func quantile(_ probability: Double, of values: [Double]) -> Double {
  let sorted = values.sorted()
  let place = probability * Double(sorted.count - 1)
  let low = Int(place)
  let high = min(low + 1, sorted.count - 1)
  return sorted[low] + (place - Double(low)) * (sorted[high] - sorted[low])
}

/// R-hat of chains as they are; infinite where they differ but none varies, `nil` where none does.
private func plainRHat(_ chains: [[Double]]) -> Double? {
  let count = Double(chains[0].count)
  let between = count * variance(chains.map(average))
  let within = average(chains.map(variance))
  if within == 0 { return between == 0 ? nil : .infinity }
  return ((between / within + count - 1) / count).squareRoot()
}

/// Geyer's initial monotone estimate over several chains.
private func plainEffectiveSize(_ chains: [[Double]]) -> Double {
  let draws = chains[0].count
  let means = chains.map(average)
  func covariance(_ lag: Int) -> Double {
    var sum = 0.0
    for (chain, centre) in zip(chains, means) {
      var products = 0.0
      for i in 0..<draws - lag { products += (chain[i] - centre) * (chain[i + lag] - centre) }
      sum += products / Double(draws)
    }
    return sum / Double(chains.count)
  }
  let size = Double(chains.count * draws)
  let first = covariance(0)
  let within = first * Double(draws) / Double(draws - 1)
  let pooled = first + (chains.count > 1 ? variance(means) : 0)
  guard pooled > 0 else { return size }
  func correlation(_ lag: Int) -> Double { 1 - (within - covariance(lag)) / pooled }

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
  let time = -1 + 2 * rho[0..<max(0, last + 1)].reduce(0, +) + rho[last + 1]
  // Antithetic chains may be better than independent draws, but not without limit.
  return size / max(time, 1 / (LogSpace.log(size) / LogSpace.log(10)))
}
