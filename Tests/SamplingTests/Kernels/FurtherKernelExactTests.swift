// Licensed under the Apache License, Version 2.0.

import Sampling
import SamplingLaws
import Testing

/// Kernels beyond Metropolis-Hastings of single edits, by every branch of a step.
enum FurtherKernels {
  static func suffix(
    _ space: Space
  ) -> ResampleSuffix<
    GuidedTokens<SentenceTarget<Toy, TokenAutomaton>, AutomatonLookAhead>, ToyScorer
  > {
    ResampleSuffix(GuidedTokens(space.space.target, space.guided))
  }

  static func gibbs(
    _ space: Space, _ scan: ScanOrder
  ) -> Gibbs<FullConditionalTokens<ToyScorer>> {
    Gibbs(NamedKernel.full, for: space.space.target, scan: scan, attempts: 1)
  }

  static func screened(
    _ space: Space
  ) -> EnumeratedTarget<
    ScreenedTarget<SentenceTarget<Toy, TokenAutomaton>, SentenceTarget<Toy, TokenAutomaton>>
  > {
    // A flatter target screens.
    let full = space.space.target
    let surrogate = SentenceTarget(model: Toy.toy, constraint: space.automaton, fluency: 0.4)
    return EnumeratedTarget(
      ScreenedTarget(full, screenedBy: surrogate), among: space.space.states)
  }
}

