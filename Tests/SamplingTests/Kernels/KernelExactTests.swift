// Licensed under the Apache License, Version 2.0.

import Sampling
import SamplingLaws
import Testing

/// Spaces on which every kernel is judged by enumeration.
enum Space: String, CaseIterable, Sendable, CustomTestStringConvertible {
  case lengths, containsB, fluent, soft, fixedLength

  var testDescription: String { rawValue }

  var space: EnumeratedTarget<SentenceTarget<BigramTable, TokenAutomaton>> {
    let toy = BigramTable.toy
    let b = toy.text("b")[0]
    let automaton: TokenAutomaton
    var fluency = 1.0
    switch self {
    case .lengths: automaton = TokenAutomaton(toy, lengths: 1...4)
    case .containsB:
      automaton = TokenAutomaton(toy, lengths: 0...4) { $0.contains(b) ? 0 : -.infinity }
    case .fluent:
      automaton = TokenAutomaton(toy, lengths: 0...3)
      fluency = 0.7
    case .soft:
      automaton = TokenAutomaton(toy, lengths: 0...3) { text in
        0.4 * Double(text.filter { $0 == b }.count)
      }
    case .fixedLength: automaton = TokenAutomaton(toy, lengths: 2...2)
    }
    return EnumeratedTarget(
      SentenceTarget(model: toy, constraint: automaton, fluency: fluency),
      among: toy.texts(ofLengths: 0...4))
  }
}

typealias Toy = BigramTable
typealias ToyScorer = IncrementalScorer<Toy, TokenAutomaton>

/// A kernel with its name, erased at the edge.
struct NamedKernel: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let matrix:
    @Sendable (EnumeratedTarget<SentenceTarget<Toy, TokenAutomaton>>) -> TransitionMatrix<
      TokenSequence
    >

  init(_ name: String, _ kernel: some TransitionKernel<IncrementalScorer<Toy, TokenAutomaton>>) {
    testDescription = name
    matrix = { TransitionMatrix(of: kernel, on: $0) }
  }

  /// A kernel that is made for the space's automaton.
  init<Kernel: TransitionKernel<IncrementalScorer<Toy, TokenAutomaton>>>(
    _ name: String, make: @escaping @Sendable (TokenAutomaton) -> Kernel
  ) {
    testDescription = name
    matrix = { space in
      guard let automaton = space.target.constraint else {
        preconditionFailure("all spaces have one")
      }
      return TransitionMatrix(of: make(automaton), on: space)
    }
  }

  static func rewrite(_ automaton: TokenAutomaton) -> RewriteBlock<ToyScorer> {
    RewriteBlock(
      automaton: automaton, vocabulary: Toy.toy.vocabulary, weights: [0, 0, 3, 1], longest: 4)
  }

  static let unigram = UnigramTokens<ToyScorer>(Toy.toy.vocabulary, weights: [0, 0, 3, 1])
  static let left = LeftConditionalTokens<ToyScorer>()
  static let full = FullConditionalTokens<ToyScorer>()

  static func edits<Words: GapTokens<ToyScorer>>(
    _ words: Words
  ) -> some TransitionKernel<IncrementalScorer<Toy, TokenAutomaton>> {
    Mixture {
      Weighted(1, MetropolisHastings(ReplaceToken(words)))
      Weighted(2, MetropolisHastings(InsertOrDeleteToken(words)))
    }
  }

  /// Every kernel that is offered; each goes through all laws.
  static let all = [
    NamedKernel("unigram", edits(unigram)),
    NamedKernel("left conditional", edits(left)),
    NamedKernel("full conditional", edits(full)),
    NamedKernel(
      "with swaps",
      Mixture {
        Weighted(1, MetropolisHastings(SwapTokens<ToyScorer>()))
        Weighted(3, edits(unigram))
      }),
    NamedKernel("cycle", Cycle(edits(unigram), edits(full))),
    NamedKernel("rewrite") { MetropolisHastings(rewrite($0)) },
  ]
}

@Suite struct KernelExactTests {
  @Test(arguments: TestData.pairs(NamedKernel.all, Space.allCases, each: 2))
  func keepsItsTarget(kernel: NamedKernel, space: Space) {
    let space = space.space
    let matrix = kernel.matrix(space)
    // Rounding of sums over some thousand branches.
    #expect(matrix.normalisationDefect < 1e-12)
    #expect(matrix.invarianceDefect(of: space.probabilities) < 1e-12)
    if kernel.testDescription != "cycle" {
      #expect(matrix.reversibilityDefect(of: space.probabilities) < 1e-12)
    }
    #expect(matrix.unreachableCount == 0)
  }

