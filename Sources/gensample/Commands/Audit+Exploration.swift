// Licensed under the Apache License, Version 2.0.

import LM
import Runs
import Sampling

extension Audit {
  /// How progress of the analysis is shown.
  struct ProgressOptions {
    var mode: ProgressMode

    init(_ arguments: Arguments) throws(CommandFailure) {
      mode = try arguments.choice("progress", as: ProgressMode.self) ?? .auto
      if arguments.has("quiet") { mode = .never }
    }
  }

  /// The decoder under audit: its model, its rules and the limit of the exploration.
  struct Decoder {
    let opened: LoadedModel
    let model: NGramModel
    let strategy: AuditStrategy
    let rules: DecodingRules
    let limit: Int
    let progress: ProgressOptions

    let automaton: BackoffAutomaton
    /// The same transforms with `--keep-end`; `nil` if that changes nothing or isn't possible.
    let transformsKeepingEnds: [any NextTokenTransform]?

    init(
      _ arguments: Arguments, model opened: LoadedModel, strategy: AuditStrategy,
      rules: DecodingRules, limit: Int, progress: ProgressOptions
    ) throws {
      self.opened = opened
      model = try opened.ngrams(.exact, for: Audit.name)
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
        ? try? DecodingOptions.rules(arguments, model: opened, keepingEnds: true).transforms
          .transforms
        : nil
    }

    var chosen: ContextChoice { strategy == .greedy ? .greedy : .sampled }

    /// Whether the most probable tokens of a context determine what these transforms keep.
    func readsLeadingTokens(_ transforms: [any NextTokenTransform]) -> Bool {
      ContextChain<Int>.readsLeadingTokens(chosen, transforms) && !automaton.mayVanish
    }
  }

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

  /// Explores with the probabilities of all tokens in each context.
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
    // Each context is an n-gram of an order below the model's.
    let most = max(1, decoder.model.counts.dropLast().reduce(1, +))
    let count = SharedCount()
    let progress = Progress(
      decoder.progress.mode, unit: "contexts", total: most, done: { count.value })
    defer { progress.finish() }
    return TerminationAnalysis(try explore(transforms, exploration) { count.value = $0 })
  }
}
