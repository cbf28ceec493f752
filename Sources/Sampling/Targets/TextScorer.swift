// Licensed under the Apache License, Version 2.0.

/// One chain's working copy of a text: what proposals and kernels can ask of it.
///
/// A scorer keeps the model's view of each place of the current text. A question about the token at
/// a place costs nothing, and a look costs what the edit changes. ``IncrementalScorer`` serves
/// models with a finite context, ``PrefixScorer`` all others.
///
/// Laws (checked by `SamplingLaws`): looks agree with ``RescoringScorer``, also after commits; the
/// row before a place holds the log-probability of the token at that place.
public protocol TextScorer<Constraint>: Scorer where State == TokenSequence {
  /// The kind of constraint on texts.
  associatedtype Constraint: TokenConstraint
  /// A beginning of the current text, which may be continued with other tokens.
  associatedtype Branch

  /// The model's vocabulary.
  var vocabulary: Vocabulary { get }

  /// The constraint on texts; `nil` allows all.
  var constraint: Constraint? { get }

  /// The number of tokens in the current text.
  var count: Int { get }

  /// The token at a place in 0 ..< count.
  func token(at place: Int) -> Token

  /// The constraint's state before a place in 0 ... count; `nil` without a constraint.
  func constraintState(before place: Int) -> Constraint.State?

  /// Whether the target's ``SpellingRule`` allows the text behind an edit; `true` without a rule.
  func isSpelled(behind edit: TokenSequence.Edit) -> Bool

  /// The model's natural log-probability of the token at a place in 0 ... count.
  ///
  /// At place count it is that of the end symbol.
  func logProbability(at place: Int) -> Double

  /// The model's natural log-probability of the current text, including its end.
  var logModel: Double { get }

  /// The nats that the constraint adds to the current text; minus infinity if it is not allowed.
  var logConstraint: Double { get }

  /// The model's natural log-probabilities of all tokens before a place in 0 ... count.
  ///
  /// Scorers of networks keep these rows for the current text.
  func nextTokenLogProbabilities(before place: Int) -> [Double]

  /// The text before a place in 0 ... count, which can be continued with other tokens.
  func branch(before place: Int) -> Branch

  /// Continues a branch with a token.
  func append(_ token: Token, to branch: inout Branch)

  /// The model's natural log-probabilities of all tokens after a branch.
  func nextTokenLogProbabilities(after branch: Branch) -> [Double]

  /// The model's weight of each candidate token after a branch, if the current text follows it.
  ///
  /// - Parameters:
  ///   - tokens: the candidates.
  ///   - branch: the text before them.
  ///   - place: where the current text goes on, in 0 ... count.
  /// - Returns: for each candidate, the natural log-probability of the token and of everything
  ///   after it, including the end, up to a constant that all share.
  func logWeights(of tokens: [Token], after branch: Branch, before place: Int) -> [Double]
}

extension TextScorer {
  /// Returns `true`: the target has no rule.
  @inlinable
  public func isSpelled(behind edit: TokenSequence.Edit) -> Bool { true }

  /// The tokens that can stand at a place while the rest of the text stays allowed.
  ///
  /// Tokens that lead to the same state are tried once.
  ///
  /// - Complexity: O(vocabulary), and a walk towards the end of the text for each state that a
  ///   token leads to. The walk stops where it meets the current text's states.
  public func allowedTokens(at place: Int) -> [Token] {
    guard let constraint, let before = constraintState(before: place) else {
      return (0..<vocabulary.count).map { Token($0) }.filter(vocabulary.isDrawable)
    }
    var known: [Constraint.State: Bool] = [:]
    return constraint.mask(before).tokens.filter { token in
      guard vocabulary.isDrawable(token), let state = constraint.next(before, token) else {
        return false
      }
      if let answer = known[state] { return answer }
      let answer = allows(state, before: place + 1)
      known[state] = answer
      return answer
    }
  }

  /// Whether the text from a place on leads from a state of the constraint to an allowed end.
  @inlinable
  public func allows(_ state: Constraint.State, before place: Int) -> Bool {
    guard let constraint else { return true }
    var state = state
    for i in place..<count {
      // From here on the states are those of the current text, which is allowed.
      if state == constraintState(before: i) { return true }
      guard let next = constraint.next(state, token(at: i)) else { return false }
      state = next
    }
    return constraint.endWeight(state) > -.infinity
  }
}

/// A target of texts that consists of a language model and a constraint.
///
/// `log rho(x) = fluency x log p(x) + nats of the constraint`.
public protocol TextTarget: Target where State == TokenSequence, Scorer: TextScorer {
  /// The kind of language model.
  associatedtype Model: LanguageModel
  /// The kind of constraint.
  associatedtype Constraint where Scorer.Constraint == Constraint

  /// The language model p.
  var model: Model { get }
  /// The constraint on texts; `nil` allows all.
  var constraint: Constraint? { get }
  /// The exponent of the model's probability, positive and finite.
  var fluency: Double { get }
  /// Which token sequences have weight; `nil` for all.
  var spelling: (any SpellingRule)? { get }

  /// The target raised to a power.
  ///
  /// Fluency and soft weights are multiplied by the inverse temperature; hard constraints stay.
  ///
  /// - Parameter inverseTemperature: the power, positive and finite.
  /// - Returns: the target whose log is the power times this one's.
  func tempered(_ inverseTemperature: Double) -> Self
}

extension TextTarget {
  /// Returns `nil`: all token sequences have weight.
  @inlinable
  public var spelling: (any SpellingRule)? { nil }

  /// Whether a whole text is spelled as the target asks.
  @inlinable
  func isSpelled(_ tokens: [Token]) -> Bool { spelling?.allows(tokens) ?? true }

  /// Whether a text that has grown by one token may still become one that is spelled so.
  @inlinable
  func mayBeSpelled(_ tokens: [Token]) -> Bool {
    spelling?.mayBegin(tokens, from: tokens.count - 1) ?? true
  }
}