  @Test(arguments: Space.allCases)
  func movesSayTheTruth(space: Space) {
    let space = space.space
    #expect(proposalDefect(of: ReplaceToken(NamedKernel.unigram), on: space) < 1e-12)
    #expect(proposalDefect(of: ReplaceToken(NamedKernel.left), on: space) < 1e-12)
    #expect(proposalDefect(of: ReplaceToken(NamedKernel.full), on: space) < 1e-12)
    #expect(proposalDefect(of: InsertOrDeleteToken(NamedKernel.unigram), on: space) < 1e-12)
    #expect(proposalDefect(of: InsertOrDeleteToken(NamedKernel.left), on: space) < 1e-12)
    #expect(proposalDefect(of: InsertOrDeleteToken(NamedKernel.full), on: space) < 1e-12)
    #expect(proposalDefect(of: SwapTokens<ToyScorer>(), on: space) < 1e-12)
    if let automaton = space.target.constraint {
      #expect(proposalDefect(of: NamedKernel.rewrite(automaton), on: space) < 1e-12)
    }
  }

  /// Texts that no single edit connects: blocks do, the other moves do not.
  @Test func blocksConnectTemplates() {
    let toy = Toy.toy
    let allowed = Set(["ab", "ba", "aabb"].map { toy.text($0) })
    let automaton = TokenAutomaton(toy, lengths: 0...4) { allowed.contains($0) ? 0 : -.infinity }
    let space = EnumeratedTarget(
      SentenceTarget(model: toy, constraint: automaton), among: toy.texts(ofLengths: 0...4))
    let blocks = TransitionMatrix(
      of: MetropolisHastings(NamedKernel.rewrite(automaton)), on: space)
    #expect(blocks.unreachableCount == 0)
    #expect(blocks.invarianceDefect(of: space.probabilities) < 1e-12)
    let edits = TransitionMatrix(of: NamedKernel.edits(NamedKernel.unigram), on: space)
    #expect(edits.unreachableCount > 0)
  }

  /// The figures of the reference sheet for lengths 1 to 4, to the six digits that it gives.
  @Test func toyLanguage() {
    let toy = Toy.toy
    let law = Space.lengths.space.probabilities
    for (text, probability) in [
      ("a", 0.230974), ("b", 0.192478), ("ab", 0.192478), ("ba", 0.046195), ("aa", 0.046195),
      ("abab", 0.038496),
    ] {
      #expect(abs(law[toy.text(text), default: 0] - probability) < 5e-7)
    }
    for (length, probability) in zip(1...4, [0.423452, 0.304115, 0.167456, 0.104977]) {
      let sum = law.filter { $0.key.count == length }.values.reduce(0, +)
      #expect(abs(sum - probability) < 5e-7)
    }
  }

  /// Acceptance of full-conditional proposals at b, from the reference sheet.
  @Test func acceptanceOfFullConditionals() {
    let toy = Toy.toy
    let target = SentenceTarget(model: toy)
    func acceptance(_ edit: TokenSequence.Edit, from text: String) -> Double {
      var scorer = target.makeScorer(at: toy.text(text))
      let words = NamedKernel.full
      var ratio = scorer.change(under: edit)
      switch edit {
      case .insert(let place, let token):
        ratio -= words.logProbability(of: token, for: Gap(place, place), in: scorer)
      case .delete(let place):
        ratio += words.logProbability(
          of: scorer.token(at: place), for: Gap(place, place + 1), in: scorer)
      default: break
      }
      return min(1, LogSpace.exp(ratio))
    }
    for letter in "ab" {
      let token = toy.text(String(letter))[0]
      #expect(abs(acceptance(.insert(0, token), from: "b") - 1) < 1e-12)
      #expect(abs(acceptance(.insert(1, token), from: "b") - 0.34) < 1e-12)
    }
    #expect(abs(acceptance(.delete(0), from: "ab") - 0.909091) < 5e-7)
  }

  /// Random-scan Gibbs is full-conditional replacement at fixed length; rows aa ab ba bb.
  @Test func gibbsRows() {
    let toy = Toy.toy
    let space = Space.fixedLength.space
    let matrix = TransitionMatrix(
      of: MetropolisHastings(ReplaceToken(NamedKernel.full)), on: space)
    let names = ["aa", "ab", "ba", "bb"]
    let expected = [
      [0.346774, 0.403226, 0.25, 0], [0.096774, 0.857771, 0, 0.045455],
      [0.25, 0, 0.602941, 0.147059], [0, 0.454545, 0.352941, 0.192513],
    ]
    for (a, row) in zip(names, expected) {
      for (b, value) in zip(names, row) {
        let found = matrix.rows[toy.text(a)]?[toy.text(b)] ?? 0
        #expect(abs(found - value) < 5e-7)
      }
    }
    for (name, value) in zip(names, [0.151899, 0.632911, 0.151899, 0.063291]) {
      #expect(abs(space.probabilities[toy.text(name), default: 0] - value) < 5e-7)
    }
  }
}
