// Licensed under the Apache License, Version 2.0.

/// Means under targets near the one that the texts were drawn from, by reweighting.
///
/// log rho is linear in some coefficients, so the weight of a text changes by
/// `exp(change of coefficients . its features)`.
///
/// The feature of `fluency` is the log of the model's probability; the feature of a soft weight is
/// the number of occurrences.
///
/// Source: Ferrenberg and Swendsen 1988, "New Monte Carlo technique for studying phase
/// transitions".
public struct TiltedMeans: Sendable {
  private let count: Int
  /// The features of all texts, one text after another.
  private let features: [Double]
  private let values: [Double]
  private let logWeights: [Double]
  private let valueCount: Int

  /// Creates the means of some texts.
  ///
  /// - Parameters:
  ///   - features: for each text, the factors of the coefficients.
  ///   - values: for each text, the quantities to average.
  ///   - logWeights: for each text, the log of its weight before any change.
  public init(features: [[Double]], values: [[Double]], logWeights: [Double]) {
    precondition(
      features.count == values.count && values.count == logWeights.count && !values.isEmpty,
      "one list of features and of values and one weight a text")
    count = values.count
    self.features = features.flatMap { $0 }
    self.values = values.flatMap { $0 }
    self.logWeights = logWeights
    valueCount = values[0].count
  }

  /// The means after a change of the coefficients, and the effective sample size of the texts.
  ///
  /// - Complexity: O(texts).
  public func means(changing change: [Double]) -> (means: [Double], effectiveSize: Double) {
    var logs = logWeights
    var high = -Double.infinity
    for i in 0..<count {
      for j in change.indices { logs[i] += change[j] * features[i * change.count + j] }
      high = max(high, logs[i])
    }
    var sum = 0.0
    var squares = 0.0
    var means = [Double](repeating: 0, count: valueCount)
    for i in 0..<count {
      let weight = LogSpace.exp(logs[i] - high)
      sum += weight
      squares += weight * weight
      for j in 0..<valueCount { means[j] += weight * values[i * valueCount + j] }
    }
    return (means.map { $0 / sum }, sum * sum / squares)
  }
}
