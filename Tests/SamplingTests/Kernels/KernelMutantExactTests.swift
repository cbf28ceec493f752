// Licensed under the Apache License, Version 2.0.

import Sampling
import SamplingLaws
import Testing

/// Metropolis-Hastings with a fault planted into its moves or its acceptance ratio.
private struct FaultyKernel<P: Proposal>: TransitionKernel
where P.Scorer == IncrementalScorer<Toy, TokenAutomaton> {
  let proposal: P
  let fault:
    @Sendable (inout Move<TokenSequence.Edit?>, IncrementalScorer<Toy, TokenAutomaton>) -> Void
  var ratio: @Sendable (Double) -> Double = { $0 }

  var kinds: [String] { proposal.kinds }

  func step(
    _ scorer: inout IncrementalScorer<Toy, TokenAutomaton>, using choices: inout some ChoiceSource
  ) -> StepReport {
    var move = proposal.propose(from: scorer, using: &choices)
    fault(&move, scorer)
    guard let edit = move.edit else { return StepReport(isAccepted: false, kind: move.kind) }
    let change = scorer.change(under: edit)
    let isAccepted = choices.accepts { _ in
      change == -.infinity ? change : ratio(change + move.logBackward - move.logForward)
    }
    if isAccepted { scorer.commit(edit) }
    return StepReport(isAccepted: isAccepted, kind: move.kind)
  }
}

/// Words by a power of the left conditional that says it is the conditional itself.
private struct MistemperedWords: GapTokens {
  func draw(
    for gap: Gap, in scorer: IncrementalScorer<Toy, TokenAutomaton>, memory: inout Void,
    using choices: inout some ChoiceSource
  ) -> (token: Token, logProbability: Double)? {
    let logs = (2...3).map { NamedKernel.left.logProbability(of: Token($0), for: gap, in: scorer) }
    let index = choices.index(weights: logs.map { LogSpace.exp(0.5 * $0) })
    return (Token(index + 2), logs[index])
  }
  func logProbability(
    of token: Token, for gap: Gap, in scorer: IncrementalScorer<Toy, TokenAutomaton>,
    memory: inout Void
  ) -> Double {
    NamedKernel.left.logProbability(of: token, for: gap, in: scorer)
  }
}

/// Half of the time the current token itself, which the stated probabilities do not say.
private struct CurrentTokenWords: GapTokens {
  func draw(
    for gap: Gap, in scorer: IncrementalScorer<Toy, TokenAutomaton>, memory: inout Void,
    using choices: inout some ChoiceSource
  ) -> (token: Token, logProbability: Double)? {
    // The candidates are the current token and one more; the better one under the model is drawn
    // more often, as if the set did not depend on the current token.
    guard gap.high > gap.low, choices.chance(0.5) else {
      return NamedKernel.left.draw(for: gap, in: scorer, using: &choices)
    }
    let current = scorer.token(at: gap.low)
    let logs = (2...3).map { NamedKernel.left.logProbability(of: Token($0), for: gap, in: scorer) }
    let candidates = [current, Token(2)]
    let index = choices.index(weights: candidates.map { LogSpace.exp(logs[$0.index - 2]) })
    return (candidates[index], logs[candidates[index].index - 2])
  }
  func logProbability(
    of token: Token, for gap: Gap, in scorer: IncrementalScorer<Toy, TokenAutomaton>,
    memory: inout Void
  ) -> Double {
    NamedKernel.left.logProbability(of: token, for: gap, in: scorer)
  }
}

@Suite struct KernelMutantExactTests {
  private func defect(
    _ kernel: some TransitionKernel<IncrementalScorer<Toy, TokenAutomaton>>,
    on space: Space = .lengths
  ) -> Double {
    let space = space.space
    return TransitionMatrix(of: kernel, on: space).invarianceDefect(of: space.probabilities)
  }

  @Test func forgottenHastingsRatio() {
    let kernel = FaultyKernel(proposal: ReplaceToken(NamedKernel.left)) { move, _ in
      move.logForward = 0
      move.logBackward = 0
    }
    #expect(defect(kernel) > 1e-3)
  }

