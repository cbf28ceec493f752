// Licensed under the Apache License, Version 2.0.

import Runs
import Sampling
import SamplingLaws
import Testing

private typealias Toy = BigramTable
private typealias ToyScorer = IncrementalScorer<Toy, TokenAutomaton>
private typealias ToyTarget = SentenceTarget<Toy, TokenAutomaton>

/// The mixtures of moves that samplers run, by every branch of a step from every text.
@Suite struct MovesExactTests {
  /// Spaces small enough to list.
  enum Space: String, CaseIterable, Sendable {
    case lengths, fluent, fixedLength

    fileprivate var space: EnumeratedTarget<ToyTarget> {
      let toy = Toy.toy
      let target =
        switch self {
        case .lengths:
          ToyTarget(model: toy, constraint: TokenAutomaton(toy, lengths: 1...2))
        case .fluent:
          ToyTarget(model: toy, constraint: TokenAutomaton(toy, lengths: 0...2), fluency: 0.7)
        case .fixedLength:
          ToyTarget(model: toy, constraint: TokenAutomaton(toy, lengths: 2...2))
        }
      return EnumeratedTarget(target, among: toy.texts(ofLengths: 0...2))
    }
  }

  private static let weights = [0.0, 0, 3, 1]
  private typealias Left = LeftConditionalTokens<ToyScorer>
  private typealias Full = FullConditionalTokens<ToyScorer>

  private func check(
    _ kernel: some TransitionKernel<ToyScorer>, _ space: EnumeratedTarget<ToyTarget>
  ) {
    let matrix = TransitionMatrix(of: kernel, on: space)
    #expect(space.states.count > 1)
    // Rounding of sums over some thousand branches.
    #expect(matrix.normalisationDefect < 1e-12)
    #expect(matrix.invarianceDefect(of: space.probabilities) < 1e-12)
    #expect(matrix.unreachableCount == 0)
  }

  private static let further: [(Space, FurtherMoves.Kind)] =
    TestData.isDeep
    ? Space.allCases.flatMap { space in
      [.move, .copy, .block, .suffix, .informed].map { (space, $0) }
    }
    : [
      (.fluent, .move), (.lengths, .copy), (.fixedLength, .block), (.lengths, .suffix),
      (.fixedLength, .informed),
    ]

  /// Each further kind beside the standard moves; eight tries are too many branches to list.
  @Test(arguments: further)
  func furtherMovesKeepTheTarget(space: Space, kind: FurtherMoves.Kind) throws {
    let space = space.space
    let automaton = try #require(space.target.constraint)
    let suffix = GuidedTokens(space.target, AutomatonLookAhead(automaton, mostTokens: 2))
    check(
      FurtherMoves.kernel(
        for: space.target, [kind], left: Left(), full: Full(), weights: Self.weights,
        balancing: .squareRoot, suffix: kind == .suffix ? suffix : nil), space)
  }

  @Test(arguments: Space.allCases, [nil, 2])
  func gibbsMovesKeepTheTarget(space: Space, block: Int?) {
    let space = space.space
    check(
      GibbsMoves.kernel(
        for: space.target, left: Left(), full: Full(), weights: Self.weights, block: block), space)
  }

  /// A flatter target screens; what is kept is the full one.
  @Test(arguments: Space.allCases)
  func screenedMovesKeepTheFullTarget(space: Space) {
    let full = space.space
    let surrogate = ToyTarget(
      model: Toy.toy, constraint: full.target.constraint, fluency: 0.4)
    let screened = EnumeratedTarget(
      ScreenedTarget(full.target, screenedBy: surrogate), among: full.states)
    let matrix = TransitionMatrix(
      of: ScreenedMoves<Left, ToyScorer>(
        for: surrogate, left: Left(), weights: Self.weights), on: screened)
    #expect(matrix.invarianceDefect(of: screened.probabilities) < 1e-12)
    #expect(matrix.unreachableCount == 0)
  }

  /// Moves for texts of one length reach no text of another, which the law catches.
  @Test func fixedLengthReachesOneLengthAlone() {
    let space = Space.lengths.space
    let matrix = TransitionMatrix(
      of: GibbsMoves.kernel(
        for: space.target, left: Left(), full: Full(), weights: Self.weights,
        isFixedLength: true), on: space)
    #expect(matrix.invarianceDefect(of: space.probabilities) < 1e-12)
    #expect(matrix.unreachableCount > 0)
  }
}
