// Licensed under the Apache License, Version 2.0.

/// What is still to be expected of a text from its last token and the state of the constraints'
/// automaton: the mass of all that may follow under the model's bigrams.
///
/// A ``LookAhead`` forgets what word a text stands at, so that a keyword which hardly ever follows
/// that word promises as much as one that does. Here the sums are exact for a bigram model, and an
/// estimate for a longer one. As with every look-ahead, samplers are exact whatever it says.
///
/// Source: twisting as in Whiteley and Lee 2014, "Twisted particle filters", the twisting functions
/// being those of a coarser model.
public struct BigramLookAhead: Sendable {
  /// Which texts can be completed, and what would follow without context.
  public let lookAhead: LookAhead
  /// What the model's contexts list, to the power of the target's fluency.
  public let tables: Tables
  /// State by state, for each token: the mass that is expected behind it, in units of what is
  /// expected without context; positive.
  let expectations: [Double]
  /// State by state: sums over ``blockSize`` tokens each of what they weigh without context.
  let blockSums: [Double]
  /// For each state: the largest number of tokens that one of its successors still needs.
  let needs: [UInt32]

  /// What the contexts of a model add to those that they fail to: made once for all targets of one
  /// fluency.
  public struct Tables: Sendable {
    /// The contexts and what they list.
    public let model: BackoffAutomaton
    /// For each arc: its weight less that of failing with its token.
    let coefficients: [Double]
    /// For each token: the context that remembers it alone.
    let contexts: [Int]

    /// The tables of a model.
    ///
    /// - Complexity: O(arcs x log of arcs a context).
    public init(_ model: BackoffAutomaton) {
      self.model = model
      coefficients = model.differences
      contexts = model.contextsOfTokens
    }
  }

  var model: BackoffAutomaton { tables.model }
  var coefficients: [Double] { tables.coefficients }

  static let blockSize = 64
  /// What is expected in any case, so that nothing that is allowed is never drawn.
  private static let least = 1e-100
  /// Sums over cycles need not converge; an estimate is as good as its last sweep.
  private static let sweeps = 200
  /// Estimates need no more digits.
  private static let tolerance = 1e-3

  /// Bytes that the estimates for an automaton take.
  ///
  /// - Parameters:
  ///   - automaton: which texts.
  ///   - vocabulary: the model's tokens.
  /// - Returns: bytes, without what the model's own tables take.
  public static func bytes(_ automaton: TokenAutomaton, _ vocabulary: Vocabulary) -> Int {
    automaton.stateCount * (vocabulary.count + vocabulary.count / blockSize + 1)
      * MemoryLayout<Double>.stride
  }

  /// Sums over what may follow.
  ///
  /// - Parameters:
  ///   - lookAhead: which texts, and what is expected without context.
  ///   - tables: what the model's contexts list, to the power of the fluency.
  ///   - proceed: asked before each state; `false` leaves the rest to what is expected without
  ///     context.
  /// - Complexity: O(bigrams x states) where an automaton's texts have bounded length; that for
  ///   each sweep over its cycles else.
  public init(
    _ lookAhead: LookAhead, _ tables: Tables, proceed: () -> Bool = { true }
  ) {
    self.lookAhead = lookAhead
    self.tables = tables
    let model = tables.model
    let automaton = lookAhead.automaton
    let size = model.vocabulary.count
    needs = (0..<automaton.stateCount).map { state in
      let row = state * automaton.classCount
      return automaton.transitions[row..<row + automaton.classCount].lazy
        .filter { $0 != TokenAutomaton.dead }.map { automaton.distances[Int($0)] }.max() ?? 0
    }
    var values = [Double](repeating: 1, count: automaton.stateCount * size)
    let order = automaton.statesChildrenFirst
    var places = [Int](repeating: 0, count: automaton.stateCount)
    for (place, state) in order.enumerated() { places[Int(state)] = place }
    var isCyclic = false
    sweeping: for _ in 0..<Self.sweeps {
      var change = 0.0
      for state in order {
        let successors = automaton.transitions[
          Int(state) * automaton.classCount..<(Int(state) + 1) * automaton.classCount]
        let isLooping = successors.contains(state)
        isCyclic =
          isCyclic
          || successors.contains {
            $0 != TokenAutomaton.dead && places[Int($0)] > places[Int(state)]
          }
        var last = 0.0
        for pass in 0..<Self.sweeps {
          guard proceed() else { break sweeping }
          let sum = Self.update(&values, state, lookAhead, tables)
          if pass == 0 { change = max(change, abs(sum.new - sum.old) / max(sum.new, Self.least)) }
          let isSettled = abs(sum.new - last) <= Self.tolerance * sum.new
          last = sum.new
          if !isLooping || isSettled { break }
        }
      }
      if !isCyclic || change <= Self.tolerance { break }
    }
    expectations = values
    blockSums = Self.blockSums(values, lookAhead, model)
  }

