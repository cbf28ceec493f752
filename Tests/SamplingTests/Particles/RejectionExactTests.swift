// Licensed under the Apache License, Version 2.0.

import Sampling
import SamplingLaws
import Testing

extension Space {
  /// What every sampler without a chain is judged with on a space.
  var lookAhead: AutomatonLookAhead { AutomatonLookAhead(automaton, mostTokens: 4) }

  /// The same with expectations of its own for each state, for better or worse.
  var guided: AutomatonLookAhead {
    AutomatonLookAhead(
      automaton, mostTokens: 4, weights: [0, 0.3, 0.4, 0.3], vocabulary: Toy.toy.vocabulary,
      fluency: space.target.fluency)
  }

  var automaton: TokenAutomaton {
    guard let automaton = space.target.constraint else {
      preconditionFailure("all spaces have one")
    }
    return automaton
  }
}

/// What rejection needs: rho over the model's probability is bounded.
let boundedSpaces: [Space] = [.lengths, .containsB, .soft, .fixedLength]

@Suite struct RejectionExactTests {
  static func logBound(_ space: Space) -> Double { space.automaton.largestLogWeight ?? 0 }

  @Test(arguments: boundedSpaces)
  func rejectionKeepsItsTarget(space: Space) throws {
    let target = space.space.target
    let sampler = Rejection(
      ModelTexts(target, space.lookAhead, source: VectorTokens(Toy.toy)),
      logBound: Self.logBound(space))
    let law = outcomes { try? sampler.attempt(using: &$0) }
    #expect(defect(law, space) < 1e-12)
    // What is stated: Z / M.
    let accepted = 1 - law[nil, default: 0]
    #expect(
      abs(accepted - evidence(of: space.space) / LogSpace.exp(Self.logBound(space))) < 1e-12)
  }

  /// Guided proposals under their largest weight.
  @Test(arguments: Space.allCases)
  func guidedRejectionKeepsItsTarget(space: Space) throws {
    let texts = GuidedTexts(GuidedTokens(space.space.target, space.guided))
    let logBound =
      try outcomes { try texts.draw(using: &$0)?.logWeight }.keys.compactMap { $0 }.max() ?? 0
    let sampler = Rejection(texts, logBound: logBound)
    #expect(defect(outcomes { try? sampler.attempt(using: &$0) }, space) < 1e-12)
  }

  /// The law of kept texts is the target's, attempt after attempt.
  private func defect(_ law: [TokenSequence?: Double], _ space: Space) -> Double {
    var kept: [TokenSequence: Double] = [:]
    for (text, probability) in law {
      if let text { kept[text, default: 0] += probability }
    }
    let total = kept.values.reduce(0, +)
    return totalVariation(kept.mapValues { $0 / total }, space.space.probabilities)
  }

  private func firstKept(
    _ space: Space, within most: Int, _ choices: inout EnumeratedChoices,
    after learning: Int = 0
  ) -> TokenSequence? {
    var sampler = AdaptiveRejection(
      space.space.target, space.lookAhead, source: VectorTokens(Toy.toy),
      logBound: Self.logBound(space), attempts: 1)
    for i in 0..<most {
      if case .accepted(let text)? = try? sampler.attempt(using: &choices), i >= learning {
        return text
      }
    }
    return nil
  }

  /// With what an attempt taught, the next text kept has the target's law.
  @Test(arguments: boundedSpaces, [0, 1])
  func adaptiveRejectionKeepsItsTarget(space: Space, learning: Int) {
    // Two attempts on the larger spaces are millions of branches.
    guard learning == 0 || space == .fixedLength else { return }
    let law = outcomes { choices in
      firstKept(space, within: learning + 1, &choices, after: learning)
    }
    #expect(defect(law, space) < 1e-12)
  }

  /// The stated share is what an attempt's acceptance follows: Z / (M x share).
  @Test func shareIsWhatIsLeft() {
    let space = Space.fixedLength
    struct Case: Hashable {
      var share: Double
      var isAccepted: Bool
    }
    let law = outcomes { choices in
      var sampler = AdaptiveRejection(
        space.space.target, space.lookAhead, source: VectorTokens(Toy.toy),
        logBound: Self.logBound(space), attempts: 1)
      _ = try? sampler.attempt(using: &choices)
      let share = sampler.share
      if case .accepted? = try? sampler.attempt(using: &choices) {
        return Case(share: share, isAccepted: true)
      }
      return Case(share: share, isAccepted: false)
    }
    let ratio = evidence(of: space.space) / LogSpace.exp(Self.logBound(space))
    for share in Set(law.keys.map(\.share)) {
      let accepted = law[Case(share: share, isAccepted: true), default: 0]
      let rejected = law[Case(share: share, isAccepted: false), default: 0]
      #expect(abs(accepted / (accepted + rejected) - ratio / share) < 1e-12)
    }
  }

  /// Drawing among the allowed tokens of each prefix, as decoders under constraints do, keeps
  /// another law.
  @Test func maskingIsNoRejection() throws {
    let law = try outcomes { choices in
      try GuidedTexts(GuidedTokens(Space.containsB.space.target, Space.containsB.lookAhead))
        .draw(using: &choices)?.text
    }
    #expect(defect(law, .containsB) > 1e-3)
  }

  /// A model whose probabilities add up to less than 1 in one context and to more in another.
  @Test func modelsThatDoNotAddUp() throws {
    let model = BigramTable(
      letters: ["a", "b"], rows: [[0.5, 0.3, 0.1], [0.2, 0.6, 0.3], [0.4, 0.1, 0.4]])
    let automaton = TokenAutomaton(model, lengths: 1...2)
    let space = EnumeratedTarget(
      SentenceTarget(model: model, constraint: automaton), among: model.texts(ofLengths: 0...2))
    let lookAhead = AutomatonLookAhead(automaton, mostTokens: 2)
    let source = VectorTokens(model)
    for attempts in 1...2 {
      let law = outcomes { choices -> TokenSequence? in
        // Two contexts in a row add up to 1.1 at most once or twice.
        var sampler = AdaptiveRejection(
          space.target, lookAhead, source: source, logBound: 2 * LogSpace.log(1.1), attempts: 1)
        for i in 0..<attempts {
          if case .accepted(let text)? = try? sampler.attempt(using: &choices), i == attempts - 1 {
            return text
          }
        }
        return nil
      }
      let kept = law.filter { $0.key != nil }
      let total = kept.values.reduce(0, +)
      var expected: [TokenSequence?: Double] = [:]
      for (text, probability) in space.probabilities { expected[text] = probability }
      #expect(totalVariation(kept.mapValues { $0 / total }, expected) < 1e-12)
    }
    let texts = ModelTexts(space.target, lookAhead, source: source)
    #expect(
      try properWeightDefect(on: space) { choices in
        try texts.draw(using: &choices).map { ($0.text, $0.logWeight) }
      } < 1e-12)
    let rejected = GuidedTexts(
      RejectedTokens(space.target, lookAhead, source: source, attempts: 1))
    #expect(
      try properWeightDefect(on: space) { choices in
        try rejected.draw(using: &choices).map { ($0.text, $0.logWeight) }
      } < 1e-12)
  }

  /// A bound that is exceeded is said with the text that does.
  @Test func exceededBoundIsSaid() throws {
    let space = Space.fixedLength
    let sampler = Rejection(
      ModelTexts(space.space.target, space.lookAhead, source: VectorTokens(Toy.toy)),
      logBound: -1)
    var excess: BoundExceeded?
    _ = try outcomes { choices in
      do {
        return try sampler.attempt(using: &choices)
      } catch let error as BoundExceeded {
        excess = error
        return nil
      }
    }
    #expect(excess?.logBound == -1)
    #expect(abs((excess?.logWeight ?? 1) - 0) < 1e-12)
  }

  @Test func largestWeights() {
    #expect(Space.soft.automaton.largestLogWeight.map { abs($0 - 1.2) < 1e-12 } ?? false)
    #expect(Space.lengths.automaton.largestLogWeight == 0)
    #expect(Space.lengths.automaton.longestLength == 4)
    let every = TokenAutomaton(every: Toy.toy.vocabulary)
    #expect(every.longestLength == nil)
    #expect(every.largestLogWeight == 0)
  }
}

