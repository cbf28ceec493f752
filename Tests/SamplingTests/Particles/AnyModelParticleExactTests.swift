// Licensed under the Apache License, Version 2.0.

import Sampling
import SamplingLaws
import Testing

/// A small space for a model that has nothing but batches, and for any constraint.
private struct AnySpace<Look: LookAhead>: Sendable {
  let model: RememberingModel
  let lookAhead: Look
  var fluency = 1.0
  var spelling: NoPair?

  var target: PrefixTarget<RememberingModel, Look.Constraint> {
    PrefixTarget(
      model: model, constraint: lookAhead.constraint, fluency: fluency, spelling: spelling)
  }

  var tokens: GuidedTokens<PrefixTarget<RememberingModel, Look.Constraint>, Look> {
    GuidedTokens(target, lookAhead)
  }

  /// Rho of every allowed text, from scratch.
  var expected: [TokenSequence: Double] {
    var expected: [TokenSequence: Double] = [:]
    for text in model.texts(upTo: lookAhead.mostTokens) {
      let soft = lookAhead.constraint.logWeight(of: text)
      guard soft > -.infinity, spelling?.allows(text.tokens) ?? true else { continue }
      expected[text] = LogSpace.exp(fluency * model.logProbability(ofText: text) + soft)
    }
    return expected
  }
}

/// Letters with at least one b, which weighs more; two tokens at most.
private enum Letters {
  static let automaton: TokenAutomaton = {
    let b = Toy.toy.text("b")[0]
    return TokenAutomaton(Toy.toy, lengths: 1...2) { text in
      text.contains(b) ? 0.7 * Double(text.filter { $0 == b }.count) : -.infinity
    }
  }()

  static func space(fluency: Double = 1) -> AnySpace<AutomatonLookAhead> {
    AnySpace(
      model: RememberingModel(),
      lookAhead: AutomatonLookAhead(
        automaton, mostTokens: 2, weights: [0, 0.3, 0.4, 0.3], vocabulary: Toy.toy.vocabulary),
      fluency: fluency)
  }

  /// The same without estimates.
  static func plain() -> AnySpace<CompletionLookAhead<TokenAutomaton>> {
    AnySpace(
      model: RememberingModel(hasUnknown: false),
      lookAhead: CompletionLookAhead(automaton, mostTokens: 2))
  }
}

/// Matching brackets, each pair adding nats; the constraint itself bounds no length.
private enum Brackets {
  static func space(
    mostTokens: Int = 2, fluency: Double = 1
  ) -> AnySpace<CompletionLookAhead<BalancedBrackets>> {
    let model = RememberingModel(letters: ["(", ")", "a"], seed: 3, hasUnknown: true)
    return AnySpace(
      model: model,
      lookAhead: CompletionLookAhead(
        BalancedBrackets(model.vocabulary, logPair: 0.5), mostTokens: mostTokens),
      fluency: fluency)
  }
}

@Suite struct AnyModelParticleExactTests {
  private func filterDefect(
    _ space: AnySpace<some LookAhead>, threshold: Double, isRejuvenated: Bool = false
  ) throws -> Double {
    let filter = ParticleFilter(
      space.tokens, threshold: threshold,
      rejuvenation: isRejuvenated ? RedrawnTail(space.tokens, length: 2) : nil)
    let defect = try particleDefect(space.expected, count: 2) {
      try filter.run(count: 2, using: &$0).texts
    }
    return max(defect.texts, defect.evidence)
  }

  /// The evidence and the weights at each text are unbiased.
  @Test(arguments: [0, 0.9, 1]) func particlesWeighProperly(threshold: Double) throws {
    #expect(try filterDefect(Letters.space(), threshold: threshold) < 1e-12)
    #expect(try filterDefect(Letters.space(fluency: 1.4), threshold: threshold) < 1e-12)
    #expect(try filterDefect(Letters.plain(), threshold: threshold) < 1e-12)
    #expect(try filterDefect(Brackets.space(), threshold: threshold) < 1e-12)
  }

  @Test func rejuvenatedParticlesWeighProperly() throws {
    #expect(try filterDefect(Brackets.space(), threshold: 1, isRejuvenated: true) < 1e-12)
    #expect(try filterDefect(Letters.space(), threshold: 1, isRejuvenated: true) < 1e-12)
  }

