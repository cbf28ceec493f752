// Licensed under the Apache License, Version 2.0.

import LM
import Sampling

extension SentenceTarget where Model == NGramModel, Constraint == TokenAutomaton {
  /// What screens moves for a target of the same constraints: they alone under a cheap model.
  func screen(by cheap: NGramModel) -> SentenceTarget<NGramModel, TokenAutomaton> {
    SentenceTarget(
      model: cheap, constraint: constraint ?? TokenAutomaton(every: model.vocabulary),
      fluency: fluency)
  }
}

/// The moves of `mh` where a cheap model of the same words screens them for a dear target.
///
/// **Keeps** the dear target.
struct ScreenedMoves<Dear: Scorer<TokenSequence>>: TransitionKernel {
  private typealias Words = Mixture<
    DelayedAcceptance<ReplaceToken<NGramLeftTokens>, Dear>,
    DelayedAcceptance<InsertOrDeleteToken<NGramLeftTokens>, Dear>
  >
  private typealias Places = Mixture<
    DelayedAcceptance<SwapTokens<NGramModel>, Dear>,
    DelayedAcceptance<RewriteBlock<NGramModel>, Dear>
  >
  private let moves: Mixture<Words, Places>

  /// The moves for texts that a target allows.
  ///
  /// - Parameters:
  ///   - target: the cheap target or another of the same automaton.
  ///   - words: the cheap model's.
  ///   - hasOneLength: whether the number of words stays, whatever the constraints allow.
  init(
    for target: SentenceTarget<NGramModel, TokenAutomaton>, words: NGramLeftTokens,
    hasOneLength: Bool = false
  ) {
    let automaton = target.constraint ?? TokenAutomaton(every: target.model.vocabulary)
    let isFixed = hasOneLength || automaton.fixedLength != nil
    moves = Mixture(
      Words(
        DelayedAcceptance(ReplaceToken(words)), DelayedAcceptance(InsertOrDeleteToken(words)),
        probabilityOfFirst: isFixed ? 1 : 0.35),
      Places(
        DelayedAcceptance(SwapTokens()),
        DelayedAcceptance(
          RewriteBlock(
            automaton: automaton, model: words.model, weights: words.model.unigramWeights)),
        // Blocks may be of another length, which constraints alone can refuse.
        probabilityOfFirst: hasOneLength && automaton.fixedLength == nil ? 1 : 0.9),
      probabilityOfFirst: 0.75)
  }

  var kinds: [String] { moves.kinds }

  func step(
    _ scorer: inout ScreenedScorer<Dear, IncrementalScorer<NGramModel, TokenAutomaton>>,
    using choices: inout some ChoiceSource
  ) -> StepReport {
    moves.step(&scorer, using: &choices)
  }
}
