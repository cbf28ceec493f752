// Licensed under the Apache License, Version 2.0.

public import Sampling

/// Draws an n-gram model's tokens under a look-ahead: the fast form of `GuidedTokens`.
///
/// In most states, most tokens do not affect the constraints and share one gain. The sum over all
/// tokens is that gain times the model's sum, corrected for tokens with other gains. Tokens are
/// drawn from the model, and those with larger gains from a list. If too many tokens have other
/// gains, or the fluency is not 1, it does what `GuidedTokens` does.
public struct NGramGuidedTokens: ProportionalTokens {
  /// A prefix under the model and the automaton.
  public typealias Text = Prefix<NGramModel, TokenAutomaton>

  /// The source that draws the model's tokens.
  public let source: NGramTokens
  /// The slow equivalent, used if the fast form does not apply.
  public let slow: GuidedTokens<SentenceTarget<NGramModel, TokenAutomaton>, AutomatonLookAhead>
  /// The number of rejected tokens after which the whole row is used.
  public let attempts: Int
  private let members: [[Token]]
  private let longestList: Int

  /// Creates a proposal steered by a look-ahead over the target's automaton.
  ///
  /// - Parameters:
  ///   - target: the target that texts are sampled from.
  ///   - lookAhead: says which texts can be completed, and their expected mass.
  ///   - source: draws the model's tokens.
  ///   - attempts: the number of rejected tokens after which the whole row is used.
  public init(
    _ target: SentenceTarget<NGramModel, TokenAutomaton>, _ lookAhead: AutomatonLookAhead,
    source: NGramTokens, attempts: Int = 64
  ) {
    // A look-up costs about twenty times as much as an entry of the row.
    self.init(
      target, lookAhead, source: source, attempts: attempts,
      longestList: target.model.vocabulary.count / 20)
  }

  /// Creates a proposal with a bound on the number of listed tokens with other gains.
  package init(
    _ target: SentenceTarget<NGramModel, TokenAutomaton>, _ lookAhead: AutomatonLookAhead,
    source: NGramTokens, attempts: Int, longestList: Int
  ) {
    slow = GuidedTokens(target, lookAhead)
    self.source = source
    self.attempts = attempts
    self.longestList = longestList
    let classes = lookAhead.constraint.tokenClasses ?? []
    members = classes.map { $0.filter(target.model.vocabulary.isDrawable) }
  }

  /// The target that texts are sampled from.
  public var target: SentenceTarget<NGramModel, TokenAutomaton> { slow.target }
  /// The look-ahead that steers the proposal.
  public var lookAhead: AutomatonLookAhead { slow.lookAhead }

  /// Asks the slow equivalent.
  ///
  /// - Complexity: O(vocabulary).
  public func logProbability(of token: Token, after prefix: Text) -> Double {
    slow.logProbability(of: token, after: prefix)
  }

  /// Draws a token in proportion to v.
  ///
  /// - Complexity: O(tokens with other gains x order).
  public func draw(
    after prefix: Text, using choices: inout some ChoiceSource
  ) -> (token: Token, logWeight: Double)? {
    guard target.fluency == 1 else { return slow.draw(after: prefix, using: &choices) }
    let gains = lookAhead.gains(prefix.state, count: prefix.tokens.count)
    var counts: [Double: Int] = [:]
    for (gain, words) in zip(gains, members) { counts[gain, default: 0] += words.count }
    guard let common = counts.max(by: { ($0.value, $0.key) < ($1.value, $1.key) })?.key,
      common > -.infinity,
      counts.reduce(0, { $0 + ($1.key == common ? 0 : $1.value) }) <= longestList
    else { return slow.draw(after: prefix, using: &choices) }
    let model = target.model
    // In units of the common gain, this is the model's sum over the drawable tokens.
    var sum = LogSpace.exp(source.words.logSum(of: prefix.context))
    var richer: [Token] = []
    var surpluses: [Double] = []
    var rejectable = 0.0
    for (gain, words) in zip(gains, members) where gain != common {
      let factor = LogSpace.exp(gain - common) - 1
      for word in words {
        let surplus = LogSpace.exp(model.logProbability(of: word, in: prefix.context)) * factor
        if factor > 0 {
          richer.append(word)
          surpluses.append(surplus)
        } else {
          rejectable -= surplus
        }
      }
    }
    let whole = sum
    sum -= rejectable
    // A smaller remainder may be a rounding error.
    guard sum > 1e-6 * whole, surpluses.allSatisfy(\.isFinite) else {
      return slow.draw(after: prefix, using: &choices)
    }
    let end =
      LogSpace.exp(
        model.logProbability(of: model.vocabulary.end, in: prefix.context)
          + lookAhead.constraint.endWeight(prefix.state) - common)
    let total = sum + end + surpluses.reduce(0, +)
    guard total.isFinite else { return slow.draw(after: prefix, using: &choices) }
    let logWeight =
      common + LogSpace.log(total) - lookAhead.logExpectation(prefix.state)
    let chosen = choices.index(weights: [sum, end] + surpluses)
    if chosen == 1 { return (model.vocabulary.end, logWeight) }
    if chosen > 1 { return (richer[chosen - 2], logWeight) }
    func share(_ word: Token) -> Double {
      let gain = gains[lookAhead.constraint.tokenClass(of: word)]
      return gain < common ? LogSpace.exp(gain - common) : 1
    }
    for _ in 0..<attempts {
      let word = source.words.draw(in: prefix.context, using: &choices).token
      let share = share(word)
      if share == 1 || choices.chance(share) { return (word, logWeight) }
    }
    let weights = (0..<model.vocabulary.count).map { i in
      model.vocabulary.isDrawable(Token(i))
        ? LogSpace.exp(model.logProbability(of: Token(i), in: prefix.context)) * share(Token(i))
        : 0
    }
    return (Token(choices.index(weights: weights)), logWeight)
  }
}
