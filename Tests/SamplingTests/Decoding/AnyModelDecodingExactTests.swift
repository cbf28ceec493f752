// Licensed under the Apache License, Version 2.0.

import Sampling
import SamplingLaws
import Testing

/// The same distribution as a ``RememberingModel``, read directly instead of in batches.
private struct DirectTwin: FiniteContextModel {
  let model: RememberingModel

  var vocabulary: Vocabulary { model.vocabulary }
  func makeContext() -> [Token] { [] }
  func advance(_ context: inout [Token], by token: Token) { context.append(token) }
  func logProbability(of token: Token, in context: [Token]) -> Double {
    model.logProbabilities(after: context)[token.index]
  }
}

/// Decoders with a model that has an unlimited context and offers nothing but batches.
@Suite struct AnyModelDecodingExactTests {
  /// The unknown token has some probability, which must not be drawn.
  private static let model = RememberingModel(letters: ["a", "b"], hasUnknown: true)
  private static let twin = DirectTwin(model: model)

  private func counted<Result>(
    _ model: RememberingModel = RememberingModel(letters: ["a", "b"], hasUnknown: true),
    _ act: (RememberingModel) throws -> Result
  ) rethrows -> (result: Result, calls: RememberingModel.Calls) {
    let result = try act(model)
    return (result, model.calls)
  }

  /// What may follow a text, with probabilities that sum to one.
  private func row(_ text: [Token]) -> [(token: Token, probability: Double)] {
    let row = Self.model.logProbabilities(after: text)
    let tokens = (0..<row.count).map { Token($0) }
      .filter { Self.model.vocabulary.isDrawable($0) || $0 == Self.model.vocabulary.end }
    let total = tokens.reduce(0) { $0 + LogSpace.exp(row[$1.index]) }
    return tokens.map { ($0, LogSpace.exp(row[$0.index]) / total) }
  }

  /// Every text that a sampler can draw behind a prompt, by its tokens and whether it has an end.
  private func texts(after prompt: [Token], limit: Int) -> [[Token]: Double] {
    let end = Self.model.vocabulary.end
    var law: [[Token]: Double] = [:]
    func walk(_ text: [Token], _ probability: Double) {
      for (token, share) in row(text) {
        if token == end {
          law[text + [end]] = probability * share
        } else if text.count + 1 == prompt.count + limit {
          law[text + [token]] = probability * share
        } else {
          walk(text + [token], probability * share)
        }
      }
    }
    walk(prompt, 1)
    return law
  }

  private func key(_ decoded: DecodedText) -> [Token] {
    decoded.text.tokens + [decoded.end].compactMap { $0 }
  }

  // MARK: Against an enumeration

  @Test(arguments: ["", "ab"])
  func sampling(prompt: String) throws {
    let prompt = Self.model.text(prompt)
    let sampler = AncestralSampler(try DecodingRules(maxTokens: 3))
    let law = outcomes { choices in
      (try? sampler.draw(from: Self.model, after: prompt, using: &choices)).map(key)
    }
    let expected = texts(after: prompt.tokens, limit: 3)
    #expect(Set(law.keys) == Set(expected.keys))
    for (text, probability) in law {
      #expect(abs(probability - expected[text ?? [], default: 2]) < 1e-12)
    }
  }

