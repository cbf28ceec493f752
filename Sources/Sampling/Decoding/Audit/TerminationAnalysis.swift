// Licensed under the Apache License, Version 2.0.

/// Whether a decoder terminates, from its chain of contexts.
///
/// A text never ends if it reaches a closed class without an end: a loop. The classes follow from
/// the graph alone. The probabilities solve (I - P) x = b on the other states, component by
/// component, from the last one on.
///
/// Reference: Kemeny and Snell 1960, "Finite Markov chains", theorems 3.3.5 and 3.3.7; Tarjan 1972,
/// "Depth-first search and linear graph algorithms", for the components.
///
/// **Accuracy.** ``error`` bounds the error of the solution: with w close to the expected number of
/// steps, max |1 - (I - P) w| = d < 1 gives |(I - P)^-1 r| <= max |r| max w / (1 - d).
public struct TerminationAnalysis<Context: Hashable & Sendable>: Sendable {
  /// A closed class whose ends have probability zero, or probabilities that underflow.
  public struct Loop: Sendable {
    /// The natural log of the largest probability with which one of its states ends the text; minus
    /// infinity, or below -708.
    public let logEnd: Double
    /// The same for other transitions that may leave the loop and whose probabilities underflow.
    public let logSteps: Double
    /// The natural log of an upper bound of the probability with which one of its states is left;
    /// minus infinity if none is.
    public var logLeaving: Double { LogSpace.sum(logEnd, logSteps) }
    /// The number of its contexts.
    public let stateCount: Int
    /// The tokens of a shortest round, from the context that the witness leads to.
    public let round: [Token]
    /// The tokens of a shortest text that leads from the root to the loop.
    public let witness: [Token]
    /// The number of the root at which the witness begins.
    public let root: Int
    /// The numbers of its states.
    let states: [Int]
  }

  /// The chain that was analysed.
  public let chain: ContextChain<Context>
  /// The probability, for each state, that a text never ends from there (or only by transitions
  /// whose probabilities underflow).
  public let neverEnds: [Double]
  /// The probability, for each state, of reaching a state with unknown transitions.
  public let unknown: [Double]
  /// For each state, the expected number of further choices (with the end) of texts that end, times
  /// the probability that they do.
  public let tokensIfEnding: [Double]
  /// An error bound for ``neverEnds`` and ``unknown``.
  public let error: Double
  /// An error bound for ``tokensIfEnding``.
  public let tokensError: Double
  /// The loops, each once, in the order in which a breadth-first search finds them, from the first
  /// root and then from all roots.
  public let loops: [Loop]
  /// The strongly connected components; each follows those that it leads to.
  let components: [[Int]]

  /// Analyses a chain.
  ///
  /// - Complexity: O(transitions x iterations), cubic in components of up to 64 states.
  public init(_ chain: ContextChain<Context>) {
    let count = chain.contexts.count
    self.chain = chain
    var never = [Double](repeating: 0, count: count)
    var unknown = never
    var tokens = never
    var errors = never
    var tokenErrors = never
    var component = [Int32](repeating: -1, count: count)
    var closed: [[Int]] = []
    let isKnown = chain.isKnown
    components = chain.components()
    for (index, states) in components.enumerated() {
      for state in states { component[state] = Int32(index) }
      if !isKnown[states[0]] {
        unknown[states[0]] = 1
        continue
      }
      var leaves = false
      var inherited = 0.0
      var inheritedTokens = 0.0
      for state in states {
        if chain.ends[state] > 0 { leaves = true }
        for step in chain.steps[chain.ranges[state]]
        where component[Int(step.target)] != Int32(index) {
          leaves = true
          inherited = max(inherited, errors[Int(step.target)])
          inheritedTokens = max(inheritedTokens, tokenErrors[Int(step.target)])
        }
      }
      guard leaves else {
        for state in states { never[state] = 1 }
        closed.append(states)
        continue
      }
      let system = TransientSystem(chain, states)
      let lost = system.solve(system.outside(never))
      let open = system.solve(system.outside(unknown))
      var ending = system.outside(tokens)
      for i in states.indices {
        never[states[i]] = lost.solution[i]
        unknown[states[i]] = open.solution[i]
        ending[i] += max(0, 1 - lost.solution[i] - open.solution[i])
      }
      let ended = system.solve(ending)
      let own = inherited + max(lost.error, open.error)
      for i in states.indices {
        tokens[states[i]] = ended.solution[i]
        errors[states[i]] = own
        tokenErrors[states[i]] = inheritedTokens + ended.error + 2 * own * system.reach
      }
    }
    neverEnds = never.map { min(1, max(0, $0)) }
    self.unknown = unknown.map { min(1, max(0, $0)) }
    tokensIfEnding = tokens
    error = chain.roots.map { errors[$0] }.max() ?? 0
    tokensError = chain.roots.map { tokenErrors[$0] }.max() ?? 0
    loops = Self.loops(chain, closed)
  }

