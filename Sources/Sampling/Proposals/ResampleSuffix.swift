// Licensed under the Apache License, Version 2.0.

/// The end of a text written anew, from a place drawn equally among all: a move of any length.
///
/// New tokens come from a ``ProportionalTokens``, so what is proposed is allowed and ends of itself;
/// the probabilities of both ends, end symbol included, and the number of places on both sides are in
/// the move. It is how a power of a model, `fluency` above 1, is sampled from by the model itself.
/// Texts of more tokens than the look-ahead knows of stay as they are.
/// Reference: Karan and Du 2025, "Reasoning with sampling", whose blocks have a fixed length.
public struct ResampleSuffix<Tokens: ProportionalTokens, Scorer: TextScorer>: Proposal {
  /// Draws the tokens.
  public let tokens: Tokens

  /// Ends written by such tokens, whose automaton is the target's.
  public init(_ tokens: Tokens) { self.tokens = tokens }

  /// `suffix`.
  public var kinds: [String] { ["suffix"] }

  /// A place from 0 to the end, and what follows.
  ///
  /// - Complexity: a draw and a look at its probability a token of the new end, a look a token of the
  ///   old one.
  public func propose(
    from scorer: Scorer,
    using choices: inout some ChoiceSource
  ) -> Move<TokenSequence.Edit?> {
    let staying = Move<TokenSequence.Edit?>(nil, logForward: 0, logBackward: 0)
    let count = scorer.count
    guard count <= tokens.lookAhead.mostTokens else { return staying }
    let low = choices.index(below: count + 1)
    let model = tokens.target.model
    let automaton = tokens.lookAhead.automaton
    var prefix = Prefix(model, tokens.lookAhead)
    for place in 0..<low { prefix.append(scorer.token(at: place), model, automaton) }
    var old = prefix
    var logOld = 0.0
    for place in low...count {
      let token = place == count ? model.vocabulary.end : scorer.token(at: place)
      logOld += tokens.logProbability(of: token, after: old)
      // An end that would not be written cannot be written back.
      guard logOld > -.infinity else { return staying }
      if place < count { old.append(token, model, automaton) }
    }
    var logNew = 0.0
    while true {
      guard let drawn = tokens.draw(after: prefix, using: &choices) else { return staying }
      logNew += tokens.logProbability(of: drawn.token, after: prefix)
      if drawn.token == model.vocabulary.end { break }
      prefix.append(drawn.token, model, automaton)
    }
    return Move(
      .rewrite(low..<count, Array(prefix.tokens[low...])),
      logForward: logNew - LogSpace.log(Double(count + 1)),
      logBackward: logOld - LogSpace.log(Double(prefix.tokens.count + 1)))
  }
}
