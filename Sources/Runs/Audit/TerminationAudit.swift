// Licensed under the Apache License, Version 2.0.

package import LM
package import Sampling

/// Is told which work goes on.
package protocol AuditAudience: AnyObject {
  /// Work begins: how much of what, and who counts it.
  func begin(_ unit: String, total: Int, _ monitor: RunMonitor)

  /// The work is done.
  func end()
}

/// `audit`: whether a decoder always ends its texts, and in which loops it is caught.
package struct TerminationAudit {
  package static let name = "audit"

  package let model: LoadedModel
  package let strategy: AuditStrategy
  package let rules: DecodingRules
  /// The beginning of the texts.
  package var prompt = TokenSequence()
  /// Further beginnings; `nil` for none.
  package var others: [TokenSequence]?
  /// The decoder for the strategies that make a single text.
  package var greedy: GreedyTextDecoder?
  package var beam: BeamDecoder?
  /// Whether the decoder depends on more than the options of its rules say.
  package var isContrastive = false
  /// The transforms with `--keep-end`; `nil` if that changes nothing or isn't possible.
  package var transformsKeepingEnds: [any NextTokenTransform]?
  /// The most transitions between contexts.
  package var limit = 8_000_000
  /// The texts to draw if nothing can be computed.
  package var runs = 1000
  package var seed: UInt64 = 0

  package init(_ model: LoadedModel, _ strategy: AuditStrategy, _ rules: DecodingRules) {
    self.model = model
    self.strategy = strategy
    self.rules = rules
  }

  /// Whether the choice of a token depends on the model's context alone, so that the probability can
  /// be computed for models with few contexts.
  package var dependsOnContextAlone: Bool {
    strategy != .beam && !isContrastive && rules.constraint == nil
      && rules.transforms.dependsOnLogitsAlone && rules.stopTexts.texts.isEmpty
  }

  /// Whether it can be computed for this model.
  package var canCompute: Bool {
    dependsOnContextAlone && model.capabilities.contains(.exact)
  }

  /// Computes what can be computed, and runs the decoder otherwise.
  ///
  /// - Parameters:
  ///   - blank: the report of an audit that has not begun.
  ///   - audience: is told which work goes on.
  /// - Returns: the findings.
  /// - Throws: what the model throws.
  package func run(_ blank: AuditReport, _ audience: any AuditAudience) throws -> AuditReport {
    var audit = blank
    if canCompute {
      let decoder = AuditedDecoder(
        try model.ngrams(.exact, for: Self.name), strategy, rules, limit: limit,
        keepingEnds: transformsKeepingEnds, audience)
      let texts = [prompt] + (others ?? [])
      if decoder.readsLeadingTokens(rules.transforms.transforms) {
        try Self.compute(decoder, &audit, prompt, others, Self.leadingExplorer(decoder, texts))
      } else {
        try Self.compute(decoder, &audit, prompt, others, Self.vectorExplorer(decoder, texts))
      }
      if rules.loops != nil {
        // The loop detector depends on more than the context, so it can only be measured.
        audit.measured(try runs(from: prompt, audience), seed: seed, rules)
      }
    } else {
      let all = try ([prompt] + (others ?? [])).map { try runs(from: $0, audience) }
      audit.estimated(
        all[0], others: others == nil ? nil : Array(all.dropFirst()), seed: seed, rules)
    }
    audit.isStopped = rules.isTimeUp()
    return audit
  }

  private static func compute<Context>(
    _ decoder: AuditedDecoder, _ audit: inout AuditReport, _ prompt: TokenSequence,
    _ others: [TokenSequence]?, _ explore: Explorer<Context>
  ) throws {
    let analysis = try analyse(
      decoder, decoder.rules.transforms.transforms, Exploration(isPromptAlone: false), explore)
    audit.exact(
      analysis, prompt: prompt, prompts: others, decoder.rules, decoder.model.vocabulary)
    if audit.neverEnds.upperBound > 0 || audit.logExpectedAtLeast != nil,
      analysis.chain.isComplete
    {
      audit.cures = try cures(decoder, analysis, prompt, explore)
    }
    if !analysis.chain.isComplete, decoder.strategy == .sample,
      decoder.rules.transforms.transforms.allSatisfy(keepsEnds),
      decoder.automaton.everyContextMayEnd
    {
      audit.ends(proven: "every context can end, and no transform removes the end")
    }
  }

  /// Whether a transform keeps a positive probability of the end positive.
  private static func keepsEnds(_ transform: any NextTokenTransform) -> Bool {
    switch transform {
    case let truncation as any Truncation: truncation.keepsEnd
    // A temperature below 1 can make the end so improbable that rounding removes it.
    case let temperature as Temperature: temperature.temperature >= 1
    case let temperature as DynamicTemperature: temperature.low >= 1
    default: false
    }
  }

  /// Runs from a prompt: many if the decoder draws, else the only possible one.
  private func runs(from prompt: TokenSequence, _ audience: any AuditAudience) throws -> AuditRuns {
    func only(_ decoded: DecodedText?) -> AuditRuns {
      var runs = AuditRuns(isDrawn: false)
      // A run that was interrupted says nothing.
      if let decoded, !rules.isTimeUp() { runs.add(decoded) }
      return runs
    }
    if let greedy { return only(try greedy.text(of: model, after: prompt)) }
    if let beam {
      return only(
        try beam.search.decode(model.chainModel, after: prompt).first?.decoded)
    }
    let sampler = AncestralSampler(rules)
    let random = Philox(seed: seed)
    let monitor = RunMonitor()
    audience.begin("texts", total: runs, monitor)
    defer { audience.end() }
    var done = AuditRuns(isDrawn: true)
    for run in 0..<runs where !rules.isTimeUp() {
      var choices = RandomChoices(random.stream(UInt64(run)))
      let decoded = try sampler.draw(from: model.chainModel, after: prompt, using: &choices)
      // The interrupt cut the current run, so it doesn't count.
      if rules.isTimeUp() { break }
      done.add(decoded)
      monitor.add(1)
    }
    return done
  }
}