  @Test func reverseProbabilityOfTheFirstWord() {
    let kernel = FaultyKernel(proposal: ReplaceToken(NamedKernel.left)) { move, scorer in
      guard case .replace(let place, _) = move.edit else { return }
      move.logBackward = NamedKernel.left.logProbability(
        of: Token(2), for: Gap(place, place + 1), in: scorer)
    }
    #expect(defect(kernel) > 1e-3)
  }

  @Test func reverseProbabilityAtTheWrongPlace() {
    let kernel = FaultyKernel(proposal: InsertOrDeleteToken(NamedKernel.left)) { move, scorer in
      guard case .delete(let place) = move.edit, place > 0 else { return }
      move.logBackward = NamedKernel.left.logProbability(
        of: scorer.token(at: place), for: Gap(place - 1, place), in: scorer)
    }
    #expect(defect(kernel) > 1e-3)
  }

  @Test func candidatesThatContainTheCurrentToken() {
    #expect(defect(MetropolisHastings(ReplaceToken(CurrentTokenWords()))) > 1e-3)
    #expect(proposalDefect(of: ReplaceToken(CurrentTokenWords()), on: Space.lengths.space) > 1e-3)
  }

  @Test func oneExponentProposedAnotherAccepted() {
    #expect(defect(MetropolisHastings(ReplaceToken(MistemperedWords()))) > 1e-3)
    #expect(proposalDefect(of: ReplaceToken(MistemperedWords()), on: Space.lengths.space) > 1e-3)
  }

  @Test func acceptanceForcedWhenTheOldTokenIsAMask() {
    let mask = Token(3)
    let kernel = FaultyKernel(proposal: ReplaceToken(NamedKernel.unigram)) { move, scorer in
      guard case .replace(let place, _) = move.edit, scorer.token(at: place) == mask else { return }
      move.logBackward = 1e3
    }
    #expect(defect(kernel) > 1e-3)
  }

  /// Published code clamps at 20, which moves e^-20; at 0.1 the same fault shows on this space.
  @Test func clampedRatio() {
    let at20 = FaultyKernel(
      proposal: ReplaceToken(NamedKernel.unigram), fault: { _, _ in },
      ratio: { min(20, max(-20, $0)) })
    #expect(defect(at20) < 1e-12)
    let atTenth = FaultyKernel(
      proposal: ReplaceToken(NamedKernel.unigram), fault: { _, _ in },
      ratio: { min(0.1, max(-0.1, $0)) })
    #expect(defect(atTenth) > 1e-3)
  }

  /// Locked places left out of the draw of a place, without the factor for their number.
  @Test func forgottenPositionFactor() {
    let b = Toy.toy.text("b")[0]
    let kernel = FaultyKernel(proposal: InsertOrDeleteToken(NamedKernel.unigram)) { move, scorer in
      let free = scorer.state.filter { $0 != b }.count
      switch move.edit {
      case .insert(_, let token) where token == b: move.edit = nil
      case .insert: move.logBackward += 0
      case .delete(let place) where scorer.token(at: place) == b: move.edit = nil
      case .delete:
        // Drawn among the free places only: more often than the insertion's undoing assumes.
        move.logBackward += LogSpace.log(Double(scorer.count)) - LogSpace.log(Double(free))
      default: break
      }
    }
    #expect(defect(kernel, on: .containsB) > 1e-3)
  }

  @Test func reducibleKernelIsSeen() {
    let matrix = TransitionMatrix(
      of: MetropolisHastings(ReplaceToken(NamedKernel.unigram)), on: Space.lengths.space)
    #expect(matrix.unreachableCount > 0)
  }
}

/// A scorer that forgets to rerun what stands right of an edit.
private struct ShortSightedTarget: Target {
  let target: SentenceTarget<Toy, TokenAutomaton>
  func logProbability(of state: TokenSequence) -> Double { target.logProbability(of: state) }
  func makeScorer(at state: TokenSequence) -> ShortSightedScorer {
    ShortSightedScorer(scorer: target.makeScorer(at: state))
  }
}

