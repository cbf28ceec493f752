// Licensed under the Apache License, Version 2.0.

/// What a draft model proposes, checked by the model that the texts are to be of.
///
/// The draft goes ahead by some tokens; the model then looks at all places that it has passed. That
/// pays where looking at several places at once costs a model little more than looking at one.
///
/// **Keeps.** Sampled texts are draws from the model as the transforms change it, whatever the draft:
/// a token x that the draft drew with probability q(x) is taken with probability min(1, p(x)/q(x)),
/// and where it is not, one is drawn in proportion to max(0, p - q). Greedy texts are those of
/// ``GreedyDecoder``. Transforms and constraint shape the draft's proposals too.
///
/// Reference: Leviathan, Kalman and Matias 2023, "Fast inference from transformers via speculative
/// decoding", algorithm 1, and theorem of appendix A.1.
///
/// **Edge cases.** Where the draft knows no next token, or its text has ended, the model goes on alone.
/// A token that the draft never proposes keeps its probability.
public struct SpeculativeDecoder: Sendable {
  /// How far the draft came.
  public struct Tally: Hashable, Sendable {
    /// How many tokens it proposed that were looked at.
    public internal(set) var proposed = 0
    /// How many of them were taken.
    public internal(set) var accepted = 0
    /// How often the model looked, at all places of a proposal together.
    public internal(set) var rounds = 0

    /// Nothing yet.
    public init() {}
  }

  /// What it was told.
  public let rules: DecodingRules
  /// By how many tokens the draft goes ahead.
  public let length: Int

  /// A decoder.
  ///
  /// - Throws: where the draft has no room for a token.
  public init(length: Int = 4, _ rules: DecodingRules = .plain) throws(DecodingError) {
    guard length >= 1 else {
      throw .argument("draft-length", "a draft goes ahead by at least 1 token", length)
    }
    self.length = length
    self.rules = rules
  }

  /// A text drawn from the model.
  ///
  /// - Parameters:
  ///   - model: whose text.
  ///   - draft: what proposes.
  ///   - prompt: what it begins with.
  ///   - choices: what draws.
  ///   - tally: is added to.
  ///   - watch: is told each token behind the prompt as soon as it is certain.
  /// - Returns: the text; its `logDrawn` is that under the model.
  /// - Throws: where no token is left, a logit is no number, the constraint cannot be met, or the
  ///   vocabularies differ.
  public func draw<Model: FiniteContextModel>(
    from model: Model, draft: some FiniteContextModel, after prompt: TokenSequence = [],
    using choices: inout some ChoiceSource, tally: inout Tally, watch: (Token) -> Void = { _ in }
  ) throws(DecodingError) -> DecodedText {
    let decoding = try run(
      model, draft, prompt, isGreedy: false, using: &choices, &tally, watch)
    return decoding.decoded(logDrawn: decoding.logDrawn)
  }

  /// The model's greedy text.
  ///
  /// - Throws: also where a transform draws at random.
  public func decode<Model: FiniteContextModel>(
    _ model: Model, draft: some FiniteContextModel, after prompt: TokenSequence = [],
    tally: inout Tally, watch: (Token) -> Void = { _ in }
  ) throws(DecodingError) -> DecodedText {
    _ = try rules.withoutRandomTransforms("greedy decoding")
    var choices = NoChoices()
    return try run(model, draft, prompt, isGreedy: true, using: &choices, &tally, watch)
      .decoded(logDrawn: 0)
  }