  @Test(arguments: ["", "ba"])
  func greedy(prompt: String) throws {
    let prompt = Self.model.text(prompt)
    let limit = 6
    var text = prompt.tokens
    while text.count < prompt.count + limit {
      let best = row(text).reduce((Token(0), 0.0)) { $1.probability > $0.1 ? $1 : $0 }
      text.append(best.0)
      if best.0 == Self.model.vocabulary.end { break }
    }
    let rules = try DecodingRules(maxTokens: limit)
    let (found, calls) = try counted { try GreedyDecoder(rules).decode($0, after: prompt) }
    #expect(key(found) == text)
    #expect(
      abs(found.logModel + found.logPrompt - logProbability(of: text)) < 1e-12)
    // Each token is read once; the last choice is not read.
    let steps = text.count - prompt.count
    #expect(
      calls
        == RememberingModel.Calls(
          batches: steps, runs: steps, tokens: text.count - 1, rows: steps))
  }

  private func logProbability(of text: [Token]) -> Double {
    text.indices.reduce(0) {
      $0 + Self.model.logProbabilities(after: text[..<$1])[text[$1].index]
    }
  }

  /// A beam as wide as a step has continuations finds all texts in their order.
  @Test func aWideBeam() throws {
    let prompt = Self.model.text("b")
    let end = Self.model.vocabulary.end
    let expected = texts(after: prompt.tokens, limit: 4).filter { $0.key.last == end }
      .sorted { $0.value > $1.value }
    let rules = try DecodingRules(maxTokens: 4)
    let found = try BeamSearch(width: 40, patience: 100, rules).decode(Self.model, after: prompt)
      .filter { $0.decoded.isFinished }
    #expect(found.map { key($0.decoded) } == expected.map(\.key))
    for (result, one) in zip(found, expected) {
      #expect(abs(result.score - LogSpace.log(one.value)) < 1e-12)
    }
  }

  @Test func withoutReplacement() throws {
    let sampler = try DistinctSampler(DecodingRules(maxTokens: 2))
    let law = outcomes { choices in
      (try? sampler.draw(2, from: Self.model, using: &choices)).map { $0.texts.map(key) }
    }
    let single = texts(after: [], limit: 2)
    for (pair, probability) in law {
      let pair = try #require(pair)
      let first = single[pair[0], default: 2]
      #expect(abs(probability - first * single[pair[1], default: 2] / (1 - first)) < 1e-12)
    }
    #expect(law.count == single.count * (single.count - 1))
  }

  /// A draft changes no law, and each check of its proposals is one batch.
  @Test(arguments: [1, 2, 4])
  func drafts(length: Int) throws {
    let draft = RememberingModel(letters: ["a", "b"], seed: 2, hasUnknown: true)
    let rules = try DecodingRules(maxTokens: 3)
    let decoder = try SpeculativeDecoder(length: length, rules)
    let law = outcomes { choices in
      var tally = SpeculativeDecoder.Tally()
      return
        (try? decoder.draw(from: Self.model, draft: draft, using: &choices, tally: &tally))
        .map(key)
    }
    let expected = texts(after: [], limit: 3)
    for (text, probability) in law {
      #expect(abs(probability - expected[text ?? [], default: 2]) < 1e-12)
    }
    let long = try SpeculativeDecoder(length: length, DecodingRules(maxTokens: 12))
    let prompt = Self.model.text("abba")
    var tally = SpeculativeDecoder.Tally()
    let (text, calls) = try counted {
      try long.decode($0, draft: draft, after: prompt, tally: &tally)
    }
    let greedy = try GreedyDecoder(DecodingRules(maxTokens: 12)).decode(Self.model, after: prompt)
    #expect(text == greedy)
    // The prompt is the other batch; a round that finds the end in a row it has needs none.
    #expect((tally.rounds...tally.rounds + 1).contains(calls.batches))
  }

  // MARK: Against the same model read directly

  @Test(arguments: [1, 2, 5], [1, 2])
  func beamsAgree(width: Int, groups: Int) throws {
    let search = try BeamSearch(
      width: width * groups, groups: groups, diversity: groups == 1 ? 0 : 0.5,
      DecodingRules(maxTokens: 6, explains: true))
    let prompt = Self.model.text("ab")
    let expected = try search.decode(Self.twin, after: prompt)
    var steps = 0
    let (found, calls) = try counted {
      try search.decode($0, after: prompt) { _ in steps += 1 }
    }
    #expect(found == expected)
    // Every step is one batch for all texts of all groups; the step that only cuts reads nothing.
    #expect(calls.batches <= steps && calls.batches >= steps - 1)
    #expect(calls.runs <= 1 + (calls.batches - 1) * width * groups)
    #expect(calls.tokens == prompt.count + calls.runs - 1)
  }

  @Test func alternativesAgree() throws {
    let search = try BeamSearch(width: 3, DecodingRules(maxTokens: 5))
    #expect(
      try search.alternatives(3, at: 1, in: Self.model)
        == search.alternatives(3, at: 1, in: Self.twin))
  }

  @Test(arguments: [1, 2, 3], [1, 2, 100])
  func contrastiveSearchesAgree(candidates: Int, window: Int) throws {
    let search = try ContrastiveSearch(
      candidates: candidates, penalty: 0.6, window: window,
      DecodingRules(maxTokens: 7, explains: true))
    let prompt = Self.model.text("abb")
    let (found, calls) = try counted { try search.decode($0, after: prompt) }
    #expect(try found == search.decode(Self.twin, after: prompt))
    // A step is one batch with a run for each candidate, whose row serves the next step.
    let steps = found.text.count - prompt.count + (found.end == nil ? 0 : 1)
    let promptBatches = window < prompt.count ? 3 : 2
    // The only candidate's end is in a row that is there already.
    let most = steps + promptBatches
    #expect((most - (candidates == 1 ? 1 : 0)...most).contains(calls.batches))
  }

  @Test func manyTextsAtOnce() throws {
    let sampler = AncestralSampler(
      try DecodingRules(transforms: [Temperature(1.5), TopK(3)], maxTokens: 9))
    let prompt = Self.model.text("a")
    let seeds: [UInt64] = Array(1...20)
    let single = try seeds.map { seed in
      var choices = RandomChoices(seed: seed)
      return try sampler.draw(from: Self.twin, after: prompt, using: &choices)
    }
    var choices = seeds.map { RandomChoices(seed: $0) }
    let (found, calls) = try counted {
      try sampler.draw(from: $0, after: prompt, using: &choices)
    }
    #expect(found == single)
    let longest = found.map { $0.text.count - 1 + ($0.end == nil ? 0 : 1) }.max()
    #expect(calls.batches == longest)
  }

  @Test func bestOfManyIsOneBatchAStep() throws {
    let sampler = AncestralSampler(try DecodingRules(maxTokens: 2))
    let best = try BestOf(2, of: sampler) { $0.logModel }
    let law = outcomes { choices in
      (try? best.draw(from: Self.model, using: &choices)).map { key($0.text) }
    }
    let expected = outcomes { choices in
      (try? best.draw(from: Self.twin, using: &choices)).map { key($0.text) }
    }
    #expect(totalVariation(law, expected) < 1e-12)
    var choices = RandomChoices(seed: 1)
    let (_, calls) = try counted { try best.draw(from: $0, using: &choices) }
    #expect(calls.batches <= 2)
  }

  // MARK: Limits and errors

  @Test func errorsOfTheModelAreThrownOn() throws {
    let draft = RememberingModel(seed: 2)
    var tally = SpeculativeDecoder.Tally()
    var choices = RandomChoices(seed: 1)
    let rules = try DecodingRules(transforms: [MinimumLength(20)])
    let acts: [(RememberingModel) throws -> Void] = [
      { _ = try GreedyDecoder(rules).decode($0) },
      { _ = try AncestralSampler(rules).draw(from: $0, using: &choices) },
      { _ = try BeamSearch(rules).decode($0) },
      { _ = try ContrastiveSearch(rules).decode($0) },
      { _ = try DistinctSampler(rules).draw(2, from: $0, using: &choices) },
      { _ = try SpeculativeDecoder(rules).decode($0, draft: draft, tally: &tally) },
      { _ = try SpeculativeDecoder(rules).decode(draft, draft: $0, tally: &tally) },
    ]
    for act in acts {
      #expect(throws: RememberingModel.Failure.outOfBatches) {
        try act(RememberingModel(batchLimit: 4))
      }
    }
  }

  /// A text ends where the model can read no further, and says so beforehand where it must.
  @Test func theModelsLongestTextIsALimit() throws {
    let model = RememberingModel(longestText: 5)
    let rules = try DecodingRules(transforms: [MinimumLength(20)])
    let found = try GreedyDecoder(rules).decode(model, after: model.text("ab"))
    #expect(found.text.count == 5 && found.ending == .limit)
    let beam = try BeamSearch(rules).decode(model, after: model.text("ab"))
    #expect(beam.allSatisfy { $0.decoded.text.count == 5 && $0.decoded.ending == .limit })
    #expect {
      _ = try GreedyDecoder(rules).decode(model, after: model.text("ababa"))
    } throws: { error in
      "\(error)"
        == "the prompt has 5 tokens and leaves no room: the model reads 5; shorten it"
    }
  }
}

