// Licensed under the Apache License, Version 2.0.

public import Sampling

/// Tokens steered by a look-ahead under an n-gram model: the fast form of `GuidedTokens`.
///
/// In most states most words change nothing that constraints ask for and share one gain. The sum
/// over all words is that gain times the model's, corrected for the words of other gains; words are
/// drawn from the model, and those of larger gains from a list. Where more than a part of the
/// vocabulary has other gains, or the fluency is not 1, it is `GuidedTokens` itself.
public struct NGramGuidedTokens: ProportionalTokens {
  /// Draws the model's tokens.
  public let source: NGramTokens
  /// The slow twin, which draws what this cannot.
  public let slow: GuidedTokens<NGramModel>
  /// How often a word may be rejected before the whole vector is asked.
  public let attempts: Int
  private let members: [[Token]]
  private let longestList: Int

  /// Tokens of a target under a look-ahead, which has the target's automaton.
  ///
  /// - Parameters:
  ///   - target: what is sampled from.
  ///   - lookAhead: what is expected.
  ///   - source: draws the model's tokens.
  ///   - attempts: how often a word may be rejected before the whole vector is asked.
  public init(
    _ target: SentenceTarget<NGramModel, TokenAutomaton>, _ lookAhead: LookAhead,
    source: NGramTokens,
    attempts: Int = 64
  ) {
    // A look-up costs about twenty times as much as an entry of the vector.
    self.init(
      target, lookAhead, source: source, attempts: attempts,
      longestList: target.model.vocabulary.count / 20)
  }

  /// The same where words of other gains are listed up to a given number.
  package init(
    _ target: SentenceTarget<NGramModel, TokenAutomaton>, _ lookAhead: LookAhead,
    source: NGramTokens,
    attempts: Int, longestList: Int
  ) {
    slow = GuidedTokens(target, lookAhead)
    self.source = source
    self.attempts = attempts
    self.longestList = longestList
    var members = [[Token]](repeating: [], count: lookAhead.automaton.classCount)
    for i in 0..<target.model.vocabulary.count
    where target.model.vocabulary.isDrawable(Token(i)) {
      members[Int(lookAhead.automaton.classes[i])].append(Token(i))
    }
    self.members = members
  }

  /// What is sampled from.
  public var target: SentenceTarget<NGramModel, TokenAutomaton> { slow.target }
  /// What is expected.
  public var lookAhead: LookAhead { slow.lookAhead }

  /// That of the slow twin.
  ///
  /// - Complexity: O(vocabulary).
  public func logProbability(of token: Token, after prefix: Prefix<NGramModel>) -> Double {
    slow.logProbability(of: token, after: prefix)
  }

  /// A token in proportion to v.
  ///
  /// - Complexity: O(words of other gains x order).
  public func draw(
    after prefix: Prefix<NGramModel>, using choices: inout some ChoiceSource
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
    // In units of the common gain, under which the words' sum is that of the drawable ones.
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
    // What rounding could leave of it is no number to draw by.
    guard sum > 1e-6 * whole, surpluses.allSatisfy(\.isFinite) else {
      return slow.draw(after: prefix, using: &choices)
    }
    let end =
      LogSpace.exp(
        model.logProbability(of: model.vocabulary.end, in: prefix.context)
          + lookAhead.automaton.finalWeights[Int(prefix.state)] - common)
    let total = sum + end + surpluses.reduce(0, +)
    guard total.isFinite else { return slow.draw(after: prefix, using: &choices) }
    let logWeight =
      common + LogSpace.log(total) - lookAhead.logExpectations[Int(prefix.state)]
    let chosen = choices.index(weights: [sum, end] + surpluses)
    if chosen == 1 { return (model.vocabulary.end, logWeight) }
    if chosen > 1 { return (richer[chosen - 2], logWeight) }
    func share(_ word: Token) -> Double {
      let gain = gains[Int(lookAhead.automaton.classes[word.index])]
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