  /// The probability that a text never ends if it begins at each of some roots equally often.
  public func neverEnds(ofRoots roots: Range<Int>) -> Double {
    roots.reduce(0) { $0 + neverEnds[chain.roots[$1]] } / Double(roots.count)
  }

  /// The probability that a text is unfinished after t choices, for t = 0, 1, ..., limit.
  ///
  /// The text begins at each of some roots equally often. Texts that reach an unexplored state stay
  /// unfinished.
  ///
  /// - Complexity: O(limit x transitions), whatever the number of roots.
  public func survival(ofRoots roots: Range<Int>, limit: Int) -> [Double] {
    var mass = [Double](repeating: 0, count: chain.contexts.count)
    var following = mass
    var isListed = [Bool](repeating: false, count: mass.count)
    var active: [Int] = []
    for root in roots {
      if mass[chain.roots[root]] == 0 { active.append(chain.roots[root]) }
      mass[chain.roots[root]] += 1 / Double(roots.count)
    }
    var survival = [1.0]
    for _ in 0..<limit {
      var list: [Int] = []
      for state in active {
        let share = mass[state]
        mass[state] = 0
        guard share > 0 else { continue }
        func pass(_ target: Int, _ part: Double) {
          following[target] += part
          if !isListed[target] {
            isListed[target] = true
            list.append(target)
          }
        }
        if !chain.isKnown[state] { pass(state, share) }
        for step in chain.steps[chain.ranges[state]] {
          pass(Int(step.target), share * step.probability)
        }
      }
      for state in list { isListed[state] = false }
      swap(&mass, &following)
      active = list
      survival.append(min(survival[survival.count - 1], list.reduce(0) { $0 + mass[$1] }))
    }
    return survival
  }

  /// No nucleus with a mass up to this leaves every loop; `nil` if there is no loop.
  public var largestMassThatLoops: Double? {
    loops.compactMap { loop in loop.states.map { chain.thresholds[$0] }.min() }.max()
  }

  /// No ``EpsilonCutoff`` with a floor above this leaves every loop; `nil` if there is no loop.
  public var smallestFloorThatLoops: Double? {
    loops.compactMap { loop in loop.states.map { chain.thresholds[$0] }.max() }.min()
  }

  /// Finds the shortest text that leads to each closed class, and a shortest round in it.
  private static func loops(
    _ chain: ContextChain<Context>, _ closed: [[Int]]
  ) -> [Loop] {
    guard !closed.isEmpty else { return [] }
    var classOf = [Int32](repeating: -1, count: chain.contexts.count)
    for (i, states) in closed.enumerated() { for state in states { classOf[state] = Int32(i) } }
    var found = [Bool](repeating: false, count: closed.count)
    var loops: [Loop] = []
    // Show the loops that the first root leads to from there.
    for roots in [[chain.roots[0]], chain.roots] {
      let tree = SearchTree(chain, from: roots)
      for state in tree.order where classOf[state] >= 0 && !found[Int(classOf[state])] {
        let index = Int(classOf[state])
        found[index] = true
        let (witness, root) = tree.path(to: state, chain)
        let vanishing = closed[index].compactMap { chain.vanishing[$0] }
        loops.append(
          Loop(
            logEnd: vanishing.map(\.logEnd).max() ?? -.infinity,
            logSteps: vanishing.map(\.logSteps).max() ?? -.infinity,
            stateCount: closed[index].count, round: shortestRound(chain, state), witness: witness,
            root: chain.roots.firstIndex(of: root) ?? 0, states: closed[index]))
      }
    }
    return loops
  }
}