/// Decoders under a constraint without a finite table.
@Suite struct AnyConstraintExactTests {
  private static let model = RememberingModel(letters: ["(", ")", "a"], hasUnknown: true)
  private static let limit = 5

  /// The log of the unnormalised target of each balanced text that fits.
  private func target(_ brackets: BalancedBrackets, fluency: Double) -> [TokenSequence: Double] {
    var target: [TokenSequence: Double] = [:]
    for text in Self.model.texts(upTo: Self.limit - 1) {
      let weight = brackets.logWeight(of: text)
      if weight > -.infinity {
        target[text] = fluency * Self.model.logProbability(ofText: text) + weight
      }
    }
    return target
  }

  private func rules(_ brackets: BalancedBrackets, fluency: Double) throws -> DecodingRules {
    try DecodingRules(
      maxTokens: Self.limit, constraint: DecodingConstraint(brackets, fluency: fluency))
  }

  @Test(arguments: [1, 0.5], [0, 0.4])
  func samplesCarryTheirWeight(fluency: Double, logPair: Double) throws {
    let brackets = BalancedBrackets(Self.model.vocabulary, logPair: logPair)
    let sampler = AncestralSampler(try rules(brackets, fluency: fluency))
    let law = outcomes { choices in try? sampler.draw(from: Self.model, using: &choices) }
    let target = target(brackets, fluency: fluency)
    #expect(law.count == target.count)
    var evidence = 0.0
    for (text, probability) in law {
      let text = try #require(text)
      let expected = try #require(target[text.text])
      #expect(text.isFinished && abs(text.logTransformed - expected) < 1e-12)
      #expect(abs(LogSpace.exp(text.logDrawn) - probability) < 1e-12)
      evidence += probability * LogSpace.exp(text.logTransformed - text.logDrawn)
    }
    #expect(abs(evidence - LogSpace.exp(LogSpace.sum(Array(target.values)))) < 1e-12)
  }

