// Licensed under the Apache License, Version 2.0.

/// The best texts that a beam of fixed width finds.
///
/// Each step ranks all continuations of the beam by log-probability under the model as the transforms
/// change it. Of the first `width`, those that end are kept as finished. The first `width` that do not
/// end are the next beam. A finished text's score is its log-probability divided by length^penalty;
/// the length counts the end and leaves out the prompt. Without a patience the search stops when no
/// continuation of the beam can reach the scores of `width` finished texts.
///
/// **Under a constraint** a text is ranked by the log of the unnormalised target. The beam is shared
/// evenly among the continuations' distances to an allowed end, the nearest first. Otherwise more
/// probable words would put off keywords for ever.
///
/// **In groups** the beam is searched in parts of `width / groups`, one after another at each step. A
/// token loses `diversity` for each text of an earlier group that goes on by it at this step. Ranks
/// include this loss, scores don't.
///
/// **With a coverage** a text's score, but not its rank, gains what the ``CoveragePenalty`` gives.
///
/// **Cost.** One batch a step for all open texts of all groups.
///
/// References: Wu et al. 2016, "Google's neural machine translation system", section 7, with the
/// penalty length^a of transformers and fairseq; Kasai, Sakaguchi, Le Bras, Radev, Choi and Smith
/// 2024, "A call for clarity in beam search", section 2, for patience; Vijayakumar et al. 2018,
/// "Diverse beam search", algorithm 1 with Hamming diversity; Post and Vilar 2018, "Fast lexically
/// constrained decoding with dynamic beam allocation", section 3, with the distance to an allowed end
/// in place of the number of words that are missing.
///
/// **When time is up** the search leaves its step unfinished and cuts the open texts. Under a
/// constraint it returns the finished texts. Where there is none, it closes the best open text by its
/// shortest completion.
///
/// **Edge cases.** A text that several groups find is returned once, for the first of them. Width 1
/// without a penalty is greedy decoding. Of equal continuations the better text's comes first, then
/// the lower token's. A text that has no token left is dropped; the search fails where all are.
public struct BeamSearch: Sendable {
  /// A text with its score.
  public struct Result: Hashable, Sendable {
    /// The text; its `logDrawn` is 0.
    public let decoded: DecodedText
    /// Its log-probability under the transformed model, divided by length^penalty.
    public let score: Double
    /// The first group that found it.
    public let group: Int
  }

  /// The options that all decoders share.
  public let rules: DecodingRules
  /// The number of texts that all groups together keep at each step.
  public let width: Int
  /// The exponent of the length.
  public let lengthPenalty: Double
  /// A group stops once it has found patience x width / groups finished texts; `nil` to stop when
  /// none better can come.
  public let patience: Double?
  /// The number of groups that share the beam.
  public let groups: Int
  /// What a token loses for each text of an earlier group that goes on by it.
  public let diversity: Double
  /// What a score loses where a text leaves out parts of a source; `nil` for nothing.
  public let coverage: CoveragePenalty?

  /// Creates a search.
  ///
  /// - Throws: where a transform draws at random, the width is no positive multiple of the groups,
  ///   or a number is not finite.
  public init(
    width: Int = 4, lengthPenalty: Double = 0, patience: Double? = nil, groups: Int = 1,
    diversity: Double = 0, coverage: CoveragePenalty? = nil, _ rules: DecodingRules = .plain
  ) throws(DecodingError) {
    guard width >= 1 else {
      throw DecodingError(.badArgument, "width: a beam has at least 1 text, got \(width)")
    }
    guard lengthPenalty.isFinite else {
      throw DecodingError(
        .badArgument, "length-penalty: an exponent is finite, got \(lengthPenalty)")
    }
    if let patience {
      guard patience > 0 && patience < .infinity else {
        throw DecodingError(
          .badArgument, "patience: a factor is positive and finite, got \(patience)")
      }
    }
    guard groups >= 1 && width % groups == 0 else {
      throw DecodingError(
        .badArgument, "groups: a beam of \(width) is no \(groups) groups of equal width")
    }
    guard diversity >= 0 && diversity < .infinity else {
      throw DecodingError(
        .badArgument, "diversity: a penalty is 0 or more, and finite, got \(diversity)")
    }
    self.rules = try rules.withoutRandomTransforms("beam search")
    self.width = width
    self.lengthPenalty = lengthPenalty
    self.patience = patience
    self.groups = groups
    self.diversity = diversity
    self.coverage = coverage
  }

