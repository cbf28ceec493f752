// Licensed under the Apache License, Version 2.0.

/// The mass expected behind a text's last token and the automaton's state, under the model's bigrams.
///
/// An ``AutomatonLookAhead`` forgets which token a text stands at, so a keyword that hardly ever
/// follows that token promises as much as one that often does. Here the sums are exact for a bigram
/// model, and estimates for a longer one. As with every look-ahead, samplers are exact whatever it
/// says.
///
/// Source: Whiteley and Lee 2014, "Twisted particle filters"; the twisting functions are those of a
/// coarser model.
public struct BigramLookAhead: Sendable {
  /// Which texts can be completed, and what is expected without context.
  public let lookAhead: AutomatonLookAhead
  /// The model's contexts, to the power of the target's fluency.
  public let tables: Tables
  /// State by state, for each token: the mass expected behind it, in units of what is expected
  /// without context; positive.
  let expectations: [Double]
  /// State by state: sums of the weights without context, over ``blockSize`` tokens each.
  let blockSums: [Double]
  /// For each state: the largest number of tokens that one of its successors still needs.
  let needs: [Int]

  /// What a model's contexts add to those that they back off to: made once for all targets of one
  /// fluency.
  public struct Tables: Sendable {
    /// The contexts and their arcs.
    public let model: BackoffAutomaton
    /// For each arc: its weight minus that of backing off with its token.
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
  /// The smallest expectation, so that every allowed token can be drawn.
  private static let least = 1e-100
  /// Sums over cycles need not converge, so their number is bounded.
  private static let sweeps = 200
  /// Estimates need no more digits.
  private static let tolerance = 1e-3

  /// Bytes that the estimates for an automaton take.
  ///
  /// - Parameters:
  ///   - automaton: which texts are allowed.
  ///   - vocabulary: the model's tokens.
  /// - Returns: bytes, without the model's own tables.
  public static func bytes(_ automaton: TokenAutomaton, _ vocabulary: Vocabulary) -> Int {
    automaton.stateCount * (vocabulary.count + vocabulary.count / blockSize + 1)
      * MemoryLayout<Double>.stride
  }