  @Test(arguments: [1, 0.5], [0, 0.4])
  func aWideBeamFindsTheBest(fluency: Double, logPair: Double) throws {
    let brackets = BalancedBrackets(Self.model.vocabulary, logPair: logPair)
    let rules = try rules(brackets, fluency: fluency)
    let found = try BeamSearch(width: 200, patience: 100, rules).decode(Self.model)
    let expected = target(brackets, fluency: fluency).values.sorted(by: >)
    #expect(found.count == expected.count)
    for (result, score) in zip(found, expected) { #expect(abs(result.score - score) < 1e-12) }
  }

  /// Greedy decoding, a draft and a narrow beam close every bracket within the limit.
  @Test func everyBracketIsClosed() throws {
    let brackets = BalancedBrackets(Self.model.vocabulary, longest: 4)
    let rules = try rules(brackets, fluency: 1)
    let greedy = try GreedyDecoder(rules).decode(Self.model, after: Self.model.text("("))
    #expect(greedy.isFinished && brackets.logWeight(of: greedy.text) == 0)
    var tally = SpeculativeDecoder.Tally()
    let draft = RememberingModel(letters: ["(", ")", "a"], seed: 2, hasUnknown: true)
    let speculative = try SpeculativeDecoder(rules).decode(
      Self.model, draft: draft, after: Self.model.text("("), tally: &tally)
    #expect(speculative == greedy)
    let beam = try BeamSearch(width: 2, rules).decode(Self.model)
    #expect(
      beam.allSatisfy { $0.decoded.isFinished && brackets.logWeight(of: $0.decoded.text) == 0 })
    #expect {
      _ = try GreedyDecoder(rules).decode(Self.model, after: Self.model.text(")"))
    } throws: { error in
      (error as? DecodingError)?.kind == .unmet
    }
  }
}
