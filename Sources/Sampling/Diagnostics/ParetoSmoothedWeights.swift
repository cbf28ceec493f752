// Licensed under the Apache License, Version 2.0.

/// Importance weights whose largest values are replaced by quantiles of a fitted Pareto tail.
///
/// The shape k of the tail says how good the weights are. Below 0.5 they have a finite variance. Up
/// to about min(1 - 1/log10(n), 0.7), means can be trusted. Above that, they depend on texts that
/// were not drawn. Reference: Vehtari, Simpson, Gelman, Yao and Gabry 2024, "Pareto smoothed
/// importance sampling"; the fit by Zhang and Stephens 2009, with the paper's prior on k.
public struct ParetoSmoothedWeights: Sendable {
  /// Natural logs of the weights in the given order, with a smoothed tail.
  ///
  /// No smoothed weight exceeds the largest raw one.
  public let logWeights: [Double]
  /// The shape k of the tail.
  public let shape: Estimate

  /// Smooths the largest weights: a fifth of them, or 3 times the square root of their number.
  ///
  /// - Parameter logWeights: natural logs; minus infinity for a weight of zero.
  public init(_ logWeights: [Double]) {
    let count = logWeights.count
    let tail = Int(min(Double(count) / 5, 3 * Double(count).squareRoot()).rounded(.up))
    guard tail >= 5, tail < count else {
      self.logWeights = logWeights
      shape = .undefined("\(count) weights are too few for a tail of 5")
      return
    }
    guard let most = logWeights.max(), most > -.infinity else {
      self.logWeights = logWeights
      shape = .undefined("all weights are zero")
      return
    }
    let order = logWeights.indices.sorted { logWeights[$0] < logWeights[$1] }
    let cutoff = LogSpace.exp(logWeights[order[count - tail - 1]] - most)
    let indices = order.suffix(tail)
    let excesses = indices.map { LogSpace.exp(logWeights[$0] - most) - cutoff }
    guard let smallest = excesses.first, let largest = excesses.last, largest > smallest,
      excesses.allSatisfy({ $0 > 0 })
    else {
      self.logWeights = logWeights
      shape = .undefined("the largest weights are the same")
      return
    }
    let (k, scale) = Self.fit(excesses)
    var smoothed = logWeights
    for (rank, i) in indices.enumerated() {
      let probability = (Double(rank) + 0.5) / Double(tail)
      // The quantile function; in the limit k = 0 it is that of the exponential distribution.
      let logLeft = LogSpace.log(1 - probability)
      let excess =
        abs(k) < 1e-12 ? -scale * logLeft : scale * (LogSpace.exp(-k * logLeft) - 1) / k
      smoothed[i] = min(most, most + LogSpace.log(excess + cutoff))
    }
    self.logWeights = smoothed
    shape = .value(k)
  }

  /// The shape and scale of a generalised Pareto distribution, fitted to ascending positive values.
  static func fit(_ values: [Double]) -> (shape: Double, scale: Double) {
    let n = Double(values.count)
    let grid = 30 + Int(n.squareRoot())
    let quarter = values[Int(n / 4 + 0.5) - 1]
    let largest = values[values.count - 1]
    let candidates: [Double] = (1...grid).map { i in
      let place = Double(grid) / (Double(i) - 0.5)
      return 1 / largest + (1 - place.squareRoot()) / (3 * quarter)
    }
    func shape(_ b: Double) -> Double {
      var sum = 0.0
      for value in values { sum += LogSpace.log(1 - b * value) }
      return sum / n
    }
    let likelihoods: [Double] = candidates.map { b in
      let k = shape(b)
      return n * (LogSpace.log(-b / k) - k - 1)
    }
    let most: Double = LogSpace.sum(likelihoods)
    var b = 0.0
    for (candidate, likelihood) in zip(candidates, likelihoods) {
      b += candidate * LogSpace.exp(likelihood - most)
    }
    let k = shape(b)
    // The prior has the weight of ten values at k = 0.5.
    return ((n * k + 5) / (n + 10), -k / b)
  }
}
