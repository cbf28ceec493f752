// Licensed under the Apache License, Version 2.0.

/// The exact confidence interval of a share, from independent trials.
///
/// It holds the true share with at least the confidence asked for, whatever that share is.
///
/// Reference: Clopper and Pearson 1934, "The use of confidence or fiducial limits illustrated in the
/// case of the binomial".
///
/// - Parameters:
///   - successes: how many trials succeeded, 0 ... trials.
///   - trials: how many there were, positive.
///   - confidence: above 0 and below 1.
/// - Returns: both ends, to 1e-12.
/// - Complexity: O(trials).
public func binomialInterval(
  _ successes: Int, of trials: Int, confidence: Double = 0.99
) -> ClosedRange<Double> {
  precondition(trials > 0 && successes >= 0 && successes <= trials, "successes are trials")
  precondition(confidence > 0 && confidence < 1, "a confidence lies between 0 and 1")
  let tail = (1 - confidence) / 2
  var logFactorials = [0.0]
  for i in 1...trials { logFactorials.append(logFactorials[i - 1] + LogSpace.log(Double(i))) }
  /// The probability of some numbers of successes.
  func mass(_ counts: ClosedRange<Int>, _ share: Double) -> Double {
    var sum = 0.0
    for k in counts {
      sum += LogSpace.exp(
        logFactorials[trials] - logFactorials[k] - logFactorials[trials - k]
          + Double(k) * LogSpace.log(share) + Double(trials - k) * LogSpace.log(1 - share))
    }
    return sum
  }
  /// Where a rising function of the share reaches the tail's probability.
  func crossing(_ rising: (Double) -> Double, _ goal: Double) -> Double {
    var low = 0.0
    var high = 1.0
    while high - low > 1e-12 {
      let middle = (low + high) / 2
      if rising(middle) < goal { low = middle } else { high = middle }
    }
    return (low + high) / 2
  }
  let low = successes == 0 ? 0 : crossing({ mass(successes...trials, $0) }, tail)
  let high = successes == trials ? 1 : crossing({ 1 - mass(0...successes, $0) }, 1 - tail)
  return min(low, high)...max(low, high)
}
