// Licensed under the Apache License, Version 2.0.

extension NextTokens {
  mutating func take(_ scan: DenseNumbers.Scan) {
    high = scan.high
    low = scan.low
    mayBeBad = scan.mayBeBad
    hasUnknownHighs = false
    isChanged = true
    foremost = nil
  }

  /// A stored logit, whichever its precision.
  func storedLogit(at place: Int) -> Double { isSingle ? Double(singles[place]) : stored[place] }

  /// Converts the logits to double precision.
  mutating func widen() {
    guard isSingle else { return }
    isSingle = false
    unsafe stored.withUnsafeMutableBufferPointer { stored in
      unsafe singles.withUnsafeBufferPointer { singles in
        for i in singles.indices { unsafe stored[i] = Double(singles[i]) }
      }
    }
  }

  /// Carries out the pending division.
  mutating func divideAll() {
    guard divisor != 1 else { return }
    widen()
    for i in 0..<count { stored[i] = stored[i] / divisor }
    divisor = 1
    take(DenseNumbers.scan(stored, highs: &highs))
  }

  /// Finds block maxima again where they were lost.
  mutating func refresh() {
    guard hasUnknownHighs else { return }
    high = -.infinity
    for block in highs.indices {
      if highs[block].isNaN {
        var largest = -Double.infinity
        for i in places(of: block) { largest = max(largest, storedLogit(at: i)) }
        highs[block] = largest
      }
      high = max(high, highs[block])
    }
    hasUnknownHighs = false
  }

  func places(of block: Int) -> Range<Int> {
    let first = block * DenseNumbers.blockCount
    return first..<min(first + DenseNumbers.blockCount, count)
  }

  /// Updates the maxima when one stored logit changes.
  mutating func change(_ place: Int, to new: Double) {
    widen()
    let old = stored[place]
    stored[place] = new
    foremost = nil
    isChanged = true
    guard !isListed else { return }
    if !(new < .infinity) { mayBeBad = true }
    if new < low { low = new }
    let block = place / DenseNumbers.blockCount
    if new > highs[block] {
      highs[block] = new
    } else if old == highs[block] {
      highs[block] = .nan
      hasUnknownHighs = true
    }
    if new > high {
      high = new
    } else if old == high {
      high = .nan
    }
  }

  /// A lower bound of the stored logits whose quotient by ``divisor`` equals that of `logit`.
  func leastEqual(_ logit: Double) -> Double {
    // Quotients have a relative error of 2^-53, and more for the smallest numbers.
    divisor == 1 ? logit : logit - abs(logit) * 0x1p-50 - 0x1p-900
  }

  /// The largest logit and its token, the one with the lowest number among equals.
  public var best: (token: Token, logit: Double) {
    mutating get {
      let token = foremost ?? (isListed ? bestListed() : bestStored())
      foremost = token
      return (token, self[token])
    }
  }

  private func bestListed() -> Token {
    var best = listed[0]
    for token in listed where stored[token.index] > stored[best.index] { best = token }
    return best
  }

  private mutating func bestStored() -> Token {
    refresh()
    let (value, floor) = (high / divisor, leastEqual(high))
    for block in highs.indices where highs[block] >= floor {
      for i in places(of: block)
      where storedLogit(at: i) >= floor && storedLogit(at: i) / divisor == value {
        return Token(i)
      }
    }
    preconditionFailure("at least one token remains")
  }

  /// The smallest logit of a remaining token.
  mutating func lowest() -> Double {
    var lowest = Double.infinity
    if isListed {
      for token in listed { lowest = min(lowest, stored[token.index]) }
      return lowest
    }
    divideAll()
    if low > -.infinity { return low }
    widen()
    for i in 0..<count where stored[i] > -.infinity && stored[i] < lowest { lowest = stored[i] }
    return lowest
  }

  /// Divides the distances of all logits from an origin.
  mutating func divide(by divisor: Double, origin: Double) {
    if isListed {
      for token in listed { stored[token.index] = (stored[token.index] - origin) / divisor }
      foremost = nil
      isChanged = true
      return
    }
    divideAll()
    if origin == 0, divisor > 0x1p-60, divisor < 0x1p60 {
      // Logits that a selection leaves out need no division.
      self.divisor = divisor
      foremost = nil
      return
    }
    widen()
    for i in 0..<count where stored[i] > -.infinity { stored[i] = (stored[i] - origin) / divisor }
    take(DenseNumbers.scan(stored, highs: &highs))
  }
}
