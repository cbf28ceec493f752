// Licensed under the Apache License, Version 2.0.

import Sampling

/// An estimate of Z / M from the number of proposals kept.
///
/// Each lane runs until it has its results, so its last proposal is always kept. A text that turned
/// out to be impossible is not proposed again, so each later proposal counts for several of the
/// model's own proposals. That number soon hardly changes; its mean is used.
struct ShareKept {
  /// The estimate of Z / M.
  let value: Estimate
  /// The standard error divided by the estimate.
  let relativeError: Estimate
  /// The 95 % confidence interval of Z / M; `nil` where nothing was kept.
  let interval: ClosedRange<Double>?

  init(kept: Int, proposals: Int, inverses: Double, isStopped: Bool) {
    guard kept > 0 else {
      value = .undefined("nothing was kept")
      relativeError = value
      interval = nil
      return
    }
    let unit = inverses / Double(proposals)
    let trials = InverseBinomial(successes: kept, trials: proposals)
    guard !isStopped else {
      // An interrupt stops at any proposal, kept or not, so the count is binomial.
      let share = Double(kept) / Double(proposals)
      value = .value(share / unit)
      relativeError = .value(((1 - share) / Double(kept)).squareRoot())
      let missed = Double(proposals - kept)
      let low = betaQuantile(0.025, Double(kept), missed + 1)
      let high = missed > 0 ? betaQuantile(0.975, Double(kept + 1), missed) : 1
      interval = low / unit...max(low / unit, min(1, high / unit))
      return
    }
    let share = trials.share
    value = share.value.value.map { .value($0 / unit) } ?? share.value
    relativeError =
      if let mean = share.value.value, let error = share.error.value {
        .value(error / mean)
      } else {
        share.error
      }
    let ends = trials.interval()
    let low = min(1, ends.lowerBound / unit)
    interval = low...max(low, min(1, ends.upperBound / unit))
  }
}
