// Licensed under the Apache License, Version 2.0.

/// The end of a text written anew, from a place drawn equally among all: a move of any length.
///
/// New tokens come from a ``GuidedTokens``, so what is proposed is allowed and ends of itself; the
/// probabilities of both ends, end symbol included, and the number of places on both sides are in
/// the move. It is how a power of a model, `fluency` above 1, is sampled from by the model itself.
/// Reference: Karan and Du 2025, "Reasoning with sampling", whose blocks have a fixed length.
public struct ResampleSuffix<Model: LanguageModel>: Proposal {
  /// Draws the tokens.
  public let tokens: GuidedTokens<Model>

  /// Ends written by such tokens, whose automaton is the target's.
  public init(_ tokens: GuidedTokens<Model>) { self.tokens = tokens }

  /// `suffix`.
  public var kinds: [String] { ["suffix"] }

  /// A place from 0 to the end, and what follows.
  ///
  /// - Complexity: O(vocabulary) a token, of the old end and of the new one.
  public func propose(
    from scorer: SentenceScorer<Model>, using choices: inout some ChoiceSource
  ) -> Move<TokenSequence.Edit?> {
    let count = scorer.count
    let low = choices.index(below: count + 1)
    let model = tokens.target.model
    var prefix = Prefix(model, tokens.lookAhead)
    for place in 0..<low {
      prefix.append(scorer.token(at: place), model, tokens.lookAhead.automaton)
    }
    guard let logOld = logProbability(from: prefix, of: scorer) else {
      return Move(nil, logForward: 0, logBackward: 0)
    }
    var logNew = 0.0
    var ending: [Token] = []
    while true {
      let logs = tokens.logValues(after: prefix)
      let logSum = LogSpace.sum(logs)
      guard logSum > -.infinity else { return Move(nil, logForward: 0, logBackward: 0) }
      let index = choices.index(weights: logs.map { LogSpace.exp($0 - logSum) })
      logNew += logs[index] - logSum
      if Token(index) == model.vocabulary.end { break }
      ending.append(Token(index))
      prefix.append(Token(index), model, tokens.lookAhead.automaton)
    }
    return Move(
      .rewrite(low..<count, ending),
      logForward: logNew - LogSpace.log(Double(count + 1)),
      logBackward: logOld - LogSpace.log(Double(low + ending.count + 1)))
  }

  /// Log-probability of writing what stands behind a prefix; `nil` where it would not be written.
  private func logProbability(
    from prefix: Prefix<Model>, of scorer: SentenceScorer<Model>
  ) -> Double? {
    var prefix = prefix
    let model = tokens.target.model
    var sum = 0.0
    for place in prefix.tokens.count...scorer.count {
      let token = place == scorer.count ? model.vocabulary.end : scorer.token(at: place)
      let logs = tokens.logValues(after: prefix)
      guard logs[token.index] > -.infinity else { return nil }
      sum += logs[token.index] - LogSpace.sum(logs)
      if place < scorer.count { prefix.append(token, model, tokens.lookAhead.automaton) }
    }
    return sum
  }
}
