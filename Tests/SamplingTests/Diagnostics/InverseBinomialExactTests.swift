// Licensed under the Apache License, Version 2.0.

import Sampling
import Testing

/// Trials up to a number of successes, summed over how many there may be.
@Suite struct InverseBinomialExactTests {
  /// The mean of a number over trials that end with the n-th success of probability p.
  private func mean(
    _ successes: Int, _ probability: Double, _ value: (InverseBinomial) -> Double
  ) -> Double {
    // C(N - 1, n - 1) p^n (1 - p)^(N - n), from N = n on.
    var mass = (0..<successes).reduce(1.0) { product, _ in product * probability }
    var sum = 0.0
    // What is left of .8^2000 lies far below the smallest double's ulp of 1.
    for trials in successes..<successes + 2_000 {
      sum += mass * value(InverseBinomial(successes: successes, trials: trials))
      mass *= (1 - probability) * Double(trials) / Double(trials - successes + 1)
    }
    return sum
  }

  @Test(arguments: [2, 3, 7], [0.2, 0.5, 0.9])
  func shareIsWithoutBias(successes: Int, probability: Double) {
    let found = mean(successes, probability) { $0.share.value.value ?? .nan }
    #expect(abs(found - probability) < 1e-12)
    guard successes > 2 else { return }
    let square = mean(successes, probability) { trials in
      let value = trials.share.value.value ?? .nan
      return (value - probability) * (value - probability)
    }
    let told = mean(successes, probability) { trials in
      let error = trials.share.error.value ?? .nan
      return error * error
    }
    #expect(abs(told - square) < 1e-12)
  }

  /// The last trial counted, which is a success always.
  @Test(arguments: [2, 7]) func successesOverTrialsAreBiased(successes: Int) {
    let found = mean(successes, 0.2) { Double($0.successes) / Double($0.trials) }
    #expect(found - 0.2 > 1e-3)
  }

  @Test(arguments: [1, 3] + TestData.deep([10]), [0.2, 0.5, 0.9])
  func intervalsHoldTheShare(successes: Int, probability: Double) {
    let held = mean(successes, probability) {
      $0.interval(confidence: 0.9).contains(probability) ? 1 : 0
    }
    // Never less often than said, and not always.
    #expect(held >= 0.9 - 1e-12 && held < 1)
  }

  @Test func fewSuccessesSayLess() {
    #expect(InverseBinomial(successes: 1, trials: 9).share.value.value == nil)
    #expect(InverseBinomial(successes: 2, trials: 9).share.value == .value(0.125))
    #expect(InverseBinomial(successes: 2, trials: 9).share.error.value == nil)
    let all = InverseBinomial(successes: 5, trials: 5)
    #expect(all.share.value == .value(1) && all.share.error == .value(0))
    #expect(all.interval().upperBound == 1)
  }

  /// Of one degree the tangent, of two a root; the others from R's qt.
  @Test(arguments: [
    (0.975, 1.0, 12.706204736174707), (0.9, 2, 1.8856180831641267), (0.975, 3, 3.1824463052842638),
    (0.975, 9, 2.2621571627982), (0.5, 4, 0), (0.025, 3, -3.1824463052842638),
  ])
  func studentQuantiles(probability: Double, degrees: Double, value: Double) {
    let found = studentQuantile(probability, degrees: degrees)
    #expect(abs(found - value) <= 1e-9 * max(1, abs(value)))
  }

  @Test func studentApproachesTheNormal() {
    #expect(studentQuantile(1, degrees: 3) == .infinity)
    #expect(studentQuantile(0, degrees: 3) == -.infinity)
    // Their difference at 1.96 is (z^3 + z) / 4n: 2.4e-6 at a million degrees.
    #expect(abs(studentQuantile(0.975, degrees: 1e6) - normalQuantile(0.975)) < 3e-6)
  }
}
