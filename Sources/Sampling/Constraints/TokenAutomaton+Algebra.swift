// Licensed under the Apache License, Version 2.0.

extension TokenAutomaton {
  /// The largest table that is made, in transitions: 256 MB.
  public static let largestTable = 64_000_000

  /// The automaton of texts with so many tokens.
  public init(
    lengths: ClosedRange<Int>, vocabulary: Vocabulary
  ) throws(ConstraintError) {
    let isBounded = lengths.upperBound < Int(Int32.max)
    let most = isBounded ? lengths.upperBound : lengths.lowerBound
    guard most < Self.largestTable / 2 else {
      throw ConstraintError("counting up to \(most) needs an automaton that is too large")
    }
    var transitions: [State] = []
    for count in 0...most {
      transitions.append(
        count < most ? State(count + 1) : isBounded ? Self.dead : State(count))
      transitions.append(Self.dead)
    }
    self.init(
      start: 0, classes: (0..<vocabulary.count).map { vocabulary.isDrawable(Token($0)) ? 0 : 1 },
      classCount: 2, transitions: transitions,
      finalWeights: (0...most).map { $0 >= lengths.lowerBound ? 0 : -.infinity })
  }

  /// The texts that both allow, with the weights of both.
  ///
  /// - Throws: `ConstraintError` where the table would be larger than ``largestTable``.
  /// - Complexity: O(reachable pairs of states x pairs of classes).
  public func product(_ other: TokenAutomaton) throws(ConstraintError) -> TokenAutomaton {
    precondition(classes.count == other.classes.count, "automata of one vocabulary")
    var pairs: [UInt64: UInt32] = [:]
    var members: [(Int, Int)] = []
    var joint = [UInt32](repeating: 0, count: classes.count)
    for token in classes.indices {
      let pair = UInt64(classes[token]) << 32 | UInt64(other.classes[token])
      if let known = pairs[pair] {
        joint[token] = known
      } else {
        joint[token] = UInt32(members.count)
        pairs[pair] = joint[token]
        members.append((Int(classes[token]), Int(other.classes[token])))
      }
    }
    let isWeighted = !weights.isEmpty || !other.weights.isEmpty
    var index: [UInt64: State] = [:]
    var states: [(State, State)] = []
    func number(_ a: State, _ b: State) -> State {
      let pair = UInt64(a) << 32 | UInt64(b)
      if let known = index[pair] { return known }
      let next = State(states.count)
      index[pair] = next
      states.append((a, b))
      return next
    }
    _ = number(start, other.start)
    var transitions: [State] = []
    var sums: [Double] = []
    var finals: [Double] = []
    while finals.count < states.count {
      guard (finals.count + 1) * members.count <= Self.largestTable else {
        throw ConstraintError(
          "together the constraints need an automaton of more than \(finals.count) states and "
            + "\(members.count) classes of tokens")
      }
      let (a, b) = states[finals.count]
      for (c, d) in members {
        let left = self.transitions[Int(a) * classCount + c]
        let right = other.transitions[Int(b) * other.classCount + d]
        let isDead = left == Self.dead || right == Self.dead
        transitions.append(isDead ? Self.dead : number(left, right))
        if isWeighted {
          sums.append(
            (weights.isEmpty ? 0 : weights[Int(a) * classCount + c])
              + (other.weights.isEmpty ? 0 : other.weights[Int(b) * other.classCount + d]))
        }
      }
      finals.append(finalWeights[Int(a)] + other.finalWeights[Int(b)])
    }
    return TokenAutomaton(
      start: 0, classes: joint, classCount: members.count, transitions: transitions,
      weights: sums, finalWeights: finals
    ).minimized()
  }

  /// For each of the states: the most further tokens to an end, `UInt32.max` without bound.
  private func longestCompletions(_ live: [Int]) -> [UInt32] {
    var heads = [Int](repeating: 0, count: stateCount + 1)
    var open = [Int](repeating: 0, count: stateCount)
    for state in live {
      for next in transitions[state * classCount..<(state + 1) * classCount]
      where next != Self.dead {
        heads[Int(next) + 1] += 1
        open[state] += 1
      }
    }
    for i in 0..<stateCount { heads[i + 1] += heads[i] }
    var predecessors = [State](repeating: 0, count: heads[stateCount])
    var fill = heads
    for state in live {
      for next in transitions[state * classCount..<(state + 1) * classCount]
      where next != Self.dead {
        predecessors[fill[Int(next)]] = State(state)
        fill[Int(next)] += 1
      }
    }
    var longest = [UInt32](repeating: 0, count: stateCount)
    var queue = live.filter { open[$0] == 0 }
    var head = 0
    while head < queue.count {
      let state = queue[head]
      head += 1
      for i in heads[state]..<heads[state + 1] {
        let p = Int(predecessors[i])
        longest[p] = max(longest[p], longest[state] + 1)
        open[p] -= 1
        if open[p] == 0 { queue.append(p) }
      }
    }
    // What is still open lies on a cycle or leads to one.
    for state in live where open[state] > 0 { longest[state] = .max }
    return longest
  }

