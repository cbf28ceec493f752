// Licensed under the Apache License, Version 2.0.

import Sampling
import SamplingLaws
import Testing

/// Targets of a model that remembers everything and offers only what every model has to offer.
enum PrefixSpace: String, CaseIterable, Sendable, CustomTestStringConvertible {
  case lengths, fluent, soft, fixedLength, spelled

  typealias Target = PrefixTarget<RememberingModel, TokenAutomaton>
  typealias Scorer = PrefixScorer<RememberingModel, TokenAutomaton>

  static let model = RememberingModel(letters: ["a", "b"])
  static let weights = [0, 0, 3.0, 1]

  var testDescription: String { rawValue }

  var automaton: TokenAutomaton {
    let toy = BigramTable.toy
    let b = toy.text("b")[0]
    // Both vocabularies have the same tokens.
    return switch self {
    case .lengths: TokenAutomaton(toy, lengths: 1...3)
    case .fluent: TokenAutomaton(toy, lengths: 0...2)
    case .soft:
      TokenAutomaton(toy, lengths: 0...2) { text in 0.4 * Double(text.filter { $0 == b }.count) }
    case .fixedLength: TokenAutomaton(toy, lengths: 2...2)
    case .spelled: TokenAutomaton(toy, lengths: 1...3)
    }
  }

  var space: EnumeratedTarget<Target> {
    EnumeratedTarget(
      Target(
        model: Self.model, constraint: automaton, fluency: self == .fluent ? 0.7 : 1,
        spelling: self == .spelled ? NoPair(of: Array(Self.model.text("ab"))) : nil),
      among: Self.model.texts(upTo: 3))
  }
}

