// Licensed under the Apache License, Version 2.0.

public import Sampling

/// One level of back-off tables: level k holds the n-grams of k + 1 tokens.
@usableFromInline
struct NGramLeftLevel: Sendable {
  /// The corrections of each context.
  @usableFromInline var corrections = AliasLists(count: 0)
  /// For each context of k tokens: the share of its own corrections in its mixture; the log of the
  /// drawable tokens' sum; whether a correction on its way down is negative.
  @usableFromInline var shares: [Double] = []
  @usableFromInline var logSums: [Double] = []
  @usableFromInline var hasNegative: [Bool] = []
}

@usableFromInline
final class NGramLeftTables: Sendable {
  @usableFromInline let levels: [NGramLeftLevel]
  @usableFromInline let unigrams: AliasTable
  @usableFromInline let logSum: Double

  init(levels: [NGramLeftLevel], unigrams: AliasTable, logSum: Double) {
    self.levels = levels
    self.unigrams = unigrams
    self.logSum = logSum
  }
}

/// Draws tokens from an n-gram model's conditional given the text on the left.
///
/// It descends the back-off levels, and is the fast form of `LeftConditionalTokens`.
///
/// A context's conditional is a mixture of its own corrections `p(w | h) - backoff(h) p(w | h')`
/// and of the conditional that it backs off to. Each context has an alias table of its corrections,
/// so a draw costs O(order) for any vocabulary. A negative correction (in quantised, pruned or
/// foreign models) counts as 0, and the token is accepted with a probability that makes up for it.
/// After ``attempts`` rejections the whole row is used, so that the distribution is exact and no
/// model makes it loop.
///
/// The tables take 16 bytes per n-gram and 17 per context, and serve all chains.
public struct NGramLeftTokens<Constraint: TokenConstraint>: BranchTokens {
  /// A chain's working copy of a text.
  public typealias Scorer = IncrementalScorer<NGramModel, Constraint>

  /// The model, in the fast layout.
  public let model: NGramModel
  /// The number of rejections after which the whole row is used.
  public let attempts: Int
  @usableFromInline let tables: NGramLeftTables

  /// Builds the tables of a model.
  ///
  /// - Parameters:
  ///   - model: the model, in the fast layout.
  ///   - attempts: the number of rejections after which the whole row is used.
  /// - Precondition: the model is in the fast layout.
  /// - Complexity: O(n-grams).
  public init(_ model: NGramModel, attempts: Int = 64) {
    precondition(model.layout == .fast, "the fast layout holds what the tables are made from")
    self.model = model
    self.attempts = attempts
    let vocabulary = model.vocabulary
    func isDrawable(_ word: UInt32) -> Bool { vocabulary.isDrawable(Token(rawValue: word)) }
    let first = (0..<vocabulary.count).map { word in
      isDrawable(UInt32(word)) ? LogSpace.exp(model.probability(0, word) * logOf10) : 0
    }
    let sum = first.reduce(0, +)
    // For each context of the level: the mixture's sum and the drawable tokens' own sum.
    var mixtures: [Double] = []
    var sums: [Double] = []
    var negative: [Bool] = []
    var levels = [NGramLeftLevel()]
    for k in 1..<max(1, model.order) {
      let suffixes = model.suffixes(ofLevel: k)
      let contextSuffixes = k > 1 ? model.suffixes(ofLevel: k - 1) : []
      let contexts = model.counts[k - 1]
      var level = NGramLeftLevel()
      level.corrections = AliasLists(count: model.counts[k])
      level.shares = [Double](repeating: 0, count: contexts)
      level.logSums = [Double](repeating: 0, count: contexts)
      level.hasNegative = [Bool](repeating: false, count: contexts)
      var nextMixtures = [Double](repeating: 0, count: contexts)
      var nextSums = [Double](repeating: 0, count: contexts)
      var corrections: [Double] = []
      for context in 0..<contexts {
        let backoff = LogSpace.exp(model.backoff(k - 1, context) * logOf10)
        let (low, high) = model.children(k, of: context)
        corrections.removeAll(keepingCapacity: true)
        var plus = 0.0
        var minus = 0.0
        for node in low..<high {
          let word = model.word(k, node)
          var correction = 0.0
          if isDrawable(word) {
            let suffix = Int(suffixes[node])
            let below =
              k == 1 ? first[suffix] : LogSpace.exp(model.probability(k - 1, suffix) * logOf10)
            correction = LogSpace.exp(model.probability(k, node) * logOf10) - backoff * below
          }
          if correction < 0 { minus -= correction }
          corrections.append(max(0, correction))
          plus += max(0, correction)
        }
        let shorter = k > 1 ? Int(contextSuffixes[context]) : 0
        let mixture = plus + backoff * (k > 1 ? mixtures[shorter] : sum)
        let own = plus - minus + backoff * (k > 1 ? sums[shorter] : sum)
        nextMixtures[context] = mixture
        nextSums[context] = own
        level.shares[context] = mixture > 0 ? min(1, plus / mixture) : 0
        level.logSums[context] = LogSpace.log(max(own, 0))
        level.hasNegative[context] = minus > 0 || k > 1 && negative[shorter]
        level.corrections.fill(from: low, corrections, sum: plus)
      }
      mixtures = nextMixtures
      sums = nextSums
      negative = level.hasNegative
      levels.append(level)
    }
    tables = NGramLeftTables(
      levels: levels, unigrams: AliasTable(weights: first), logSum: LogSpace.log(sum))
  }

