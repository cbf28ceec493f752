// Licensed under the Apache License, Version 2.0.

/// A deterministic weighted automaton over a model's tokens: the compiled form of constraints.
///
/// It reads a text token by token from ``start``. A transition adds a weight in nats (0 for hard
/// constraints) or is ``dead``. At the end of the text a state adds its final weight, which is
/// minus infinity if the text is not allowed. Tokens that all states treat alike share a class, so
/// the table is states x classes. Every state except the start can still be completed: transitions
/// to states that cannot are dead.
@safe
public struct TokenAutomaton: TokenConstraint, @unchecked Sendable {
  /// The index of a state.
  public typealias State = UInt32

  /// The target of an impossible transition.
  @inlinable
  public static var dead: State { .max }

  /// The state before the first token.
  public let start: State
  /// The number of states.
  public let stateCount: Int
  /// The number of classes of tokens.
  public let classCount: Int
  /// The class of each token.
  ///
  /// Start, end and unknown are in a class that is dead in every state.
  public let classes: [UInt32]
  /// State x class, row by row: the next state, or ``dead``.
  public let transitions: [State]
  /// State x class, row by row: the nats that the transition adds; empty if all are 0.
  public let weights: [Double]
  /// For each state, the nats added if the text ends there; minus infinity if it may not.
  public let finalWeights: [Double]
  /// For each state, the fewest further tokens to an allowed end; 0 if the text may end there.
  public let distances: [UInt32]
  private let tables: AutomatonTables
  // The same tables, which chains read without counting references.
  @usableFromInline let classTable: UnsafePointer<UInt32>
  @usableFromInline let transitionTable: UnsafePointer<State>
  @usableFromInline let weightTable: UnsafePointer<Double>?
  @usableFromInline let finalTable: UnsafePointer<Double>
  /// The number of tokens in the vocabulary.
  public let tokenCount: Int
  /// Whether all allowed texts have the same weight.
  public let isUniform: Bool
  private let masks: MaskCache<State>
  /// The longest of all states' shortest completions.
  ///
  /// With this much room, no length limit binds.
  public let farthest: Int