/// A kernel on a model without a finite context, with its name, erased at the edge.
private struct PrefixKernel: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let isReversible: Bool
  /// Whether it reaches all texts of the spaces by itself.
  let isIrreducible: Bool
  let check: @Sendable (PrefixSpace) -> Void

  init<Kernel: TransitionKernel<PrefixSpace.Scorer>>(
    _ name: String, isReversible: Bool = true, isIrreducible: Bool = false, steps: Int = 2,
    _ make: @escaping @Sendable (PrefixSpace.Target) -> Kernel
  ) {
    testDescription = name
    self.isReversible = isReversible
    self.isIrreducible = isIrreducible
    check = { space in
      let space = space.space
      let kernel = make(space.target)
      let matrix = TransitionMatrix(of: kernel, on: space)
      // Rounding of sums over some thousand branches.
      #expect(matrix.normalisationDefect < 1e-12)
      #expect(matrix.invarianceDefect(of: space.probabilities) < 1e-12)
      if isReversible { #expect(matrix.reversibilityDefect(of: space.probabilities) < 1e-12) }
      if isIrreducible { #expect(matrix.unreachableCount == 0) }
      guard steps > 0 else { return }
      #expect(stalenessDefect(of: kernel, on: space, from: space.states[1], steps: steps) < 1e-12)
    }
  }

  static let all = [
    PrefixKernel("unigram", isIrreducible: true) { _ in
      edits(UnigramTokens(vocabulary, weights: PrefixSpace.weights))
    },
    PrefixKernel("left conditional", isIrreducible: true) { _ in edits(LeftConditionalTokens()) },
    PrefixKernel("full conditional", isIrreducible: true) { _ in edits(FullConditionalTokens()) },
    PrefixKernel("standard", isIrreducible: true, steps: 1) {
      MetropolisHastings(
        StandardMoves(for: $0, left: LeftConditionalTokens(), weights: PrefixSpace.weights))
    },
    PrefixKernel("swap") { _ in MetropolisHastings(SwapTokens<PrefixSpace.Scorer>()) },
    PrefixKernel("move") { _ in MetropolisHastings(MoveToken<PrefixSpace.Scorer>()) },
    PrefixKernel("copy") { _ in MetropolisHastings(CopyOrDeleteToken<PrefixSpace.Scorer>()) },
    PrefixKernel("gibbs") {
      Gibbs(FullConditionalTokens(), for: $0, scan: .random, attempts: 1)
    },
    PrefixKernel("systematic gibbs", isReversible: false, steps: 0) {
      Gibbs(FullConditionalTokens(), for: $0, scan: .systematic, attempts: 1)
    },
    PrefixKernel("block") { _ in
      ReplaceBlock(
        left: LeftConditionalTokens<PrefixSpace.Scorer>(), full: FullConditionalTokens(),
        length: 2)
    },
    PrefixKernel("two tries", steps: 0) { _ in
      MultipleTry(
        ReplaceToken(UnigramTokens<PrefixSpace.Scorer>(vocabulary, weights: PrefixSpace.weights)),
        trials: 2)
    },
    PrefixKernel("informed", steps: 1) { _ in LocallyInformed<PrefixSpace.Scorer>(.squareRoot) },
    PrefixKernel("informed at one place") { _ in
      LocallyInformed<PrefixSpace.Scorer>(.barker, among: .onePlace)
    },
    PrefixKernel("cycle", isReversible: false, steps: 0) { _ in
      Cycle(
        edits(LeftConditionalTokens()), MetropolisHastings(SwapTokens<PrefixSpace.Scorer>()))
    },
  ]

  private static let vocabulary = PrefixSpace.model.vocabulary

  private static func edits<Tokens: GapTokens<PrefixSpace.Scorer>>(
    _ tokens: Tokens
  ) -> some TransitionKernel<PrefixSpace.Scorer> {
    Mixture {
      Weighted(1, MetropolisHastings(ReplaceToken(tokens)))
      Weighted(2, MetropolisHastings(InsertOrDeleteToken(tokens)))
    }
  }
}

@Suite struct PrefixKernelExactTests {
  // Edits that change the length leave texts of one length where they are.
  @Test(
    arguments: TestData.pairs(PrefixKernel.all, PrefixSpace.allCases, each: 2)
      .filter { $0.1 != .fixedLength || !$0.0.isIrreducible })
  fileprivate func keepsItsTarget(kernel: PrefixKernel, space: PrefixSpace) {
    kernel.check(space)
  }

  @Test(arguments: PrefixSpace.allCases)
  func agreesWithRescoring(space: PrefixSpace) {
    let space = space.space
    #expect(
      scorerDefect(of: space.target, at: space.states, edits: ScorerExactTests.edits) < 1e-12)
    #expect(placeDefect(of: space.target, at: space.states) < 1e-12)
  }

  @Test func branchesAreTheTextsOwn() {
    let space = PrefixSpace.lengths.space
    #expect(
      branchDefect(
        of: LeftConditionalTokens(), under: space.target, at: space.states) < 1e-12)
    #expect(
      branchDefect(
        of: FullConditionalTokens(), under: space.target, at: space.states) < 1e-12)
  }

  /// Delayed acceptance with a bigram model as the surrogate of one that remembers everything.
  @Test(arguments: PrefixSpace.allCases)
  func surrogatesScreen(space: PrefixSpace) {
    typealias Surrogate = SentenceTarget<Toy, TokenAutomaton>
    let full = space.space.target
    let screened = EnumeratedTarget(
      ScreenedTarget(
        full, screenedBy: Surrogate(model: Toy.toy, constraint: space.automaton, fluency: 1)),
      among: space.space.states)
    let kernel = DelayedAcceptance<
      InsertOrDeleteToken<UnigramTokens<ToyScorer>>, PrefixSpace.Scorer
    >(
      InsertOrDeleteToken(NamedKernel.unigram))
    let matrix = TransitionMatrix(of: kernel, on: screened)
    #expect(matrix.invarianceDefect(of: screened.probabilities) < 1e-12)
    #expect(matrix.reversibilityDefect(of: screened.probabilities) < 1e-12)
  }

  /// Replica exchange keeps the product of its targets, seen from its first copy.
  @Test func replicasKeepTheTarget() {
    let space = PrefixSpace.fixedLength.space
    let exchange = ReplicaExchange(space.target, ladder: Ladder([1, 0.5])) { _ in
      MetropolisHastings(
        ReplaceToken(
          UnigramTokens<PrefixSpace.Scorer>(
            PrefixSpace.model.vocabulary, weights: PrefixSpace.weights)))
    }
    let hot = EnumeratedTarget(exchange.targets[1], among: space.states)
    var after: [TokenSequence: Double] = [:]
    for (cold, p) in space.probabilities {
      for (warm, q) in hot.probabilities {
        let law = outcomes { choices in
          var state = exchange.start(at: [cold, warm])
          exchange.round(&state, steps: 1, using: &choices)
          return state.scorers[0].state
        }
        for (text, chance) in law { after[text, default: 0] += p * q * chance }
      }
    }
    #expect(totalVariation(after, space.probabilities) < 1e-12)
  }

  @Test func annealingFindsTheLikeliest() throws {
    let space = PrefixSpace.lengths.space
    let likeliest = space.probabilities.max { $0.value < $1.value }?.key
    let annealing = Annealing(space.target, bounds: 0.5...10, stages: 10)
    var choices = RandomChoices(seed: 1)
    let result = try annealing.run(
      from: space.states[0], steps: 2000,
      kernel: {
        MetropolisHastings(
          StandardMoves(for: $0, left: LeftConditionalTokens(), weights: PrefixSpace.weights))
      }, using: &choices)
    #expect(result.best == likeliest)
  }

  /// Chains start at random allowed texts, and say what stopped the model.
  @Test func runsOfChains() throws {
    let space = PrefixSpace.lengths.space
    let kernel = MetropolisHastings(
      StandardMoves(
        for: space.target, left: LeftConditionalTokens(), weights: PrefixSpace.weights))
    let plan = RunPlan(warmup: 10, thin: 10, extent: .draws(8), seed: 1)
    let records = try runChains(of: plan, target: space.target, kernel: kernel, threads: 2)
    #expect(records.flatMap(\.draws).count == 8)
    let limited = RememberingModel(letters: ["a", "b"], batchLimit: 40)
    let failing = PrefixTarget(model: limited, constraint: PrefixSpace.lengths.automaton)
    // What was drawn before is kept beside the model's error.
    let partial = #expect(throws: PartialFailure<ChainRecord<TokenSequence>>.self) {
      try runChains(of: plan, target: failing, kernel: kernel, threads: 1)
    }
    #expect(partial?.failure as? RememberingModel.Failure == .outOfBatches)
  }

  /// A model's longest text is a limit of the target like any other.
  @Test func longestTexts() {
    let model = RememberingModel(letters: ["a", "b"], longestText: 2)
    let space = EnumeratedTarget(
      PrefixTarget(model: model), among: PrefixSpace.model.texts(upTo: 3))
    #expect(space.states.count == 7)
    let kernel = MetropolisHastings(
      InsertOrDeleteToken(LeftConditionalTokens<PrefixSpace.Scorer>()))
    let matrix = TransitionMatrix(of: kernel, on: space)
    #expect(matrix.invarianceDefect(of: space.probabilities) < 1e-12)
  }
}

