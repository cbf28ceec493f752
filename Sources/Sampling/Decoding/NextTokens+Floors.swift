// Licensed under the Apache License, Version 2.0.

extension NextTokens {
  /// Keeps tokens whose weight (the largest is 1) reaches a floor; the largest ones always stay.
  ///
  /// - Complexity: O(candidates / block + kept block).
  mutating func keep(reaching floor: Double) {
    let floor = min(floor, 1)
    if !isListed, count >= Self.fewestInPasses, floor > 0 {
      refresh()
      listThose(reaching: stored(below: floor))
    }
    _ = weigh()
    for token in candidates where weights[token.index] < floor { remove(token) }
  }

  /// Keeps tokens that reach a floor which depends on the total weight.
  ///
  /// The floor may change at most as fast as the total.
  mutating func keep(reaching floor: (_ total: Double) -> Double) {
    if !isListed, count >= Self.fewestInPasses {
      refresh()
      let (total, slack) =
        isSingle
        ? nucleus.total(of: singles, high: high, divisor: divisor)
        : nucleus.total(of: stored, high: high, divisor: divisor)
      let bounds = (floor(total - slack), floor(total + slack))
      gather(reaching: stored(below: min(bounds.0, bounds.1, 1)))
      let most = stored(above: min(max(bounds.0, bounds.1), 1))
      // If no token lies between the bounds, every total within them keeps the same tokens.
      if !heap.contains(where: { storedLogit(at: Int($0)) <= most }) { return listGathered() }
    }
    keep(reaching: floor(weigh()))
  }

  /// Keeps tokens whose logit is at most so many standard deviations below the largest.
  mutating func keep(within deviations: Double) {
    let best = best.logit
    if !isListed, count >= Self.fewestInPasses {
      refresh()
      widen()
      let deviation = DenseNumbers.deviation(of: stored, minus: high).deviation
      let floor = -deviations * deviation
      // Division keeps the order, so the stored logits can be compared directly.
      if floor.isFinite { return listThose(reaching: min(high, high + floor)) }
    }
    let count = Double(candidates.count)
    // Computed relative to the largest logit, so that large logits lose no digits.
    var mean = 0.0
    for token in candidates { mean += (self[token] - best) / count }
    var variance = 0.0
    for token in candidates {
      let distance = self[token] - best - mean
      variance += distance * distance / count
    }
    let floor = -deviations * variance.squareRoot()
    for token in candidates where self[token] - best < floor { remove(token) }
  }

  /// A stored logit that is not above any logit of this weight.
  private func stored(below weight: Double) -> Double {
    weight > 0 ? distant(weight) - margin : -.infinity
  }

  /// A stored logit that is not below any logit of this weight.
  private func stored(above weight: Double) -> Double {
    weight > 0 ? distant(weight) + margin : -.infinity
  }

  private func distant(_ weight: Double) -> Double { high + divisor * LogSpace.log(weight) }

  /// A generous bound on how far rounding can move the logit of a weight.
  private var margin: Double { abs(high) * 0x1p-45 + divisor * 1e-10 }
}
