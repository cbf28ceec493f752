// Licensed under the Apache License, Version 2.0.

/// A draft model proposes tokens, and the model checks them.
///
/// The draft goes ahead by some tokens. The model then reads all of them in one batch. That pays where
/// a batch of several tokens costs the model little more than one token.
///
/// **Keeps.** Sampled texts are draws from the model as the transforms change it, whatever the draft.
/// A token x that the draft drew with probability q(x) is taken with probability min(1, p(x)/q(x)).
/// Where it is refused, a token is drawn in proportion to max(0, p - q). Greedy texts are those of
/// ``GreedyDecoder``. Transforms and constraint shape the draft's proposals too.
///
/// Reference: Leviathan, Kalman and Matias 2023, "Fast inference from transformers via speculative
/// decoding", algorithm 1, and theorem of appendix A.1.
///
/// **Edge cases.** Where the draft knows no next token, or its text has ended, the model goes on alone.
/// A token that the draft never proposes keeps its probability.
public struct SpeculativeDecoder: Sendable {
  /// The counts of draft tokens that the model checked and accepted.
  public struct Tally: Hashable, Sendable {
    /// The number of draft tokens that the model checked.
    public internal(set) var proposed = 0
    /// The number of draft tokens that the model accepted.
    public internal(set) var accepted = 0
    /// The number of batches in which the model checked a proposal.
    public internal(set) var rounds = 0

    /// Creates a tally in which all counts are 0.
    public init() {}
  }

  /// The options that all decoders share.
  public let rules: DecodingRules
  /// The number of tokens that the draft proposes at a time.
  public let length: Int

  /// Creates a decoder.
  ///
  /// - Throws: where the length is not positive.
  public init(length: Int = 4, _ rules: DecodingRules = .plain) throws(DecodingError) {
    guard length >= 1 else {
      throw .argument("draft-length", "a draft goes ahead by at least 1 token", length)
    }
    self.length = length
    self.rules = rules
  }

  /// Draws a text from the model.
  ///
  /// - Parameters:
  ///   - model: the model.
  ///   - draft: the model that proposes tokens.
  ///   - prompt: the beginning of the text.
  ///   - choices: what draws.
  ///   - tally: counts are added here.
  ///   - watch: is called with each token behind the prompt as soon as it is certain.
  /// - Returns: the text; its `logDrawn` is that under the model.
  /// - Throws: `DecodingError` where no token is left, a logit is no number, the constraint cannot be
  ///   met, or the vocabularies differ; and what the models throw.
  public func draw<Model: LanguageModel>(
    from model: Model, draft: some LanguageModel, after prompt: TokenSequence = [],
    using choices: inout some ChoiceSource, tally: inout Tally, watch: (Token) -> Void = { _ in }
  ) throws -> DecodedText {
    try run(
      model, draft, prompt, under: rules.opened, isGreedy: false, using: &choices, &tally, watch)
  }

  /// Decodes the model's greedy text.
  ///
  /// - Throws: also where a transform draws at random.
  public func decode<Model: LanguageModel>(
    _ model: Model, draft: some LanguageModel, after prompt: TokenSequence = [],
    tally: inout Tally, watch: (Token) -> Void = { _ in }
  ) throws -> DecodedText {
    _ = try rules.withoutRandomTransforms("greedy decoding")
    var choices = NoChoices()
    return try run(
      model, draft, prompt, under: rules.opened, isGreedy: true, using: &choices, &tally, watch)
  }