  /// Draws a token by its probability, given that it is drawable.
  @inlinable
  public func draw(
    for gap: Gap, in scorer: Scorer, memory: inout Void, using choices: inout some ChoiceSource
  ) -> (token: Token, logProbability: Double)? {
    draw(in: scorer.context(before: gap.low), using: &choices)
  }

  /// Draws a token by its probability after a branch, given that it is drawable.
  @inlinable
  public func draw(
    after branch: NGramContext, before place: Int, in scorer: Scorer, memory: inout Void,
    using choices: inout some ChoiceSource
  ) -> (token: Token, logProbability: Double)? {
    draw(in: branch, using: &choices)
  }

  /// The log of the token's probability after a branch, given that it is drawable.
  @inlinable
  public func logProbability(
    of token: Token, after branch: NGramContext, before place: Int, in scorer: Scorer,
    memory: inout Void
  ) -> Double {
    model.logProbability(of: token, in: branch) - logSum(of: branch)
  }

  /// The log of the token's probability, given that it is drawable.
  @inlinable
  public func logProbability(
    of token: Token, for gap: Gap, in scorer: Scorer, memory: inout Void
  ) -> Double {
    let context = scorer.context(before: gap.low)
    let known = gap.low < gap.high && scorer.token(at: gap.low) == token
    return
      (known
      ? scorer.logProbability(at: gap.low) : model.logProbability(of: token, in: context))
      - logSum(of: context)
  }

  /// Draws a token by its probability in a context, given that it is drawable.
  @inlinable
  public func draw(
    in context: NGramContext, using choices: inout some ChoiceSource
  ) -> (token: Token, logProbability: Double) {
    var copy = context
    return draw(advancing: &copy, using: &choices)
  }

  /// Draws a drawable token by its probability in a context, and advances the context by it.
  ///
  /// One look-up serves both.
  @inlinable
  public func draw(
    advancing context: inout NGramContext, using choices: inout some ChoiceSource
  ) -> (token: Token, logProbability: Double) {
    let count = context.count
    let isMixed = count > 0 && tables.levels[count].hasNegative[context.node(ofLength: count)]
    for _ in 0..<max(1, attempts) {
      var k = count
      while k > 0, !choices.chance(tables.levels[k].shares[context.node(ofLength: k)]) { k &-= 1 }
      let word: UInt32
      if k == 0 {
        word = UInt32(truncatingIfNeeded: tables.unigrams.draw(using: &choices))
      } else {
        let (low, high) = model.children(k, of: context.node(ofLength: k))
        word = model.word(k, tables.levels[k].corrections.draw(low, high, using: &choices))
      }
      if !isMixed || choices.chance(acceptance(of: word, in: context)) {
        let logSum = logSum(of: context)
        let token = Token(rawValue: word)
        return (token, model.advance(&context, scoring: token) - logSum)
      }
    }
    let drawn = drawFromVector(in: context, using: &choices)
    model.advance(&context, by: drawn.token)
    return drawn
  }

  @inlinable
  func logSum(of context: NGramContext) -> Double {
    let count = context.count
    return count == 0
      ? tables.logSum : tables.levels[count].logSums[context.node(ofLength: count)]
  }

  /// The token's probability divided by its share in the mixture.
  @usableFromInline
  func acceptance(of word: UInt32, in context: NGramContext) -> Double {
    var probability = LogSpace.exp(model.probability(0, Int(word)) * logOf10)
    var mixture = probability
    for k in stride(from: 1, through: context.count, by: 1) {
      let node = context.node(ofLength: k)
      let backoff = LogSpace.exp(model.backoff(k - 1, node) * logOf10)
      probability *= backoff
      mixture *= backoff
      if let child = model.child(k, of: node, word) {
        let listed = LogSpace.exp(model.probability(k, child) * logOf10)
        mixture += max(0, listed - probability)
        probability = listed
      }
    }
    return min(1, probability / mixture)
  }

  /// Draws from the whole row: slow, but correct for every model.
  @usableFromInline
  func drawFromVector(
    in context: NGramContext, using choices: inout some ChoiceSource
  ) -> (token: Token, logProbability: Double) {
    let vocabulary = model.vocabulary
    var weights = [Double](repeating: 0, count: vocabulary.count)
    var span = weights.mutableSpan
    model.logProbabilities(in: context, into: &span)
    for i in weights.indices {
      weights[i] = vocabulary.isDrawable(Token(i)) ? LogSpace.exp(weights[i]) : 0
    }
    let token = Token(choices.index(weights: weights))
    return (token, model.logProbability(of: token, in: context) - logSum(of: context))
  }
}