extension TerminationAnalysis {
  /// The tokens of a shortest round through a state of a closed class.
  private static func shortestRound(_ chain: ContextChain<Context>, _ state: Int) -> [Token] {
    var reached: [Int: (parent: Int, token: Token)] = [:]
    var order = [state]
    var head = 0
    while head < order.count {
      let here = order[head]
      head += 1
      for step in chain.steps[chain.ranges[here]] {
        let target = Int(step.target)
        guard target != state else {
          var round = [step.token]
          var place = here
          while place != state, let (parent, token) = reached[place] {
            round.append(token)
            place = parent
          }
          return round.reversed()
        }
        guard reached[target] == nil else { continue }
        reached[target] = (here, step.token)
        order.append(target)
      }
    }
    return []
  }
}

/// A breadth-first search.
private struct SearchTree {
  /// The states in the order in which they were found.
  private(set) var order: [Int] = []
  /// The transition by which each state was found; -1 for a root, -2 if it was not found.
  private var steps: [Int]
  private var parents: [Int]

  init<Context>(_ chain: ContextChain<Context>, from roots: [Int]) {
    steps = [Int](repeating: -2, count: chain.contexts.count)
    parents = steps
    for root in roots where steps[root] == -2 {
      steps[root] = -1
      order.append(root)
    }
    var head = 0
    while head < order.count {
      let state = order[head]
      head += 1
      for place in chain.ranges[state] {
        let target = Int(chain.steps[place].target)
        guard steps[target] == -2 else { continue }
        steps[target] = place
        parents[target] = state
        order.append(target)
      }
    }
  }

  func path<Context>(
    to state: Int, _ chain: ContextChain<Context>
  ) -> (tokens: [Token], root: Int) {
    var tokens: [Token] = []
    var here = state
    while steps[here] >= 0 {
      tokens.append(chain.steps[steps[here]].token)
      here = parents[here]
    }
    return (tokens.reversed(), here)
  }
}

extension ContextChain {
  /// The strongly connected components; each follows those that it leads to.
  func components() -> [[Int]] {
    let count = contexts.count
    var order = [Int32](repeating: -1, count: count)
    var low = [Int32](repeating: 0, count: count)
    var isDone = [Bool](repeating: false, count: count)
    var stack: [Int] = []
    var calls: [(state: Int, place: Int)] = []
    var found: Int32 = 0
    var components: [[Int]] = []
    for root in 0..<count where order[root] < 0 {
      calls.append((root, ranges[root].lowerBound))
      while let (state, place) = calls.last {
        if order[state] < 0 {
          order[state] = found
          low[state] = found
          found += 1
          stack.append(state)
        }
        if place < ranges[state].upperBound {
          calls[calls.count - 1].place = place + 1
          let target = Int(steps[place].target)
          if order[target] < 0 {
            calls.append((target, ranges[target].lowerBound))
          } else if !isDone[target] {
            low[state] = min(low[state], order[target])
          }
          continue
        }
        calls.removeLast()
        if let parent = calls.last?.state { low[parent] = min(low[parent], low[state]) }
        guard low[state] == order[state] else { continue }
        var component: [Int] = []
        while let member = stack.popLast() {
          isDone[member] = true
          component.append(member)
          if member == state { break }
        }
        components.append(component)
      }
    }
    return components
  }
}