/// Kernels under a constraint that has no finite table.
@Suite struct BracketKernelExactTests {
  typealias Scorer = PrefixScorer<RememberingModel, BalancedBrackets>

  static let model = RememberingModel(letters: ["(", ")"])

  static func space(
    logPair: Double = 0
  ) -> EnumeratedTarget<PrefixTarget<RememberingModel, BalancedBrackets>> {
    EnumeratedTarget(
      PrefixTarget(
        model: model,
        constraint: BalancedBrackets(model.vocabulary, longest: 4, logPair: logPair)),
      among: model.texts(upTo: 4))
  }

  /// Any two balanced texts of at most two pairs: empty, (), (()), ()().
  @Test(arguments: [0, 0.3])
  func gibbsAndBlocksKeepTheTarget(logPair: Double) {
    let space = Self.space(logPair: logPair)
    #expect(space.states.count == 4)
    let gibbs = TransitionMatrix(
      of: Gibbs(
        FullConditionalTokens<Scorer>(), for: space.target, scan: .random, attempts: 2),
      on: space)
    #expect(gibbs.invarianceDefect(of: space.probabilities) < 1e-12)
    let mh = TransitionMatrix(
      of: Mixture {
        Weighted(1, MetropolisHastings(SwapTokens<Scorer>()))
        Weighted(1, MetropolisHastings(ReplaceToken(LeftConditionalTokens<Scorer>())))
        Weighted(
          1,
          ReplaceBlock(
            left: LeftConditionalTokens<Scorer>(), full: FullConditionalTokens(), length: 2))
        Weighted(1, LocallyInformed<Scorer>())
      }, on: space)
    #expect(mh.normalisationDefect < 1e-12)
    #expect(mh.invarianceDefect(of: space.probabilities) < 1e-12)
    // Swaps lead from (()) to ()() and back.
    #expect(
      mh.rows[Self.model.text("(())")]?[Self.model.text("()()"), default: 0] ?? 0 > 0)
  }

  @Test func scorersAgree() {
    let space = Self.space(logPair: 0.3)
    let letters = [Token(2), Token(3)]
    #expect(
      scorerDefect(of: space.target, at: space.states) { text in
        var edits: [TokenSequence.Edit] = []
        for place in text.indices {
          edits += letters.map { .replace(place, $0) }
          edits += text.indices.map { .swap(place, $0) }
          edits.append(.rewrite(place..<min(place + 2, text.count), []))
        }
        for place in 0...text.count { edits.append(.rewrite(place..<place, letters)) }
        return edits
      } < 1e-12)
  }

  /// The same constraint on a model with a finite context.
  @Test func incrementalScorersTakeAnyConstraint() {
    let toy = BigramTable(
      letters: ["(", ")"], rows: [[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.4, 0.1, 0.5]])
    let space = EnumeratedTarget(
      SentenceTarget(
        model: toy, constraint: BalancedBrackets(toy.vocabulary, longest: 4, logPair: 0.3)),
      among: toy.texts(ofLengths: 0...4))
    typealias Scorer = IncrementalScorer<BigramTable, BalancedBrackets>
    let matrix = TransitionMatrix(
      of: Mixture {
        Weighted(1, MetropolisHastings(SwapTokens<Scorer>()))
        Weighted(1, MetropolisHastings(ReplaceToken(FullConditionalTokens<Scorer>())))
      }, on: space)
    #expect(matrix.invarianceDefect(of: space.probabilities) < 1e-12)
    #expect(
      scorerDefect(of: space.target, at: space.states) { text in
        text.indices.flatMap { a in text.indices.map { .swap(a, $0) } }
          + (0...text.count).map { .rewrite($0..<$0, [Token(2), Token(3)]) }
      } < 1e-12)
  }

  @Test func chainsStartAndRun() throws {
    let space = Self.space()
    let kernel = Mixture {
      Weighted(1, MetropolisHastings(SwapTokens<Scorer>()))
      Weighted(
        1,
        ReplaceBlock(
          left: LeftConditionalTokens<Scorer>(), full: FullConditionalTokens(), length: 2))
    }
    let plan = RunPlan(warmup: 5, thin: 5, extent: .draws(8), seed: 1)
    let records = try runChains(of: plan, target: space.target, kernel: kernel, threads: 1)
    #expect(records.flatMap(\.draws).allSatisfy { space.states.contains($0.state) })
  }
}

