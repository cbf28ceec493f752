// Licensed under the Apache License, Version 2.0.

/// One word replaced, drawn among all places and words by a balanced function of how much likelier
/// the target is there.
///
/// **Keeps** the scorer's target: what balances the function cancels up to the sums over the
/// neighbours of both states, which decide about acceptance.
/// Reference: Zanella 2020, "Informed proposals for local MCMC in discrete spaces".
public struct LocallyInformed<Model: LanguageModel>: TransitionKernel {
  /// A function g of the ratio t with g(t) = t g(1/t).
  public enum Balancing: String, CaseIterable, Hashable, Sendable {
    /// The square root of t.
    case squareRoot = "square-root"
    /// t / (1 + t).
    case barker

    func log(ofRatio logRatio: Double) -> Double {
      switch self {
      case .squareRoot: logRatio / 2
      case .barker: logRatio == -.infinity ? logRatio : -LogSpace.sum(0, -logRatio)
      }
    }
  }

  /// The function.
  public let balancing: Balancing

  /// Replacements drawn by a balanced function.
  public init(_ balancing: Balancing = .squareRoot) { self.balancing = balancing }

  /// `informed`.
  public var kinds: [String] { ["informed"] }

  /// A place and a word in proportion to the function of the change that they make.
  ///
  /// - Complexity: O(words x vocabulary) looks, twice.
  public func step(
    _ scorer: inout SentenceScorer<Model>, using choices: inout some ChoiceSource
  ) -> StepReport {
    let staying = StepReport(isAccepted: false, kind: 0)
    let logs = neighbours(of: &scorer)
    let logHere = LogSpace.sum(logs)
    guard logHere > -.infinity else { return staying }
    let chosen = choices.index(weights: logs.map { LogSpace.exp($0 - logHere) })
    let size = scorer.target.model.vocabulary.count
    let (place, token) = (chosen / size, Token(chosen % size))
    let old = scorer.token(at: place)
    let edit = TokenSequence.Edit.replace(place, token)
    _ = scorer.change(under: edit)
    scorer.commit(edit)
    let logThere = LogSpace.sum(neighbours(of: &scorer))
    if choices.accepts({ _ in logHere - logThere }) { return StepReport(isAccepted: true, kind: 0) }
    _ = scorer.change(under: .replace(place, old))
    scorer.commit(.replace(place, old))
    return staying
  }

  /// For each place and token the log of the function; minus infinity for the word that stands there.
  private func neighbours(of scorer: inout SentenceScorer<Model>) -> [Double] {
    let vocabulary = scorer.target.model.vocabulary
    var logs: [Double] = []
    logs.reserveCapacity(scorer.count * vocabulary.count)
    for place in 0..<scorer.count {
      for i in 0..<vocabulary.count {
        let token = Token(i)
        logs.append(
          !vocabulary.isDrawable(token) || token == scorer.token(at: place)
            ? -.infinity
            : balancing.log(ofRatio: scorer.change(under: .replace(place, token))))
      }
    }
    return logs
  }
}