  private func run<Model: LanguageModel, Draft: LanguageModel, Constraint: TokenConstraint>(
    _ model: Model, _ draft: Draft, _ prompt: TokenSequence, under constraint: Constraint,
    isGreedy: Bool, using choices: inout some ChoiceSource, _ tally: inout Tally,
    _ watch: (Token) -> Void
  ) throws -> DecodedText {
    guard draft.vocabulary.count == model.vocabulary.count else {
      throw DecodingError(
        .badArgument,
        "draft: its vocabulary must be the model's (found \(draft.vocabulary.count) tokens, expected "
          + "\(model.vocabulary.count))")
    }
    var next = rules.makeNextTokens(for: model.vocabulary)
    var proposals = Proposals(rules.makeNextTokens(for: draft.vocabulary), length)
    var rows = NextRows(model)
    var draftRows = NextRows(draft)
    var decoding = try Decoding(&rows, after: prompt, under: constraint, rules)
    var follower: Decoding<Draft, Constraint>?
    do {
      follower = try Decoding(&draftRows, after: prompt, under: constraint, rules)
    } catch is DecodingError {
      // Where the draft cannot read the prompt, the model goes on alone.
    }
    while true {
      decoding.closeIfDue(rules)
      if decoding.ending != nil {
        return decoding.decoded(logDrawn: isGreedy ? 0 : decoding.logDrawn)
      }
      proposals.removeAll()
      if var proposing = follower.take() {
        defer { follower = proposing }
        if proposing.hasRoom {
          try proposing.read(&draftRows)
          try proposing.lookAhead { ahead in
            try proposals.go(
              from: &ahead, upTo: decoding.limit - decoding.count, draftRows, rules,
              isGreedy: isGreedy, using: &choices)
          }
        }
      }
      tally.rounds += 1
      // Only the last proposal can be an end, which no model reads.
      let ahead = try decoding.readAhead(proposals.tokens.prefix { !next.isEnd($0) }, &rows)
      var place = 0
      var taken = 0
      while decoding.ending == nil {
        if place > 0 { decoding.closeIfDue(rules) }
        if decoding.ending != nil { break }
        decoding.use(ahead, ahead: place)
        try decoding.look(rows, &next, rules, using: &choices)
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
        decoding.commit(rows, token, logProbability: next[token], isEnd: isEnd, rules)
        if !isEnd {
          watch(token)
          if isTaken { taken += 1 }
        }
        if decoding.ending == nil {
          // Nobody asks for the text's probability under the draft.
          follower?.commit(
            draft, token, logModel: 0, logProbability: next[token], isEnd: false, rules)
        }
        place += 1
        if !isTaken { break }
      }
      decoding.keepReadAhead(ahead, taken: taken, rows)
    }
  }
}

/// A draft's tokens, with the probabilities that they were drawn with.
private struct Proposals {
  private(set) var tokens: [Token] = []
  private let length: Int
  private var next: NextTokens
  /// Natural log-probabilities, one row for each place.
  private var rows: [[Double]] = []
  private var weights: [Double] = []

  init(_ next: NextTokens, _ length: Int) {
    self.next = next
    self.length = length
  }

  var count: Int { tokens.count }

  mutating func removeAll() { tokens.removeAll(keepingCapacity: true) }

  func logProbability(of token: Token, at place: Int) -> Double { rows[place][token.index] }

  /// Goes on from a text as far as the draft can, by at most so many tokens.
  mutating func go<Draft: LanguageModel, Constraint: TokenConstraint>(
    from decoding: inout Decoding<Draft, Constraint>, upTo most: Int, _ read: NextRows<Draft>,
    _ rules: DecodingRules, isGreedy: Bool, using choices: inout some ChoiceSource
  ) throws {
    // The rows of the last batch serve a text that has not gone on since.
    var batch = read
    removeAll()
    while tokens.count < min(length, most) {
      decoding.closeIfDue(rules)
      if decoding.ending != nil { return }
      try decoding.read(&batch)
      do {
        try decoding.look(batch, &next, rules, using: &choices)
      } catch {
        // Where the draft knows no next token, the model goes on alone.
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
        batch, token, logProbability: next[token], isEnd: next.isEnd(token), rules)
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
    // Only rounding tells p from q here, and a refusal is as improbable.
    return total > 0
      ? candidates[choices.index(weights: weights)] : next.draw(using: &choices).token
  }
}
