// Licensed under the Apache License, Version 2.0.

extension NextTokens {
  /// Prepares to return the tokens by logit, the largest first; among equals, the lowest number
  /// first.
  ///
  /// - Complexity: O(candidates); each ``takeNext()`` O(log candidates).
  mutating func orderByLogit() {
    for token in candidates { keys[token.index] = stored[token.index] }
    orderByKey()
  }

  /// Prepares to return the tokens by ``keys``.
  mutating func orderByKey() {
    heap.removeAll(keepingCapacity: true)
    for token in candidates { heap.append(token.rawValue) }
    heapCount = heap.count
    var place = heapCount / 2
    while place > 0 {
      place -= 1
      sift(from: place)
    }
  }

  /// The next token of the order.
  mutating func takeNext() -> Token? {
    guard heapCount > 0 else { return nil }
    let token = heap[0]
    heapCount -= 1
    heap[0] = heap[heapCount]
    // Tokens that were taken are stored after the heap, so that they can be told from the rest.
    heap[heapCount] = token
    sift(from: 0)
    return Token(rawValue: token)
  }

  /// Removes all tokens that ``takeNext()`` has not returned.
  mutating func removeRest() {
    for i in 0..<heapCount { stored[Int(heap[i])] = -.infinity }
    isChanged = true
    foremost = nil
  }

  private func precedes(_ a: UInt32, _ b: UInt32) -> Bool {
    let x = keys[Int(a)]
    let y = keys[Int(b)]
    return x > y || (x == y && a < b)
  }

  private mutating func sift(from start: Int) {
    var place = start
    while true {
      var child = 2 * place + 1
      guard child < heapCount else { return }
      if child + 1 < heapCount, precedes(heap[child + 1], heap[child]) { child += 1 }
      guard precedes(heap[child], heap[place]) else { return }
      heap.swapAt(child, place)
      place = child
    }
  }
}
