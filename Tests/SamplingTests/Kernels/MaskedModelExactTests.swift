// Licensed under the Apache License, Version 2.0.

import Sampling
import SamplingLaws
import Testing

/// A masked model on letters, by what stands left and right of a place: its conditionals belong to
/// no distribution.
private struct Table: MaskedLanguageModel {
  var vocabulary: Vocabulary { Toy.toy.vocabulary }
  var reach: Int { 1 }

  func logProbabilities(at place: Int, in text: TokenSequence) -> [Double] {
    let left = place > 0 ? text[place - 1] : vocabulary.start
    let right = place + 1 < text.count ? text[place + 1] : vocabulary.end
    // Of ^, $, a, b.
    let a = [0.3, 0.5, 0.8, 0.15][left.index] * [0.4, 0.9, 0.5, 0.7][right.index]
    return [-.infinity, -.infinity, LogSpace.log(a), LogSpace.log(1 - a)]
  }
}

/// The conditionals of a target, which belong together.
private struct Consistent: MaskedLanguageModel {
  let target = SentenceTarget(model: Toy.toy)
  var vocabulary: Vocabulary { Toy.toy.vocabulary }

  func logProbabilities(at place: Int, in text: TokenSequence) -> [Double] {
    let logs = (0..<vocabulary.count).map { i -> Double in
      guard vocabulary.isDrawable(Token(i)) else { return -.infinity }
      var edited = text
      edited.apply(.replace(place, Token(i)))
      return target.logProbability(of: edited)
    }
    let sum = LogSpace.sum(logs)
    return logs.map { $0 - sum }
  }
}

private typealias TableScorer = MaskedScorer<Table>
private typealias TableTarget = EnumeratedTarget<MaskedEnergy<Table>>

@Suite struct MaskedModelExactTests {
  private static let texts = Toy.toy.texts(ofLengths: 3...3)

  /// Hard and soft constraints and a power, or none.
  private static func space(isSoft: Bool) -> TableTarget {
    guard isSoft else { return TableTarget(MaskedEnergy(model: Table()), among: texts) }
    let b = Toy.toy.text("b")[0]
    let automaton = TokenAutomaton(Toy.toy, lengths: 0...4) { text in
      text.contains(b) ? 0.6 * Double(text.filter { $0 == b }.count) : -.infinity
    }
    return TableTarget(
      MaskedEnergy(model: Table(), automaton: automaton, fluency: 1.3), among: texts)
  }

  /// The law that a kernel settles at.
  private func settled(
    _ matrix: TransitionMatrix<TokenSequence>, from law: [TokenSequence: Double]
  ) -> [TokenSequence: Double] {
    var law = law
    // The second eigenvalue of these 8 states lies below .9, and .9^2000 below 1e-90.
    for _ in 0..<2_000 {
      var next: [TokenSequence: Double] = [:]
      for (state, probability) in law {
        for (other, chance) in matrix.rows[state] ?? [:] {
          next[other, default: 0] += probability * chance
        }
      }
      law = next
    }
    return law
  }

  private func edits(_ text: TokenSequence) -> [TokenSequence.Edit] {
    let letters = [Token(2), Token(3)]
    return text.indices.flatMap { place in letters.map { .replace(place, $0) } }
      + [.insert(0, letters[1])]
      + (text.count > 1
        ? [.swap(0, text.count - 1), .delete(0), .rewrite(0..<2, [letters[1], letters[0]])] : [])
  }

  @Test(arguments: [false, true]) func metropolisKeepsTheEnergy(isSoft: Bool) {
    let space = Self.space(isSoft: isSoft)
    let proposal = ReplaceMaskedToken<Table, TableScorer>(Table())
    #expect(proposalDefect(of: proposal, on: space) < 1e-12)
    let kernel = MetropolisHastings<ReplaceMaskedToken<Table, TableScorer>>(proposal)
    let matrix = TransitionMatrix<TokenSequence>(of: kernel, on: space)
    #expect(matrix.normalisationDefect < 1e-12)
    #expect(matrix.invarianceDefect(of: space.probabilities) < 1e-12)
    #expect(matrix.reversibilityDefect(of: space.probabilities) < 1e-12)
    #expect(matrix.unreachableCount == 0)
  }

  @Test(arguments: [false, true]) func scorersKnowTheEnergy(isSoft: Bool) {
    let space = Self.space(isSoft: isSoft)
    // Sums of a few terms in another order.
    #expect(scorerDefect(of: space.target, at: space.states, edits: edits) < 1e-12)
  }

  /// The energy with a cheap target beside it, whose moves it decides about.
  @Test func screenedMovesKeepTheEnergy() {
    typealias Both = ScreenedTarget<MaskedEnergy<Table>, SentenceTarget<Toy, TokenAutomaton>>
    typealias BothScorer = ScreenedScorer<TableScorer, IncrementalScorer<Toy, TokenAutomaton>>
    let target = Both(
      MaskedEnergy(model: Table()), screenedBy: SentenceTarget(model: Toy.toy, fluency: 0.5))
    let space = EnumeratedTarget<Both>(target, among: Self.texts)
    let masked = TransitionMatrix<TokenSequence>(
      of: MetropolisHastings<ReplaceMaskedToken<Table, BothScorer>>(ReplaceMaskedToken(Table())),
      on: space)
    #expect(masked.invarianceDefect(of: space.probabilities) < 1e-12)
    let swaps = TransitionMatrix<TokenSequence>(
      of: DelayedAcceptance<SwapTokens<ToyScorer>, TableScorer>(SwapTokens()), on: space)
    #expect(swaps.invarianceDefect(of: space.probabilities) < 1e-12)
  }

