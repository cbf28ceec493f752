// Licensed under the Apache License, Version 2.0.

extension TextTarget {
  /// An allowed text for a chain to start from, drawn along a random path.
  ///
  /// The path follows the model as long as the constraint leaves room, then the shortest way to an
  /// allowed end. It is a search in the product of both, so that rare keywords need no luck. The
  /// text is not a draw from the target.
  ///
  /// - Parameters:
  ///   - slack: the most tokens that the text may have beyond the shortest allowed text.
  ///   - isCancelled: called before each token.
  ///   - choices: the chain's own source of random choices.
  /// - Returns: `nil` if no text is allowed, if everything allowed has probability 0 on each of a
  ///   thousand paths, or if the search was cancelled.
  /// - Throws: the model's error.
  /// - Complexity: a batch of one run a token, and O(vocabulary).
  public func randomStart(
    slack: Int = 12, isCancelled: () -> Bool = { false }, using choices: inout some ChoiceSource
  ) throws -> TokenSequence? {
    guard let shortest = constraint.map({ $0.shortestCompletion($0.start) }) ?? 0 else {
      return nil
    }
    let vocabulary = model.vocabulary
    var results = ScoredRuns<Model.Context>()
    // The drawable tokens with their weights, then the end.
    var tokens: [Token] = []
    var weights: [Double] = []
    for _ in 0..<1000 {
      var room = shortest + choices.index(below: slack + 1)
      var run = try TokenRun(model.makeContext(), [], rows: .last)
      var state = constraint?.start
      var text: [Token] = []
      path: while true {
        if isCancelled() { return nil }
        guard text.count <= model.longestText else { break path }
        try model.score([run], into: &results)
        let logs = Array(results.row(0, ofRun: 0))
        tokens.removeAll(keepingCapacity: true)
        if let constraint, let state {
          tokens.append(contentsOf: constraint.mask(state, within: room - 1).tokens)
        } else if room > 0 {
          for i in 0..<vocabulary.count { tokens.append(Token(i)) }
        }
        tokens.removeAll { !vocabulary.isDrawable($0) }
        let mayEnd = state.map { constraint?.endWeight($0) ?? 0 > -.infinity } ?? true
        weights = tokens.map { logs[$0.index] }
        weights.append(mayEnd ? logs[vocabulary.end.index] : -.infinity)
        let most = weights.reduce(-.infinity, max)
        guard most > -.infinity else { break path }
        for i in weights.indices {
          weights[i] = weights[i] > -.infinity ? LogSpace.exp(weights[i] - most) : 0
        }
        let place = choices.index(weights: weights)
        if place == tokens.count {
          guard let own = spelled(text) else { break path }
          return TokenSequence(own)
        }
        let chosen = tokens[place]
        text.append(chosen)
        room -= 1
        if !run.tokens.isEmpty { run.context = results.context(ofRun: 0, behind: 1) }
        run.tokens = [chosen]
        state = state.flatMap { constraint?.next($0, chosen) }
      }
    }
    return nil
  }

  /// A text in the tokens that have weight; `nil` if it is not allowed in them.
  private func spelled(_ text: [Token]) -> [Token]? {
    guard let spelling, !spelling.allows(text) else { return text }
    guard let own = spelling.spelling(of: text), own.count <= model.longestText,
      constraint?.logWeight(of: own) ?? 0 > -.infinity
    else { return nil }
    return own
  }
}
