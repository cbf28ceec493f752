// Licensed under the Apache License, Version 2.0.

extension SentenceTarget {
  /// An allowed text to begin a chain with, on a random path of the chain's own.
  ///
  /// The path is the model's as long as the automaton leaves room, and its shortest way to an
  /// allowed end from there: a search in the product of both, so that rare keywords need no luck.
  /// It is no draw from the target.
  ///
  /// - Parameters:
  ///   - slack: at most so many tokens more than the shortest allowed text has.
  ///   - isCancelled: asked before each token.
  ///   - choices: the chain's own.
  /// - Returns: `nil` where no text is allowed, where all that is allowed has probability 0 on
  ///   each of a thousand paths, or where the search was cancelled.
  /// - Complexity: O(vocabulary) a token.
  public func randomStart(
    slack: Int = 12, isCancelled: () -> Bool = { false }, using choices: inout some ChoiceSource
  ) -> TokenSequence? {
    let shortest = automaton.map { $0.distances[Int($0.start)] } ?? 0
    guard shortest != .max else { return nil }
    let vocabulary = model.vocabulary
    let tokens = (0..<vocabulary.count).map { Token($0) }.filter(vocabulary.isDrawable)
    var logs = [Double](repeating: 0, count: vocabulary.count)
    // The end, then the tokens.
    var weights = [Double](repeating: 0, count: tokens.count + 1)
    for _ in 0..<1000 {
      var room = Int(shortest) + choices.index(below: slack + 1)
      var context = model.makeContext()
      var state = automaton?.start ?? 0
      var text: [Token] = []
      path: while true {
        if isCancelled() { return nil }
        var span = logs.mutableSpan
        model.logProbabilities(in: context, into: &span)
        let leaves = automaton?.classesThatLeave(state, room) ?? [room > 0]
        let classes = automaton?.classes
        let mayEnd = automaton.map { $0.finalWeights[Int(state)] > -.infinity } ?? true
        weights[0] = mayEnd ? logs[vocabulary.end.index] : -.infinity
        for (i, token) in tokens.enumerated() {
          let isAllowed = leaves[classes.map { Int($0[token.index]) } ?? 0]
          weights[i + 1] = isAllowed ? logs[token.index] : -.infinity
        }
        let most = weights.reduce(-.infinity, max)
        guard most > -.infinity else { break path }
        for i in weights.indices {
          weights[i] = weights[i] > -.infinity ? LogSpace.exp(weights[i] - most) : 0
        }
        let place = choices.index(weights: weights)
        if place == 0 { return TokenSequence(text) }
        let chosen = tokens[place - 1]
        text.append(chosen)
        room -= 1
        model.advance(&context, by: chosen)
        if let automaton { state = automaton.next(state, chosen) }
      }
    }
    return nil
  }
}

extension TokenAutomaton {
  /// For each class, whether a token of it leaves a way to an allowed end with fewer than `room`
  /// further tokens.
  fileprivate func classesThatLeave(_ state: State, _ room: Int) -> [Bool] {
    (0..<classCount).map { c in
      let next = transitions[Int(state) * classCount + c]
      return next != Self.dead && Int(distances[Int(next)]) < room
    }
  }
}
