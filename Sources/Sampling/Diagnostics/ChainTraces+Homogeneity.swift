// Licensed under the Apache License, Version 2.0.

/// The result of a statistical test.
public struct TestResult: Codable, Hashable, Sendable {
  /// The statistic, corrected for the dependence between the draws of a chain.
  public let statistic: Double
  /// The degrees of freedom.
  public let degrees: Int
  /// The probability that chance alone gives at least this statistic.
  public let pValue: Double
}

/// The result of a test, or the reason why there is none.
public enum TestEstimate: Codable, Hashable, Sendable {
  /// The result of the test.
  case result(TestResult)
  /// The reason why there is no result, as a sentence without a full stop.
  case undefined(String)
}

extension ChainTraces {
  /// Tests whether the chains of a discrete quantity visit its values equally often.
  ///
  /// This is Pearson's test of homogeneity, corrected for dependent draws. Its statistic is divided
  /// by the mean design effect of the values' shares, which are the autocorrelation times of their
  /// indicators within the chains, and compared with chi-square. R-hat compares locations and
  /// spreads; this test compares whole distributions of lengths, counts and yes-or-no statements.
  ///
  /// **Assumes** that the chains forget their past well within their length, as every estimate of
  /// an autocorrelation time does.
  ///
  /// References: Deonovic and Smith 2017, "Convergence diagnostics for MCMC draws of a categorical
  /// variable", which compares such tests; Rao and Scott 1981, "The analysis of categorical data
  /// from complex sample surveys", for the correction.
  ///
  /// - Parameter classes: the largest number of classes to compare. Neighbouring values are merged
  ///   until each class has its share of the draws and at least five expected draws in each chain,
  ///   which the chi-square approximation needs.
  /// - Returns: the test; its p-value is near 0 if the chains differ.
  /// - Precondition: there are at least two classes.
  public func homogeneity(classes: Int = 20) -> TestEstimate {
    precondition(classes > 1, "a test compares at least two classes")
    if let reason = defect(minimum: 4) { return .undefined(reason) }
    guard chains.count > 1 else { return .undefined("there is only one chain") }
    if isConstant { return .undefined("all draws are the same") }
    let bounds = classBounds(classes)
    guard bounds.count > 1 else {
      return .undefined(
        "the chains are too short: the test needs two values with 5 expected draws in every chain")
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
    // Use variation within the chains only; otherwise, chains that differ would hide it.
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
      return .undefined("the chains never move, so their autocorrelation times are unknown")
    }
    // As for effective sample sizes, antithetic chains gain only up to a limit.
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
    // The remaining values join the last class.
    if held > 0, let last = sorted.last {
      if bounds.isEmpty { bounds.append(last) } else { bounds[bounds.count - 1] = last }
    }
    return bounds
  }
}