  /// Searches for the best texts after a prompt.
  ///
  /// - Parameters:
  ///   - model: the model.
  ///   - prompt: the beginning of all texts.
  ///   - watch: is called after each step with the number of tokens behind the prompt.
  /// - Returns: different texts, the finished ones by score, then those that were cut, also by score:
  ///   as many of each group as it is wide, or as its patience asks for.
  /// - Throws: `DecodingError` where all texts of a beam have no token left, a logit is no number, or
  ///   the constraint cannot be met; and what the model throws.
  /// - Complexity: steps x width x vocabulary.
  public func decode<Model: LanguageModel>(
    _ model: Model, after prompt: TokenSequence = [], watch: (Int) -> Void = { _ in }
  ) throws -> [Result] {
    try decode(model, prompt, under: rules.opened, watch)
  }

  private func decode<Model: LanguageModel>(
    _ model: Model, _ prompt: TokenSequence, under constraint: some TokenConstraint,
    _ watch: (Int) -> Void
  ) throws -> [Result] {
    var rows = NextRows(model)
    let start = try Decoding(&rows, after: prompt, under: constraint, rules)
    return try search(from: start, rows, watch: watch)
  }

  /// A token that could stand at some place, and the best text with it.
  public struct Alternative: Hashable, Sendable {
    /// The token, which may be the end.
    public let token: Token
    /// Its natural log-probability among those that the transforms leave at this place.
    public let logProbability: Double
    /// The best text that the search finds with it.
    public let result: Result
  }

  /// Finds the most probable tokens at a place of the best text, and completes each by a search of
  /// its own.
  ///
  /// The tokens before the place are those of the best text.
  ///
  /// Reference: CTranslate2, `return_alternatives`.
  ///
  /// - Parameters:
  ///   - count: how many tokens, at most.
  ///   - place: the place behind the prompt, from 1; the best text's end has a place, too.
  ///   - model: the model.
  ///   - prompt: the beginning of all texts.
  /// - Returns: the alternatives, the most probable first, the lowest token of equals first.
  /// - Throws: where the best text has no such place, or as ``decode(_:after:watch:)``.
  /// - Complexity: that of one search for the best text and one for each alternative.
  public func alternatives<Model: LanguageModel>(
    _ count: Int, at place: Int, in model: Model, after prompt: TokenSequence = []
  ) throws -> [Alternative] {
    try alternatives(count, at: place, model, prompt, under: rules.opened)
  }

  private func alternatives<Model: LanguageModel>(
    _ count: Int, at place: Int, _ model: Model, _ prompt: TokenSequence,
    under constraint: some TokenConstraint
  ) throws -> [Alternative] {
    precondition(count >= 1, "at least one alternative")
    var rows = NextRows(model)
    var decoding = try Decoding(&rows, after: prompt, under: constraint, rules)
    guard let best = try search(from: decoding, rows).first?.decoded else { return [] }
    let places = best.text.count - prompt.count + (best.end == nil ? 0 : 1)
    guard place >= 1 && place <= places else {
      throw DecodingError(
        .badArgument,
        "at: the best text has places 1 to \(places) behind the prompt, its end among them, got "
          + "\(place)")
    }
    var next = rules.makeNextTokens(for: model.vocabulary)
    var choices = NoChoices()
    for token in best.text.tokens[prompt.count..<prompt.count + place - 1] {
      try decoding.read(&rows)
      try decoding.look(rows, &next, rules, using: &choices)
      next.normalize()
      decoding.commit(rows, token, logProbability: next[token], isEnd: false, rules)
    }
    try decoding.read(&rows)
    try decoding.look(rows, &next, rules, using: &choices)
    next.normalize()
    next.orderByLogit()
    var first: [(token: Token, logProbability: Double)] = []
    while first.count < count, let token = next.takeNext() { first.append((token, next[token])) }
    var alternatives: [Alternative] = []
    for (token, logProbability) in first {
      if rules.isTimeUp(), !alternatives.isEmpty { break }
      var begun = decoding
      begun.commit(
        rows, token, logProbability: logProbability, isEnd: next.isEnd(token), rules)
      do {
        let result =
          begun.ending == nil ? try search(from: begun, rows).first : result(begun, group: 0)
        guard let result else { continue }
        alternatives.append(
          Alternative(token: token, logProbability: logProbability, result: result))
      } catch let error as DecodingError {
        // A token is no alternative where nothing can follow it.
        guard error.kind == .nothingLeft else { throw error }
      }
    }
    return alternatives
  }

