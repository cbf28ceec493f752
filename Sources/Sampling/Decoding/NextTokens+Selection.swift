// Licensed under the Apache License, Version 2.0.

extension NextTokens {
  private func comesFirst(_ a: UInt32, _ b: UInt32) -> Bool {
    let x = stored[Int(a)]
    let y = stored[Int(b)]
    return x > y || (x == y && a < b)
  }

  /// Keeps the first k tokens by logit; among equals, those with the lowest numbers.
  ///
  /// - Complexity: O(candidates / block + k block) if k is at most the number of blocks, otherwise
  ///   O(candidates) expected.
  mutating func keepFirst(_ k: Int) {
    if !isListed {
      if k <= highs.count { listThose(beyondBlockMaximum: k) } else { list() }
    }
    guard k < listed.count else { return }
    heap.removeAll(keepingCapacity: true)
    for token in listed { heap.append(token.rawValue) }
    _ = moveFirst(reaching: Double(k), byWeight: false)
    keep(through: heap[k - 1])
  }

  /// Lists the tokens that reach the k-th largest block maximum; these are at least k.
  private mutating func listThose(beyondBlockMaximum k: Int) {
    refresh()
    for block in highs.indices { keys[block] = highs[block] }
    listThose(reaching: leastEqual(keys.largest(k, ofFirst: highs.count)))
  }

  /// Lists the tokens whose stored logits reach a floor.
  mutating func listThose(reaching floor: Double) {
    gather(reaching: floor)
    listGathered()
  }

  /// Writes the tokens whose stored logits reach a floor into ``heap``.
  mutating func gather(reaching floor: Double) {
    heap.removeAll(keepingCapacity: true)
    if isSingle { gather(singles, reaching: floor) } else { gather(stored, reaching: floor) }
  }

  /// Lists the tokens in ``heap``.
  mutating func listGathered() {
    // From here on, tokens outside the selection are not read.
    for (place, token) in heap.enumerated() {
      keys[place] = storedLogit(at: Int(token)) / divisor
    }
    startSelection()
    for (place, token) in heap.enumerated() { select(Token(rawValue: token), keys[place]) }
  }

  private mutating func gather<Logit: StoredLogit>(_ logits: [Logit], reaching floor: Double) {
    unsafe logits.withUnsafeBufferPointer { logits in
      for block in highs.indices where highs[block] >= floor {
        for i in places(of: block) {
          let logit = unsafe Double(logits[i])
          if logit >= floor && logit > -.infinity { heap.append(UInt32(i)) }
        }
      }
    }
  }

  /// Keeps the smallest set of most probable tokens whose mass reaches a share, and at least one
  /// token; among equals, those with the lowest numbers.
  ///
  /// - Complexity: O(candidates) expected.
  mutating func keepFirst(reaching mass: Double) {
    if !isListed, count >= Self.fewestInPasses, mass > 0 {
      refresh()
      if let kept = findNucleus(reaching: mass) {
        let top = high / divisor
        startSelection()
        select(kept)
        foremost = nucleus.logits.prefix(kept).firstIndex(of: top).map { listed[$0] }
        return
      }
    }
    let total = weigh()
    let goal = mass * total
    heap.removeAll(keepingCapacity: true)
    // A token below its even share of what is left out cannot be needed: all such tokens together
    // sum to less than total - goal. The floor is a little lower, to be safe from rounding.
    let floor = (total - goal) / Double(count) * (1 - 0x1p-20)
    if isListed {
      for token in listed where weights[token.index] >= floor { heap.append(token.rawValue) }
    } else {
      for i in 0..<count where weights[i] >= floor && stored[i] > -.infinity {
        heap.append(UInt32(i))
      }
    }
    let kept = moveFirst(reaching: goal, byWeight: true)
    if kept > 0 { keep(through: heap[kept - 1]) }
  }

  private mutating func findNucleus(reaching mass: Double) -> Int? {
    isSingle
      ? nucleus.find(reaching: mass, in: singles, highs: highs, high: high, divisor: divisor)
      : nucleus.find(reaching: mass, in: stored, highs: highs, high: high, divisor: divisor)
  }

