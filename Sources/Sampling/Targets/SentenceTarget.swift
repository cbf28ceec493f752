// Licensed under the Apache License, Version 2.0.

/// Texts that a model finds likely and a constraint allows, each counted once.
///
/// `log rho(x) = fluency x log p(x) + nats of the constraint`.
///
/// Constraints are judged on the whole text, so it does not matter how many ways there are to find
/// a keyword in it.
public struct SentenceTarget<Model: FiniteContextModel, Constraint: TokenConstraint>: TextTarget {
  /// The language model p.
  public let model: Model
  /// The constraint on texts, with soft weights; `nil` allows every text.
  public let constraint: Constraint?
  /// The exponent of the model's probability, positive and finite.
  public let fluency: Double

  /// Creates the target from a model and a constraint.
  ///
  /// - Parameters:
  ///   - model: the language model.
  ///   - constraint: the constraint on texts; `nil` allows all.
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

  /// The log of the target, computed from scratch.
  public func logProbability(of text: TokenSequence) -> Double {
    let soft = constraint?.logWeight(of: text) ?? 0
    guard soft > -.infinity, text.allSatisfy(model.vocabulary.isDrawable) else {
      return -.infinity
    }
    return fluency * model.logProbability(of: text) + soft
  }

  /// The target raised to a power.
  public func tempered(_ inverseTemperature: Double) -> SentenceTarget {
    SentenceTarget(
      model: model, constraint: constraint?.scaled(by: inverseTemperature),
      fluency: fluency * inverseTemperature)
  }

  /// A working copy that touches only what an edit changes.
  @inlinable
  public func makeScorer(at text: TokenSequence) -> IncrementalScorer<Model, Constraint> {
    IncrementalScorer(target: self, at: text)
  }
}

extension SentenceTarget where Constraint == TokenAutomaton {
  /// Creates the target of all texts of a model.
  public init(model: Model, fluency: Double = 1) {
    self.init(model: model, constraint: nil, fluency: fluency)
  }

  /// Compiles statements into the target of a model's texts that meet them.
  ///
  /// ```swift
  /// let statements = try ConstraintFile.parse("include \"sea\"\nlength 6..14 words", path: "sea")
  /// let target = try SentenceTarget(model: model, constraints: statements)
  /// ```
  /// - Parameters:
  ///   - model: the language model.
  ///   - constraints: the statements; a text must meet all of them.
  ///   - tree: the tree of the model's vocabulary, if it was made already.
  /// - Throws: `CompiledConstraints.Fault`, with a smallest set of statements that contradict each
  ///   other.
  /// - Complexity: O(bytes of the vocabulary) if the tree is not given, plus the size of the
  ///   automaton.
  public init(
    model: Model, constraints: [Sampling.Constraint], tree: VocabularyTree? = nil
  ) throws(CompiledConstraints.Fault) {
    let compiled = try CompiledConstraints(
      constraints, for: tree ?? VocabularyTree(model.vocabulary))
    self.init(model: model, constraint: compiled.automaton, fluency: compiled.fluency)
  }
}