  private init(_ other: BigramLookAhead, expectations: [Double]) {
    lookAhead = other.lookAhead
    tables = other.tables
    needs = other.needs
    self.expectations = expectations
    blockSums = Self.blockSums(expectations, lookAhead, tables.model)
  }

  /// The same with each state's masses multiplied by how far they were missed.
  ///
  /// - Parameter observations: what texts showed of the mass behind their states.
  /// - Returns: a look-ahead of the same texts.
  public func refined(by observations: some Sequence<MassObservation>) -> BigramLookAhead {
    // As many observations as stand against one that is far off.
    let prior = 10.0
    let count = lookAhead.automaton.stateCount
    var sums = [Double](repeating: prior, count: count)
    var counts = [Double](repeating: prior, count: count)
    for one in observations {
      sums[Int(one.state)] += LogSpace.exp(one.logMass - one.logExpectation)
      counts[Int(one.state)] += 1
    }
    let size = model.vocabulary.count
    var values = expectations
    for state in 0..<count {
      let factor = sums[state] / counts[state]
      guard factor.isFinite else { continue }
      for i in state * size..<(state + 1) * size {
        values[i] = Self.bounded(values[i] * factor)
      }
    }
    return BigramLookAhead(self, expectations: values)
  }

  /// The log of the mass that is expected behind a text's last token.
  ///
  /// - Parameters:
  ///   - state: the automaton's state behind it.
  ///   - last: the token; the start symbol for the empty text.
  /// - Returns: the natural log.
  public func logExpectation(_ state: TokenAutomaton.State, after last: Token) -> Double {
    lookAhead.logExpectations[Int(state)]
      + LogSpace.log(expectations[Int(state) * model.vocabulary.count + last.index])
  }

  /// What the tokens of one class gain in a state, but for what is expected behind them.
  struct Gain {
    /// In units of what is expected without context before them.
    var factor: Double
    /// The same as nats, not in these units; minus infinity where the text could not be completed.
    var logFactor: Double
    /// Where in ``expectations`` the state behind them begins.
    var row: Int
  }

  /// By class.
  func gains(_ state: TokenAutomaton.State, count: Int) -> [Gain] {
    let unit = lookAhead.logExpectations[Int(state)]
    let row = Int(state) * lookAhead.automaton.classCount
    return lookAhead.gains(state, count: count).enumerated().map { c, gain in
      gain == -.infinity
        ? Gain(factor: 0, logFactor: gain, row: 0)
        : Gain(
          factor: LogSpace.exp(gain - unit), logFactor: gain,
          row: Int(lookAhead.automaton.transitions[row + c]) * model.vocabulary.count)
    }
  }

  /// What an end weighs in a state, in the same units.
  func endGain(_ state: TokenAutomaton.State) -> Double {
    LogSpace.exp(
      lookAhead.automaton.finalWeights[Int(state)] - lookAhead.logExpectations[Int(state)])
  }

  private static func bounded(_ value: Double) -> Double {
    // What is not a number says nothing.
    value.isNaN ? 1 : min(max(value, least), 1 / least)
  }

