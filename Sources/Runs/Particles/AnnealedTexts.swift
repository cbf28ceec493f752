// Licensed under the Apache License, Version 2.0.

import LM
import Sampling

/// The standard moves, on every bridge.
typealias BridgedMoves = MetropolisHastings<
  BridgedProposal<StandardMoves<NGramLeftTokens<TokenAutomaton>>, NGramScorer>
>

typealias AnnealedTexts = AnnealedImportance<
  GuidedTexts<SteeredTokens>, SentenceTarget<NGramModel, TokenAutomaton>, BridgedMoves
>

/// Texts of n-grams over a model's tokens, in the spelling that the model's target asks for.
typealias CompanionTarget = PrefixTarget<NGramModel, TokenAutomaton>

/// Moves by the n-grams, on every bridge to a model that costs more.
typealias CompanionMoves<Last: Scorer> = MetropolisHastings<
  FirstProposal<StandardMoves<LeftConditionalTokens<CompanionTarget.Scorer>>, Last>
> where Last.State == TokenSequence

extension LeftToRight {
  /// Texts moved from a companion's n-grams to the target, among those that are short enough.
  func annealed(
    from companion: LoadedModel, stages: Int, _ monitor: RunMonitor
  ) throws -> AnnealedImportance<
    GuidedTexts<TwistedTokens<CompanionTarget>>, Model.Target, CompanionMoves<Model.Target.Scorer>
  > {
    let target = try bounded()
    let grams = try companion.ngrams(.backoff, for: "--anneal")
    // Both ends of the bridges allow the same texts.
    let easy = CompanionTarget(
      model: grams, constraint: target.constraint, fluency: target.fluency,
      spelling: target.spelling)
    return AnnealedImportance(
      from: GuidedTexts(TwistedTokens(easy, lookAhead, bigrams: bigrams)), to: target,
      kernel: CompanionMoves(
        FirstProposal(
          StandardMoves(
            for: easy, left: LeftConditionalTokens(), weights: grams.unigramWeights))),
      stages: stages
    ) { monitor.isStopping }
  }
}

/// The lower orders of a model, which annealed texts start from.
private struct LowerOrders: Sendable {
  let loaded: LoadedModel
}

extension LeftToRight where Model == NGramModel {
  /// Texts moved from the model's lower orders to the target, among those that are short enough.
  func annealed(
    _ loaded: LoadedModel, _ options: LookAheadOptions, stages: Int, _ monitor: RunMonitor
  ) throws -> AnnealedTexts {
    let model = target.model
    let lower = try loaded.once {
      LowerOrders(
        loaded: try loaded.lowered(
          to: max(1, min(2, model.order - 1)), .backoff, for: "--anneal"))
    }.loaded
    let target = try bounded()
    // Both ends of the bridges allow the same texts.
    let easy = try LeftToRight(
      SentenceTarget(
        model: try lower.ngrams(.backoff, for: "--anneal"), constraint: target.constraint,
        fluency: target.fluency),
      of: lower, options, monitor)
    let moves = BridgedMoves(
      BridgedProposal(
        StandardMoves(for: target, left: left, weights: model.unigramWeights)))
    return AnnealedImportance(from: easy.guided, to: target, kernel: moves, stages: stages) {
      monitor.isStopping
    }
  }
}

extension UpperBoundReport {
  /// Moves exact draws back through the bridges.
  init(
    _ annealed: AnnealedTexts, length: ClosedRange<Int>, count: Int, memory: MemoryLimit,
    random: Philox, threads: Int, _ monitor: RunMonitor
  ) throws {
    func exact(_ target: SentenceTarget<NGramModel, TokenAutomaton>) throws -> NGramInference {
      do throws(ExactInference.Fault) {
        return try NGramInference(
          target: target, length: length, memory: memory.share, threads: threads
        ) { _ in !monitor.isStopping }
      } catch {
        var reason = "\(error)"
        if case .tooLarge(let bytes, _) = error { reason = memory.refusal(bytes) }
        throw RunError(
          .data, "--upper needs exact draws: \(reason); --max-tokens shortens texts too")
      }
    }
    let logFirst = try exact(annealed.base.target).logEvidence
    let steps = random.stream(1)
    var logs: [Double] = []
    _ = try exact(annealed.target).inBatches(
      count, random: random.stream(0), threads: threads, proceed: { !monitor.isStopping }
    ) { texts in
      let first = logs.count
      // Those behind one that was given up would be the quick ones.
      logs += try concurrently(texts.count, threads: threads) { number -> Double? in
        if monitor.isStopping { return nil }
        var choices = RandomChoices(steps.stream(UInt64(first + number)))
        let log = annealed.logWeightBack(from: texts[number], using: &choices)
        if log != nil { monitor.add(1) }
        return log
      }.prefix { $0 != nil }.compactMap { $0 }
    }
    self.count = logs.count
    asked = count
    guard !logs.isEmpty else { return }
    let mean = logs.reduce(0, +) / Double(logs.count)
    value = logFirst - mean
    guard logs.count > 1 else { return }
    let squares = logs.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    error = (squares / Double(logs.count - 1) / Double(logs.count)).squareRoot()
  }
}

extension NGramInference {
  /// Draws texts some at a time: few enough to stop soon, many enough to share among threads.
  ///
  /// - Parameters:
  ///   - count: how many in all.
  ///   - random: what the texts' streams split from.
  ///   - threads: how many threads; they change no result.
  ///   - proceed: asked before each batch.
  ///   - take: takes a batch.
  /// - Returns: how many were drawn.
  /// - Throws: what `take` throws.
  func inBatches(
    _ count: Int, random: Philox, threads: Int, proceed: () -> Bool,
    _ take: ([TokenSequence]) throws -> Void
  ) rethrows -> Int {
    var drawn = 0
    while drawn < count, proceed() {
      let texts = draws(
        drawn..<min(count, drawn + 1024 * threads), random: random, threads: threads)
      try take(texts)
      drawn += texts.count
    }
    return drawn
  }
}
