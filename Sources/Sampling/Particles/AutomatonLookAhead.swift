// Licensed under the Apache License, Version 2.0.

/// A look-ahead with one estimate for each state of an automaton.
public struct AutomatonLookAhead: LookAhead {
  /// The automaton of the constraints.
  public let constraint: TokenAutomaton
  /// For each state: the log of the mass expected behind it.
  @usableFromInline let logExpectations: [Double]
  /// The same without the text that ends at once.
  @usableFromInline let logRests: [Double]
  /// The most tokens that a text may have.
  public let mostTokens: Int
  /// For each state: the largest gain of a class where the length does not bind.
  @usableFromInline let mostGains: [Double]
  /// The length does not bind behind fewer tokens than this.
  @usableFromInline let freeCount: Int

  /// Without estimates: it knows only which texts can be completed.
  ///
  /// - Parameters:
  ///   - automaton: which texts are allowed.
  ///   - mostTokens: longer texts are not allowed.
  public init(_ automaton: TokenAutomaton, mostTokens: Int) {
    self.init(
      automaton, mostTokens: mostTokens,
      logExpectations: [Double](repeating: 0, count: automaton.stateCount))
  }

  /// Estimates that hold exactly where tokens come without context.
  ///
  /// - Parameters:
  ///   - automaton: which texts are allowed, and what soft weights add.
  ///   - mostTokens: longer texts are not allowed.
  ///   - weights: the probability of each token without context, the end symbol's included.
  ///   - vocabulary: the tokens.
  ///   - fluency: the exponent of the model's probability.
  /// - Complexity: O(states x classes) per sweep; one sweep where texts have a bounded length.
  public init(
    _ automaton: TokenAutomaton, mostTokens: Int, weights: [Double], vocabulary: Vocabulary,
    fluency: Double = 1
  ) {
    precondition(weights.count == vocabulary.count, "one weight a token")
    var sums = [Double](repeating: 0, count: automaton.classCount)
    for i in weights.indices where vocabulary.isDrawable(Token(i)) && weights[i] > 0 {
      sums[automaton.tokenClass(of: Token(i))] +=
        LogSpace.exp(fluency * LogSpace.log(weights[i]))
    }
    let logSums = sums.map(LogSpace.log)
    let logEnd = fluency * LogSpace.log(weights[vocabulary.end.index])
    // Where an end is never seen without context, take a typical token's probability.
    let end = logEnd > -.infinity ? logEnd : -LogSpace.log(Double(vocabulary.count))
    let states = 0..<TokenAutomaton.State(automaton.stateCount)
    var values = states.map { automaton.endWeight($0) + end }
    var rests = [Double](repeating: -.infinity, count: values.count)
    let order = automaton.statesChildrenFirst
    var terms: [Double] = []
    for _ in 0..<Self.sweeps {
      var change = 0.0
      for state in order {
        terms.removeAll(keepingCapacity: true)
        for c in 0..<automaton.classCount {
          let next = automaton.following(state, class: c)
          guard next != TokenAutomaton.dead else { continue }
          terms.append(automaton.weight(state, class: c) + logSums[c] + values[Int(next)])
        }
        rests[Int(state)] = LogSpace.sum(terms)
        let value = LogSpace.sum(rests[Int(state)], automaton.endWeight(state) + end)
        if value != values[Int(state)] { change = max(change, abs(value - values[Int(state)])) }
        values[Int(state)] = value
      }
      // Estimates need no more digits.
      if change < 1e-3 { break }
    }
    // Where only tokens that never come without context lead on, liveness alone is known.
    self.init(
      automaton, mostTokens: mostTokens, logExpectations: values.map { $0.isFinite ? $0 : 0 },
      logRests: rests.map { $0.isFinite ? $0 : 0 })
  }

  /// Sums over cycles need not converge, so their number is bounded.
  private static let sweeps = 200

