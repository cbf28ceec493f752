// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Sampling

/// How far a sampler is from the truth: its evidence where it has one, its means of the length, of the
/// likeliest token at each place, of statements.
struct ExactComparison {
  /// One of what is compared.
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

  /// A mean beside the truth.
  private struct Line {
    var name: String
    var truth: Double
    var mean: Estimate
    var error: Estimate

    /// What the summary says of it.
    var object: JSONObject {
      var object = JSONObject()
      object.add("truth", .number(truth))
      object.add("mean", mean.value.map { .number($0) } ?? .null)
      object.add("mcse", error.value.map { .number($0) } ?? .null)
      object.add("standard_errors", distance.map { .number($0) } ?? .null)
      return object
    }

    /// The distance in standard errors, where there is one.
    var distance: Double? {
      guard let mean = mean.value, let error = error.value, error > 0 else { return nil }
      return (mean - truth) / error
    }
  }

  private let sampler: ComparedSampler
  private let drawn: ComparedDraws
  private let evidence: Line?
  private let lines: [Line]

  /// Runs the sampler.
  init(
    _ sampler: ComparedSampler, _ target: CompiledTarget, logEvidence: Double,
    marginals: ExactMarginals,
    statements: [(statement: ExactStatement, probability: Double)], seed: UInt64, run: SamplerRun
  ) throws {
    self.sampler = sampler
    let vocabulary = target.target.model.vocabulary
    let likeliest = marginals.tokens.enumerated().compactMap { place, probabilities in
      probabilities.indices.max { probabilities[$0] < probabilities[$1] }.map { token in
        Quantity(
          name: "place \(place + 1) "
            + JSONObject.quoted(vocabulary.text(of: TokenSequence([Token(token)]))),
          kind: .token(Token(token), place: place), truth: probabilities[token])
      }
    }
    let quantities =
      [Quantity(name: "length", kind: .length, truth: marginals.expectedLength)]
      // Some thousand draws see nothing of what is rarer.
      + likeliest.filter { $0.truth > 1e-3 }
      + statements.map {
        Quantity(
          name: $0.statement.text, kind: .statement($0.statement.automaton),
          truth: $0.probability)
      }
    // A stream that no draw takes.
    let drawn = try sampler.draw(
      target, logEvidence: logEvidence, random: Philox(seed: seed).stream(.max), run: run)
    self.drawn = drawn
    evidence = drawn.logEvidence.map {
      Line(name: "log evidence", truth: logEvidence, mean: .value($0.value), error: $0.error)
    }
    lines = quantities.map { quantity in
      let (mean, error) = drawn.mean(quantity.value)
      return Line(name: quantity.name, truth: quantity.truth, mean: mean, error: error)
    }
  }

  /// What the summary says of it.
  var object: JSONObject {
    var object = JSONObject()
    object.add("sampler", .string(sampler.rawValue))
    object.add(drawn.work.unit, .integer(drawn.work.count))
    if let evidence { object.add("log_evidence", .object(evidence.object)) }
    var all = JSONObject()
    for line in lines { all.add(line.name, .object(line.object)) }
    object.add("quantities", .object(all))
    return object
  }

  /// The same for people.
  var texts: [String] {
    ([evidence].compactMap { $0 } + lines).map { line in
      // Logs of evidences differ in their decimals.
      let digits = line.name == evidence?.name ? "%.3f" : "%.4g"
      let truth = "\(line.name): truth \(String(format: digits, line.truth)), \(sampler.rawValue) "
      guard let mean = line.mean.value else { return truth + "drew nothing" }
      guard let distance = line.distance, let error = line.error.value else {
        return truth + String(format: digits, mean) + " in all draws"
      }
      return truth
        + String(format: digits + " ± %.2g: %+.1f standard errors", mean, error, distance)
    } + drawn.notes
  }
}
