// Licensed under the Apache License, Version 2.0.

import LM
import Sampling

extension ComparisonReport {
  /// One of the quantities that are compared.
  private struct Quantity: Sendable {
    enum Kind: Sendable {
      case length
      case token(Token, place: Int)
      case statement(TokenAutomaton)
    }

    var name: String
    var kind: Kind
    var truth: Double

    func value(of text: TokenSequence) -> Double {
      switch kind {
      case .length: Double(text.count)
      case .token(let token, let place):
        text.dropFirst(place).first == token ? 1 : 0
      case .statement(let automaton): automaton.logWeight(of: text) > -.infinity ? 1 : 0
      }
    }
  }

  /// Below so many expected draws a share is not near enough to normal for its error to tell.
  package static let fewestDraws = 5.0

  /// Runs a sampler and compares its evidence, if it has one, and its means: of the length, of the
  /// likeliest token at each place of which enough draws tell, and of statements.
  init(
    _ compared: ComparedSampler, _ task: SamplingTask, logEvidence: Double,
    marginals: ExactMarginals,
    statements: [(statement: ExactStatement, probability: Double)], memory: Int?
  ) throws {
    let vocabulary = task.target.model.vocabulary
    let places = marginals.tokens.enumerated().compactMap { place, probabilities in
      probabilities.indices.max { probabilities[$0] < probabilities[$1] }.map { token in
        Quantity(
          name: "place \(place + 1) "
            + JSONObject.quoted(vocabulary.text(of: TokenSequence([Token(token)]))),
          kind: .token(Token(token), place: place), truth: probabilities[token])
      }
    }
    // A stream that no draw takes.
    let drawn = try compared.draw(
      task, logEvidence: logEvidence, random: Philox(seed: task.seed).stream(.max), memory: memory)
    let told = places.filter { place in
      min(place.truth, 1 - place.truth) * drawn.effectiveCount(place.value) >= Self.fewestDraws
    }
    let quantities =
      [Quantity(name: "length", kind: .length, truth: marginals.expectedLength)] + told
      + statements.map {
        Quantity(
          name: $0.statement.text, kind: .statement($0.statement.automaton),
          truth: $0.probability)
      }
    self.init(
      sampler: compared.rawValue, unit: drawn.work.unit, work: drawn.work.count,
      evidence: drawn.logEvidence.map {
        Line(name: "log evidence", truth: logEvidence, mean: .value($0.value), error: $0.error)
      },
      lines: quantities.map { quantity in
        let (mean, error) = drawn.mean(quantity.value)
        return Line(name: quantity.name, truth: quantity.truth, mean: mean, error: error)
      },
      leftOut: places.count - told.count, notes: drawn.notes,
      isStopped: task.monitor.isStopping)
  }
}
