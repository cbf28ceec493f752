// Licensed under the Apache License, Version 2.0.

import LM
import Sampling

extension SentenceTarget where Model == NGramModel {
  /// What screens moves for a target of the same constraints: they alone under a cheap model.
  func screen(by cheap: NGramModel) -> SentenceTarget<NGramModel> {
    SentenceTarget(
      model: cheap, automaton: automaton ?? TokenAutomaton(every: model.vocabulary),
      fluency: fluency)
  }
}

/// The moves of `mh` where a cheap model of the same words screens them for a dear target.
///
/// **Keeps** the dear target.
struct ScreenedMoves<Dear: Scorer<TokenSequence>>: TransitionKernel {
  private typealias Words = Mixture<
    DelayedAcceptance<ReplaceWord<NGramLeftWords>, Dear>,
    DelayedAcceptance<InsertOrDeleteWord<NGramLeftWords>, Dear>
  >
  private typealias Places = Mixture<
    DelayedAcceptance<SwapWords<NGramModel>, Dear>,
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
    for target: SentenceTarget<NGramModel>, words: NGramLeftWords, hasOneLength: Bool = false
  ) {
    let automaton = target.automaton ?? TokenAutomaton(every: target.model.vocabulary)
    let isFixed = hasOneLength || automaton.fixedLength != nil
    moves = Mixture(
      Words(
        DelayedAcceptance(ReplaceWord(words)), DelayedAcceptance(InsertOrDeleteWord(words)),
        probabilityOfFirst: isFixed ? 1 : 0.35),
      Places(
        DelayedAcceptance(SwapWords()),
        DelayedAcceptance(
          RewriteBlock(
            automaton: automaton, model: words.model, weights: words.model.unigramWeights)),
        // Blocks may be of another length, which constraints alone can refuse.
        probabilityOfFirst: hasOneLength && automaton.fixedLength == nil ? 1 : 0.9),
      probabilityOfFirst: 0.75)
  }

  var kinds: [String] { moves.kinds }

  func step(
    _ scorer: inout ScreenedScorer<Dear, SentenceScorer<NGramModel>>,
    using choices: inout some ChoiceSource
  ) -> StepReport {
    moves.step(&scorer, using: &choices)
  }
}
