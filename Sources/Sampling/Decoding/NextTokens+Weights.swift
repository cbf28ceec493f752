// Licensed under the Apache License, Version 2.0.

extension NextTokens {
  /// Smaller vocabularies are listed at once, because passes gain nothing and libm rounds better.
  static let fewestInPasses = 1024

  /// Records ``logModelEnds`` if it isn't known yet.
  mutating func noteEnds() {
    guard logModelEnds.isNaN else { return }
    let total = weigh()
    var sum = 0.0
    for end in ends where self[end] > -.infinity { sum += weights[end.index] }
    logModelEnds = min(0, LogSpace.log(sum) - LogSpace.log(total))
  }

  /// Writes exp(logit - largest) into ``weights`` and returns the sum.
  mutating func weigh() -> Double {
    let high = best.logit
    guard isListed || count < Self.fewestInPasses else {
      widen()
      divideAll()
      return DenseNumbers.exponentials(of: stored, first: count, minus: high, into: &weights)
    }
    var total = 0.0
    for token in candidates {
      let weight = LogSpace.exp(stored[token.index] - high)
      weights[token.index] = weight
      total += weight
    }
    return total
  }

  /// The entropy in nats of the weights that ``weigh()`` wrote.
  mutating func entropy(total: Double) -> Double {
    let high = best.logit
    var distance = 0.0
    if isListed {
      for token in listed where weights[token.index] > 0 {
        distance += weights[token.index] * (stored[token.index] - high)
      }
    } else {
      widen()
      divideAll()
      distance = DenseNumbers.distance(of: stored, minus: high, weights: weights)
    }
    // -sum p log p, with log p = distance - log total.
    return max(0, LogSpace.log(total) - distance / total)
  }

  /// Turns the logits into log-probabilities.
  public mutating func normalize() {
    let high = best.logit
    let logTotal = LogSpace.log(weigh())
    // Subtract the largest first: beside a huge logit, the log of the sum would vanish.
    for token in candidates { stored[token.index] = stored[token.index] - high - logTotal }
    foremost = nil
    isChanged = true
  }

  /// Makes the logits of a step that has just begun log-probabilities, and notes what they added up
  /// to; tokens need no list for that.
  mutating func normalizeInPlace() {
    let high = best.logit
    let logTotal = LogSpace.log(weigh())
    logModelTotal = high + logTotal
    guard logModelTotal != 0 else { return }
    let token = foremost
    // The largest goes first: beside a huge one the logarithm of the sum would vanish.
    for i in 0..<count { stored[i] = stored[i] - high - logTotal }
    take(DenseNumbers.scan(stored, highs: &highs))
    foremost = token
    isChanged = false
  }

  /// Draws a token in proportion to its weight.
  ///
  /// - Returns: the token and its log-probability.
  public mutating func draw(
    using choices: inout some ChoiceSource
  ) -> (token: Token, logProbability: Double) {
    let high = best.logit
    if !isListed, count >= Self.fewestInPasses {
      let total = weigh()
      let token = Token(choices.index(weights: weights.span))
      return (token, self[token] - high - LogSpace.log(total))
    }
    // In the list the logits are contiguous, so their exponentials take a single pass.
    if !isListed { list() }
    for i in listed.indices { keys[i] = stored[listed[i].index] }
    let total = DenseNumbers.exponentials(
      of: keys, first: listed.count, minus: high, into: &weights)
    let token = listed[choices.index(weights: weights.span.extracting(0..<listed.count))]
    return (token, stored[token.index] - high - LogSpace.log(total))
  }
}
