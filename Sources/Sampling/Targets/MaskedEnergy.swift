// Licensed under the Apache License, Version 2.0.

/// The declared energy of a masked model: the sum over places of the log-probability of what stands
/// there given all others, known as the pseudo-log-likelihood.
///
/// It compares texts of one length. A masked model does not say where a text ends, so its values
/// for texts of different lengths have no common scale, and their sum may be infinite.
/// Reference: Goyal, Dyer and Berg-Kirkpatrick 2022, "Exposing the implicit energy networks behind masked language models
/// via Metropolis-Hastings", for sampling from it.
public struct MaskedEnergy<Model: MaskedLanguageModel>: Target {
  /// The masked model whose conditionals are summed.
  public let model: Model
  /// The constraint on texts, with soft weights; `nil` allows every text.
  public let automaton: TokenAutomaton?
  /// The factor of the sum, positive and finite.
  public let fluency: Double
  /// Which token sequences stand for texts; `nil` for all.
  public let spelling: (any SpellingRule)?

  /// Creates the energy of a masked model over the texts that an automaton allows.
  public init(
    model: Model, automaton: TokenAutomaton? = nil, fluency: Double = 1,
    spelling: (any SpellingRule)? = nil
  ) {
    precondition(fluency > 0 && fluency < .infinity, "fluency is positive and finite")
    self.model = model
    self.automaton = automaton
    self.fluency = fluency
    self.spelling = spelling
  }

  /// The sum times the fluency, plus the nats of the automaton.
  ///
  /// - Complexity: one row of the model for each token of the text, in one batch.
  public func logProbability(of text: TokenSequence) -> Double {
    let soft = logSoft(text)
    guard soft > -.infinity else { return soft }
    return fluency * logProbabilities(at: Array(text.indices), in: text).reduce(0, +) + soft
  }

  /// A working copy that asks the model only about places within reach of an edit.
  public func makeScorer(at text: TokenSequence) -> MaskedScorer<Model> {
    MaskedScorer(self, at: text)
  }

  /// The nats that the automaton adds; minus infinity if the text is not allowed.
  func logSoft(_ text: TokenSequence) -> Double {
    guard text.allSatisfy(model.vocabulary.isDrawable) else { return -.infinity }
    guard spelling?.allows(Array(text)) ?? true else { return -.infinity }
    return automaton?.logWeight(of: text) ?? 0
  }

  /// The log-probabilities of what stands at some places, each given all others.
  func logProbabilities(at places: [Int], in text: TokenSequence) -> [Double] {
    zip(places, model.logProbabilities(at: places, in: text)).map { $1[text[$0].index] }
  }
}

/// A chain's working copy of a text under a ``MaskedEnergy``, with the log-probability of each place.
///
/// ``RescoringScorer`` is its oracle.
///
/// - Complexity: a look costs a batch of as many rows of the model as there are places within its reach of a
///   token that changes, or all of them where the length changes.
public struct MaskedScorer<Model: MaskedLanguageModel>: Scorer {
  private struct Scored {
    var text: TokenSequence
    var logs: [Double]
    var soft: Double
  }

  private let target: MaskedEnergy<Model>
  private var now: Scored
  private var looked: (edit: TokenSequence.Edit, scored: Scored)?

  init(_ target: MaskedEnergy<Model>, at text: TokenSequence) {
    self.target = target
    let soft = target.logSoft(text)
    now = Scored(
      text: text,
      logs: soft > -.infinity
        ? target.logProbabilities(at: Array(text.indices), in: text)
        : text.indices.map { _ in 0 },
      soft: soft)
  }

  /// The current text.
  public var state: TokenSequence { now.text }

  /// The error that keeps the model from answering.
  public var failure: (any Error)? { target.model.failure }

  /// The log of the target at the current text.
  public var logProbability: Double { logProbability(now) }

  private func logProbability(_ scored: Scored) -> Double {
    target.fluency * scored.logs.reduce(0, +) + scored.soft
  }

  /// What the edit would add to ``logProbability``, in nats.
  public mutating func change(under edit: TokenSequence.Edit, atLeast bound: Double) -> Double {
    looked = nil
    var text = now.text
    text.apply(edit)
    let soft = target.logSoft(text)
    guard soft > -.infinity else { return -.infinity }
    let changed =
      text.count == now.text.count ? text.indices.filter { text[$0] != now.text[$0] } : nil
    let reach = target.model.reach
    let near = text.indices.filter { place in
      !(changed?.allSatisfy { abs($0 - place) > reach } ?? false)
    }
    var logs = changed == nil ? [Double](repeating: 0, count: text.count) : now.logs
    for (place, log) in zip(near, target.logProbabilities(at: near, in: text)) {
      logs[place] = log
    }
    let scored = Scored(text: text, logs: logs, soft: soft)
    looked = (edit, scored)
    let there = logProbability(scored)
    return there == -.infinity ? there : there - logProbability
  }

  /// Makes an edit that the target allows.
  ///
  /// If it was not the last one looked at, it is scored
  /// first.
  public mutating func commit(_ edit: TokenSequence.Edit) {
    if looked?.edit != edit { _ = change(under: edit) }
    guard let looked else { preconditionFailure("an edit that is made is allowed") }
    now = looked.scored
    self.looked = nil
  }
}
