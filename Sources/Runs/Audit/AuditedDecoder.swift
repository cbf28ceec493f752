// Licensed under the Apache License, Version 2.0.

import LM
import Sampling

/// A decoder whose choice depends on the context of an n-gram model alone, so that its texts can be
/// followed through all contexts.
struct AuditedDecoder {
  let model: NGramModel
  let strategy: AuditStrategy
  let rules: DecodingRules
  /// The most transitions between contexts.
  let limit: Int
  let audience: any AuditAudience
  let automaton: BackoffAutomaton
  /// The same transforms, of which none drops the end; `nil` if that changes nothing or isn't
  /// possible.
  let transformsKeepingEnds: [any NextTokenTransform]?

  init(
    _ model: NGramModel, _ strategy: AuditStrategy, _ rules: DecodingRules, limit: Int,
    keepingEnds: [any NextTokenTransform]?, _ audience: any AuditAudience
  ) {
    self.model = model
    self.strategy = strategy
    self.rules = rules
    self.limit = limit
    self.audience = audience
    automaton = model.makeBackoffAutomaton()
    transformsKeepingEnds = keepingEnds
  }

  var chosen: ContextChoice { strategy == .greedy ? .greedy : .sampled }

  /// Whether the most probable tokens of a context determine what these transforms keep.
  func readsLeadingTokens(_ transforms: [any NextTokenTransform]) -> Bool {
    ContextChain<Int>.readsLeadingTokens(chosen, transforms) && !automaton.mayVanish
  }
}

extension TerminationAudit {
  /// Where the exploration of contexts starts, and which transform's thresholds it records.
  struct Exploration {
    var isPromptAlone: Bool
    var cut: Int?
  }

  /// Builds the chain of contexts under some transforms and reports its progress.
  typealias Explorer<Context: Hashable & Sendable> = (
    _ transforms: [any NextTokenTransform], _ exploration: Exploration, _ watch: (Int) -> Void
  ) throws -> ContextChain<Context>

  /// Explores with the most probable tokens of each context, which is fast.
  static func leadingExplorer(_ decoder: AuditedDecoder, _ texts: [TokenSequence]) -> Explorer<Int>
  {
    let automaton = decoder.automaton
    let roots = texts.map { automaton.context(after: $0) }
    return {
      try ContextChain(
        automaton, decoder.chosen, transforms: $0, stops: decoder.rules.stops,
        roots: $1.isPromptAlone ? [roots[0]] : roots, cut: $1.cut, limit: decoder.limit,
        isCancelled: decoder.rules.isTimeUp, watch: $2)
    }
  }

  /// Explores with the probabilities of all tokens in each context.
  static func vectorExplorer(
    _ decoder: AuditedDecoder, _ texts: [TokenSequence]
  ) -> Explorer<NGramContext> {
    let model = decoder.model
    let roots = texts.map { text in
      text.reduce(into: model.makeContext()) { model.advance(&$0, by: $1) }
    }
    return {
      try ContextChain(
        model, decoder.chosen, transforms: $0, stops: decoder.rules.stops,
        roots: $1.isPromptAlone ? [roots[0]] : roots, cut: $1.cut, limit: decoder.limit,
        isCancelled: decoder.rules.isTimeUp, watch: $2)
    }
  }

  static func analyse<Context>(
    _ decoder: AuditedDecoder, _ transforms: [any NextTokenTransform], _ exploration: Exploration,
    _ explore: Explorer<Context>
  ) throws -> TerminationAnalysis<Context> {
    // Each context is an n-gram of an order below the model's.
    let most = max(1, decoder.model.counts.dropLast().reduce(1, +))
    let monitor = RunMonitor()
    decoder.audience.begin("contexts", total: most, monitor)
    defer { decoder.audience.end() }
    return TerminationAnalysis(
      try explore(transforms, exploration) { monitor.add($0 - monitor.steps) })
  }
}