/// What steps cost a model that counts.
@Suite struct PrefixCostExactTests {
  /// An act's batches, runs and tokens.
  private func calls(
    _ model: RememberingModel, _ act: () -> Void
  ) -> RememberingModel.Calls {
    model.resetCalls()
    act()
    return model.calls
  }

  private func scorer(
    _ model: RememberingModel, _ text: String
  ) -> PrefixScorer<RememberingModel, TokenAutomaton> {
    PrefixTarget(model: model).makeScorer(at: model.text(text))
  }

  @Test func aRejectedLookCostsItsSuffix() {
    let model = RememberingModel()
    var scorer = scorer(model, "abbaab")
    let look = calls(model) { _ = scorer.change(under: .replace(4, model.text("b")[0])) }
    // Of six tokens the fifth and the sixth are read.
    #expect(look == .init(batches: 1, runs: 1, tokens: 2, rows: 0))
    let commit = calls(model) { scorer.commit(.replace(4, model.text("b")[0])) }
    #expect(commit == .init())
    // Going back to the text before costs nothing.
    let back = calls(model) { scorer.commit(.replace(4, model.text("a")[0])) }
    #expect(back == .init())
    #expect(scorer.state == model.text("abbaab"))
  }

  @Test func forbiddenEditsCostNothing() {
    let model = RememberingModel()
    let target = PrefixTarget(
      model: model, constraint: TokenAutomaton(BigramTable.toy, lengths: 2...2))
    var scorer = target.makeScorer(at: model.text("ab"))
    let look = calls(model) {
      #expect(scorer.change(under: .delete(0)) == -.infinity)
    }
    #expect(look == .init())
  }

