// Licensed under the Apache License, Version 2.0.

/// Texts that a model finds likely and a constraint allows, each counted once.
///
/// `log rho(x) = fluency x log p(x) + nats of the constraint`.
///
/// It is ``SentenceTarget`` for models without a finite context, such as networks. An edit costs
/// one run over everything after it. Texts longer than the model can hold have weight 0. A model of
/// subwords has many token sequences for each text; with a ``SpellingRule``, only one of them has
/// weight, so the law is over texts.
public struct PrefixTarget<Model: LanguageModel, Constraint: TokenConstraint>: TextTarget {
  /// The language model p.
  public let model: Model
  /// The constraint on texts, with soft weights; `nil` allows every text.
  public let constraint: Constraint?
  /// The exponent of the model's probability, positive and finite.
  public let fluency: Double
  /// Which token sequences have weight; `nil` for all.
  public let spelling: (any SpellingRule)?

  /// Creates the target from a model and a constraint.
  ///
  /// - Parameters:
  ///   - model: the language model.
  ///   - constraint: the constraint on texts; `nil` allows all.
  ///   - fluency: the exponent of the model's probability, positive and finite.
  ///   - spelling: which token sequences have weight; `nil` for all.
  public init(
    model: Model, constraint: Constraint?, fluency: Double = 1,
    spelling: (any SpellingRule)? = nil
  ) {
    precondition(fluency > 0 && fluency < .infinity, "fluency is positive and finite")
    precondition(
      constraint.map { $0.tokenCount == model.vocabulary.count } ?? true,
      "the constraint is over the model's vocabulary")
    self.model = model
    self.constraint = constraint
    self.fluency = fluency
    self.spelling = spelling
  }

  /// The log of the target, computed from scratch in one batch of one run.
  ///
  /// - Returns: minus infinity if the text is not allowed or the model fails; scorers keep the
  ///   model's error.
  public func logProbability(of text: TokenSequence) -> Double {
    let soft = constraint?.logWeight(of: text) ?? 0
    guard soft > -.infinity, text.count <= model.longestText,
      text.allSatisfy(model.vocabulary.isDrawable),
      spelling?.allows(text.tokens) ?? true,
      let log = try? model.scoredLogProbability(of: text)
    else { return -.infinity }
    return fluency * log + soft
  }

  /// A working copy that reads only what follows an edit.
  public func makeScorer(at text: TokenSequence) -> PrefixScorer<Model, Constraint> {
    PrefixScorer(target: self, at: text)
  }

  /// The target raised to a power.
  public func tempered(_ inverseTemperature: Double) -> PrefixTarget {
    PrefixTarget(
      model: model, constraint: constraint?.scaled(by: inverseTemperature),
      fluency: fluency * inverseTemperature, spelling: spelling)
  }
}

extension PrefixTarget where Constraint == TokenAutomaton {
  /// Creates the target of all texts of a model.
  public init(model: Model, fluency: Double = 1, spelling: (any SpellingRule)? = nil) {
    self.init(model: model, constraint: nil, fluency: fluency, spelling: spelling)
  }
}