  /// Texts that a rule of spelling forbids weigh nothing, whatever draws them.
  @Test func spelledTextsWeighProperly() throws {
    var space = Letters.space()
    space.spelling = NoPair(of: Array(space.model.text("ab")))
    #expect(space.expected.count < Letters.space().expected.count)
    #expect(try filterDefect(space, threshold: 1) < 1e-12)
    #expect(try filterDefect(space, threshold: 0, isRejuvenated: true) < 1e-12)
    let guided = GuidedTexts(space.tokens)
    let drawn = outcomes { (choices) -> WeightedText? in try? guided.draw(using: &choices) }
    var mass: [TokenSequence: Double] = [:]
    for (text, chance) in drawn {
      guard let text else { continue }
      mass[text.text, default: 0] += chance * LogSpace.exp(text.logWeight)
    }
    #expect(totalVariation(mass, space.expected) < 1e-12)
  }

  /// A mutant whose batch hands the first particle the row of the last one.
  private struct ExchangedRows<Base: TokenProposal>: TokenProposal {
    let base: Base
    var target: Base.Target { base.target }
    var lookAhead: Base.Look { base.lookAhead }

    func prepare(_ prefixes: inout [Prefix<Base.Model, Base.Constraint>]) throws {
      try base.prepare(&prefixes)
      guard let last = prefixes.last?.row else { return }
      prefixes[0].row = last
    }

    func draw(
      after prefix: Prefix<Base.Model, Base.Constraint>, using choices: inout some ChoiceSource
    ) -> (token: Token, logWeight: Double)? {
      base.draw(after: prefix, using: &choices)
    }
  }

  @Test func exchangedRowsAreSeen() throws {
    let space = Brackets.space()
    let filter = ParticleFilter(ExchangedRows(base: space.tokens), threshold: 1)
    let defect = try particleDefect(space.expected, count: 2) {
      try filter.run(count: 2, using: &$0).texts
    }
    #expect(defect.texts > 1e-3)
  }

  private func textDefect(
    _ space: AnySpace<some LookAhead>, _ texts: some TextProposal
  ) throws -> Double {
    try weightDefect(space.expected) { choices in
      try texts.draw(using: &choices).map { ($0.text, $0.logWeight) }
    }
  }

  @Test func textsWeighProperly() throws {
    func defects(_ space: AnySpace<some LookAhead>) throws -> [Double] {
      let own = ModelTexts(
        space.target, space.lookAhead, source: VectorTokens(space.model))
      return [try textDefect(space, GuidedTexts(space.tokens)), try textDefect(space, own)]
    }
    let all = [
      try defects(Letters.space(fluency: 0.8)), try defects(Letters.plain()),
      try defects(Brackets.space(mostTokens: 4)), try defects(Brackets.space(fluency: 1.5)),
    ]
    #expect(all.joined().allSatisfy { $0 < 1e-12 })
  }

  /// What is observed behind the empty text has the evidence as its mean.
  @Test func observationsAreUnbiased() throws {
    let space = Brackets.space(mostTokens: 4)
    let texts = GuidedTexts(space.tokens)
    let defect = try weightDefect([true: space.expected.values.reduce(0, +)]) { choices in
      (true, try texts.observation(using: &choices).last?.logMass ?? -.infinity)
    }
    #expect(defect < 1e-12)
  }

  private func rejectionDefects(
    _ space: AnySpace<some LookAhead>, logBound: Double
  ) throws -> [Double] {
    let source = VectorTokens(space.model)
    let plain = Rejection(
      ModelTexts(space.target, space.lookAhead, source: source), logBound: logBound)
    return [try keptDefect(space.expected) { try plain.attempt(using: &$0) }]
      + (try (0...1).map { learning in
        try keptDefect(space.expected) { choices in
          var adaptive = AdaptiveRejection(
            space.target, space.lookAhead, source: source, logBound: logBound, attempts: 1)
          for _ in 0..<learning { _ = try adaptive.attempt(using: &choices) }
          if case .accepted(let text) = try adaptive.attempt(using: &choices) { return text }
          return nil
        }
      })
  }