  /// The same, with the observed means for all states that were observed.
  ///
  /// - Parameter observations: the masses that drawn texts showed behind their states.
  /// - Returns: a look-ahead for the same texts.
  public func refined(
    by observations: some Sequence<MassObservation<TokenAutomaton.State>>
  ) -> AutomatonLookAhead {
    var sums = [Double](repeating: -.infinity, count: constraint.stateCount)
    var counts = [Int](repeating: 0, count: constraint.stateCount)
    for one in observations {
      sums[Int(one.state)] = LogSpace.sum(sums[Int(one.state)], one.logMass)
      counts[Int(one.state)] += 1
    }
    let refined = sums.indices.map { state in
      sums[state].isFinite
        ? sums[state] - LogSpace.log(Double(counts[state])) : logExpectations[state]
    }
    let rests = zip(logRests, zip(refined, logExpectations)).map { $0 + $1.0 - $1.1 }
    return AutomatonLookAhead(
      constraint, mostTokens: mostTokens, logExpectations: refined, logRests: rests)
  }

  /// With given estimates, one per state, finite.
  public init(_ automaton: TokenAutomaton, mostTokens: Int, logExpectations: [Double]) {
    self.init(
      automaton, mostTokens: mostTokens, logExpectations: logExpectations,
      logRests: logExpectations)
  }

  private init(
    _ automaton: TokenAutomaton, mostTokens: Int, logExpectations: [Double], logRests: [Double]
  ) {
    precondition(logExpectations.count == automaton.stateCount, "one estimate per state")
    precondition(logExpectations.allSatisfy(\.isFinite), "estimates are finite")
    precondition(mostTokens >= 0, "a text has no negative length")
    constraint = automaton
    self.mostTokens = mostTokens
    self.logExpectations = logExpectations
    self.logRests = logRests
    freeCount = mostTokens - automaton.farthest
    mostGains = (0..<TokenAutomaton.State(automaton.stateCount)).map { state in
      var most = -Double.infinity
      for c in 0..<automaton.classCount {
        let next = automaton.following(state, class: c)
        guard next != TokenAutomaton.dead else { continue }
        most = max(most, automaton.weight(state, class: c) + logExpectations[Int(next)])
      }
      return most
    }
  }

  /// The estimate of the state.
  @inlinable
  public func logExpectation(_ state: TokenAutomaton.State) -> Double {
    logExpectations[Int(state)]
  }

  /// The estimate of the state without an end there.
  @inlinable
  public func logRest(_ state: TokenAutomaton.State) -> Double { logRests[Int(state)] }

  /// The gain of each class in a state.
  ///
  /// - Parameters:
  ///   - state: the state before the token.
  ///   - count: how many tokens come before it.
  /// - Returns: nats by class; minus infinity where the text could not be completed.
  @inlinable
  package func gains(_ state: TokenAutomaton.State, count: Int) -> [Double] {
    (0..<constraint.classCount).map { gain(state, class: $0, count: count) }
  }

  /// The gain of a token of one class.
  @inlinable
  package func gain(_ state: TokenAutomaton.State, class c: Int, count: Int) -> Double {
    let next = constraint.following(state, class: c)
    guard next != TokenAutomaton.dead, constraint.isNear(next, room: mostTokens - count - 1)
    else { return -.infinity }
    return constraint.weight(state, class: c) + logExpectations[Int(next)]
  }

  /// The gain of the token's class.
  @inlinable
  public func gain(_ state: TokenAutomaton.State, _ token: Token, count: Int) -> Double {
    gain(state, class: constraint.tokenClass(of: token), count: count)
  }

  /// The largest gain of all classes.
  @inlinable
  public func mostGain(_ state: TokenAutomaton.State, count: Int) -> Double {
    if count < freeCount { return mostGains[Int(state)] }
    var most = -Double.infinity
    for c in 0..<constraint.classCount {
      most = max(most, gain(state, class: c, count: count))
    }
    return most
  }

  /// Adds the gains, which are computed once per class.
  @inlinable
  public func addGains(
    to logs: inout MutableSpan<Double>, fluency: Double, _ state: TokenAutomaton.State, count: Int
  ) {
    let gains = gains(state, count: count)
    for i in logs.indices {
      let gain = gains[constraint.tokenClass(of: Token(i))]
      logs[i] = gain == -.infinity ? gain : fluency * logs[i] + gain
    }
  }
}