  private func search<Model: LanguageModel, Constraint: TokenConstraint>(
    from start: Decoding<Model, Constraint>, _ rows: NextRows<Model>,
    watch: (Int) -> Void = { _ in }
  ) throws -> [Result] {
    var rows = rows
    let model = rows.model
    var next = rules.makeNextTokens(for: model.vocabulary)
    var beams: [BeamGroup<Model, Constraint>] = []
    for group in 0..<groups { beams.append(BeamGroup(self, group: group, start, model)) }
    var penalties =
      groups > 1 && diversity > 0 ? [Double](repeating: 0, count: model.vocabulary.count) : []
    while beams.contains(where: { !$0.isDone }) {
      if rules.isTimeUp() { close(&beams) }
      for i in penalties.indices { penalties[i] = 0 }
      for group in beams.indices where !beams[group].isDone { beams[group].cutIfDue() }
      try read(&beams, &rows)
      for group in beams.indices where !beams[group].isDone {
        try beams[group].advance(rows, &next, penalties: penalties)
        guard !penalties.isEmpty else { continue }
        for text in beams[group].texts {
          if let token = text.decoding.text.last { penalties[token.index] += diversity }
        }
      }
      if let count = beams.compactMap({ $0.texts.first?.decoding.count }).max() { watch(count) }
    }
    let all = beams.flatMap { $0.finished }
    let cut = beams.flatMap { $0.cut }
    var seen: Set<Found> = []
    return (all.sorted { $0.score > $1.score } + cut.sorted { $0.score > $1.score })
      .filter { seen.insert(Found(text: $0.decoded.text, ending: $0.decoded.ending)).inserted }
  }

  /// Reads all open texts as one batch.
  private func read<Model: LanguageModel, Constraint: TokenConstraint>(
    _ beams: inout [BeamGroup<Model, Constraint>], _ rows: inout NextRows<Model>
  ) throws {
    let open = beams.indices.filter { !beams[$0].isDone }
    // A new batch replaces the rows of the last one, so that all texts go into it.
    guard open.contains(where: { beams[$0].isUnread(by: rows.model) }) else { return }
    for i in open { beams[i].add(to: &rows) }
    try rows.read()
    for i in open { beams[i].take(from: rows) }
  }

  /// What tells one result from another.
  private struct Found: Hashable {
    let text: TokenSequence
    let ending: Ending
  }

  /// Ends the open texts when time is up: at once, or, under a constraint where nothing is finished, by
  /// the shortest completion of the best text.
  private func close<Model: LanguageModel, Constraint: TokenConstraint>(
    _ beams: inout [BeamGroup<Model, Constraint>]
  ) {
    var isWanted = rules.constraint != nil && beams.allSatisfy { $0.finished.isEmpty }
    for group in beams.indices where !beams[group].isDone {
      if isWanted {
        beams[group].keepBest()
        isWanted = false
      } else if rules.constraint == nil {
        beams[group].cutAll()
      } else {
        beams[group].giveUp()
      }
    }
  }

  func result<Model: LanguageModel, Constraint: TokenConstraint>(
    _ decoding: Decoding<Model, Constraint>, group: Int
  ) -> Result {
    Result(
      decoded: decoding.decoded(logDrawn: 0),
      score: score(decoding.logTransformed, length: decoding.count)
        + (coverage?.gain(of: decoding.text[decoding.promptCount...]) ?? 0), group: group)
  }

  func score(_ logProbability: Double, length: Int) -> Double {
    logProbability == 0
      ? 0 : logProbability / LogSpace.exp(lengthPenalty * LogSpace.log(Double(length)))
  }
}