  /// Every word taken: neither the declared energy nor any law that it would be reversible under, and
  /// another one for each order of places.
  @Test func pseudoGibbsKeepsAnotherLaw() {
    let space = Self.space(isSoft: false)
    var laws: [[TokenSequence: Double]] = []
    for scan in ScanOrder.allCases {
      let kernel = PseudoGibbs<Table, TableScorer>(Table(), scan: scan)
      let matrix = TransitionMatrix<TokenSequence>(of: kernel, on: space)
      #expect(matrix.normalisationDefect < 1e-12)
      #expect(matrix.invarianceDefect(of: space.probabilities) > 1e-3)
      let law = settled(matrix, from: space.probabilities)
      #expect(matrix.invarianceDefect(of: law) < 1e-12)
      #expect(matrix.reversibilityDefect(of: law) > 1e-3)
      laws.append(law)
    }
    #expect(totalVariation(laws[0], laws[1]) > 1e-3)
  }

  /// Where conditionals belong together it is Gibbs sampling, in either order.
  @Test func consistentConditionalsAreGibbs() {
    let model = Consistent()
    let space = EnumeratedTarget<SentenceTarget<Toy, TokenAutomaton>>(
      model.target, among: Self.texts)
    for scan in ScanOrder.allCases {
      let matrix = TransitionMatrix<TokenSequence>(
        of: PseudoGibbs<Consistent, IncrementalScorer<Toy, TokenAutomaton>>(model, scan: scan),
        on: space)
      #expect(matrix.invarianceDefect(of: space.probabilities) < 1e-12)
    }
    let metropolis = TransitionMatrix<TokenSequence>(
      of: MetropolisHastings<
        ReplaceMaskedToken<Consistent, IncrementalScorer<Toy, TokenAutomaton>>
      >(
        ReplaceMaskedToken(model)), on: space)
    #expect(metropolis.invarianceDefect(of: space.probabilities) < 1e-12)
  }

  /// Where left and right tell nothing of each other once a word is known, which is so in a chain of
  /// letters that is the same in both directions, both ends together are the full conditional.
  @Test func bothEndsOfAChain() {
    // Reversible, with the law .25, .75 of letters; it ends with the same probability anywhere.
    let chain = Toy(
      letters: ["a", "b"], rows: [[0.25, 0.75, 0], [0.4, 0.5, 0.1], [0.5 / 3, 2.2 / 3, 0.1]])
    let model = BidirectionalModel(forward: chain, backward: chain, weights: [0, 0, 0.25, 0.75])
    let target = SentenceTarget(model: chain)
    #expect(model.reach == 1)
    for text in chain.texts(ofLengths: 1...3) {
      for place in text.indices {
        let logs = model.logProbabilities(at: place, in: text)
        let full = FullConditionalTokens<ToyScorer>()
        let scorer = target.makeScorer(at: text)
        for i in 2...3 {
          let expected = full.logProbability(
            of: Token(i), for: Gap(place, place + 1), in: scorer)
          #expect(abs(logs[i] - expected) < 1e-12)
        }
        #expect(logs[0] == -.infinity && logs[1] == -.infinity)
      }
    }
  }

  @Test func emptyTextsStay() {
    var scorer = MaskedEnergy(model: Table()).makeScorer(at: [])
    var choices = RandomChoices(seed: 1)
    let kernel = PseudoGibbs<Table, TableScorer>(Table())
    #expect(!kernel.step(&scorer, using: &choices).isAccepted)
    let proposal = ReplaceMaskedToken<Table, TableScorer>(Table())
    #expect(proposal.propose(from: scorer, using: &choices).edit == nil)
  }
}

@Suite struct MaskedModelMutantExactTests {
  /// The conditional of the word that stands there, as if it were asked with the new word in place.
  private struct AfterTheEdit: Proposal {
    var kinds: [String] { ["replace"] }

    func propose(
      from scorer: TableScorer, using choices: inout some ChoiceSource
    ) -> Move<TokenSequence.Edit?> {
      let text = scorer.state
      let place = choices.index(below: text.count)
      let logs = Table().logProbabilities(at: place, in: text)
      let token = Token(choices.index(weights: logs.map(LogSpace.exp)))
      // A neighbour's conditional in place of the place's own.
      let other = (place + 1) % text.count
      var edited = text
      edited.apply(.replace(place, token))
      let back = Table().logProbabilities(at: other, in: edited)
      return Move(
        .replace(place, token), logForward: logs[token.index], logBackward: back[text[place].index])
    }
  }

  @Test func conditionalOfTheWrongPlace() {
    let space = TableTarget(
      MaskedEnergy(model: Table()), among: Toy.toy.texts(ofLengths: 3...3))
    let matrix = TransitionMatrix<TokenSequence>(
      of: MetropolisHastings<AfterTheEdit>(AfterTheEdit()), on: space)
    #expect(matrix.invarianceDefect(of: space.probabilities) > 1e-3)
  }

  /// A model that says that it does not look at its neighbours, though it does.
  private struct Shortsighted: MaskedLanguageModel {
    var vocabulary: Vocabulary { Table().vocabulary }
    var reach: Int { 0 }
    func logProbabilities(at place: Int, in text: TokenSequence) -> [Double] {
      Table().logProbabilities(at: place, in: text)
    }
  }

  @Test func forgottenNeighbours() {
    let target = MaskedEnergy(model: Shortsighted())
    let defect = scorerDefect(of: target, at: Toy.toy.texts(ofLengths: 3...3)) { text in
      text.indices.flatMap { [.replace($0, Token(2)), .replace($0, Token(3))] }
    }
    #expect(defect > 1e-3)
  }
}