private struct ShortSightedScorer: Scorer {
  var scorer: IncrementalScorer<Toy, TokenAutomaton>
  var state: TokenSequence { scorer.state }
  var logProbability: Double { scorer.logProbability }
  mutating func change(under edit: TokenSequence.Edit, atLeast bound: Double) -> Double {
    let change = scorer.change(under: edit, atLeast: bound)
    guard case .replace(let place, let token) = edit, change > -.infinity else { return change }
    return Toy.toy.logProbability(of: token, in: scorer.context(before: place))
      - scorer.logProbability(at: place)
  }
  mutating func commit(_ edit: TokenSequence.Edit) { scorer.commit(edit) }
}

/// A scorer that keeps what a deletion changes and never forgets it, though soft statements about
/// whole texts make it depend on places far away.
private struct UnforgettingTarget: Target {
  let target: SentenceTarget<Toy, TokenAutomaton>
  func logProbability(of state: TokenSequence) -> Double { target.logProbability(of: state) }
  func makeScorer(at state: TokenSequence) -> UnforgettingScorer {
    UnforgettingScorer(scorer: target.makeScorer(at: state))
  }
}

private struct UnforgettingScorer: Scorer {
  var scorer: IncrementalScorer<Toy, TokenAutomaton>
  var known: [Int: Double] = [:]
  var state: TokenSequence { scorer.state }
  var logProbability: Double { scorer.logProbability }
  mutating func change(under edit: TokenSequence.Edit, atLeast bound: Double) -> Double {
    guard case .delete(let place) = edit else {
      return scorer.change(under: edit, atLeast: bound)
    }
    if let known = known[place], known < bound { return -.infinity }
    let change = scorer.change(under: edit)
    known[place] = change
    return change
  }
  mutating func commit(_ edit: TokenSequence.Edit) {
    // What stands beside an edit is forgotten, what stands farther away is not.
    if case .replace(let place, _) = edit {
      for near in max(0, place - 1)...place + 1 { known[near] = nil }
    } else {
      known = [:]
    }
    scorer.commit(edit)
  }
}

/// A scorer that makes the edit it looked at last, whichever it is told.
private struct HeedlessTarget: Target {
  let target: SentenceTarget<Toy, TokenAutomaton>
  func logProbability(of state: TokenSequence) -> Double { target.logProbability(of: state) }
  func makeScorer(at state: TokenSequence) -> HeedlessScorer {
    HeedlessScorer(scorer: target.makeScorer(at: state))
  }
}

private struct HeedlessScorer: Scorer {
  var scorer: IncrementalScorer<Toy, TokenAutomaton>
  var last: TokenSequence.Edit?
  var state: TokenSequence { scorer.state }
  var logProbability: Double { scorer.logProbability }
  mutating func change(under edit: TokenSequence.Edit, atLeast bound: Double) -> Double {
    let change = scorer.change(under: edit, atLeast: bound)
    if change > -.infinity { last = edit }
    return change
  }
  mutating func commit(_ edit: TokenSequence.Edit) { scorer.commit(last ?? edit) }
}

/// A kernel that remembers the first token it drew at a place and draws it again.
private struct StaleKernel: KernelWithMemory {
  var kinds: [String] { ["replace"] }
  func start(at scorer: ToyScorer) -> [Int: Token] { [:] }
  func step(
    _ scorer: inout ToyScorer, memory: inout [Int: Token], using choices: inout some ChoiceSource
  ) -> StepReport {
    let place = choices.index(below: scorer.count)
    let drawn =
      memory[place]
      ?? NamedKernel.full.draw(for: Gap(place, place + 1), in: scorer, using: &choices)?.token
    guard let drawn else { return StepReport(isAccepted: false, kind: 0) }
    memory[place] = drawn
    let edit = TokenSequence.Edit.replace(place, drawn)
    guard scorer.change(under: edit) > -.infinity else {
      return StepReport(isAccepted: false, kind: 0)
    }
    scorer.commit(edit)
    return StepReport(isAccepted: true, kind: 0)
  }
}

/// An edit whose undoing is one place off.
private struct OffByOne: Editable {
  var text: TokenSequence
  mutating func apply(_ edit: TokenSequence.Edit) -> TokenSequence.Edit {
    guard case .insert(let place, _) = edit else { return text.apply(edit) }
    _ = text.apply(edit)
    return .delete(max(0, place - 1))
  }
}

