// Licensed under the Apache License, Version 2.0.

/// Monte Carlo standard errors: how far estimates from these draws may be from the truth.
///
/// They are valid for chains that have converged; if R-hat is high, they are too small.
extension ChainTraces {
  /// Monte Carlo standard error of the mean.
  public var meanError: Estimate {
    meanEffectiveSize.map { (variance(numbers.flatMap { $0 }) / $0).squareRoot() * unit }
  }

  /// Monte Carlo standard error of the standard deviation.
  ///
  /// It follows from the error of the variance by the delta method: with u the squared distances
  /// from the mean, it is the square root of var(u) / (4 x mean(u) x effective size of u).
  public var deviationError: Estimate {
    deviationEffectiveSize.map { size in
      let squares = squaredDistances(numbers).flatMap { $0 }
      let mean = average(squares)
      let spread = average(squares.map { ($0 - mean) * ($0 - mean) })
      return (spread / size / mean / 4).squareRoot() * unit
    }
  }

  /// Monte Carlo standard error of the median.
  public var medianError: Estimate { error(ofQuantile: 0.5) }

  /// Monte Carlo standard error of a quantile.
  ///
  /// It is half the distance of the order statistics that enclose the quantile in 68 % of cases.
  ///
  /// Reference: Vehtari and others 2021, section 4.3.
  public func error(ofQuantile probability: Double) -> Estimate {
    switch effectiveSize(ofQuantile: probability) {
    case .undefined(let reason): return .undefined(reason)
    case .value(let size):
      let total = Double(sorted.count)
      // One standard deviation of a normal variable on either side.
      let places = [0.1586553, 0.8413447].map {
        betaQuantile($0, size * probability + 1, size * (1 - probability) + 1) * total - 1
      }
      let low = sorted[Int(max(0, places[0]).rounded(.down))]
      let high = sorted[Int(min(total - 1, places[1]).rounded(.up))]
      return low == high ? .value(0) : finite((high - low) / 2 * unit)
    }
  }
}