@Suite struct FurtherKernelExactTests {
  /// Checks a kernel, and reachability of its mixture with single edits.
  ///
  /// By itself, a kernel that keeps the length only reaches texts of that length, and one that only
  /// moves tokens or blocks needs replacements to reach them.
  private func check(
    _ kernel: some TransitionKernel<IncrementalScorer<Toy, TokenAutomaton>>, _ space: Space,
    isReversible: Bool = true
  ) {
    let isFixed = space == .fixedLength
    let space = space.space
    let matrix = TransitionMatrix(of: kernel, on: space)
    #expect(matrix.normalisationDefect < 1e-12)
    #expect(matrix.invarianceDefect(of: space.probabilities) < 1e-12)
    if isReversible { #expect(matrix.reversibilityDefect(of: space.probabilities) < 1e-12) }
    guard !isFixed else { return }
    let mixture = TransitionMatrix(
      of: Mixture {
        Weighted(1, kernel)
        Weighted(1, NamedKernel.edits(NamedKernel.unigram))
      }, on: space)
    #expect(mixture.unreachableCount == 0)
    #expect(mixture.invarianceDefect(of: space.probabilities) < 1e-12)
  }

  @Test(arguments: Space.allCases)
  func suffixesKeepTheTarget(space: Space) {
    let kernel = MetropolisHastings(FurtherKernels.suffix(space))
    check(kernel, space)
    #expect(TransitionMatrix(of: kernel, on: space.space).unreachableCount == 0)
    #expect(proposalDefect(of: FurtherKernels.suffix(space), on: space.space) < 1e-12)
  }

  @Test(arguments: Space.allCases)
  func movesAndCopiesKeepTheTarget(space: Space) {
    check(MetropolisHastings(MoveToken<ToyScorer>()), space)
    check(MetropolisHastings(CopyOrDeleteToken<ToyScorer>()), space)
    #expect(proposalDefect(of: MoveToken<ToyScorer>(), on: space.space) < 1e-12)
    #expect(proposalDefect(of: CopyOrDeleteToken<ToyScorer>(), on: space.space) < 1e-12)
  }

  @Test(arguments: Space.allCases)
  func gibbsKeepsTheTarget(space: Space) {
    check(FurtherKernels.gibbs(space, .random), space)
    check(FurtherKernels.gibbs(space, .systematic), space, isReversible: false)
    check(ReplaceBlock(left: NamedKernel.left, full: NamedKernel.full, length: 2), space)
    check(ReplaceBlock(left: NamedKernel.left, full: NamedKernel.full, length: 1), space)
  }

  /// Where allowed words weigh alike a step is the target's own conditional: of b and a at the first
  /// place of ab in proportion to their texts.
  @Test func gibbsDrawsTheConditional() {
    let toy = Toy.toy
    let space = Space.fixedLength
    let matrix = TransitionMatrix(of: FurtherKernels.gibbs(space, .random), on: space.space)
    let row = matrix.rows[toy.text("ab")] ?? [:]
    let law = space.space.probabilities
    let ab = law[toy.text("ab"), default: 0]
    let bb = law[toy.text("bb"), default: 0]
    #expect(abs((row[toy.text("bb")] ?? 0) - 0.5 * bb / (ab + bb)) < 1e-12)
  }

  // Several tries on the larger spaces are millions of branches.
  @Test(
    arguments: [
      (Space.lengths, 1), (.containsB, 1), (.fluent, 1), (.soft, 1), (.fixedLength, 1),
      (.fixedLength, 2),
    ] + TestData.deep([(.soft, 2), (.fixedLength, 3)]))
  func multipleTriesKeepTheTarget(space: Space, trials: Int) {
    check(MultipleTry(ReplaceToken(NamedKernel.unigram), trials: trials), space)
  }

  @Test(arguments: [
    (Space.lengths, 1), (.containsB, 1), (.fluent, 1), (.soft, 1), (.fixedLength, 1), (.soft, 2),
  ])
  func triesOfOtherLengthsKeepTheTarget(space: Space, trials: Int) {
    check(MultipleTry(InsertOrDeleteToken(NamedKernel.left), trials: trials), space)
  }

  @Test(arguments: Space.allCases, LocallyInformed<ToyScorer>.Balancing.allCases)
  func informedStepsKeepTheTarget(space: Space, balancing: LocallyInformed<ToyScorer>.Balancing) {
    for neighbours in LocallyInformed<ToyScorer>.Neighbours.allCases {
      check(LocallyInformed(balancing, among: neighbours), space)
    }
  }

  @Test(arguments: Space.allCases)
  func delayedAcceptanceKeepsTheFullTarget(space: Space) {
    let screened = FurtherKernels.screened(space)
    func kernel<P: Proposal<IncrementalScorer<Toy, TokenAutomaton>>>(
      _ proposal: P
    ) -> DelayedAcceptance<P, IncrementalScorer<Toy, TokenAutomaton>> {
      DelayedAcceptance(proposal)
    }
    let edits = TransitionMatrix(
      of: kernel(InsertOrDeleteToken(NamedKernel.unigram)), on: screened)
    #expect(edits.invarianceDefect(of: screened.probabilities) < 1e-12)
    #expect(edits.reversibilityDefect(of: screened.probabilities) < 1e-12)
    let words = TransitionMatrix(of: kernel(ReplaceToken(NamedKernel.left)), on: screened)
    #expect(words.invarianceDefect(of: screened.probabilities) < 1e-12)
  }
}

/// A proposal with a fault planted into its moves.
private struct FaultyProposal<P: Proposal>: Proposal
where P.Scorer == IncrementalScorer<Toy, TokenAutomaton> {
  let proposal: P
  let fault:
    @Sendable (inout Move<TokenSequence.Edit?>, IncrementalScorer<Toy, TokenAutomaton>) -> Void

  var kinds: [String] { proposal.kinds }

  func propose(
    from scorer: IncrementalScorer<Toy, TokenAutomaton>, using choices: inout some ChoiceSource
  ) -> Move<TokenSequence.Edit?> {
    var move = proposal.propose(from: scorer, using: &choices)
    fault(&move, scorer)
    return move
  }
}

@Suite struct FurtherKernelMutantExactTests {
  private func defect(
    _ kernel: some TransitionKernel<IncrementalScorer<Toy, TokenAutomaton>>,
    on space: Space = .lengths
  ) -> Double {
    let space = space.space
    return TransitionMatrix(of: kernel, on: space).invarianceDefect(of: space.probabilities)
  }

  /// A place is drawn among more or fewer where the length changes.
  @Test func forgottenNumberOfPlacesOfSuffixes() {
    let kernel = MetropolisHastings(
      FaultyProposal(proposal: FurtherKernels.suffix(.lengths)) { move, scorer in
        guard case .rewrite(let range, let words) = move.edit else { return }
        move.logForward += LogSpace.log(Double(scorer.count + 1))
        move.logBackward += LogSpace.log(Double(range.lowerBound + words.count + 1))
      })
    #expect(defect(kernel) > 1e-3)
  }