@Suite struct ScorerExactTests {
  static func edits(_ text: TokenSequence) -> [TokenSequence.Edit] {
    let letters = [Token(2), Token(3)]
    var edits: [TokenSequence.Edit] = []
    for place in text.indices {
      edits += letters.map { .replace(place, $0) }
      edits.append(.delete(place))
      edits += text.indices.map { .swap(place, $0) }
      for high in place...text.count {
        edits += [.rewrite(place..<high, []), .rewrite(place..<high, [Token(3), Token(2)])]
      }
    }
    for place in 0...text.count { edits += letters.map { .insert(place, $0) } }
    return edits
  }

  /// Sums of some ten logarithms, each below ten: rounding stays far under 1e-12.
  @Test(
    arguments: [Space.fluent, .soft, .fixedLength] + TestData.deep([.lengths, .containsB]))
  func agreesWithRescoring(space: Space) {
    let space = space.space
    #expect(scorerDefect(of: space.target, at: space.states, edits: Self.edits) < 1e-12)
  }

  @Test func shortSightIsSeen() {
    let space = Space.fluent.space
    let mutant = ShortSightedTarget(target: space.target)
    #expect(scorerDefect(of: mutant, at: space.states, edits: Self.edits) > 1e-3)
  }

  /// Texts without a b weigh more: soft weights that only the end of a text adds.
  private static var wholeTexts: EnumeratedTarget<SentenceTarget<Toy, TokenAutomaton>> {
    let b = Toy.toy.text("b")[0]
    let automaton = TokenAutomaton(Toy.toy, lengths: 0...3) { $0.contains(b) ? 0 : 0.9 }
    return EnumeratedTarget(
      SentenceTarget(model: Toy.toy, constraint: automaton),
      among: Toy.toy.texts(ofLengths: 0...3))
  }

  /// Bounded looks after a commit are what shows a deletion's change that was kept too long.
  @Test func unforgottenDeletionsAreSeen() {
    let space = Self.wholeTexts
    #expect(scorerDefect(of: space.target, at: space.states, edits: Self.edits) < 1e-12)
    let mutant = UnforgettingTarget(target: space.target)
    // Any text of several tokens shows it.
    #expect(
      scorerDefect(of: mutant, at: space.states.suffix(2), every: 1, edits: Self.edits) > 1e-3)
  }

  @Test func commitsOfOtherEditsAreSeen() {
    let space = Space.lengths.space
    let mutant = HeedlessTarget(target: space.target)
    #expect(scorerDefect(of: mutant, at: space.states, edits: Self.edits) > 1e-3)
  }

  /// Memories that go stale: a step from a fresh one is right.
  ///
  /// With the same memory, a token that was drawn beside another neighbour comes back in the third
  /// step.
  @Test func staleMemoriesAreSeen() {
    let space = Space.fixedLength.space
    let matrix = TransitionMatrix(of: StaleKernel(), on: space)
    #expect(matrix.invarianceDefect(of: space.probabilities) < 1e-12)
    let start = space.states[0]
    #expect(stalenessDefect(of: StaleKernel(), on: space, from: start, steps: 3) > 1e-3)
  }

  @Test(arguments: Space.allCases)
  func placesAgreeWithTheModel(space: Space) {
    #expect(placeDefect(of: space.space.target, at: space.space.states) < 1e-12)
  }

  @Test func undoingBringsBack() {
    #expect(undoDefect(at: Space.lengths.space.states, edits: Self.edits) == 0)
    let mutants = Space.lengths.space.states.map { OffByOne(text: $0) }
    #expect(undoDefect(at: mutants, edits: { Self.edits($0.text) }) > 0)
  }

  @Test func modelLaws() {
    let toy = Toy.toy
    let texts = toy.texts(ofLengths: 0...3)
    #expect(modelDefect(of: toy, after: texts) < 1e-12)
    let mutant = BigramTable(
      letters: ["a", "b"], rows: [[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.4, 0.1, 0.4]])
    #expect(modelDefect(of: mutant, after: texts) > 1e-3)
  }
}