  /// Draws from the smallest set of most probable tokens whose mass reaches a share.
  ///
  /// The result is the same as if the set were kept first, but the candidates change only if a list
  /// of them is needed.
  ///
  /// - Complexity: O(candidates) expected.
  mutating func draw(
    reaching mass: Double, using choices: inout some ChoiceSource
  ) -> (token: Token, logProbability: Double) {
    if !isListed, count >= Self.fewestInPasses, mass > 0, mass < 1 {
      refresh()
      if let kept = findNucleus(reaching: mass) {
        let weights = nucleus.weights.span.extracting(0..<kept)
        let place = choices.index(weights: weights)
        let total = DenseNumbers.sum(nucleus.weights.span, 0..<kept)
        return (
          Token(rawValue: nucleus.tokens[place]),
          nucleus.logits[place] - high / divisor - LogSpace.log(total)
        )
      }
    }
    if mass < 1 { keepFirst(reaching: mass) }
    return draw(using: &choices)
  }

  /// Moves the first tokens of ``heap`` to its beginning until their weights reach a goal or there
  /// are enough of them; at least one is moved, and the last of them comes last.
  ///
  /// - Returns: the number of these tokens.
  private mutating func moveFirst(
    reaching goal: Double, byWeight: Bool
  ) -> Int {
    // Quick-select by mass: tokens in [0, low) are kept, tokens in [high, ...) are not.
    var low = 0
    var high = heap.count
    var sum = 0.0
    while high - low > 32 {
      let (a, b, c) = (heap[low], heap[low + (high - low) / 2], heap[high - 1])
      let pivot =
        comesFirst(a, b)
        ? (comesFirst(b, c) ? b : comesFirst(a, c) ? c : a)
        : (comesFirst(a, c) ? a : comesFirst(b, c) ? c : b)
      var split = low
      var before = 0.0
      for place in low..<high where comesFirst(heap[place], pivot) {
        before += byWeight ? weights[Int(heap[place])] : 1
        heap.swapAt(place, split)
        split += 1
      }
      if sum + before >= goal && split > low {
        high = split
      } else {
        // The pivot comes next.
        guard let place = heap[split..<high].firstIndex(of: pivot) else { break }
        heap.swapAt(place, split)
        sum += before + (byWeight ? weights[Int(pivot)] : 1)
        low = split + 1
        if sum >= goal { return low }
      }
    }
    // Sort a few tokens by insertion.
    for place in low..<high {
      var here = place
      while here > low, comesFirst(heap[here], heap[here - 1]) {
        heap.swapAt(here, here - 1)
        here -= 1
      }
    }
    while low < high, sum < goal || low == 0 {
      sum += byWeight ? weights[Int(heap[low])] : 1
      low += 1
    }
    return low
  }

  /// Keeps a token and all tokens that come before it by logit.
  private mutating func keep(through last: UInt32) {
    let limit = stored[Int(last)]
    if isListed {
      var kept = 0
      for i in listed.indices {
        let token = listed[i]
        let logit = stored[token.index]
        if logit > limit || (logit == limit && token.rawValue <= last) {
          listed[kept] = token
          kept += 1
        } else {
          stored[token.index] = -.infinity
        }
      }
      listed.removeLast(listed.count - kept)
      return
    }
    startSelection()
    for i in 0..<count {
      let logit = stored[i]
      if logit > limit || (logit == limit && i <= Int(last)) { select(Token(i), logit) }
    }
  }

  /// Saves the logits of the ends.
  mutating func saveEnds() {
    for i in ends.indices { saved[i] = self[ends[i]] }
  }

  /// Restores the ends that remained at ``saveEnds()``.
  mutating func restoreEnds() {
    for i in ends.indices where saved[i] > -.infinity && self[ends[i]] == -.infinity {
      restore(ends[i], saved[i])
    }
  }
}

extension [Double] {
  /// The k-th largest of the first numbers; their order changes.
  ///
  /// - Complexity: O(count) expected.
  fileprivate mutating func largest(_ k: Int, ofFirst count: Int) -> Double {
    var low = 0
    var high = count - 1
    while low < high {
      let pivot = self[low + (high - low) / 2]
      var (i, j) = (low, high)
      while i <= j {
        while self[i] > pivot { i += 1 }
        while self[j] < pivot { j -= 1 }
        guard i <= j else { break }
        swapAt(i, j)
        i += 1
        j -= 1
      }
      if k - 1 <= j {
        high = j
      } else if k - 1 >= i {
        low = i
      } else {
        break
      }
    }
    return self[k - 1]
  }
}
