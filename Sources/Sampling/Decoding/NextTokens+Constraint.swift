// Licensed under the Apache License, Version 2.0.

extension NextTokens {
  /// Removes the tokens outside a mask; what is left may be nothing.
  ///
  /// - Precondition: the mask is over as many tokens.
  /// - Complexity: O(vocabulary), or O(tokens in the mask) for masks of few tokens.
  public mutating func keep(_ mask: TokenMask) {
    removeAll(outside: mask)
    noteChanges()
  }

  /// Leaves the tokens behind which an allowed end can still be reached, at fluency x logit plus the
  /// nats that the constraint adds.
  ///
  /// - Parameters:
  ///   - constraint: what is asked of texts.
  ///   - state: the constraint's state behind the text.
  ///   - fluency: the exponent of the model's probability.
  ///   - room: how many choices are left, this one and the end's among them.
  /// - Returns: the log of the sum of what is left.
  /// - Throws: where nothing is left.
  mutating func constrain<Constraint: TokenConstraint>(
    by constraint: Constraint, in state: Constraint.State, fluency: Double, room: Int
  ) throws(DecodingError) -> Double {
    saveEnds()
    let mask = constraint.mask(state, within: room - 2)
    removeAll(outside: mask)
    if fluency != 1 { scale(by: fluency) }
    if !constraint.isUniform { constraint.addWeights(state, of: mask, to: &stored) }
    noteChanges()
    let endWeight = constraint.endWeight(state)
    for i in ends.indices {
      // A stop token may be one that the constraint can read: as an end it counts as the end.
      if mask.contains(ends[i]) { remove(ends[i]) }
      guard saved[i] > -.infinity, endWeight > -.infinity else { continue }
      restore(ends[i], fluency * saved[i] + endWeight)
    }
    do {
      try settle(after: nil)
    } catch {
      throw error.kind == .nothingLeft
        ? DecodingError(
          .nothingLeft,
          "the model gives no token a probability that the constraints allow after this text")
        : error
    }
    let high = best.logit
    return high + LogSpace.log(weigh())
  }

  /// Makes maxima true again after changes of many logits.
  private mutating func noteChanges() {
    if isListed {
      foremost = nil
      isChanged = true
    } else {
      take(DenseNumbers.scan(stored, highs: &highs))
    }
  }

  /// Removes the tokens outside a mask; ``noteChanges()`` comes after it.
  private mutating func removeAll(outside mask: TokenMask) {
    precondition(mask.count == count, "the constraint is over the model's vocabulary")
    if isListed {
      for token in listed where !mask.contains(token) { stored[token.index] = -.infinity }
    } else if count < Self.fewestInPasses || mask.memberCount <= count / 16 {
      // A few are listed, and what follows costs no pass over the vocabulary.
      divideAll()
      widen()
      startSelection()
      mask.forEach { token in
        if stored[token.index] > -.infinity { select(token, stored[token.index]) }
      }
    } else {
      divideAll()
      widen()
      DenseNumbers.mask(&stored, allowed: mask.words)
    }
  }

  private mutating func scale(by factor: Double) {
    if isListed {
      for token in listed { stored[token.index] *= factor }
    } else {
      for i in 0..<count { stored[i] *= factor }
    }
  }
}