  /// Kept texts follow rho, also after an attempt from which adaptive rejection learnt.
  @Test func rejectionKeepsItsTarget() throws {
    #expect(try rejectionDefects(Letters.space(), logBound: 1.4).allSatisfy { $0 < 1e-12 })
    #expect(try rejectionDefects(Brackets.space(), logBound: 0.5).allSatisfy { $0 < 1e-12 })
  }

  /// A step of all particles is one batch, in which each reads its new token, and equal prefixes are
  /// read once.
  @Test func particleStepIsOneBatch() throws {
    let space = Brackets.space(mostTokens: 6)
    let count = 12
    for threads in [1, 3] {
      space.model.resetCalls()
      let result = try ParticleFilter(space.tokens, threshold: 0.9).run(
        count: count, random: Philox(seed: 5), threads: threads)
      let longest = result.texts.draws.map(\.text.count).max() ?? 0
      #expect(longest > 2 && result.texts.count == count)
      let calls = space.model.calls
      #expect(calls.batches == longest + 1)
      // The first batch reads the empty text once, and every later run one token.
      #expect(calls.tokens == calls.runs - 1)
      #expect(calls.runs <= 1 + longest * count)
      #expect(calls.rows == calls.runs)
    }
  }

  @Test func threadsChangeNothing() throws {
    let space = Brackets.space(mostTokens: 6)
    let filter = ParticleFilter(
      space.tokens, threshold: 0.9, rejuvenation: RedrawnTail(space.tokens, length: 2))
    let runs = try [1, 2, 5].map {
      try filter.run(count: 20, random: Philox(seed: 1), threads: $0).texts.draws
    }
    #expect(runs[0] == runs[1] && runs[1] == runs[2])
  }

  /// Texts drawn side by side are those drawn alone, at one batch per token of the longest.
  @Test func textsSideBySide() throws {
    let space = Brackets.space(mostTokens: 6)
    func sources() -> [RandomChoices] {
      (0..<7).map { RandomChoices(Philox(seed: 2).stream(UInt64($0))) }
    }
    func check(_ texts: some TextProposal) throws -> RememberingModel.Calls {
      var (alone, together) = (sources(), sources())
      var expected: [WeightedText?] = []
      for i in alone.indices { expected.append(try texts.draw(using: &alone[i])) }
      space.model.resetCalls()
      #expect(try texts.draw(usingEach: &together) == expected)
      #expect(expected.contains { $0 != nil })
      return space.model.calls
    }
    let guided = GuidedTexts(space.tokens)
    var choices = sources()
    let longest = try guided.draw(usingEach: &choices).compactMap { $0?.text.count }.max() ?? 0
    #expect(try check(guided).batches == longest + 1)
    let own = try check(
      ModelTexts(space.target, space.lookAhead, source: VectorTokens(space.model)))
    #expect(own.batches <= 7)
  }

  /// Tails of all particles are redrawn side by side: a step of rejuvenation with tails of one token
  /// is one batch, and the texts are those of steps taken one after another.
  @Test func redrawnTailsAreOneBatchPerToken() throws {
    let space = Brackets.space(mostTokens: 6)
    let kernel = RedrawnTail(space.tokens, length: 1)
    var prefixes: [Prefix<RememberingModel, BalancedBrackets>] = []
    for text in ["(", "a", "((", "(a", "a(a"] {
      var prefix = try space.tokens.makePrefix()
      for token in space.model.text(text) {
        prefix.append(token, space.model, space.lookAhead.constraint)
      }
      prefixes.append(prefix)
    }
    // What was written is read; then only tails are.
    try space.tokens.prepare(&prefixes)
    var (alone, together) = (prefixes, prefixes)
    func sources() -> [RandomChoices] {
      prefixes.indices.map { RandomChoices(Philox(seed: 8).stream(UInt64($0))) }
    }
    var (a, b) = (sources(), sources())
    var isChanged: [Bool] = []
    for i in alone.indices { isChanged.append(try kernel.step(&alone[i], using: &a[i])) }
    space.model.resetCalls()
    #expect(try kernel.step(&together, usingEach: &b) == isChanged)
    #expect(together.map(\.tokens) == alone.map(\.tokens))
    let calls = space.model.calls
    #expect(calls.batches == 1 && calls.tokens == 0)
  }

