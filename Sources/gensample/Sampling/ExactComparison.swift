// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Runs
import Sampling

/// How far a sampler is from the truth: its evidence where it has one, its means of the length, of the
/// likeliest token at each place that enough draws tell of, of statements.
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
      if let reason { object.add("reason", .string(reason)) }
      return object
    }

    /// Why there is no distance.
    var reason: String? {
      mean.reason ?? error.reason ?? (distance == nil ? "all draws are the same" : nil)
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
  /// Places of which too few draws tell.
  private let leftOut: Int
  private let isStopped: Bool

  /// Below so many expected draws a share is not near enough to normal for its error to tell.
  private static let fewestDraws = 5.0

  /// Runs the sampler.
  init(
    _ sampler: ComparedSampler, _ target: CompiledTarget, logEvidence: Double,
    marginals: ExactMarginals,
    statements: [(statement: ExactStatement, probability: Double)], seed: UInt64, run: SamplerRun
  ) throws {
    self.sampler = sampler
    let vocabulary = target.target.model.vocabulary
    let places = marginals.tokens.enumerated().compactMap { place, probabilities in
      probabilities.indices.max { probabilities[$0] < probabilities[$1] }.map { token in
        Quantity(
          name: "place \(place + 1) "
            + JSONObject.quoted(vocabulary.text(of: TokenSequence([Token(token)]))),
          kind: .token(Token(token), place: place), truth: probabilities[token])
      }
    }
    // A stream that no draw takes.
    let drawn = try sampler.draw(
      target, logEvidence: logEvidence, random: Philox(seed: seed).stream(.max), run: run)
    self.drawn = drawn
    isStopped = run.monitor.isStopping
    let told = places.filter { place in
      min(place.truth, 1 - place.truth) * drawn.effectiveCount(place.value) >= Self.fewestDraws
    }
    leftOut = places.count - told.count
    let quantities =
      [Quantity(name: "length", kind: .length, truth: marginals.expectedLength)] + told
      + statements.map {
        Quantity(
          name: $0.statement.text, kind: .statement($0.statement.automaton),
          truth: $0.probability)
      }
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
    object.add("left_out_places", .integer(leftOut))
    if !drawn.notes.isEmpty { object.add("notes", .strings(drawn.notes)) }
    if isStopped { object.add("stopped", .boolean(true)) }
    return object
  }

  /// What else is to be said of it, for people.
  var notes: [String] {
    var notes = drawn.notes
    if leftOut > 0 {
      notes.append(
        counted(leftOut, "place") + " left out, whose likeliest token fewer than "
          + String(format: "%.0f", Self.fewestDraws) + " of the draws have, or all but so few")
    }
    if isStopped { notes.append("\(stoppedReason) after \(drawn.work.count) \(drawn.work.unit)") }
    return notes.map { "  \(sampler.rawValue): \($0)" }
  }

  /// The same for people.
  var texts: [String] {
    ([evidence].compactMap { $0 } + lines).map { line in
      // Logs of evidences differ in their decimals.
      let digits = line.name == evidence?.name ? "%.3f" : "%.4g"
      let truth = "\(line.name): truth \(String(format: digits, line.truth)), \(sampler.rawValue) "
      guard let mean = line.mean.value else { return truth + "none: \(line.mean.reason ?? "")" }
      guard let distance = line.distance, let error = line.error.value else {
        return truth + String(format: digits, mean) + ", no error: \(line.reason ?? "")"
      }
      return truth
        + String(format: digits + " ± %.2g: ", mean, error)
        + "\(standardErrors(distance)) standard errors"
    }
  }
}
