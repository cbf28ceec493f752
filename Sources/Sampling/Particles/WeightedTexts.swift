// Licensed under the Apache License, Version 2.0.

/// Weighted draws, those of weight zero counted, and what they say of their target.
///
/// The mean of the weights is an unbiased estimate of the evidence Z, the sum of rho; weighted means
/// of what texts are like are consistent ones, biased by about one over the effective size.
public struct WeightedTexts: Sendable {
  /// The draws of positive weight.
  public var draws: [WeightedText] = []
  /// How many draws had a weight of zero.
  public var zeroCount = 0

  /// Creates an empty collection of draws.
  public init() {}

  /// Creates a collection from some draws and the number of those with weight zero.
  public init(_ draws: [WeightedText], zeroCount: Int) {
    self.draws = draws
    self.zeroCount = zeroCount
  }

  /// Adds a draw; `nil` for one of weight zero.
  public mutating func append(_ draw: WeightedText?) {
    if let draw { draws.append(draw) } else { zeroCount += 1 }
  }

  /// How many draws there are in all.
  public var count: Int { draws.count + zeroCount }

  /// The weights over the largest.
  public var relativeWeights: [Double] {
    let most = draws.map(\.logWeight).max() ?? 0
    return draws.map { LogSpace.exp($0.logWeight - most) }
  }

  /// The log of the mean of the weights; minus infinity where all are zero.
  public var logEvidence: Double {
    LogSpace.sum(draws.map(\.logWeight)) - LogSpace.log(Double(max(1, count)))
  }

  /// The standard error of ``logEvidence``: the weights' relative standard deviation over the root
  /// of their number.
  public var logEvidenceError: Estimate {
    guard count > 1 else {
      return .undefined(count == 0 ? "nothing was drawn" : "one draw has no spread")
    }
    guard !draws.isEmpty else { return .undefined("all weights are zero") }
    let weights = relativeWeights
    let mean = weights.reduce(0, +) / Double(count)
    let squares =
      weights.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } + Double(zeroCount) * mean * mean
    return .value((squares / Double(count - 1) / Double(count)).squareRoot() / mean)
  }

  /// The mean over groups of draws of the log of a group's mean weight, and its standard error.
  ///
  /// In expectation it is a lower bound of the log of the evidence: with groups of one the evidence
  /// lower bound, with larger ones nearer and never farther, its bias falling as one over the size
  /// where weights have a variance. ``logEvidence`` is that of one group, whose bias is the least.
  /// Reference: Burda, Grosse and Salakhutdinov 2016, "Importance weighted autoencoders", theorem 1.
  ///
  /// - Parameter size: draws a group, positive; draws that fill no group are left out.
  /// - Returns: both; minus infinity where all weights of some group are zero, `nil` where there is
  ///   no whole group.
  public func lowerBound(groupsOf size: Int) -> (value: Double, error: Estimate)? {
    precondition(size > 0, "a group has draws")
    // Draws of weight zero count where they came, which is not kept: they are spread evenly.
    let groups = count / size
    guard groups > 0 else { return nil }
    var logs: [Double] = []
    for group in 0..<groups {
      let low = draws.count * group / groups
      let high = draws.count * (group + 1) / groups
      logs.append(
        LogSpace.sum(draws[low..<high].map(\.logWeight)) - LogSpace.log(Double(size)))
    }
    let mean = logs.reduce(0, +) / Double(groups)
    guard mean > -.infinity else { return (mean, .undefined("a group has no positive weight")) }
    guard groups > 1 else { return (mean, .undefined("one group has no spread")) }
    let squares = logs.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    return (mean, .value((squares / Double(groups - 1) / Double(groups)).squareRoot()))
  }

  /// How many equally weighted draws these are worth: the square of the weights' sum over the sum of
  /// their squares (Kong 1992).
  public var effectiveSize: Double {
    let weights = relativeWeights
    let sum = weights.reduce(0, +)
    return draws.isEmpty ? 0 : sum * sum / weights.reduce(0) { $0 + $1 * $1 }
  }

  /// The weights' tail, smoothed.
  public var smoothed: ParetoSmoothedWeights {
    ParetoSmoothedWeights(
      draws.map(\.logWeight) + [Double](repeating: -.infinity, count: zeroCount))
  }

  /// The weighted mean of a number of the texts, and its standard error, by the delta method.
  ///
  /// - Parameter quantity: the number of a text.
  /// - Returns: both, or `nil` where all weights are zero.
  public func mean(_ quantity: (TokenSequence) -> Double) -> (value: Double, error: Double)? {
    guard !draws.isEmpty else { return nil }
    let weights = relativeWeights
    let values = draws.map { quantity($0.text) }
    let sum = weights.reduce(0, +)
    let mean = zip(weights, values).reduce(0) { $0 + $1.0 * $1.1 } / sum
    let squares = zip(weights, values).reduce(0) {
      $0 + $1.0 * $1.0 * ($1.1 - mean) * ($1.1 - mean)
    }
    return (mean, squares.squareRoot() / sum)
  }
}