  /// What each token weighs in a state whatever stands left of it, in units of what is expected.
  private static func weights(
    _ values: [Double], _ state: TokenAutomaton.State, _ lookAhead: LookAhead,
    _ vocabulary: Vocabulary
  ) -> [Double] {
    let automaton = lookAhead.automaton
    let unit = lookAhead.logExpectations[Int(state)]
    let row = Int(state) * automaton.classCount
    let gains = (0..<automaton.classCount).map { c -> (factor: Double, row: Int) in
      let next = automaton.transitions[row + c]
      guard next != TokenAutomaton.dead else { return (0, 0) }
      let soft = automaton.weights.isEmpty ? 0 : automaton.weights[row + c]
      return (
        LogSpace.exp(soft + lookAhead.logExpectations[Int(next)] - unit),
        Int(next) * vocabulary.count
      )
    }
    var weights = (0..<vocabulary.count).map { i -> Double in
      let gain = gains[Int(automaton.classes[i])]
      return gain.factor == 0 ? 0 : gain.factor * values[gain.row + i]
    }
    weights[vocabulary.end.index] = LogSpace.exp(automaton.finalWeights[Int(state)] - unit)
    return weights
  }

  /// Sums over the tokens behind each token in a state; the sum of all, before and after.
  private static func update(
    _ values: inout [Double], _ state: TokenAutomaton.State, _ lookAhead: LookAhead,
    _ tables: Tables
  ) -> (old: Double, new: Double) {
    let (model, coefficients, contexts) = (tables.model, tables.coefficients, tables.contexts)
    let size = model.vocabulary.count
    let weights = weights(values, state, lookAhead, model.vocabulary)
    var empty = 0.0
    for arc in model.arcs[0] {
      empty += coefficients[Int(arc)] * weights[Int(model.tokens[Int(arc)])]
    }
    var (old, new) = (0.0, 0.0)
    let row = Int(state) * size
    for token in 0..<size {
      let context = contexts[token]
      var sum = context == 0 ? empty : model.backoffs[context] * empty
      if context > 0 {
        for arc in model.arcs[context] {
          sum += coefficients[Int(arc)] * weights[Int(model.tokens[Int(arc)])]
        }
      }
      old += values[row + token]
      values[row + token] = bounded(sum)
      new += values[row + token]
    }
    return (old, new)
  }

  private static func blockSums(
    _ values: [Double], _ lookAhead: LookAhead, _ model: BackoffAutomaton
  ) -> [Double] {
    let blocks = model.arcs[0].count / blockSize + 1
    var sums = [Double](repeating: 0, count: lookAhead.automaton.stateCount * blocks)
    let arcs = model.arcs[0]
    for state in 0..<lookAhead.automaton.stateCount {
      let weights = weights(values, TokenAutomaton.State(state), lookAhead, model.vocabulary)
      for (i, arc) in arcs.enumerated() {
        sums[state * blocks + i / blockSize] +=
          model.weights[Int(arc)] * weights[Int(model.tokens[Int(arc)])]
      }
    }
    return sums
  }
}

extension BackoffAutomaton {
  /// For each arc: its weight less that of failing with its token; that of context 0's arcs whole.
  var differences: [Double] {
    var differences = weights
    for context in 1..<max(1, contextCount) {
      let shorter = Int(failures[context])
      for arc in arcs[context] {
        differences[Int(arc)] -= backoffs[context] * step(shorter, tokens[Int(arc)]).weight
      }
    }
    return differences
  }

  /// For each token: the context that remembers it alone, 0 where there is none.
  var contextsOfTokens: [Int] {
    var contexts = [Int](repeating: 0, count: vocabulary.count)
    for arc in arcs[0] where tokens[Int(arc)] != vocabulary.end.rawValue {
      contexts[Int(tokens[Int(arc)])] = Int(targets[Int(arc)])
    }
    contexts[vocabulary.start.index] = start
    return contexts
  }

  /// How many of the last tokens a context remembers at most.
  var depth: Int { depthHeads.count - 2 }

  /// The context behind a text.
  func context(behind text: some BidirectionalCollection<Token>) -> Int {
    let last = text.suffix(depth)
    return last.reduce(last.count < depth ? start : 0) { step($0, $1.rawValue).target }
  }
}