@Suite struct TokenProposalExactTests {
  private typealias ToyPrefix = Prefix<Toy, TokenAutomaton>

  private func prefixes(_ space: Space) -> [ToyPrefix] {
    let toy = Toy.toy
    return toy.texts(ofLengths: 0...3).compactMap { text in
      var prefix = ToyPrefix(context: toy.makeContext(), state: space.automaton.start)
      for token in text {
        guard space.automaton.next(prefix.state, token) != nil else { return nil }
        prefix.append(token, toy, space.automaton)
      }
      return prefix
    }
  }

  private func values(
    _ space: Space, _ lookAhead: AutomatonLookAhead, _ prefix: ToyPrefix
  ) -> [Token: Double] {
    let tokens = GuidedTokens(space.space.target, lookAhead)
    let logs = tokens.logValues(after: prefix)
    let here = lookAhead.logExpectation(prefix.state)
    var values: [Token: Double] = [:]
    for i in logs.indices where logs[i] > -.infinity {
      values[Token(i)] = LogSpace.exp(logs[i] - here)
    }
    return values
  }

  @Test(arguments: Space.allCases)
  func guidedTokensWeighProperly(space: Space) {
    for lookAhead in [space.lookAhead, space.guided] {
      for prefix in prefixes(space) {
        let tokens = GuidedTokens(space.space.target, lookAhead)
        let expected = values(space, lookAhead, prefix)
        guard !expected.isEmpty else { continue }
        let defect = weightDefect(expected) { choices in
          tokens.draw(after: prefix, using: &choices).map { ($0.token, $0.logWeight) }
        }
        #expect(defect < 1e-12)
      }
    }
  }