  /// Ends that are resampled under a model without a finite context keep its target.
  @Test func suffixesKeepTheTarget() {
    func check<Look: LookAhead>(_ space: AnySpace<Look>) {
      let listed = EnumeratedTarget(
        space.target, among: space.model.texts(upTo: space.lookAhead.mostTokens))
      let proposal = ResampleSuffix<_, PrefixScorer<RememberingModel, Look.Constraint>>(
        space.tokens)
      #expect(proposalDefect(of: proposal, on: listed) < 1e-12)
      let matrix = TransitionMatrix(of: MetropolisHastings(proposal), on: listed)
      #expect(matrix.invarianceDefect(of: listed.probabilities) < 1e-12)
      #expect(matrix.unreachableCount == 0)
    }
    check(Letters.space(fluency: 1.4))
    check(Brackets.space(fluency: 1.4))
  }

  /// Annealed importance sampling from a flatter target to a steeper one.
  @Test(arguments: [1, 2]) func annealedTextsWeighProperly(stages: Int) throws {
    let space = Brackets.space(fluency: 1.3)
    let easy = Brackets.space(fluency: 0.6)
    typealias BracketScorer = PrefixScorer<RememberingModel, BalancedBrackets>
    let proposal = ResampleSuffix<_, BracketScorer>(easy.tokens)
    let annealed = AnnealedImportance(
      from: GuidedTexts(easy.tokens), to: space.target,
      kernel: MetropolisHastings(BridgedProposal<_, BracketScorer>(proposal)), stages: stages)
    #expect(try textDefect(space, annealed) < 1e-12)
  }

  /// A model's error ends the run.
  @Test func errorsOfTheModelAreThrown() {
    let model = RememberingModel(letters: ["(", ")", "a"], batchLimit: 2)
    let lookAhead = CompletionLookAhead(
      BalancedBrackets(model.vocabulary, longest: 8), mostTokens: 8)
    let target = PrefixTarget(model: model, constraint: lookAhead.constraint)
    let tokens = GuidedTokens(target, lookAhead)
    #expect(throws: RememberingModel.Failure.outOfBatches) {
      try ParticleFilter(tokens).run(count: 30, random: Philox(seed: 1), threads: 2)
    }
    #expect(throws: RememberingModel.Failure.outOfBatches) {
      var choices = RandomChoices(seed: 1)
      var adaptive = AdaptiveRejection(target, lookAhead, source: VectorTokens(model))
      for _ in 0..<3 { _ = try adaptive.attempt(using: &choices) }
    }
  }

  /// A finite model that offers its batches only.
  private struct Batched: LanguageModel {
    let base = Toy.toy
    var vocabulary: Vocabulary { base.vocabulary }
    var longestText: Int { base.longestText }
    func makeContext() -> Token { base.makeContext() }
    func score(_ runs: [TokenRun<Token>], into results: inout ScoredRuns<Token>) throws {
      base.score(runs, into: &results)
    }
  }

  /// What a model answers directly is what its batches say.
  @Test func batchesAndDirectAnswersAgree() throws {
    let lookAhead = Space.soft.guided
    let target = SentenceTarget(model: Toy.toy, constraint: lookAhead.constraint)
    let direct = ParticleFilter(GuidedTokens(target, lookAhead), threshold: 0.9)
    let other = PrefixTarget(model: Batched(), constraint: lookAhead.constraint)
    let batched = ParticleFilter(GuidedTokens(other, lookAhead), threshold: 0.9)
    let a = try direct.run(count: 40, random: Philox(seed: 4), threads: 1).texts.draws
    let b = try batched.run(count: 40, random: Philox(seed: 4), threads: 1).texts.draws
    #expect(!a.isEmpty && a == b)
  }

  /// Estimates without a table say what the table says of the same texts.
  @Test func plainLookAheadsAgree() {
    let automaton = Space.soft.automaton
    let plain = CompletionLookAhead(automaton, mostTokens: 2)
    let table = AutomatonLookAhead(automaton, mostTokens: 2)
    for state in 0..<UInt32(automaton.stateCount) {
      for count in 0...2 {
        let gains = [Token(2), Token(3)].map { plain.gain(state, $0, count: count) }
        #expect(gains == [Token(2), Token(3)].map { table.gain(state, $0, count: count) })
        #expect(plain.mostGain(state, count: count) == table.mostGain(state, count: count))
        #expect(plain.mostGain(state, count: count) == gains.max())
      }
    }
  }
}
