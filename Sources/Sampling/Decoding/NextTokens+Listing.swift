// Licensed under the Apache License, Version 2.0.

extension NextTokens {
  /// Lists the candidates.
  mutating func list() {
    widen()
    listed.removeAll(keepingCapacity: true)
    // NaN stays in the list, so that it is reported.
    for i in 0..<count where stored[i] != -.infinity {
      stored[i] = stored[i] / divisor
      listed.append(Token(i))
    }
    divisor = 1
    isListed = true
  }

  /// Removes all tokens, before the kept ones are listed again.
  mutating func startSelection() {
    if stamp == .max {
      for i in stamps.indices { stamps[i] = 0 }
      stamp = 0
    }
    stamp += 1
    listed.removeAll(keepingCapacity: true)
    isListed = true
    isPartial = true
    isSingle = false
    divisor = 1
    foremost = nil
    isChanged = false
  }

  /// Lists a kept token with its logit.
  mutating func select(_ token: Token, _ logit: Double) {
    listed.append(token)
    stamps[token.index] = stamp
    stored[token.index] = logit
  }

  /// Lists the first tokens of the nucleus.
  mutating func select(_ kept: Int) {
    unsafe stored.withUnsafeMutableBufferPointer { stored in
      unsafe stamps.withUnsafeMutableBufferPointer { stamps in
        for i in 0..<kept {
          let token = Token(rawValue: nucleus.tokens[i])
          listed.append(token)
          unsafe stamps[token.index] = stamp
          unsafe stored[token.index] = nucleus.logits[i]
        }
      }
    }
  }

  /// Restores a token with a logit.
  mutating func restore(_ token: Token, _ logit: Double) {
    divideAll()
    change(token.index, to: logit)
    guard isListed else { return }
    if isPartial { stamps[token.index] = stamp }
    var low = 0
    var high = listed.count
    while low < high {
      let middle = (low + high) / 2
      if listed[middle] < token { low = middle + 1 } else { high = middle }
    }
    if low == listed.count || listed[low] != token { listed.insert(token, at: low) }
  }

  /// Drops removed tokens from the candidates.
  ///
  /// - Throws: if a logit is NaN or plus infinity, or no token remains.
  mutating func settle(after transform: @autoclosure () -> String?) throws(DecodingError) {
    guard isChanged else { return }
    isChanged = false
    guard isListed else {
      if mayBeBad {
        widen()
        if let place = stored.firstIndex(where: { !($0 < .infinity) }) {
          throw badLogit(Token(place), transform())
        }
        mayBeBad = false
      }
      if high.isNaN { refresh() }
      if high == -.infinity { throw nothingLeft(transform()) }
      return
    }
    var kept = 0
    for i in listed.indices {
      let token = listed[i]
      let logit = stored[token.index]
      if logit > -.infinity && logit < .infinity {
        if kept != i { listed[kept] = token }
        kept += 1
      } else if logit != -.infinity {
        throw badLogit(token, transform())
      }
    }
    listed.removeLast(listed.count - kept)
    if kept == 0 { throw nothingLeft(transform()) }
  }

  private func badLogit(_ token: Token, _ transform: String?) -> DecodingError {
    DecodingError(
      .badLogit, transform: transform,
      "\(transform ?? "the model") gave token \(token.index) the logit \(stored[token.index]), "
        + "expected a number or minus infinity")
  }

  private func nothingLeft(_ transform: String?) -> DecodingError {
    DecodingError(
      .nothingLeft, transform: transform,
      transform.map { "\($0) removed the last possible token; use a weaker setting" }
        ?? "the model gives no token a probability after this text")
  }
}
