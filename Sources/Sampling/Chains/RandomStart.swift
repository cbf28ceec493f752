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
  ///   - choices: the chain's own.
  /// - Returns: `nil` where no text is allowed, or where all that is allowed has probability 0 on
  ///   each of a thousand paths.
  /// - Complexity: O(vocabulary) a token.
  public func randomStart(
    slack: Int = 12, using choices: inout some ChoiceSource
  ) -> TokenSequence? {
    let shortest = automaton.map { $0.distances[Int($0.start)] } ?? 0
    guard shortest != .max else { return nil }
    let vocabulary = model.vocabulary
    let tokens = (0..<vocabulary.count).map { Token($0) }.filter(vocabulary.isDrawable)
    var logs = [Double](repeating: 0, count: vocabulary.count)
    for _ in 0..<1000 {
      var room = Int(shortest) + choices.index(below: slack + 1)
      var context = model.makeContext()
      var state = automaton?.start ?? 0
      var text: [Token] = []
      path: while true {
        var span = logs.mutableSpan
        model.logProbabilities(in: context, into: &span)
        let mayEnd = automaton.map { $0.finalWeights[Int(state)] > -.infinity } ?? true
        var allowed = logs[vocabulary.end.index] > -.infinity && mayEnd ? [vocabulary.end] : []
        if room > 0 {
          for token in tokens where logs[token.index] > -.infinity {
            guard let automaton else {
              allowed.append(token)
              continue
            }
            let next = automaton.next(state, token)
            if next != TokenAutomaton.dead, Int(automaton.distances[Int(next)]) < room {
              allowed.append(token)
            }
          }
        }
        let most = allowed.map { logs[$0.index] }.max() ?? -.infinity
        guard most > -.infinity else { break path }
        let chosen = allowed[
          choices.index(weights: allowed.map { LogSpace.exp(logs[$0.index] - most) })]
        if chosen == vocabulary.end { return TokenSequence(text) }
        text.append(chosen)
        room -= 1
        model.advance(&context, by: chosen)
        if let automaton { state = automaton.next(state, chosen) }
      }
    }
    return nil
  }
}