  /// A suffix of a power of the model accepted as if the model were the target.
  @Test func forgottenPower() {
    let kernel = MetropolisHastings(
      FaultyProposal(proposal: FurtherKernels.suffix(.fluent)) { move, _ in
        move.logForward *= 0.5
        move.logBackward *= 0.5
      })
    #expect(defect(kernel, on: .fluent) > 1e-3)
  }

  /// A copied word counted once, however often it stands there.
  @Test func forgottenOccurrences() {
    let kernel = MetropolisHastings(
      FaultyProposal(proposal: CopyOrDeleteToken<ToyScorer>()) { move, _ in
        move.logForward = 0
        move.logBackward = 0
      })
    #expect(defect(kernel) > 1e-3)
  }

  /// The first of several trials taken by its own ratio: choosing the best is not paid for.
  @Test func bestOfSeveralTrials() {
    struct BestOf: TransitionKernel {
      let proposal = ReplaceToken(NamedKernel.unigram)
      var kinds: [String] { proposal.kinds }
      func step(
        _ scorer: inout IncrementalScorer<Toy, TokenAutomaton>,
        using choices: inout some ChoiceSource
      ) -> StepReport {
        var best: (edit: TokenSequence.Edit, ratio: Double)?
        for _ in 0..<2 {
          let move = proposal.propose(from: scorer, using: &choices)
          guard let edit = move.edit else { continue }
          let ratio = scorer.change(under: edit) + move.logBackward - move.logForward
          if ratio > best?.ratio ?? -.infinity { best = (edit, ratio) }
        }
        guard let best, choices.accepts({ _ in best.ratio }) else {
          return StepReport(isAccepted: false, kind: 0)
        }
        _ = scorer.change(under: best.edit)
        scorer.commit(best.edit)
        return StepReport(isAccepted: true, kind: 0)
      }
    }
    #expect(defect(BestOf()) > 1e-3)
  }

  /// The surrogate's own law, where the full target is never asked.
  @Test func screenAlone() {
    let screened = FurtherKernels.screened(.lengths)
    let cheap = TransitionMatrix(
      of: MetropolisHastings(ReplaceToken(NamedKernel.unigram)),
      on: EnumeratedTarget(screened.target.surrogate, among: screened.states))
    #expect(cheap.invarianceDefect(of: screened.probabilities) > 1e-3)
  }

  /// A block of one word whose way back is left out.
  @Test func blockWithoutItsWayBack() {
    struct HalfBlock: TransitionKernel {
      var kinds: [String] { ["block"] }
      func step(
        _ scorer: inout IncrementalScorer<Toy, TokenAutomaton>,
        using choices: inout some ChoiceSource
      ) -> StepReport {
        guard scorer.count > 0 else { return StepReport(isAccepted: false, kind: 0) }
        let place = choices.index(below: scorer.count)
        let gap = Gap(place, place + 1)
        guard let word = NamedKernel.left.draw(for: gap, in: scorer, using: &choices) else {
          return StepReport(isAccepted: false, kind: 0)
        }
        let edit = TokenSequence.Edit.replace(place, word.token)
        let ratio = scorer.change(under: edit) - word.logProbability
        let isAccepted = choices.accepts { _ in ratio }
        if isAccepted { scorer.commit(edit) }
        return StepReport(isAccepted: isAccepted, kind: 0)
      }
    }
    #expect(defect(HalfBlock()) > 1e-3)
  }

  /// Informed proposals taken without the sums that balance them.
  @Test func informedWithoutItsSums() {
    struct Greedy: TransitionKernel {
      var kinds: [String] { ["informed"] }
      func step(
        _ scorer: inout IncrementalScorer<Toy, TokenAutomaton>,
        using choices: inout some ChoiceSource
      ) -> StepReport {
        guard scorer.count > 0 else { return StepReport(isAccepted: false, kind: 0) }
        var edits: [TokenSequence.Edit] = []
        for place in 0..<scorer.count {
          edits += [.replace(place, Token(2)), .replace(place, Token(3))]
        }
        let logs = edits.map { scorer.change(under: $0) / 2 }
        let edit = edits[choices.index(weights: logs.map(LogSpace.exp))]
        _ = scorer.change(under: edit)
        scorer.commit(edit)
        return StepReport(isAccepted: true, kind: 0)
      }
    }
    #expect(defect(Greedy()) > 1e-3)
  }
}
