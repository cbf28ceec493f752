// Licensed under the Apache License, Version 2.0.

import LM
import Sampling

/// The same chain once through the generic kernel and once written out by hand, so that
/// `scripts/instructions` can count what each step costs and allocates.
enum LoopBenchmark {
  static func run(_ arguments: [String]) throws {
    guard arguments.count == 2, let steps = Int(arguments[1]) else { return }
    let model = try BuiltInModel.english.load(layout: .fast)
    let target = try keywordTarget(model, ["sea", "night"])
    let words = UnigramTokens<NGramScorer>(model.vocabulary, weights: model.unigramWeights)
    var choices = RandomChoices(seed: 1)
    guard let start = try target.randomStart(using: &choices) else { return }
    var scorer = target.makeScorer(at: start)
    let accepted =
      arguments[0] == "hand"
      ? byHand(&scorer, words, steps, &choices) : byKernel(&scorer, words, steps, &choices)
    say("\(accepted) accepted")
  }

  static func byKernel(
    _ scorer: inout IncrementalScorer<NGramModel, TokenAutomaton>,
    _ words: UnigramTokens<NGramScorer>, _ steps: Int,
    _ choices: inout RandomChoices
  ) -> Int {
    let kernel = StepsBenchmark.edits(words)
    var accepted = 0
    var memory = kernel.start(at: scorer)
    for _ in 0..<steps
    where kernel.step(&scorer, memory: &memory, using: &choices).isAccepted { accepted += 1 }
    return accepted
  }

  static func byHand(
    _ scorer: inout IncrementalScorer<NGramModel, TokenAutomaton>,
    _ words: UnigramTokens<NGramScorer>, _ steps: Int,
    _ choices: inout RandomChoices
  ) -> Int {
    var accepted = 0
    for _ in 0..<steps {
      let edit: TokenSequence.Edit
      var correction = 0.0
      let count = scorer.count
      if choices.index(below: 3) == 0 {
        guard count > 0 else { continue }
        let place = choices.index(below: count)
        let gap = Gap(place, place + 1)
        guard let word = words.draw(for: gap, in: scorer, using: &choices) else { continue }
        correction =
          words.logProbability(of: scorer.token(at: place), for: gap, in: scorer)
          - word.logProbability
        edit = .replace(place, word.token)
      } else if choices.index(below: 2) == 0 {
        let place = choices.index(below: count + 1)
        guard let word = words.draw(for: Gap(place, place), in: scorer, using: &choices) else {
          continue
        }
        correction = -word.logProbability
        edit = .insert(place, word.token)
      } else {
        guard count > 0 else { continue }
        let place = choices.index(below: count)
        correction = words.logProbability(
          of: scorer.token(at: place), for: Gap(place, place + 1), in: scorer)
        edit = .delete(place)
      }
      if choices.accepts({ scorer.change(under: edit, atLeast: $0 - correction) + correction }) {
        scorer.commit(edit)
        accepted += 1
      }
    }
    return accepted
  }
}
