// Licensed under the Apache License, Version 2.0.

/// The success rate of trials that continued until a given number of them had succeeded.
///
/// Successes over trials would be too large on average, because the last trial is always a success.
/// Leaving it out of both gives an unbiased estimate. Reference: Haldane 1945, "On a method of
/// estimating frequencies"; the unbiased variance is due to Finney 1949.
public struct InverseBinomial: Hashable, Sendable {
  /// The number of successes, with the last one; positive.
  public let successes: Int
  /// The number of trials.
  public let trials: Int

  /// Creates the outcome of trials that end with a success.
  ///
  /// - Parameters:
  ///   - successes: the number of successes, with the last one; positive.
  ///   - trials: the number of trials, at least as many.
  public init(successes: Int, trials: Int) {
    precondition(
      successes > 0 && successes <= trials, "there are 1 to \(trials) successes, got \(successes)")
    self.successes = successes
    self.trials = trials
  }

  /// An unbiased estimate of the rate, and the root of an unbiased estimate of its variance.
  public var share: (value: Estimate, error: Estimate) {
    guard successes > 1 else {
      let reason = Estimate.undefined("one success allows no unbiased estimate")
      return (reason, reason)
    }
    let value = Double(successes - 1) / Double(trials - 1)
    guard trials > 2, successes > 2 else {
      return (.value(value), .undefined("two successes have no spread"))
    }
    return (.value(value), .value((value * (1 - value) / Double(trials - 2)).squareRoot()))
  }

  /// The exact interval, which contains the true rate with at least the given confidence.
  ///
  /// - Parameter confidence: above 0 and below 1.
  /// - Returns: the rates under which the number of trials is neither too small nor too large.
  public func interval(confidence: Double = 0.95) -> ClosedRange<Double> {
    precondition(confidence > 0 && confidence < 1, "a confidence lies between 0 and 1")
    let tail = (1 - confidence) / 2
    let n = Double(successes)
    let failures = Double(trials - successes)
    let high = failures > 0 ? betaQuantile(1 - tail, n, failures) : 1
    return min(high, betaQuantile(tail, n, failures + 1))...high
  }
}
