// Licensed under the Apache License, Version 2.0.

/// Words drawn one after another as a masked model expects them, each taken: Gibbs sampling if the
/// model's conditionals belonged to one distribution, and pseudo-Gibbs since they need not.
///
/// **Keeps** the distribution whose conditionals the model gives, where there is one; else nothing
/// that is known, and with another ``ScanOrder`` something else. What it draws are no draws from
/// ``MaskedEnergy`` or any other declared target. The scorer's target is asked only whether a text is
/// allowed; a word that makes it forbidden is not taken.
/// Reference: Heckerman et al. 2000, "Dependency networks for inference, collaborative filtering, and
/// data visualization", section 2.2, ordered pseudo-Gibbs; Wang and Cho 2019, "BERT has a mouth, and
/// it must speak", and its correction, on BERT having no such distribution.
public struct PseudoGibbs<Model: MaskedLanguageModel, Scorer: Sampling.Scorer>: TransitionKernel
where Scorer.State == TokenSequence {
  /// Whose conditionals.
  public let model: Model
  /// The order in which places are visited.
  public let scan: ScanOrder

  /// Steps by a model's conditionals.
  public init(_ model: Model, scan: ScanOrder = .random) {
    self.model = model
    self.scan = scan
  }

  /// `pseudo-gibbs`.
  public var kinds: [String] { ["pseudo-gibbs"] }

  /// A new word at one place, or at each; accepted where a word changed.
  public func step(
    _ scorer: inout Scorer, using choices: inout some ChoiceSource
  ) -> StepReport {
    let count = scorer.state.count
    var hasChanged = false
    if count > 0 {
      switch scan {
      case .random:
        hasChanged = visit(choices.index(below: count), &scorer, using: &choices)
      case .systematic:
        for place in 0..<count where visit(place, &scorer, using: &choices) { hasChanged = true }
      }
    }
    return StepReport(isAccepted: hasChanged, kind: 0)
  }

  private func visit(
    _ place: Int, _ scorer: inout Scorer, using choices: inout some ChoiceSource
  ) -> Bool {
    let text = scorer.state
    guard let drawn = model.draw(at: place, in: text, using: &choices), drawn.token != text[place]
    else { return false }
    let edit = TokenSequence.Edit.replace(place, drawn.token)
    guard scorer.change(under: edit) > -.infinity else { return false }
    scorer.commit(edit)
    return true
  }
}
