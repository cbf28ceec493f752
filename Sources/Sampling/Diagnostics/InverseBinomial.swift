// Licensed under the Apache License, Version 2.0.

/// The share of trials that succeed, from trials that went on until so many had.
///
/// Successes over trials would be too large in the mean, since the last trial is always a success:
/// leaving it out of both is without bias. Reference: Haldane 1945, "On a method of estimating
/// frequencies"; the variance is Finney's of 1949, without bias too.
public struct InverseBinomial: Hashable, Sendable {
  /// How many trials succeeded, the last among them; positive.
  public let successes: Int
  /// How many trials there were.
  public let trials: Int

  /// Trials up to a success.
  ///
  /// - Parameters:
  ///   - successes: how many succeeded, the last among them; positive.
  ///   - trials: how many there were, at least as many.
  public init(successes: Int, trials: Int) {
    precondition(successes > 0 && successes <= trials, "the last of some trials is a success")
    self.successes = successes
    self.trials = trials
  }

  /// An unbiased estimate, and the root of an unbiased estimate of its variance.
  public var share: (value: Estimate, error: Estimate) {
    guard successes > 1 else {
      let reason = Estimate.undefined("one success says nothing without bias")
      return (reason, reason)
    }
    let value = Double(successes - 1) / Double(trials - 1)
    guard trials > 2, successes > 2 else {
      return (.value(value), .undefined("two successes have no spread"))
    }
    return (.value(value), .value((value * (1 - value) / Double(trials - 2)).squareRoot()))
  }

  /// The exact interval, which holds the true share with at least the confidence asked for.
  ///
  /// - Parameter confidence: above 0 and below 1.
  /// - Returns: the shares under which neither so few nor so many trials would be too rare.
  public func interval(confidence: Double = 0.95) -> ClosedRange<Double> {
    precondition(confidence > 0 && confidence < 1, "a confidence lies between 0 and 1")
    let tail = (1 - confidence) / 2
    let n = Double(successes)
    let failures = Double(trials - successes)
    let high = failures > 0 ? betaQuantile(1 - tail, n, failures) : 1
    return min(high, betaQuantile(tail, n, failures + 1))...high
  }
}
