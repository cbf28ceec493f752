// Licensed under the Apache License, Version 2.0.

import LM
import Sampling

extension Audit {
  /// How far long work is.
  struct ProgressOptions {
    var mode: ProgressMode

    init(_ arguments: Arguments) throws(CommandFailure) {
      mode = try arguments.choice("progress", as: ProgressMode.self) ?? .auto
      if arguments.has("quiet") { mode = .never }
    }
  }

  /// What a chain of contexts is made from.
  struct Decoder {
    let model: NGramModel
    let strategy: AuditStrategy
    let rules: DecodingRules
    let limit: Int
    let progress: ProgressOptions

    let automaton: BackoffAutomaton
    /// The same transforms as `--keep-end` would have them; `nil` where it would change nothing, or
    /// cannot be given.
    let transformsKeepingEnds: [any NextTokenTransform]?

    init(
      _ arguments: Arguments, model: NGramModel, strategy: AuditStrategy, rules: DecodingRules,
      limit: Int, progress: ProgressOptions
    ) throws {
      self.model = model
      self.strategy = strategy
      self.rules = rules
      self.limit = limit
      self.progress = progress
      automaton = model.makeBackoffAutomaton()
      let drops = rules.transforms.transforms.contains {
        ($0 as? any Truncation)?.keepsEnd == false
      }
      transformsKeepingEnds =
        drops
        ? try? DecodingOptions.rules(arguments, model: model, keepingEnds: true).transforms
          .transforms
        : nil
    }

    var chosen: ContextChoice { strategy == .greedy ? .greedy : .sampled }

    /// Whether a context's most probable tokens tell all that these transforms leave.
    func readsLeadingTokens(_ transforms: [any NextTokenTransform]) -> Bool {
      ContextChain<Int>.readsLeadingTokens(chosen, transforms) && !automaton.mayVanish
    }
  }

  /// From where a chain is explored, and what its thresholds are about.
  struct Exploration {
    var isPromptAlone: Bool
    var cut: Int?
  }

  /// Makes the chain of some transforms, telling how far it is.
  typealias Explorer<Context: Hashable & Sendable> = (
    _ transforms: [any NextTokenTransform], _ exploration: Exploration, _ watch: (Int) -> Void
  ) throws -> ContextChain<Context>

  /// Reads the most probable tokens of each context alone.
  static func leadingExplorer(_ decoder: Decoder, _ texts: [TokenSequence]) -> Explorer<Int> {
    let automaton = decoder.automaton
    let roots = texts.map { automaton.context(after: $0) }
    return {
      try ContextChain(
        automaton, decoder.chosen, transforms: $0, stops: decoder.rules.stops,
        roots: $1.isPromptAlone ? [roots[0]] : roots, cut: $1.cut, limit: decoder.limit,
        isCancelled: { Interruption.signal != nil }, watch: $2)
    }
  }

  /// Reads all tokens of each context.
  static func vectorExplorer(
    _ decoder: Decoder, _ texts: [TokenSequence]
  ) -> Explorer<NGramContext> {
    let model = decoder.model
    let roots = texts.map { text in
      text.reduce(into: model.makeContext()) { model.advance(&$0, by: $1) }
    }
    return {
      try ContextChain(
        model, decoder.chosen, transforms: $0, stops: decoder.rules.stops,
        roots: $1.isPromptAlone ? [roots[0]] : roots, cut: $1.cut, limit: decoder.limit,
        isCancelled: { Interruption.signal != nil }, watch: $2)
    }
  }

  static func analyse<Context>(
    _ decoder: Decoder, _ transforms: [any NextTokenTransform], _ exploration: Exploration,
    _ explore: Explorer<Context>
  ) throws -> TerminationAnalysis<Context> {
    // Contexts are what some n-gram below the model's order is.
    let most = max(1, decoder.model.counts.dropLast().reduce(1, +))
    let count = SharedCount()
    let progress = Progress(
      decoder.progress.mode, unit: "contexts", total: most, done: { count.value })
    defer { progress.finish() }
    return TerminationAnalysis(try explore(transforms, exploration) { count.value = $0 })
  }
}
