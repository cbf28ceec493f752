// Licensed under the Apache License, Version 2.0.

/// Texts that a model finds likely and constraints allow, each counted once:
/// `log rho(x) = fluency x log p(x) + nats of the automaton`.
///
/// Constraints are judged on the whole text, so it does not matter in how many ways a keyword
/// can be found in it.
public struct SentenceTarget<Model: LanguageModel>: Target {
  /// Whose texts.
  public let model: Model
  /// Which texts, and what soft constraints add; `nil` allows every text.
  public let automaton: TokenAutomaton?
  /// The exponent of the model's probability, positive and finite.
  public let fluency: Double

  /// The texts of a model that an automaton allows.
  ///
  /// - Parameters:
  ///   - model: whose texts.
  ///   - automaton: which of them; `nil` allows all.
  ///   - fluency: the exponent of the model's probability, positive and finite.
  public init(model: Model, automaton: TokenAutomaton? = nil, fluency: Double = 1) {
    precondition(fluency > 0 && fluency < .infinity, "fluency is positive and finite")
    self.model = model
    self.automaton = automaton
    self.fluency = fluency
  }

  /// The log of the target, from scratch.
  public func logProbability(of text: TokenSequence) -> Double {
    let soft = automaton?.logWeight(of: text) ?? 0
    guard soft > -.infinity, text.allSatisfy(model.vocabulary.isDrawable) else {
      return -.infinity
    }
    return fluency * model.logProbability(of: text) + soft
  }

  /// A working copy that touches only what an edit changes.
  @inlinable
  public func makeScorer(at text: TokenSequence) -> SentenceScorer<Model> {
    SentenceScorer(target: self, at: text)
  }
}
