// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Sampling
import Synchronization

/// The tables of the look-ahead by bigrams, made once for targets of the same fluency.
private final class BigramTables: Sendable {
  private let made = Mutex<(fluency: Double, tables: BigramLookAhead.Tables)?>(nil)

  func tables(_ model: any BackoffModel, fluency: Double) -> BigramLookAhead.Tables {
    made.withLock { made in
      if let made, made.fluency == fluency { return made.tables }
      let tables = BigramLookAhead.Tables(model.makeBackoffAutomaton(fluency: fluency))
      // Targets of a file share their fluency, unless they state their own.
      made = (fluency, tables)
      return tables
    }
  }
}

/// A target seen from left to right: how long texts may be, and what to expect of the rest of one.
struct LeftToRight<Model: ChainModel> {
  let target: Model.Target
  let left: Model.Left
  /// Draws the model's tokens.
  let source: Model.Source
  /// With expectations of what follows.
  private(set) var lookAhead: AutomatonLookAhead
  /// The same by the last token, too, if there is room for it.
  private(set) var bigrams: BigramLookAhead?
  /// What is reported of it.
  let report: LookAheadReport

  /// Prepares a target.
  ///
  /// - Throws: if texts cannot be drawn so, or none is short enough.
  init(
    _ target: Model.Target, of loaded: LoadedModel, _ options: LookAheadOptions,
    _ monitor: RunMonitor, allowed: Set<LookAheadKind> = [.bigrams, .words]
  ) throws {
    let model = target.model
    let automaton = target.constraint ?? TokenAutomaton(every: model.vocabulary)
    // What the n-grams expect needs their own weights.
    let helper = options.companion ?? loaded
    let weights = options.companion?.chainModel.unigramWeights ?? model.unigramWeights
    let rarest = LogSpace.log(weights.filter { $0 > 0 }.min() ?? 1)
    // What lies ahead is summed: a word that is lost there would never be drawn.
    guard target.fluency * rarest > -700 else {
      throw RunError(
        .data,
        "under fluency \(target.fluency) the model's rarest words are too small for a number; take "
          + String(
            format: "at most fluency %.1f here, or temper, anneal or mh's own moves", -690 / rarest)
      )
    }
    self.target = model.makeTarget(constraint: automaton, fluency: target.fluency)
    left = loaded.once { model.makeLeftTokens() }
    source = model.makeTokenSource(left)
    let backoff = helper.chainModel as? any BackoffModel
    let kind = options.kind ?? (allowed.contains(.bigrams) && backoff != nil ? .bigrams : .words)
    guard allowed.contains(kind) else {
      throw RunError.usage("--tokens rejection looks ahead by words, not by \(kind.rawValue)")
    }
    if kind == .bigrams, backoff == nil {
      try loaded.require(.backoff, for: "--look-ahead bigrams")
    }
    let bytes = BigramLookAhead.bytes(automaton, model.vocabulary)
    let hasRoom = bytes <= options.memory
    let longest = automaton.longestLength
    let most =
      options.mostTokens ?? longest
      ?? max(
        LookAheadOptions.defaultMost, 2 * (automaton.shortestCompletion(automaton.start) ?? 0))
    lookAhead = AutomatonLookAhead(
      automaton, mostTokens: most, weights: weights, vocabulary: model.vocabulary,
      fluency: target.fluency)
    guard lookAhead.isSatisfiable else {
      throw RunError(
        .data,
        "the shortest allowed text has "
          + counted((automaton.shortestCompletion(automaton.start) ?? 0), "token") + ", "
          + "--max-tokens allows \(most)")
    }
    if kind == .bigrams, hasRoom, let backoff {
      let tables = helper.once { BigramTables() }.tables(backoff, fluency: target.fluency)
      bigrams = BigramLookAhead(lookAhead, tables) { !monitor.isStopping }
    }
    report = LookAheadReport(
      maxTokens: most, isBounded: longest.map { $0 > most } ?? true,
      kind: bigrams == nil ? .words : .bigrams,
      neededBytes: kind == .bigrams && !hasRoom ? bytes : nil, allowedBytes: options.memory)
  }

  /// Texts steered towards what the constraints ask for.
  var guided: GuidedTexts<Model.Guided> {
    GuidedTexts(
      target.model.makeGuidedTokens(for: target, lookAhead, bigrams: bigrams, source: source))
  }

  /// Expects from now on what followed in some texts.
  mutating func learn(
    from count: Int, random: Philox, threads: Int, _ monitor: RunMonitor
  ) throws {
    let guided = guided
    let seen = try concurrently(count, threads: threads) { number in
      var choices = RandomChoices(random.stream(UInt64(number)))
      return monitor.isStopping ? [] : try guided.observation(using: &choices)
    }
    if bigrams == nil {
      lookAhead = lookAhead.refined(by: seen.joined())
    } else {
      bigrams = bigrams?.refined(by: seen.joined())
    }
  }

  /// The target on texts of the lengths that are allowed here, for kernels that change lengths.
  func bounded() throws -> Model.Target {
    guard report.isBounded else { return target }
    let model = target.model
    let counting = try TokenAutomaton(lengths: 0...report.maxTokens, vocabulary: model.vocabulary)
    return model.makeTarget(
      constraint: try lookAhead.constraint.product(counting), fluency: target.fluency)
  }

  /// A result, as it is printed.
  func result(
    _ text: TokenSequence, _ compiled: CompiledTarget, number: Int, logWeight: Double? = nil
  ) -> SampledText {
    SampledText(
      text, of: compiled, logProbability: target.logProbability(of: text), draw: number,
      logWeight: logWeight)
  }
}