  /// Creates an automaton from its tables.
  ///
  /// Shortest completions are computed here, and every transition to a state that has none becomes
  /// ``dead``.
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
    tokenCount = classes.count
    tables = AutomatonTables(
      classes: classes, transitions: live, weights: self.weights, finalWeights: finalWeights)
    unsafe classTable = UnsafePointer(tables.classes)
    unsafe transitionTable = UnsafePointer(tables.transitions)
    unsafe weightTable = self.weights.isEmpty ? nil : UnsafePointer(tables.weights)
    unsafe finalTable = UnsafePointer(tables.finalWeights)
    let ends = Set(finalWeights).subtracting([-.infinity])
    isUniform = self.weights.isEmpty && ends.count <= 1
    farthest = Int(distances.filter { $0 != .max }.max() ?? 0)
    masks = MaskCache(tokenCount: classes.count)
  }

  /// The state after one more token, or ``dead``.
  ///
  /// Loops over many tokens use this form.
  ///
  /// - Precondition: the token lies in the vocabulary.
  @inlinable
  public func following(_ state: State, _ token: Token) -> State {
    precondition(
      token.index < tokenCount && Int(state) < stateCount, "a token lies in the vocabulary")
    return unsafe transitionTable[
      Int(state) &* classCount &+ Int(classTable[token.index])]
  }

  /// The tokens of each class, in ascending order.
  ///
  /// - Parameter isIncluded: says which tokens to list.
  /// - Returns: one list per class.
  /// - Complexity: O(vocabulary).
  public func membersByClass(where isIncluded: (Token) -> Bool = { _ in true }) -> [[Token]] {
    var members = [[Token]](repeating: [], count: classCount)
    for i in 0..<tokenCount where isIncluded(Token(i)) {
      members[Int(classes[i])].append(Token(i))
    }
    return members
  }

  /// The states that one more token can lead to, one per class.
  public func successors(of state: State) -> [State] {
    (0..<classCount).map { following(state, class: $0) }.filter { $0 != Self.dead }
  }

  /// The state after one more token; `nil` if no allowed text goes on so.
  @inlinable
  public func next(_ state: State, _ token: Token) -> State? {
    let following = following(state, token)
    return following == Self.dead ? nil : following
  }

  /// The nats that reading a token in a state adds.
  @inlinable
  public func weight(_ state: State, _ token: Token) -> Double {
    guard let weightTable = unsafe weightTable else { return 0 }
    precondition(
      token.index < tokenCount && Int(state) < stateCount, "a token lies in the vocabulary")
    return unsafe weightTable[Int(state) &* classCount &+ Int(classTable[token.index])]
  }

  /// The nats that ending the text in a state adds; minus infinity if it may not end there.
  @inlinable
  public func endWeight(_ state: State) -> Double {
    precondition(Int(state) < stateCount, "a state of this automaton")
    return unsafe finalTable[Int(state)]
  }

  /// The tokens that can be read in a state, computed once per state.
  ///
  /// - Complexity: a look-up; O(vocabulary) at the first call for a state.
  public func mask(_ state: State) -> TokenMask {
    masks.mask(of: state) {
      var mask = TokenMask(count: tokenCount)
      let row = Int(state) * classCount
      for i in 0..<tokenCount where transitions[row + Int(classes[i])] != Self.dead {
        mask.insert(Token(i))
      }
      return mask
    }
  }

  /// The tokens after which an allowed end is near enough, found class by class.
  ///
  /// - Complexity: a look-up if all states are near enough, otherwise O(vocabulary).
  public func mask(_ state: State, within room: Int) -> TokenMask {
    if room >= farthest { return mask(state) }
    let row = Int(state) * classCount
    let isNear = (0..<classCount).map { c in
      let next = transitions[row + c]
      return next != Self.dead && Int(distances[Int(next)]) <= room
    }
    var mask = TokenMask(count: tokenCount)
    for i in 0..<tokenCount where isNear[Int(classes[i])] { mask.insert(Token(i)) }
    return mask
  }

  /// The tokens of each class.
  ///
  /// - Complexity: O(vocabulary).
  public var tokenClasses: [[Token]]? { membersByClass() }

  /// The state after a token of a class, or ``dead``.
  @inlinable
  public func following(_ state: State, class tokenClass: Int) -> State {
    precondition(tokenClass < classCount && Int(state) < stateCount, "a class of tokens")
    return unsafe transitionTable[Int(state) &* classCount &+ tokenClass]
  }

  /// The class of a token, in 0 ..< ``classCount``.
  @inlinable
  public func tokenClass(of token: Token) -> Int {
    precondition(token.index < tokenCount, "a token lies in the vocabulary")
    return unsafe Int(classTable[token.index])
  }

  /// The nats that reading a token of a class in a state adds.
  @inlinable
  public func weight(_ state: State, class tokenClass: Int) -> Double {
    precondition(tokenClass < classCount && Int(state) < stateCount, "a class of tokens")
    guard let weightTable = unsafe weightTable else { return 0 }
    return unsafe weightTable[Int(state) &* classCount &+ tokenClass]
  }

  /// The fewest further tokens to an allowed end; `nil` if there is none.
  public func shortestCompletion(_ state: State) -> Int? {
    let distance = distances[Int(state)]
    return distance == .max ? nil : Int(distance)
  }

  /// Whether an allowed end is at most `room` further tokens away.
  @inlinable
  public func isNear(_ state: State, room: Int) -> Bool { Int(distances[Int(state)]) <= room }

  /// Whether some token or end can add more than 0 nats.
  public var canRaise: Bool { weights.contains { $0 > 0 } || finalWeights.contains { $0 > 0 } }

  /// The same texts with all nats multiplied by a positive, finite factor.
  public func scaled(by factor: Double) -> TokenAutomaton {
    if weights.isEmpty, finalWeights.allSatisfy({ $0 == 0 || $0 == -.infinity }) { return self }
    return TokenAutomaton(
      start: start, classes: classes, classCount: classCount, transitions: transitions,
      weights: weights.map { $0 * factor }, finalWeights: finalWeights.map { $0 * factor })
  }
}

/// The memory of an automaton's tables, shared by all copies of the automaton.
@safe
final class AutomatonTables: @unchecked Sendable {
  let classes: UnsafeMutablePointer<UInt32>
  let transitions: UnsafeMutablePointer<TokenAutomaton.State>
  let weights: UnsafeMutablePointer<Double>
  let finalWeights: UnsafeMutablePointer<Double>

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
