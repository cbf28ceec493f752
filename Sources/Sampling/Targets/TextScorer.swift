// Licensed under the Apache License, Version 2.0.

/// One chain's working copy of a text: what proposals and kernels may ask of it.
///
/// A scorer keeps the model's view of each place of the current text, so that a question about what
/// stands there costs nothing and a look costs what the edit changes. ``IncrementalScorer`` serves
/// models with a finite context, ``PrefixScorer`` all others.
///
/// Laws (checked by `SamplingLaws`): looks agree with ``RescoringScorer``, also after commits;
/// the row before a place holds the log-probability of the token that stands there.
public protocol TextScorer<Constraint>: Scorer where State == TokenSequence {
  /// What says which texts are allowed.
  associatedtype Constraint: TokenConstraint
  /// A beginning of the current text, or one that goes on with other tokens.
  associatedtype Branch

  /// The model's tokens.
  var vocabulary: Vocabulary { get }

  /// Which texts are allowed; `nil` allows all.
  var constraint: Constraint? { get }

  /// The number of tokens.
  var count: Int { get }

  /// The token at a place in 0 ..< count.
  func token(at place: Int) -> Token

  /// The constraint's state before a place in 0 ... count; `nil` without a constraint.
  func constraintState(before place: Int) -> Constraint.State?

  /// The model's natural log-probability of what stands at a place in 0 ... count, the last being
  /// the end symbol.
  func logProbability(at place: Int) -> Double

  /// The model's natural log-probability of the current text, its end included.
  var logModel: Double { get }

  /// Nats that the constraint adds to the current text; minus infinity where it is not allowed.
  var logConstraint: Double { get }

  /// The model's natural log-probabilities of all tokens before a place in 0 ... count.
  ///
  /// Scorers of networks keep these rows for the current text.
  func nextTokenLogProbabilities(before place: Int) -> [Double]

  /// The text's beginning before a place in 0 ... count, to go on with other tokens.
  func branch(before place: Int) -> Branch

  /// Goes on with a token.
  func append(_ token: Token, to branch: inout Branch)

  /// The model's natural log-probabilities of all tokens behind a branch.
  func nextTokenLogProbabilities(after branch: Branch) -> [Double]

  /// What the model says of each of some tokens behind a branch when the current text goes on from
  /// a place behind it.
  ///
  /// - Parameters:
  ///   - tokens: the candidates.
  ///   - branch: what stands before them.
  ///   - place: where the current text goes on, in 0 ... count.
  /// - Returns: for each the natural log-probability of the token and of all that follows, its end
  ///   included, up to a constant that all share.
  func logWeights(of tokens: [Token], after branch: Branch, before place: Int) -> [Double]
}

extension TextScorer {
  /// For each token that can stand at a place, so that the rest of the text stays allowed.
  ///
  /// Tokens that lead to one state are tried once.
  /// - Complexity: O(vocabulary) and a walk to the end of the text for each state that a token of the
  ///   place leads to, shorter where it meets the current text's states.
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
      // From here on as in the current text, which is allowed.
      if state == constraintState(before: i) { return true }
      guard let next = constraint.next(state, token(at: i)) else { return false }
      state = next
    }
    return constraint.endWeight(state) > -.infinity
  }
}

/// A target of texts that a language model and a constraint make up:
/// `log rho(x) = fluency x log p(x) + nats of the constraint`.
public protocol TextTarget: Target where State == TokenSequence, Scorer: TextScorer {
  /// The kind of model.
  associatedtype Model: LanguageModel
  /// The kind of constraint.
  associatedtype Constraint where Scorer.Constraint == Constraint

  /// The language model p.
  var model: Model { get }
  /// Which texts are allowed; `nil` allows all.
  var constraint: Constraint? { get }
  /// The exponent of the model's probability, positive and finite.
  var fluency: Double { get }

  /// The target to a power: fluency and soft weights times the inverse temperature, hard
  /// constraints as they are.
  ///
  /// - Parameter inverseTemperature: the power, positive and finite.
  /// - Returns: the target whose log is the power times this one's.
  func tempered(_ inverseTemperature: Double) -> Self
}