  private func run<Model: FiniteContextModel, Draft: FiniteContextModel>(
    _ model: Model, _ draft: Draft, _ prompt: TokenSequence, isGreedy: Bool,
    using choices: inout some ChoiceSource, _ tally: inout Tally, _ watch: (Token) -> Void
  ) throws(DecodingError) -> Decoding<Model> {
    guard draft.vocabulary.count == model.vocabulary.count else {
      throw DecodingError(
        .badArgument,
        "draft: its vocabulary is the model's, of \(model.vocabulary.count) tokens, got "
          + "\(draft.vocabulary.count)")
    }
    var next = rules.makeNextTokens(for: model.vocabulary)
    var proposals = Proposals(rules.makeNextTokens(for: draft.vocabulary), length)
    var decoding = try Decoding(model, after: prompt, rules: rules)
    var follower = try? Decoding(draft, after: prompt, rules: rules)
    while true {
      decoding.closeIfDue(rules)
      if decoding.ending != nil { return decoding }
      if let follower {
        proposals.go(on: draft, from: follower, rules, isGreedy: isGreedy, using: &choices)
      }
      tally.rounds += 1
      var place = 0
      while decoding.ending == nil {
        if place > 0 { decoding.closeIfDue(rules) }
        if decoding.ending != nil { break }
        try decoding.look(model, &next, rules, using: &choices)
        next.normalize()
        let proposed = place < proposals.count ? proposals.tokens[place] : nil
        var token = next.best.token
        var isTaken = false
        if isGreedy {
          isTaken = proposed == token
        } else if let proposed {
          let ratio = next[proposed] - proposals.logProbability(of: proposed, at: place)
          isTaken = choices.chance(ratio < 0 ? LogSpace.exp(ratio) : 1)
          token = isTaken ? proposed : proposals.residual(&next, at: place, using: &choices)
        } else {
          token = next.draw(using: &choices).token
        }
        if proposed != nil {
          tally.proposed += 1
          if isTaken { tally.accepted += 1 }
        }
        let isEnd = next.isEnd(token)
        decoding.commit(model, token, logProbability: next[token], isEnd: isEnd, rules)
        if !isEnd { watch(token) }
        if decoding.ending == nil {
          follower?.commit(draft, token, logProbability: next[token], isEnd: false, rules)
        }
        place += 1
        if !isTaken { break }
      }
    }
  }
}

/// A draft's tokens with the probabilities that it drew them with.
private struct Proposals {
  private(set) var tokens: [Token] = []
  private let length: Int
  private var next: NextTokens
  /// Natural log-probabilities, a row a place.
  private var rows: [[Double]] = []
  private var weights: [Double] = []

  init(_ next: NextTokens, _ length: Int) {
    self.next = next
    self.length = length
  }

  var count: Int { tokens.count }

  func logProbability(of token: Token, at place: Int) -> Double { rows[place][token.index] }

  /// Goes on from a text, as far as the draft can.
  mutating func go<Draft: FiniteContextModel>(
    on draft: Draft, from start: Decoding<Draft>, _ rules: DecodingRules, isGreedy: Bool,
    using choices: inout some ChoiceSource
  ) {
    var decoding = start
    tokens.removeAll(keepingCapacity: true)
    while tokens.count < length {
      decoding.closeIfDue(rules)
      if decoding.ending != nil { return }
      do {
        try decoding.look(draft, &next, rules, using: &choices)
      } catch {
        // Where the draft knows nothing to come, the model goes on alone.
        return
      }
      next.normalize()
      let place = tokens.count
      if place == rows.count {
        rows.append([Double](repeating: -.infinity, count: next.count))
      } else {
        for i in rows[place].indices { rows[place][i] = -.infinity }
      }
      for token in next.candidates { rows[place][token.index] = next[token] }
      let token = isGreedy ? next.best.token : next.draw(using: &choices).token
      tokens.append(token)
      decoding.commit(
        draft, token, logProbability: next[token], isEnd: next.isEnd(token), rules)
    }
  }

  /// A token in proportion to max(0, p - q).
  mutating func residual(
    _ next: inout NextTokens, at place: Int, using choices: inout some ChoiceSource
  ) -> Token {
    let candidates = next.candidates
    weights.removeAll(keepingCapacity: true)
    var total = 0.0
    for token in candidates {
      let weight = max(0, LogSpace.exp(next[token]) - LogSpace.exp(rows[place][token.index]))
      weights.append(weight)
      total += weight
    }
    // Equal but for rounding: a proposal is then refused with a probability as small.
    return total > 0
      ? candidates[choices.index(weights: weights)] : next.draw(using: &choices).token
  }
}
