// Licensed under the Apache License, Version 2.0.

/// The best texts that a beam of fixed width finds.
///
/// At each step all continuations of the beam are ranked by log-probability under the model as the
/// transforms change it. Of the first `width`, those that end are kept as finished; the first
/// `width` that do not end are the next beam. A finished text's score is its log-probability
/// divided by length^penalty, its end counted and its prompt not. Without a patience the search
/// stops when no continuation of the beam can reach the scores of `width` finished texts.
///
/// **Under a constraint** a text is ranked by the log of the unnormalised target, and the beam is
/// shared evenly among the continuations' distances to an allowed end, the nearest first, so that
/// keywords are not put off for ever by more probable words.
///
/// **In groups** the beam is searched in parts of `width / groups`, one after another at each step;
/// a token loses `diversity` for each text of an earlier group that goes on by it at this step.
/// Ranks, not scores, include what was lost.
///
/// **With a coverage** a text's score, not its rank, gains what the ``CoveragePenalty`` says.
///
/// References: Wu et al. 2016, "Google's neural machine translation system", section 7, with the
/// penalty length^a of transformers and fairseq; Kasai, Sakaguchi, Le Bras, Radev, Choi and Smith
/// 2024, "A call for clarity in beam search", section 2, for patience; Vijayakumar et al. 2018,
/// "Diverse beam search", algorithm 1 with Hamming diversity; Post and Vilar 2018, "Fast lexically
/// constrained decoding with dynamic beam allocation", section 3, with the automaton's distance in
/// the place of the number of words unmet.
///
/// **When time is up** the step at hand is left. What is open is cut there; under a constraint
/// finished texts are returned, or, where there is none, the best open one with its shortest
/// completion.
///
/// **Edge cases.** A text that several groups find is returned once, for the first of them. Width 1
/// without a penalty is greedy decoding. Of equal continuations that of the better text comes first,
/// then the lower token's. A text that has no token left is given up; the search fails where all
/// are.
public struct BeamSearch: Sendable {
  /// A text with the score that it was ranked by.
  public struct Result: Hashable, Sendable {
    /// The text; its `logDrawn` is 0.
    public let decoded: DecodedText
    /// Its log-probability under the transformed model, divided by length^penalty.
    public let score: Double
    /// The first group that found it.
    public let group: Int
  }

  /// What it was told.
  public let rules: DecodingRules
  /// How many texts go on at each step, those of all groups together.
  public let width: Int
  /// The exponent of the length.
  public let lengthPenalty: Double
  /// A group stops once it has found patience x width / groups finished texts; `nil` to stop when
  /// none better can come.
  public let patience: Double?
  /// How many parts the beam has.
  public let groups: Int
  /// What a token loses for each text of an earlier group that goes on by it.
  public let diversity: Double
  /// What a score loses for what is left out of a source; `nil` for nothing.
  public let coverage: CoveragePenalty?

  /// A search.
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

  /// The best texts after a prompt.
  ///
  /// - Parameters:
  ///   - model: whose texts.
  ///   - prompt: what they begin with.
  ///   - watch: is told how many tokens behind the prompt have been chosen, after each step.
  /// - Returns: different texts, the finished ones by score, then those that were cut, also by score:
  ///   as many of each group as it is wide, or as its patience asks for.
  /// - Throws: where all texts of a beam have no token left, a logit is no number, or the constraint
  ///   cannot be met.
  /// - Complexity: steps x width x vocabulary.
  public func decode<Model: FiniteContextModel>(
    _ model: Model, after prompt: TokenSequence = [], watch: (Int) -> Void = { _ in }
  ) throws(DecodingError) -> [Result] {
    try search(model, from: Decoding(model, after: prompt, rules: rules), watch: watch)
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

  /// The most probable tokens at a place of the best text, each completed by a search of its own.
  ///
  /// What stands before the place is kept as the best text has it.
  ///
  /// Reference: CTranslate2, `return_alternatives`.
  ///
  /// - Parameters:
  ///   - count: how many tokens, at most.
  ///   - place: the place behind the prompt, from 1; the best text's end is one, too.
  ///   - model: whose texts.
  ///   - prompt: what they begin with.
  /// - Returns: the alternatives, the most probable first, the lowest token of equals first.
  /// - Throws: where the best text has no such place, or as ``decode(_:after:)``.
  /// - Complexity: one search more than alternatives.
  public func alternatives<Model: FiniteContextModel>(
    _ count: Int, at place: Int, in model: Model, after prompt: TokenSequence = []
  ) throws(DecodingError) -> [Alternative] {
    precondition(count >= 1, "alternatives are asked for")
    var decoding = try Decoding(model, after: prompt, rules: rules)
    guard let best = try search(model, from: decoding).first?.decoded else { return [] }
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
      try decoding.look(model, &next, rules, using: &choices)
      next.normalize()
      decoding.commit(model, token, logProbability: next[token], isEnd: false, rules)
    }
    try decoding.look(model, &next, rules, using: &choices)
    next.normalize()
    next.orderByLogit()
    var first: [(token: Token, logProbability: Double)] = []
    while first.count < count, let token = next.takeNext() { first.append((token, next[token])) }
    var alternatives: [Alternative] = []
    for (token, logProbability) in first {
      if rules.isTimeUp(), !alternatives.isEmpty { break }
      var begun = decoding
      begun.commit(
        model, token, logProbability: logProbability, isEnd: next.isEnd(token), rules)
      do {
        let result =
          begun.ending == nil ? try search(model, from: begun).first : result(begun, group: 0)
        guard let result else { continue }
        alternatives.append(
          Alternative(token: token, logProbability: logProbability, result: result))
      } catch {
        // A token behind which nothing is left is no alternative.
        guard error.kind == .nothingLeft else { throw error }
      }
    }
    return alternatives
  }

  private func search<Model: FiniteContextModel>(
    _ model: Model, from start: Decoding<Model>, watch: (Int) -> Void = { _ in }
  ) throws(DecodingError) -> [Result] {
    var next = rules.makeNextTokens(for: model.vocabulary)
    var beams: [BeamGroup<Model>] = []
    for group in 0..<groups { beams.append(BeamGroup(self, group: group, start, model)) }
    var penalties =
      groups > 1 && diversity > 0 ? [Double](repeating: 0, count: model.vocabulary.count) : []
    while beams.contains(where: { !$0.isDone }) {
      if rules.isTimeUp() { close(&beams) }
      for i in penalties.indices { penalties[i] = 0 }
      for group in beams.indices where !beams[group].isDone {
        try beams[group].advance(model, &next, penalties: penalties)
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

  /// What tells one result from another.
  private struct Found: Hashable {
    let text: TokenSequence
    let ending: Ending
  }

  /// Ends what is open when time is up: at once, or under a constraint, if nothing is finished, by the
  /// shortest completion of the best text alone.
  private func close<Model: FiniteContextModel>(_ beams: inout [BeamGroup<Model>]) {
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

  func result<Model: FiniteContextModel>(
    _ decoding: Decoding<Model>, group: Int
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
