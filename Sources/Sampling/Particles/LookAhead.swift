// Licensed under the Apache License, Version 2.0.

/// What is still to be expected of a text from the state of the constraints' automaton: estimates
/// that steer particles, and the exact knowledge of which texts can still be completed.
///
/// Any finite estimates leave samplers exact; good ones keep their weights even. A text's target so
/// far, times what is expected, is what a particle stands for before its text is complete
/// (Lew, Zhi-Xuan, Grand and Mansinghka 2023, "Sequential Monte Carlo steering"; twisting as in
/// Whiteley and Lee 2014).
public struct LookAhead: Sendable {
  /// The constraints' automaton.
  public let automaton: TokenAutomaton
  /// For each state: the log of the mass expected of all that may follow.
  public let logExpectations: [Double]
  /// The same of what may follow but the end.
  @usableFromInline let logRests: [Double]
  /// The most tokens that a text may have.
  public let mostTokens: Int
  /// For each state: the most that any class adds where the length does not bind.
  @usableFromInline let mostGains: [Double]
  /// Behind fewer tokens than this, the length does not bind.
  @usableFromInline let freeCount: Int

  /// Which texts can be completed, and nothing more.
  ///
  /// - Parameters:
  ///   - automaton: which texts.
  ///   - mostTokens: longer texts are not allowed.
  public init(_ automaton: TokenAutomaton, mostTokens: Int) {
    self.init(
      automaton, mostTokens: mostTokens,
      logExpectations: [Double](repeating: 0, count: automaton.stateCount))
  }

  /// What would follow if tokens came without context.
  ///
  /// - Parameters:
  ///   - automaton: which texts, and what soft constraints add.
  ///   - mostTokens: longer texts are not allowed.
  ///   - weights: the probability of each token without context, the end symbol's among them.
  ///   - vocabulary: the tokens.
  ///   - fluency: the exponent of the model's probability.
  /// - Complexity: O(states x classes) for each sweep; one where texts have bounded length.
  public init(
    _ automaton: TokenAutomaton, mostTokens: Int, weights: [Double], vocabulary: Vocabulary,
    fluency: Double = 1
  ) {
    precondition(weights.count == vocabulary.count, "one weight a token")
    var sums = [Double](repeating: 0, count: automaton.classCount)
    for i in weights.indices where vocabulary.isDrawable(Token(i)) && weights[i] > 0 {
      sums[Int(automaton.classes[i])] += LogSpace.exp(fluency * LogSpace.log(weights[i]))
    }
    let logSums = sums.map(LogSpace.log)
    let logEnd = fluency * LogSpace.log(weights[vocabulary.end.index])
    // The tokens' order of magnitude stands in where an end is never seen without context.
    let end = logEnd > -.infinity ? logEnd : -LogSpace.log(Double(vocabulary.count))
    var values = automaton.finalWeights.map { $0 + end }
    var rests = [Double](repeating: -.infinity, count: values.count)
    let order = automaton.statesChildrenFirst
    var terms: [Double] = []
    for _ in 0..<Self.sweeps {
      var change = 0.0
      for state in order {
        terms.removeAll(keepingCapacity: true)
        let row = Int(state) * automaton.classCount
        for c in 0..<automaton.classCount
        where automaton.transitions[row + c] != TokenAutomaton.dead {
          let soft = automaton.weights.isEmpty ? 0 : automaton.weights[row + c]
          terms.append(soft + logSums[c] + values[Int(automaton.transitions[row + c])])
        }
        rests[Int(state)] = LogSpace.sum(terms)
        let value = LogSpace.sum(rests[Int(state)], automaton.finalWeights[Int(state)] + end)
        if value != values[Int(state)] { change = max(change, abs(value - values[Int(state)])) }
        values[Int(state)] = value
      }
      // Estimates need no more digits.
      if change < 1e-3 { break }
    }
    // Where words that no text without context holds are needed, liveness alone is known.
    self.init(
      automaton, mostTokens: mostTokens, logExpectations: values.map { $0.isFinite ? $0 : 0 },
      logRests: rests.map { $0.isFinite ? $0 : 0 })
  }

  /// Sums over cycles need not converge; an estimate is as good as its last sweep.
  private static let sweeps = 200

