// Licensed under the Apache License, Version 2.0.

/// Texts that any model finds likely and constraints allow, each counted once:
/// `log rho(x) = fluency x log p(x) + nats of the constraint`.
///
/// It is ``SentenceTarget`` for models without a finite context, such as networks: an edit costs one
/// run over what stands behind it. Texts longer than the model can hold have weight 0.
public struct PrefixTarget<Model: LanguageModel, Constraint: TokenConstraint>: TextTarget {
  /// The language model p.
  public let model: Model
  /// Which texts are allowed, and what soft constraints add; `nil` allows every text.
  public let constraint: Constraint?
  /// The exponent of the model's probability, positive and finite.
  public let fluency: Double

  /// The texts of a model that a constraint allows.
  ///
  /// - Parameters:
  ///   - model: the language model.
  ///   - constraint: which of its texts; `nil` allows all.
  ///   - fluency: the exponent of the model's probability, positive and finite.
  public init(model: Model, constraint: Constraint?, fluency: Double = 1) {
    precondition(fluency > 0 && fluency < .infinity, "fluency is positive and finite")
    precondition(
      constraint.map { $0.tokenCount == model.vocabulary.count } ?? true,
      "the constraint is over the model's vocabulary")
    self.model = model
    self.constraint = constraint
    self.fluency = fluency
  }

  /// The log of the target, from scratch: one batch of one run.
  ///
  /// - Returns: minus infinity where the text is not allowed, and where the model fails; scorers
  ///   keep the model's error.
  public func logProbability(of text: TokenSequence) -> Double {
    let soft = constraint?.logWeight(of: text) ?? 0
    guard soft > -.infinity, text.count <= model.longestText,
      text.allSatisfy(model.vocabulary.isDrawable),
      let log = try? model.scoredLogProbability(of: text)
    else { return -.infinity }
    return fluency * log + soft
  }

  /// A working copy that reads only what stands behind an edit.
  public func makeScorer(at text: TokenSequence) -> PrefixScorer<Model, Constraint> {
    PrefixScorer(target: self, at: text)
  }

  /// The target to a power.
  public func tempered(_ inverseTemperature: Double) -> PrefixTarget {
    PrefixTarget(
      model: model, constraint: constraint?.scaled(by: inverseTemperature),
      fluency: fluency * inverseTemperature)
  }
}

extension PrefixTarget where Constraint == TokenAutomaton {
  /// All texts of a model.
  public init(model: Model, fluency: Double = 1) {
    self.init(model: model, constraint: nil, fluency: fluency)
  }
}
