// Licensed under the Apache License, Version 2.0.

/// How ``LocallyInformed`` weighs a ratio t: a function g with g(t) = t g(1/t).
public enum InformedBalancing: String, CaseIterable, Hashable, Sendable {
  /// g(t) is the square root of t.
  case squareRoot = "square-root"
  /// g(t) = t / (1 + t).
  case barker

  func log(ofRatio logRatio: Double) -> Double {
    switch self {
    case .squareRoot: logRatio / 2
    case .barker: logRatio == -.infinity ? logRatio : -LogSpace.sum(0, -logRatio)
    }
  }
}

/// Replaces one token, favouring neighbours that the target finds more likely.
///
/// A neighbour is drawn in proportion to a balanced function of the target's ratio. **Keeps** the
/// scorer's target: the function cancels up to the sums over the neighbours of both states, which
/// decide about acceptance. With ``Neighbours/onePlace`` the place is drawn uniformly, and the same
/// holds given the place. Reference: Zanella 2020, "Informed proposals for local MCMC in discrete
/// spaces".
public struct LocallyInformed<Scorer: TextScorer>: TransitionKernel {
  /// A function g of the ratio t with g(t) = t g(1/t).
  public typealias Balancing = InformedBalancing

  /// The texts that a step looks at.
  public enum Neighbours: String, CaseIterable, Hashable, Sendable {
    /// All texts with another token at any one place.
    case all
    /// The texts with another token at one uniform place: less informed, but cheaper.
    case onePlace = "one-place"
  }

  /// The balancing function g.
  public let balancing: Balancing
  /// The texts that a step looks at.
  public let neighbours: Neighbours

  /// Creates a kernel with a balancing function.
  public init(_ balancing: Balancing = .squareRoot, among neighbours: Neighbours = .all) {
    self.balancing = balancing
    self.neighbours = neighbours
  }

  /// The only kind of step, `informed`.
  public var kinds: [String] { ["informed"] }

  /// Draws a place and a token in proportion to the balanced ratio, and decides.
  ///
  /// - Complexity: O(tokens x vocabulary) looks, twice; of one place O(vocabulary), once.
  public func step(
    _ scorer: inout Scorer, using choices: inout some ChoiceSource
  ) -> StepReport {
    let isAccepted =
      switch neighbours {
      case .all: stepAmongAll(&scorer, using: &choices)
      case .onePlace: stepAtOnePlace(&scorer, using: &choices)
      }
    return StepReport(isAccepted: isAccepted, kind: 0)
  }

  private func stepAtOnePlace(
    _ scorer: inout Scorer, using choices: inout some ChoiceSource
  ) -> Bool {
    guard scorer.count > 0 else { return false }
    let place = choices.index(below: scorer.count)
    let old = scorer.token(at: place)
    let vocabulary = scorer.vocabulary
    let tokens = (0..<vocabulary.count).map { Token($0) }.filter(vocabulary.isDrawable)
    var looks: [Double] = []
    scorer.changes(under: tokens.map { .replace(place, $0) }, into: &looks)
    var changes = [Double](repeating: -.infinity, count: vocabulary.count)
    for (token, change) in zip(tokens, looks) { changes[token.index] = change }
    changes[old.index] = 0
    /// The logs of the function with each of the tokens at the place.
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
    scorer.commit(.replace(place, Token(chosen)))
    return true
  }

  private func stepAmongAll(
    _ scorer: inout Scorer, using choices: inout some ChoiceSource
  ) -> Bool {
    let logs = logs(of: &scorer)
    let logHere = LogSpace.sum(logs)
    guard logHere > -.infinity else { return false }
    let chosen = choices.index(weights: logs.map { LogSpace.exp($0 - logHere) })
    let size = scorer.vocabulary.count
    let (place, token) = (chosen / size, Token(chosen % size))
    let old = scorer.token(at: place)
    scorer.commit(.replace(place, token))
    let logThere = LogSpace.sum(self.logs(of: &scorer))
    if scorer.failure == nil, choices.accepts({ _ in logHere - logThere }) { return true }
    scorer.commit(.replace(place, old))
    return false
  }

  /// The log of the function for each place and token; minus infinity for the current token.
  ///
  /// All looks are one batch.
  private func logs(of scorer: inout Scorer) -> [Double] {
    let vocabulary = scorer.vocabulary
    let tokens = (0..<vocabulary.count).map { Token($0) }.filter(vocabulary.isDrawable)
    var edits: [TokenSequence.Edit] = []
    for place in 0..<scorer.count {
      for token in tokens where token != scorer.token(at: place) {
        edits.append(.replace(place, token))
      }
    }
    var changes: [Double] = []
    scorer.changes(under: edits, into: &changes)
    var logs = [Double](repeating: -.infinity, count: scorer.count * vocabulary.count)
    for (edit, change) in zip(edits, changes) {
      guard case .replace(let place, let token) = edit else { continue }
      logs[place * vocabulary.count + token.index] = balancing.log(ofRatio: change)
    }
    return logs
  }
}
