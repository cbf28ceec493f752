// Licensed under the Apache License, Version 2.0.

extension TokenAutomaton {
  /// Accepts every text over a vocabulary's drawable tokens, all with the same weight.
  public init(every vocabulary: Vocabulary) {
    self.init(
      start: 0, classes: (0..<vocabulary.count).map { vocabulary.isDrawable(Token($0)) ? 0 : 1 },
      classCount: 2, transitions: [0, Self.dead], finalWeights: [0])
  }

  /// The number of tokens of the longest allowed text; `nil` if there is no longest, or no text.
  ///
  /// - Complexity: O(length x states x classes).
  public var longestLength: Int? {
    guard isSatisfiable, !isUnbounded else { return nil }
    var layer: Set<State> = [start]
    var length = 0
    while true {
      var next: Set<State> = []
      for state in layer {
        let row = Int(state) * classCount
        for other in transitions[row..<row + classCount] where other != Self.dead {
          next.insert(other)
        }
      }
      if next.isEmpty { return length }
      layer = next
      length += 1
    }
  }

  /// The largest weight of an allowed text in nats; `nil` if there is no maximum.
  ///
  /// - Complexity: O(states x states x classes) at worst, O(states x classes) without cycles.
  public var largestLogWeight: Double? {
    if hasGrowingCycle { return nil }
    guard isSatisfiable else { return -.infinity }
    var best = finalWeights
    let order = statesChildrenFirst
    // Without a growing cycle, the best path visits no state twice.
    for _ in 0...stateCount {
      var isSettled = true
      for state in order {
        let row = Int(state) * classCount
        for c in 0..<classCount where transitions[row + c] != Self.dead {
          let through =
            (weights.isEmpty ? 0 : weights[row + c]) + best[Int(transitions[row + c])]
          if through > best[Int(state)] {
            best[Int(state)] = through
            isSettled = false
          }
        }
      }
      if isSettled { break }
    }
    return best[Int(start)]
  }

  /// The states that the start reaches, each after the states that it leads to, except in cycles.
  var statesChildrenFirst: [State] {
    var isSeen = [Bool](repeating: false, count: stateCount)
    var order: [State] = []
    var stack: [(state: State, c: Int)] = [(start, 0)]
    isSeen[Int(start)] = true
    while let (state, c) = stack.last {
      if c == classCount {
        order.append(state)
        stack.removeLast()
        continue
      }
      stack[stack.count - 1].c += 1
      let next = transitions[Int(state) * classCount + c]
      if next != Self.dead, !isSeen[Int(next)] {
        isSeen[Int(next)] = true
        stack.append((next, 0))
      }
    }
    return order
  }
}
