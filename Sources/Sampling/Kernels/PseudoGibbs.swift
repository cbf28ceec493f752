// Licensed under the Apache License, Version 2.0.

/// Draws tokens one after another from a masked model's conditionals, and takes each.
///
/// It would be Gibbs sampling if the conditionals belonged to one distribution; they need not,
/// hence pseudo-Gibbs.
///
/// **Keeps** the distribution whose conditionals the model gives, if there is one. Otherwise its
/// stationary distribution is unknown and depends on the ``ScanOrder``. Its draws are not draws
/// from ``MaskedEnergy`` or any other declared target. The scorer's target only says whether a text
/// is allowed; a token that makes it forbidden is not taken.
/// Reference: Heckerman et al. 2000, "Dependency networks for inference, collaborative filtering, and
/// data visualization", section 2.2, ordered pseudo-Gibbs; Wang and Cho 2019, "BERT has a mouth, and
/// it must speak", and its correction, on BERT having no such distribution.
public struct PseudoGibbs<Model: MaskedLanguageModel, Scorer: Sampling.Scorer>: TransitionKernel
where Scorer.State == TokenSequence {
  /// The masked model whose conditionals are used.
  public let model: Model
  /// The order in which places are visited.
  public let scan: ScanOrder

  /// Creates a kernel from a masked model.
  public init(_ model: Model, scan: ScanOrder = .random) {
    self.model = model
    self.scan = scan
  }

  /// The only kind of step, `pseudo-gibbs`.
  public var kinds: [String] { ["pseudo-gibbs"] }

  /// Draws a token at one place, or at each; the step counts as accepted if a token changed.
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