  @Test(arguments: boundedSpaces, [1, 2])
  func rejectedTokensWeighProperly(space: Space, attempts: Int) {
    for lookAhead in [space.lookAhead, space.guided] {
      let tokens = RejectedTokens(
        space.space.target, lookAhead, source: VectorTokens(Toy.toy), attempts: attempts)
      for prefix in prefixes(space) {
        let expected = values(space, lookAhead, prefix)
        guard !expected.isEmpty else { continue }
        let defect = weightDefect(expected) { choices in
          tokens.draw(after: prefix, using: &choices).map { ($0.token, $0.logWeight) }
        }
        #expect(defect < 1e-12)
      }
    }
  }

  /// An end that is decided first weighs more than its value, by how seldom it is decided on.
  @Test func endThatWeighsItsValueIsSeen() throws {
    let space = Space.lengths
    let end = Toy.toy.vocabulary.end
    let tokens = RejectedTokens(
      space.space.target, space.lookAhead, source: VectorTokens(Toy.toy), attempts: 1)
    let both = try #require(
      prefixes(space).first { prefix in
        let expected = values(space, space.lookAhead, prefix)
        return expected[end] != nil && expected.count > 1
      })
    let expected = values(space, space.lookAhead, both)
    let defect = weightDefect(expected) { choices in
      tokens.draw(after: both, using: &choices).map { token, logWeight in
        (token, token == end ? LogSpace.log(expected[end] ?? 0) : logWeight)
      }
    }
    #expect(defect > 1e-3)
  }

  /// One over the number of draws up to the first acceptance, a biased estimate of its chance.
  @Test func weightOfTheFirstAcceptanceIsSeen() {
    let space = Space.lengths
    let lookAhead = space.lookAhead
    let source = VectorTokens(Toy.toy)
    let prefix = ToyPrefix(context: Toy.toy.makeContext(), state: lookAhead.constraint.start)
    let expected = values(space, lookAhead, prefix)
    let defect = weightDefect(expected) { choices in
      var draws = 0.0
      // The end is the one token that may not come here; it comes six times in a row with
      // probability 1e-6.
      while draws < 6 {
        draws += 1
        let token = source.draw(after: prefix, using: &choices).token
        if expected[token] != nil { return (token, -LogSpace.log(draws)) }
      }
      return nil
    }
    #expect(defect > 1e-3)
  }

  /// What is observed behind the empty text has the evidence as its mean.
  @Test(arguments: Space.allCases)
  func observationsAreUnbiased(space: Space) throws {
    let guided = GuidedTexts(GuidedTokens(space.space.target, space.guided))
    let z = evidence(of: space.space)
    let defect = try weightDefect([true: z]) { choices in
      (true, try guided.observation(using: &choices).last?.logMass ?? -.infinity)
    }
    #expect(defect < 1e-12)
  }

  @Test(arguments: Space.allCases)
  func textsWeighProperly(space: Space) throws {
    var choices = RandomChoices(seed: 1)
    let guided = GuidedTexts(GuidedTokens(space.space.target, space.guided))
    let learnt = space.guided.refined(
      by: try (0..<20).flatMap { _ in try guided.observation(using: &choices) })
    for lookAhead in [space.lookAhead, space.guided, learnt] {
      let guided = GuidedTexts(GuidedTokens(space.space.target, lookAhead))
      #expect(
        try properWeightDefect(on: space.space) { choices in
          try guided.draw(using: &choices).map { ($0.text, $0.logWeight) }
        } < 1e-12)
    }
    let plain = ModelTexts(space.space.target, space.lookAhead, source: VectorTokens(Toy.toy))
    #expect(
      try properWeightDefect(on: space.space) { choices in
        try plain.draw(using: &choices).map { ($0.text, $0.logWeight) }
      } < 1e-12)
  }
}