  /// The same texts and weights with the fewest states and classes.
  ///
  /// States that cannot be reached or completed go; states with equal futures become one, by
  /// refinement of a partition (Moore 1956).
  public func minimized() -> TokenAutomaton {
    // Which states are reached from the start through live transitions.
    var isReached = [Bool](repeating: false, count: stateCount)
    isReached[Int(start)] = true
    var queue = [start]
    while let state = queue.popLast() {
      for c in 0..<classCount {
        let next = transitions[Int(state) * classCount + c]
        if next != Self.dead, !isReached[Int(next)] {
          isReached[Int(next)] = true
          queue.append(next)
        }
      }
    }
    let live = (0..<stateCount).filter { isReached[$0] }
    var block = [UInt32](repeating: 0, count: stateCount)
    var blockCount = 0
    func refine(_ signature: (Int) -> [UInt64]) -> Bool {
      var index: [[UInt64]: UInt32] = [:]
      var next = block
      for state in live {
        let key = signature(state)
        let number = index[key] ?? UInt32(index.count)
        index[key] = number
        next[state] = number
      }
      let hasGrown = index.count > blockCount
      blockCount = index.count
      block = next
      return hasGrown
    }
    // States with equal futures have equal shortest and longest ones. Where lengths are counted,
    // these tell all states apart at once, which refinement would do one state a round.
    let longest = longestCompletions(live)
    // A weight on a transition that no text uses tells nothing.
    _ = refine { state in
      [finalWeights[state].bitPattern, UInt64(distances[state]), UInt64(longest[state])]
        + (weights.isEmpty
          ? []
          : (0..<classCount).map { c in
            transitions[state * classCount + c] == Self.dead
              ? 0 : weights[state * classCount + c].bitPattern
          })
    }
    while refine({ state in
      [UInt64(block[state])]
        + (0..<classCount).map { c in
          let next = transitions[state * classCount + c]
          return next == Self.dead ? UInt64.max : UInt64(block[Int(next)])
        }
    }) {}
    var representatives = [Int](repeating: 0, count: blockCount)
    for state in live.reversed() { representatives[Int(block[state])] = state }
    // Classes whose columns have become equal are one.
    var columns: [[UInt64]: UInt32] = [:]
    var classOf = [UInt32](repeating: 0, count: classCount)
    var columnOf: [Int] = []
    for c in 0..<classCount {
      var column: [UInt64] = []
      for state in representatives {
        let place = state * classCount + c
        let next = transitions[place]
        column.append(next == Self.dead ? UInt64.max : UInt64(block[Int(next)]))
        if !weights.isEmpty {
          column.append(next == Self.dead ? 0 : weights[place].bitPattern)
        }
      }
      if let known = columns[column] {
        classOf[c] = known
      } else {
        classOf[c] = UInt32(columns.count)
        columns[column] = classOf[c]
        columnOf.append(c)
      }
    }
    var made: [State] = []
    var sums: [Double] = []
    for state in representatives {
      for c in columnOf {
        let next = transitions[state * classCount + c]
        made.append(next == Self.dead ? Self.dead : block[Int(next)])
        if !weights.isEmpty { sums.append(next == Self.dead ? 0 : weights[state * classCount + c]) }
      }
    }
    return TokenAutomaton(
      start: block[Int(start)], classes: classes.map { classOf[Int($0)] },
      classCount: columnOf.count, transitions: made, weights: sums,
      finalWeights: representatives.map { finalWeights[$0] })
  }

  /// Whether allowed texts can be of any length.
  public var isUnbounded: Bool { hasCycle { _ in true } }

  /// Whether some part of allowed texts can be repeated without end, each time adding weight.
  public var hasGrowingCycle: Bool {
    !weights.isEmpty && hasCycle { weights[$0] > 0 }
  }

  /// Whether a transition that counts lies on a cycle of states that allowed texts visit.
  private func hasCycle(through counts: (Int) -> Bool) -> Bool {
    // Tarjan's components, without recursion; the start's live part alone.
    guard isSatisfiable else { return false }
    var order = [Int](repeating: -1, count: stateCount)
    var low = [Int](repeating: 0, count: stateCount)
    var component = [Int](repeating: -1, count: stateCount)
    var stack: [Int] = []
    var calls: [(state: Int, c: Int)] = [(Int(start), 0)]
    var next = 0
    var components = 0
    while let (state, c) = calls.last {
      if c == 0 {
        order[state] = next
        low[state] = next
        next += 1
        stack.append(state)
      }
      if c < classCount {
        calls[calls.count - 1].c = c + 1
        let target = transitions[state * classCount + c]
        guard target != Self.dead else { continue }
        if order[Int(target)] < 0 {
          calls.append((Int(target), 0))
        } else if component[Int(target)] < 0 {
          low[state] = min(low[state], order[Int(target)])
        }
        continue
      }
      calls.removeLast()
      if let parent = calls.last { low[parent.state] = min(low[parent.state], low[state]) }
      if low[state] == order[state] {
        while let member = stack.popLast() {
          component[member] = components
          if member == state { break }
        }
        components += 1
      }
    }
    for state in 0..<stateCount where component[state] >= 0 {
      for c in 0..<classCount {
        let place = state * classCount + c
        let target = transitions[place]
        if target != Self.dead, component[Int(target)] == component[state], counts(place) {
          return true
        }
      }
    }
    return false
  }
}

extension TokenAutomaton {
  /// The number of tokens that every allowed text has; `nil` where they differ or there is none.
  public var fixedLength: Int? {
    guard isSatisfiable else { return nil }
    // No shorter text is allowed, and no further token at its end.
    let shortest = Int(distances[Int(start)])
    var layer: Set<State> = [start]
    func following(_ state: State) -> [State] {
      let row = Int(state) * classCount
      return transitions[row..<row + classCount].filter { $0 != Self.dead }
    }
    for _ in 0..<shortest { layer = Set(layer.flatMap(following)) }
    let allEnd = layer.allSatisfy {
      finalWeights[Int($0)] > -.infinity && following($0).isEmpty
    }
    return allEnd ? shortest : nil
  }
}