  @Test func manyLooksAreOneBatch() {
    let model = RememberingModel()
    let scorer = scorer(model, "abba")
    let letters = model.text("ab")
    var changes: [Double] = []
    let look = calls(model) {
      scorer.changes(
        under: (0..<4).flatMap { place in letters.map { .replace(place, $0) } }, into: &changes)
    }
    #expect(look.batches == 1 && look.runs == 8)
  }

  /// Eight tries and their seven on the way back are a batch each; going back costs nothing.
  @Test func triesAreABatch() {
    let model = RememberingModel()
    let kernel = MultipleTry(
      ReplaceToken(
        UnigramTokens<PrefixScorer<RememberingModel, TokenAutomaton>>(
          model.vocabulary, weights: [0, 0, 1, 1])),
      trials: 8)
    for seed in 1...20 {
      var scorer = scorer(model, "abba")
      var choices = RandomChoices(seed: UInt64(seed))
      let step = calls(model) { _ = kernel.step(&scorer, using: &choices) }
      #expect(step.batches == 2 && step.runs <= 15)
    }
  }

  /// Rows of the current text are kept: drawing again at a place reads nothing.
  @Test func rowsAreKept() {
    let model = RememberingModel()
    let scorer = scorer(model, "abba")
    let first = calls(model) { _ = scorer.nextTokenLogProbabilities(before: 2) }
    #expect(first == .init(batches: 1, runs: 1, tokens: 0, rows: 1))
    let again = calls(model) { _ = scorer.nextTokenLogProbabilities(before: 2) }
    #expect(again == .init())
    // An edit behind the place leaves its row, one before it does not.
    scorer.commit(.replace(3, model.text("b")[0]))
    #expect(calls(model) { _ = scorer.nextTokenLogProbabilities(before: 2) } == .init())
    scorer.commit(.replace(0, model.text("b")[0]))
    #expect(calls(model) { _ = scorer.nextTokenLogProbabilities(before: 2) }.rows == 1)
  }

  /// A step that replaces a token: a row where it is new, then one run over the suffix.
  @Test func aStepFromKeptRows() {
    let model = RememberingModel()
    let kernel = MetropolisHastings(
      ReplaceToken(LeftConditionalTokens<PrefixScorer<RememberingModel, TokenAutomaton>>()))
    var scorer = scorer(model, "abba")
    for place in 0..<4 { _ = scorer.nextTokenLogProbabilities(before: place) }
    var choices = RandomChoices(seed: 3)
    let step = calls(model) { _ = kernel.step(&scorer, using: &choices) }
    #expect(step.batches <= 1 && step.runs <= 1 && step.rows == 0 && step.tokens <= 4)
  }
}
