// Licensed under the Apache License, Version 2.0.

/// One word replaced, drawn among its neighbours by a balanced function of how much likelier the
/// target is there.
///
/// **Keeps** the scorer's target: what balances the function cancels up to the sums over the
/// neighbours of both states, which decide about acceptance. With ``Neighbours/onePlace`` the place is
/// drawn equally, and the same holds given the place.
/// Reference: Zanella 2020, "Informed proposals for local MCMC in discrete spaces".
public struct LocallyInformed<Model: FiniteContextModel>: TransitionKernel {
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

  /// Which texts a step looks at.
  public enum Neighbours: String, CaseIterable, Hashable, Sendable {
    /// Those with another word at any place.
    case all
    /// Those with another word at one place, drawn equally: less is known, and a look costs less.
    case onePlace = "one-place"
  }

  /// The function.
  public let balancing: Balancing
  /// Which texts a step looks at.
  public let neighbours: Neighbours

  /// Replacements drawn by a balanced function.
  public init(_ balancing: Balancing = .squareRoot, among neighbours: Neighbours = .all) {
    self.balancing = balancing
    self.neighbours = neighbours
  }

  /// `informed`.
  public var kinds: [String] { ["informed"] }

  /// A place and a word in proportion to the function of the change that they make.
  ///
  /// - Complexity: O(words x vocabulary) looks, twice; of one place O(vocabulary), once.
  public func step(
    _ scorer: inout IncrementalScorer<Model, TokenAutomaton>, using choices: inout some ChoiceSource
  ) -> StepReport {
    let isAccepted =
      switch neighbours {
      case .all: stepAmongAll(&scorer, using: &choices)
      case .onePlace: stepAtOnePlace(&scorer, using: &choices)
      }
    return StepReport(isAccepted: isAccepted, kind: 0)
  }

  private func stepAtOnePlace(
    _ scorer: inout IncrementalScorer<Model, TokenAutomaton>, using choices: inout some ChoiceSource
  ) -> Bool {
    guard scorer.count > 0 else { return false }
    let place = choices.index(below: scorer.count)
    let old = scorer.token(at: place)
    let vocabulary = scorer.target.model.vocabulary
    let changes = (0..<vocabulary.count).map { i in
      let token = Token(i)
      guard vocabulary.isDrawable(token) else { return -Double.infinity }
      return token == old ? 0 : scorer.change(under: .replace(place, token))
    }
    /// The logs of the function as they are with one of the words at the place.
    func logs(from origin: Int) -> [Double] {
      changes.indices.map {
        $0 == origin || changes[$0] == -.infinity
          ? -.infinity : balancing.log(ofRatio: changes[$0] - changes[origin])
      }
    }
    let here = logs(from: old.index)
    let logHere = LogSpace.sum(here)
    guard logHere > -.infinity else { return false }
    let chosen = choices.index(weights: here.map { LogSpace.exp($0 - logHere) })
    let logThere = LogSpace.sum(logs(from: chosen))
    guard choices.accepts({ _ in logHere - logThere }) else { return false }
    let edit = TokenSequence.Edit.replace(place, Token(chosen))
    _ = scorer.change(under: edit)
    scorer.commit(edit)
    return true
  }

  private func stepAmongAll(
    _ scorer: inout IncrementalScorer<Model, TokenAutomaton>, using choices: inout some ChoiceSource
  ) -> Bool {
    let logs = logs(of: &scorer)
    let logHere = LogSpace.sum(logs)
    guard logHere > -.infinity else { return false }
    let chosen = choices.index(weights: logs.map { LogSpace.exp($0 - logHere) })
    let size = scorer.target.model.vocabulary.count
    let (place, token) = (chosen / size, Token(chosen % size))
    let old = scorer.token(at: place)
    let edit = TokenSequence.Edit.replace(place, token)
    _ = scorer.change(under: edit)
    scorer.commit(edit)
    let logThere = LogSpace.sum(self.logs(of: &scorer))
    if choices.accepts({ _ in logHere - logThere }) { return true }
    _ = scorer.change(under: .replace(place, old))
    scorer.commit(.replace(place, old))
    return false
  }

  /// For each place and token the log of the function; minus infinity for the word that stands there.
  private func logs(of scorer: inout IncrementalScorer<Model, TokenAutomaton>) -> [Double] {
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