  /// The same with the means of what was seen to follow, for the states of which something was seen.
  ///
  /// - Parameter observations: what texts showed of the mass behind their states.
  /// - Returns: a look-ahead of the same texts.
  public func refined(by observations: some Sequence<MassObservation>) -> LookAhead {
    var sums = [Double](repeating: -.infinity, count: automaton.stateCount)
    var counts = [Int](repeating: 0, count: automaton.stateCount)
    for one in observations {
      sums[Int(one.state)] = LogSpace.sum(sums[Int(one.state)], one.logMass)
      counts[Int(one.state)] += 1
    }
    let refined = sums.indices.map { state in
      sums[state].isFinite
        ? sums[state] - LogSpace.log(Double(counts[state])) : logExpectations[state]
    }
    let rests = zip(logRests, zip(refined, logExpectations)).map { $0 + $1.0 - $1.1 }
    return LookAhead(
      automaton, mostTokens: mostTokens, logExpectations: refined, logRests: rests)
  }

  /// Given estimates, one a state, finite.
  public init(_ automaton: TokenAutomaton, mostTokens: Int, logExpectations: [Double]) {
    self.init(
      automaton, mostTokens: mostTokens, logExpectations: logExpectations,
      logRests: logExpectations)
  }

  private init(
    _ automaton: TokenAutomaton, mostTokens: Int, logExpectations: [Double], logRests: [Double]
  ) {
    precondition(logExpectations.count == automaton.stateCount, "one estimate a state")
    precondition(logExpectations.allSatisfy(\.isFinite), "estimates are finite")
    precondition(mostTokens >= 0, "a text has no negative length")
    self.automaton = automaton
    self.mostTokens = mostTokens
    self.logExpectations = logExpectations
    self.logRests = logRests
    let farthest = automaton.distances.filter { $0 != .max }.max() ?? 0
    freeCount = mostTokens - Int(farthest)
    var gains = [Double](repeating: -.infinity, count: automaton.stateCount)
    for i in automaton.transitions.indices where automaton.transitions[i] != TokenAutomaton.dead {
      let next = Int(automaton.transitions[i])
      guard automaton.distances[next] != .max else { continue }
      let soft = automaton.weights.isEmpty ? 0 : automaton.weights[i]
      let state = i / automaton.classCount
      gains[state] = max(gains[state], soft + logExpectations[next])
    }
    mostGains = gains
  }

  /// Whether some allowed text has at most the most tokens.
  public var isSatisfiable: Bool {
    automaton.isSatisfiable && Int(automaton.distances[Int(automaton.start)]) <= mostTokens
  }

  /// What a token of each class adds in a state: the soft constraints' nats and what is expected
  /// behind it; minus infinity where the text could not be completed.
  ///
  /// - Parameters:
  ///   - state: the state before the token.
  ///   - count: how many tokens there are before it.
  /// - Returns: nats, by class.
  @inlinable
  package func gains(_ state: TokenAutomaton.State, count: Int) -> [Double] {
    (0..<UInt32(automaton.classCount)).map { gain(state, $0, count: count) }
  }

  /// What a token of one class adds.
  @inlinable
  package func gain(_ state: TokenAutomaton.State, _ c: UInt32, count: Int) -> Double {
    let place = Int(state) * automaton.classCount + Int(c)
    let next = automaton.transitions[place]
    guard next != TokenAutomaton.dead,
      Int(automaton.distances[Int(next)]) <= mostTokens - count - 1
    else { return -.infinity }
    return (automaton.weights.isEmpty ? 0 : automaton.weights[place]) + logExpectations[Int(next)]
  }

  /// The most that a token of any class adds.
  @inlinable
  package func mostGain(_ state: TokenAutomaton.State, count: Int) -> Double {
    if count < freeCount { return mostGains[Int(state)] }
    var most = -Double.infinity
    for c in 0..<UInt32(automaton.classCount) { most = max(most, gain(state, c, count: count)) }
    return most
  }

  /// Whether a text can still be completed after a token.
  func isLive(_ state: TokenAutomaton.State, count: Int) -> Bool {
    state != TokenAutomaton.dead
      && Int(automaton.distances[Int(state)]) <= mostTokens - count
  }
}
