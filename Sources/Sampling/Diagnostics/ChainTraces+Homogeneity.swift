// Licensed under the Apache License, Version 2.0.

/// What a test found.
public struct TestResult: Hashable, Sendable {
  /// The statistic, corrected for what the draws of a chain have in common.
  public let statistic: Double
  /// Its degrees of freedom.
  public let degrees: Int
  /// How often chance alone gives at least this.
  public let pValue: Double
}

/// A test's result, or the reason why there is none.
public enum TestEstimate: Hashable, Sendable {
  /// The result.
  case result(TestResult)
  /// Why there is none, as a sentence without its full stop.
  case undefined(String)
}

extension ChainTraces {
  /// Whether chains of a discrete quantity visit its values equally often: Pearson's test of
  /// homogeneity, made right for draws that depend on each other.
  ///
  /// Pearson's statistic is divided by the mean design effect of the values' shares, which are the
  /// autocorrelation times of their indicators within the chains, and compared with chi-square.
  /// R-hat compares places and spreads; this compares the whole distributions of lengths, counts
  /// and what is either met or not.
  ///
  /// **Assumes** that the chains forget well within their length, as every time of autocorrelation
  /// does.
  ///
  /// References: Deonovic and Smith 2017, "Convergence diagnostics for MCMC draws of a categorical
  /// variable", which compares such tests; Rao and Scott 1981, "The analysis of categorical data
  /// from complex sample surveys", for the correction.
  ///
  /// - Parameter classes: at most so many classes are compared. Neighbouring values are taken
  ///   together until each class has that share of the draws and, in each chain, five expected
  ///   draws, which the approximation by chi-square needs.
  /// - Returns: a p-value near 0 where the chains differ.
  /// - Precondition: there are at least two classes.
  public func homogeneity(classes: Int = 20) -> TestEstimate {
    precondition(classes > 1, "a test compares at least two classes")
    if let reason = defect(minimum: 4) { return .undefined(reason) }
    guard chains.count > 1 else { return .undefined("one chain cannot be compared with others") }
    if isConstant { return .undefined("all draws are the same") }
    let bounds = classBounds(classes)
    guard bounds.count > 1 else {
      return .undefined(
        "the chains are too short: of two values each needs 5 expected draws in every chain")
    }
    let members = numbers.map { $0.map { lowerBound(of: $0, in: bounds) } }
    let draws = Double(count)
    var counts = [[Double]](
      repeating: [Double](repeating: 0, count: bounds.count), count: chains.count)
    for (j, chain) in members.enumerated() { for i in chain { counts[j][i] += 1 } }
    let shares = bounds.indices.map { i in
      counts.reduce(0) { $0 + $1[i] } / (draws * Double(chains.count))
    }
    var statistic = 0.0
    for row in counts {
      for (i, found) in row.enumerated() {
        let expected = draws * shares[i]
        statistic += (found - expected) * (found - expected) / expected
      }
    }
    // Within the chains alone, or chains that have not met would excuse themselves.
    var effect = 0.0
    for i in bounds.indices {
      var covariance = Autocovariance(members.map { $0.map { $0 == i ? 1 : 0 } })
      let whole = covariance[0]
      let time =
        whole > 0 ? initialMonotoneTime(draws: count) { covariance[$0] / whole } : .infinity
      effect += (1 - shares[i]) * time
    }
    effect /= Double(bounds.count - 1)
    guard effect < .infinity else {
      return .undefined("the chains stay where they are, so that nothing is known of their times")
    }
    // As for effective sizes: antithetic chains gain, but not without limit.
    let total = draws * Double(chains.count)
    let corrected = statistic / max(effect, LogSpace.log(10) / LogSpace.log(total))
    let degrees = (bounds.count - 1) * (chains.count - 1)
    return .result(
      TestResult(
        statistic: corrected, degrees: degrees,
        pValue: chiSquareTail(corrected, degrees: Double(degrees))))
  }

  /// The largest value of each class, ascending.
  private func classBounds(_ classes: Int) -> [Double] {
    let least = max(5 * chains.count, (sorted.count + classes - 1) / classes)
    var bounds: [Double] = []
    var held = 0
    for (i, value) in sorted.enumerated() {
      held += 1
      let isLast = i + 1 == sorted.count || sorted[i + 1] != value
      if isLast && held >= least {
        bounds.append(value)
        held = 0
      }
    }
    // What is left joins the last class.
    if held > 0, let last = sorted.last {
      if bounds.isEmpty { bounds.append(last) } else { bounds[bounds.count - 1] = last }
    }
    return bounds
  }
}
