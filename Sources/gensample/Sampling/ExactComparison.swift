// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Sampling

/// Samplers that `exact` can run beside itself.
enum ComparedSampler: String, CaseIterable {
  case mh
}

/// How far a sampler's means are from the truth: of the length, of the likeliest token at each
/// place, of statements.
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

    /// The distance in standard errors, where there is one.
    var distance: Double? {
      guard let mean = mean.value, let error = error.value, error > 0 else { return nil }
      return (mean - truth) / error
    }
  }

  /// How many steps chains take: the default plan's warm-up, and as many after it.
  static var steps: Int { PlanOptions.defaults.chains * 2 * PlanOptions.defaults.warmup }

  private let sampler: ComparedSampler
  private let taken: Int
  private let lines: [Line]

  /// Runs the sampler's chains.
  init(
    _ sampler: ComparedSampler, _ target: CompiledTarget, marginals: ExactMarginals,
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
      // Chains of some thousand draws see nothing of what is rarer.
      + likeliest.filter { $0.truth > 1e-3 }
      + statements.map {
        Quantity(
          name: $0.statement.text, kind: .statement($0.statement.automaton),
          truth: $0.probability)
      }
    // A stream that no draw takes.
    var random = Philox(seed: seed).stream(.max)
    let defaults = PlanOptions.defaults
    let plan = RunPlan(
      chains: defaults.chains, warmup: defaults.warmup, thin: defaults.thin,
      extent: .steps(defaults.warmup), seed: random.next())
    let kernel = NGramMoves(for: target.target, words: NGramLeftWords(run.model))
    let records = try runChains(
      of: plan, target: target.target, kernel: kernel,
      quantities: { scorer in quantities.map { $0.value(of: scorer.state) } },
      threads: run.threads, monitor: run.monitor
    ) { [monitor = run.monitor] choices in
      try target.randomStart(monitor: monitor, using: &choices)
    }
    taken = records.reduce(0) { $0 + $1.steps }
    lines = quantities.enumerated().map { i, quantity in
      let traces = ChainTraces(records.map { $0.trace.map { $0[i] } })
      return Line(
        name: quantity.name, truth: quantity.truth, mean: traces.mean, error: traces.meanError)
    }
  }

  /// What the summary says of it.
  var object: JSONObject {
    var object = JSONObject()
    object.add("sampler", .string(sampler.rawValue))
    object.add("steps", .integer(taken))
    var all = JSONObject()
    for line in lines {
      var one = JSONObject()
      one.add("truth", .number(line.truth))
      one.add("mean", line.mean.value.map { .number($0) } ?? .null)
      one.add("mcse", line.error.value.map { .number($0) } ?? .null)
      one.add("standard_errors", line.distance.map { .number($0) } ?? .null)
      all.add(line.name, .object(one))
    }
    object.add("quantities", .object(all))
    return object
  }

  /// The same for people.
  var texts: [String] {
    lines.map { line in
      let truth = "\(line.name): truth \(String(format: "%.4g", line.truth)), \(sampler.rawValue) "
      guard let mean = line.mean.value else { return truth + "drew nothing" }
      guard let distance = line.distance, let error = line.error.value else {
        return truth + String(format: "%.4g in all draws", mean)
      }
      return truth
        + String(format: "%.4g ± %.2g: %+.1f standard errors", mean, error, distance)
    }
  }
}
