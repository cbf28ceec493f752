// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Sampling

/// A move of `mh`, seen from the target, on every bridge.
typealias Bridged<P: Proposal<SentenceScorer<NGramModel>>> = MetropolisHastings<
  BridgedProposal<P, SentenceScorer<NGramModel>>
>

/// The moves of annealed texts: those of `mh`.
typealias BridgedMoves = Mixture<
  Mixture<
    Bridged<ReplaceWord<NGramLeftWords>>, Bridged<InsertOrDeleteWord<NGramLeftWords>>
  >,
  Mixture<Bridged<SwapWords<NGramModel>>, Bridged<RewriteBlock<NGramModel>>>
>

typealias AnnealedTexts = AnnealedImportance<GuidedTexts<SteeredTokens>, BridgedMoves>

extension LeftToRight {
  /// Texts led from the model's lower orders to the target, among those that are short enough.
  func annealed(
    _ shared: LeftToRightModel, _ arguments: Arguments, stages: Int, _ monitor: RunMonitor
  ) throws -> AnnealedTexts {
    let lower = try shared.lowered.get()
    let target = try bounded()
    // Both ends of the bridges allow the same texts.
    let easy = try LeftToRight(
      SentenceTarget(
        model: lower.words.model, automaton: target.automaton, fluency: target.fluency),
      lower, arguments, monitor)
    let automaton = target.automaton ?? lookAhead.automaton
    let hasOneLength = automaton.fixedLength != nil
    let moves = BridgedMoves(
      Mixture(
        Bridged(BridgedProposal(ReplaceWord(words))),
        Bridged(BridgedProposal(InsertOrDeleteWord(words))),
        probabilityOfFirst: hasOneLength ? 1 : 0.4),
      Mixture(
        Bridged(BridgedProposal(SwapWords())),
        Bridged(
          BridgedProposal(
            RewriteBlock(automaton: automaton, model: model, weights: model.unigramWeights))),
        probabilityOfFirst: 0.9),
      probabilityOfFirst: 0.75)
    return AnnealedImportance(from: easy.guided, to: target, kernel: moves, stages: stages)
  }
}

/// What exact draws, led back, say that the evidence is at most, in expectation.
struct UpperBound {
  private let value: Double
  private let error: Double
  private let count: Int

  init(
    _ annealed: AnnealedTexts, length: ClosedRange<Int>, count: Int, memory: Int, random: Philox,
    threads: Int, _ monitor: RunMonitor
  ) throws {
    func exact(_ target: SentenceTarget<NGramModel>) throws -> NGramInference {
      do throws(ExactInference.Fault) {
        return try NGramInference(
          target: target, length: length, memory: memory, threads: threads
        ) { _ in !monitor.isStopping }
      } catch {
        throw CommandFailure(
          .data, "--upper needs exact draws: \(error); give --memory or --max-tokens")
      }
    }
    let logFirst = try exact(annealed.base.target).logEvidence
    let texts = try exact(annealed.target).draws(
      0..<count, random: random.stream(0), threads: threads)
    let steps = random.stream(1)
    let logs = try concurrently(count, threads: threads) { number -> Double? in
      if monitor.isStopping { return nil }
      var choices = RandomChoices(steps.stream(UInt64(number)))
      return annealed.logWeightBack(from: texts[number], using: &choices)
    }.compactMap { $0 }
    self.count = logs.count
    let mean = logs.reduce(0, +) / Double(max(1, logs.count))
    value = logFirst - mean
    let squares = logs.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    error = (squares / Double(max(1, logs.count - 1)) / Double(max(1, logs.count))).squareRoot()
  }

  func add(to summary: inout JSONObject) {
    summary.add("upper_bound", count > 0 ? .number(value) : .null)
    summary.add("upper_bound_error", count > 1 ? .number(error) : .null)
  }

  var line: String {
    String(
      format: "  upper bound in expectation, by \(count) exact draws led back: %.3f ± %.3f", value,
      error)
  }
}
