// Licensed under the Apache License, Version 2.0.

/// A deterministic weighted automaton over a model's tokens: what constraints become.
///
/// It reads a text token by token from ``start``. A transition adds a weight in nats (soft
/// constraints; 0 for hard ones) or is ``dead``. At the end of the text a state adds its final
/// weight, minus infinity where the text is not allowed. Tokens that all states treat alike share
/// a class, so the table is states x classes. Every state but the start can still be completed:
/// transitions to states that cannot are dead.
public struct TokenAutomaton: Sendable {
  /// A state, by its index.
  public typealias State = UInt32

  /// Where an impossible transition leads.
  @inlinable
  public static var dead: State { .max }

  /// The state before the first token.
  public let start: State
  /// How many states there are.
  public let stateCount: Int
  /// How many classes of tokens there are.
  public let classCount: Int
  /// The class of each token.
  ///
  /// Start, end and unknown are in a class that is dead everywhere.
  public let classes: [UInt32]
  /// State x class, row by row: the next state, or ``dead``.
  public let transitions: [State]
  /// State x class, row by row: nats added by the transition; empty where all are 0.
  public let weights: [Double]
  /// For each state: nats added when the text ends there, minus infinity where it may not.
  public let finalWeights: [Double]
  /// For each state: the fewest further tokens to an allowed end, 0 where the text may end.
  public let distances: [UInt32]
  @usableFromInline let tables: AutomatonTables

  /// An automaton given by its tables; the shortest completions are computed here and every
  /// transition to a state that has none becomes ``dead``.
  public init(
    start: State, classes: [UInt32], classCount: Int, transitions: [State], weights: [Double] = [],
    finalWeights: [Double]
  ) {
    let stateCount = finalWeights.count
    precondition(transitions.count == stateCount * classCount, "one transition a state and class")
    precondition(weights.isEmpty || weights.count == transitions.count, "one weight a transition")
    precondition(Int(start) < stateCount, "the start is a state")
    // Breadth first from the allowed ends, backwards.
    var heads = [Int](repeating: 0, count: stateCount + 1)
    for next in transitions where next != Self.dead { heads[Int(next) + 1] += 1 }
    for i in 0..<stateCount { heads[i + 1] += heads[i] }
    var predecessors = [State](repeating: 0, count: heads[stateCount])
    var fill = heads
    for state in 0..<stateCount {
      for c in 0..<classCount {
        let next = transitions[state * classCount + c]
        if next != Self.dead {
          predecessors[fill[Int(next)]] = State(state)
          fill[Int(next)] += 1
        }
      }
    }
    var distances = [UInt32](repeating: .max, count: stateCount)
    var queue: [State] = []
    for state in 0..<stateCount where finalWeights[state] > -.infinity {
      distances[state] = 0
      queue.append(State(state))
    }
    var head = 0
    while head < queue.count {
      let state = Int(queue[head])
      head += 1
      for i in heads[state]..<heads[state + 1] {
        let p = Int(predecessors[i])
        if distances[p] == .max {
          distances[p] = distances[state] + 1
          queue.append(State(p))
        }
      }
    }
    var live = transitions
    for i in live.indices where live[i] != Self.dead && distances[Int(live[i])] == .max {
      live[i] = Self.dead
    }
    self.start = start
    self.stateCount = stateCount
    self.classCount = classCount
    self.classes = classes
    self.transitions = live
    self.weights = weights.allSatisfy { $0 == 0 } ? [] : weights
    self.finalWeights = finalWeights
    self.distances = distances
    tables = AutomatonTables(
      classes: classes, transitions: live, weights: self.weights, finalWeights: finalWeights)
  }

  /// Whether any text is allowed.
  public var isSatisfiable: Bool { distances[Int(start)] != .max }

  /// The state after one more token, or ``dead``.
  @inlinable
  public func next(_ state: State, _ token: Token) -> State {
    transitions[Int(state) * classCount + Int(classes[token.index])]
  }

  /// Nats added by reading a token in a state.
  @inlinable
  public func weight(_ state: State, _ token: Token) -> Double {
    weights.isEmpty ? 0 : weights[Int(state) * classCount + Int(classes[token.index])]
  }

  /// Nats that all constraints add to a text; minus infinity where it is not allowed.
  public func logWeight(of text: some Sequence<Token>) -> Double {
    var state = start
    var sum = 0.0
    for token in text {
      sum += weight(state, token)
      state = next(state, token)
      if state == Self.dead { return -.infinity }
    }
    return sum + finalWeights[Int(state)]
  }
}

/// An automaton's tables where chains can read them without counting references.
@usableFromInline
@safe
final class AutomatonTables: @unchecked Sendable {
  @usableFromInline let classes: UnsafeMutablePointer<UInt32>
  @usableFromInline let transitions: UnsafeMutablePointer<TokenAutomaton.State>
  @usableFromInline let weights: UnsafeMutablePointer<Double>
  @usableFromInline let finalWeights: UnsafeMutablePointer<Double>

  init(
    classes: [UInt32], transitions: [TokenAutomaton.State], weights: [Double],
    finalWeights: [Double]
  ) {
    func copy<Element>(_ array: [Element]) -> UnsafeMutablePointer<Element> {
      let pointer = UnsafeMutablePointer<Element>.allocate(capacity: max(1, array.count))
      for (i, element) in array.enumerated() { unsafe (pointer + i).initialize(to: element) }
      return unsafe pointer
    }
    unsafe self.classes = copy(classes)
    unsafe self.transitions = copy(transitions)
    unsafe self.weights = copy(weights)
    unsafe self.finalWeights = copy(finalWeights)
  }

  deinit {
    unsafe classes.deallocate()
    unsafe transitions.deallocate()
    unsafe weights.deallocate()
    unsafe finalWeights.deallocate()
  }
}
