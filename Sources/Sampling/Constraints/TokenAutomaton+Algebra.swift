// Licensed under the Apache License, Version 2.0.

extension TokenAutomaton {
  /// The largest table that is made, in transitions; this many take 256 MB.
  public static let largestTable = 64_000_000

  /// Creates the automaton of texts whose number of tokens lies in a range.
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

  /// The texts that both automata allow, with both weights.
  ///
  /// - Throws: `ConstraintError` if the table would be larger than ``largestTable``.
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
      let (size, overflows) = states.count.multipliedReportingOverflow(by: members.count)
      guard !overflows, size <= Self.largestTable else {
        throw ConstraintError(
          "together the statements need an automaton of more than \(finals.count) states and "
            + "\(members.count) kinds of tokens; take shorter lengths or fewer statements")
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

  /// The same texts and weights with the fewest states and classes.
  ///
  /// States that cannot be reached or completed are dropped. States with equal futures are merged
  /// by refining a partition (Hopcroft 1971; for automata that lack transitions, Valmari and
  /// Lehtinen 2008).
  ///
  /// - Complexity: O(states x classes x log states).
  public func minimized() -> TokenAutomaton {
    let live = reachableStates
    // States differ at once by their final weight and by the weights on transitions that texts use.
    var outsides: [[UInt64]: Int] = [:]
    let sorts = live.map { state in
      let outside =
        [finalWeights[state].bitPattern]
        + (weights.isEmpty
          ? []
          : (0..<classCount).map { c in
            transitions[state * classCount + c] == Self.dead
              ? 0 : weights[state * classCount + c].bitPattern
          })
      let sort = outsides[outside] ?? outsides.count
      outsides[outside] = sort
      return sort
    }
    let (block, blockCount) = classesOfEqualFutures(live, sorts: sorts, sortCount: outsides.count)
    var representatives = [Int](repeating: 0, count: blockCount)
    for state in live.reversed() { representatives[Int(block[state])] = state }
    // Classes whose columns have become equal are merged.
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

  /// The states that allowed texts visit, ascending.
  var reachableStates: [Int] {
    var isReached = [Bool](repeating: false, count: stateCount)
    isReached[Int(start)] = true
    var queue = [start]
    while let state = queue.popLast() {
      let row = Int(state) * classCount
      for next in transitions[row..<row + classCount]
      where next != Self.dead && !isReached[Int(next)] {
        isReached[Int(next)] = true
        queue.append(next)
      }
    }
    return isReached.indices.filter { isReached[$0] }
  }

  /// Numbers states by their futures, in the order in which they first occur.
  ///
  /// - Parameters:
  ///   - live: the states to number.
  ///   - sorts: what is known to differ for each of them, in 0 ..< `sortCount`.
  ///   - sortCount: the number of sorts.
  /// - Returns: a number for each state, and how many numbers there are.
  private func classesOfEqualFutures(
    _ live: [Int], sorts: [Int], sortCount: Int
  ) -> (block: [UInt32], count: Int) {
    // Live states are numbered along `live` here. Incoming transitions are stored state by state.
    var places = [Int](repeating: -1, count: stateCount)
    for (i, state) in live.enumerated() { places[state] = i }
    var heads = [Int](repeating: 0, count: live.count + 1)
    forEachTransition(live, places) { _, _, next in heads[next + 1] += 1 }
    for i in 0..<live.count { heads[i + 1] += heads[i] }
    var fill = heads
    var sources = [(c: Int, from: Int)](repeating: (0, 0), count: heads[live.count])
    forEachTransition(live, places) { from, c, next in
      sources[fill[next]] = (c, from)
      fill[next] += 1
    }
    var partition = RefinablePartition(sorts: sorts, sortCount: sortCount)
    var waiting = Array(0..<partition.count)
    var isWaiting = [Bool](repeating: true, count: partition.count)
    var incoming = [[Int]](repeating: [], count: classCount)
    while let splitter = waiting.popLast() {
      isWaiting[splitter] = false
      // The splitter may be split by itself, so its incoming transitions are noted first.
      for member in partition.members(splitter) {
        for (c, from) in sources[heads[member]..<heads[member + 1]] { incoming[c].append(from) }
      }
      for c in 0..<classCount where !incoming[c].isEmpty {
        for from in incoming[c] { partition.mark(from) }
        incoming[c].removeAll(keepingCapacity: true)
        partition.splitMarked { old, new, isNewSmaller in
          isWaiting.append(false)
          // If the block is waiting, both halves must wait; otherwise the smaller one is enough.
          let added = isWaiting[old] || isNewSmaller ? new : old
          waiting.append(added)
          isWaiting[added] = true
        }
      }
    }
    var numbers = [UInt32](repeating: .max, count: partition.count)
    var count = 0
    var block = [UInt32](repeating: 0, count: stateCount)
    for (i, state) in live.enumerated() {
      let own = partition.block(of: i)
      if numbers[own] == .max {
        numbers[own] = UInt32(count)
        count += 1
      }
      block[state] = numbers[own]
    }
    return (block, count)
  }

  /// Calls the body for each transition among some states, with indices for from, class and to.
  private func forEachTransition(
    _ live: [Int], _ places: [Int], _ body: (Int, Int, Int) -> Void
  ) {
    for (i, state) in live.enumerated() {
      for c in 0..<classCount {
        let next = transitions[state * classCount + c]
        if next != Self.dead { body(i, c, places[Int(next)]) }
      }
    }
  }

  /// Whether allowed texts have no maximum length.
  public var isUnbounded: Bool { hasCycle { _ in true } }

  /// Whether some part of allowed texts can be repeated without end and adds weight each time.
  public var hasGrowingCycle: Bool {
    !weights.isEmpty && hasCycle { weights[$0] > 0 }
  }

  /// Whether a transition that counts lies on a cycle of states that allowed texts visit.
  private func hasCycle(through counts: (Int) -> Bool) -> Bool {
    let components = components
    for state in 0..<stateCount where components[state] >= 0 {
      for c in 0..<classCount {
        let place = state * classCount + c
        let target = transitions[place]
        if target != Self.dead, components[Int(target)] == components[state], counts(place) {
          return true
        }
      }
    }
    return false
  }

  /// The strongly connected component of each state; -1 if no allowed text visits the state.
  ///
  /// Transitions never lead to a higher number.
  ///
  /// - Complexity: O(states x classes).
  var components: [Int] {
    // Tarjan's algorithm without recursion, on the live states that the start reaches.
    var order = [Int](repeating: -1, count: stateCount)
    var low = [Int](repeating: 0, count: stateCount)
    var component = [Int](repeating: -1, count: stateCount)
    guard isSatisfiable else { return component }
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
    return component
  }
}

extension TokenAutomaton {
  /// The number of tokens that every allowed text has; `nil` if they differ or no text is allowed.
  public var fixedLength: Int? {
    guard isSatisfiable else { return nil }
    // Each further token must bring every end one token nearer.
    for state in reachableStates {
      let row = state * classCount
      for next in transitions[row..<row + classCount] where next != Self.dead {
        guard distances[state] == distances[Int(next)] + 1 else { return nil }
      }
    }
    return Int(distances[Int(start)])
  }
}