  /// Sums over all that may follow.
  ///
  /// - Parameters:
  ///   - lookAhead: which texts are allowed, and what is expected without context.
  ///   - tables: the model's contexts, to the power of the fluency.
  ///   - proceed: called before each state; after `false`, the remaining states keep the estimates
  ///     without context.
  /// - Complexity: O(bigrams x states) where the automaton's texts have a bounded length; else the
  ///   same for each sweep over its cycles.
  public init(
    _ lookAhead: AutomatonLookAhead, _ tables: Tables, proceed: () -> Bool = { true }
  ) {
    self.lookAhead = lookAhead
    self.tables = tables
    let model = tables.model
    let automaton = lookAhead.constraint
    let size = model.vocabulary.count
    needs = (0..<TokenAutomaton.State(automaton.stateCount)).map { state in
      automaton.successors(of: state).compactMap(automaton.shortestCompletion).max() ?? 0
    }
    var values = [Double](repeating: 1, count: automaton.stateCount * size)
    let order = automaton.statesChildrenFirst
    var places = [Int](repeating: 0, count: automaton.stateCount)
    for (place, state) in order.enumerated() { places[Int(state)] = place }
    var isCyclic = false
    sweeping: for _ in 0..<Self.sweeps {
      var change = 0.0
      for state in order {
        let successors = automaton.successors(of: state)
        let isLooping = successors.contains(state)
        isCyclic =
          isCyclic
          || successors.contains { places[Int($0)] > places[Int(state)] }
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

  /// The same, with each state's masses multiplied by the observed ratio to what was expected.
  ///
  /// - Parameter observations: the masses that drawn texts showed behind their states.
  /// - Returns: a look-ahead for the same texts.
  public func refined(
    by observations: some Sequence<MassObservation<TokenAutomaton.State>>
  ) -> BigramLookAhead {
    // This many observations of a ratio of 1 stand against a single one that is far off.
    let prior = 10.0
    let count = lookAhead.constraint.stateCount
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
    lookAhead.logExpectation(state)
      + LogSpace.log(expectations[Int(state) * model.vocabulary.count + last.index])
  }

  /// What the tokens of one class gain in a state, without the expectation behind them.
  struct Gain {
    /// In units of what is expected without context before the token.
    var factor: Double
    /// The same in nats and without these units; minus infinity where the text could not be completed.
    var logFactor: Double
    /// Where in ``expectations`` the state behind them begins.
    var row: Int
  }

  /// The gains of all classes in a state.
  func gains(_ state: TokenAutomaton.State, count: Int) -> [Gain] {
    let unit = lookAhead.logExpectation(state)
    return lookAhead.gains(state, count: count).enumerated().map { c, gain in
      gain == -.infinity
        ? Gain(factor: 0, logFactor: gain, row: 0)
        : Gain(
          factor: LogSpace.exp(gain - unit), logFactor: gain,
          row: Int(lookAhead.constraint.following(state, class: c))
            * model.vocabulary.count)
    }
  }

  /// Turns each log-probability into fluency x log-probability + gain, with what is expected behind
  /// the token.
  func addGains(
    to logs: inout MutableSpan<Double>, fluency: Double, _ state: TokenAutomaton.State, count: Int
  ) {
    let gains = gains(state, count: count)
    for i in logs.indices {
      let gain = gains[lookAhead.constraint.tokenClass(of: Token(i))]
      logs[i] =
        gain.logFactor == -.infinity
        ? -.infinity
        : fluency * logs[i] + (gain.logFactor + LogSpace.log(expectations[gain.row + i]))
    }
  }

  /// What an end weighs in a state, in the same units.
  func endGain(_ state: TokenAutomaton.State) -> Double {
    LogSpace.exp(
      lookAhead.constraint.endWeight(state) - lookAhead.logExpectation(state))
  }

  private static func bounded(_ value: Double) -> Double {
    // A value that is no number tells nothing.
    value.isNaN ? 1 : min(max(value, least), 1 / least)
  }

  /// Each token's weight in a state whatever comes before it, in units of what is expected.
  private static func weights(
    _ values: [Double], _ state: TokenAutomaton.State, _ lookAhead: AutomatonLookAhead,
    _ vocabulary: Vocabulary
  ) -> [Double] {
    let automaton = lookAhead.constraint
    let unit = lookAhead.logExpectation(state)
    let gains = (0..<automaton.classCount).map { c -> (factor: Double, row: Int) in
      let next = automaton.following(state, class: c)
      guard next != TokenAutomaton.dead else { return (0, 0) }
      return (
        LogSpace.exp(
          automaton.weight(state, class: c) + lookAhead.logExpectation(next) - unit),
        Int(next) * vocabulary.count
      )
    }
    var weights = (0..<vocabulary.count).map { i -> Double in
      let gain = gains[automaton.tokenClass(of: Token(i))]
      return gain.factor == 0 ? 0 : gain.factor * values[gain.row + i]
    }
    weights[vocabulary.end.index] = LogSpace.exp(automaton.endWeight(state) - unit)
    return weights
  }

  /// Sums anew over the tokens behind each token in a state; returns the total before and after.
  private static func update(
    _ values: inout [Double], _ state: TokenAutomaton.State, _ lookAhead: AutomatonLookAhead,
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
    _ values: [Double], _ lookAhead: AutomatonLookAhead, _ model: BackoffAutomaton
  ) -> [Double] {
    let blocks = model.arcs[0].count / blockSize + 1
    var sums = [Double](repeating: 0, count: lookAhead.constraint.stateCount * blocks)
    let arcs = model.arcs[0]
    for state in 0..<lookAhead.constraint.stateCount {
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
  /// For each arc: its weight minus that of backing off with its token; whole for context 0's arcs.
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

  /// For each token: the context that remembers only it, 0 where there is none.
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
