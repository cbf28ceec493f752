// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Runs
import Sampling

/// What is printed of weighted texts, and what is said of their weights.
struct WeightedChoice {
  static let weighted = Option(
    flag: "weighted", "print every text with its weight, instead of drawing some again by weight")
  static let withoutReplacement = Option(
    flag: "without-replacement", "draw each text again at most once, which makes them no draws")

  private let samples: Int
  private let isWeighted: Bool
  private let isWithoutReplacement: Bool

  init(_ arguments: Arguments) throws(CommandFailure) {
    samples = try ParticleOptions.samples(arguments)
    isWeighted = arguments.has("weighted")
    isWithoutReplacement = arguments.has("without-replacement")
    guard !isWeighted || !isWithoutReplacement && !arguments.has("samples") else {
      throw .usage(
        "--weighted prints every text; --samples and --without-replacement choose some of them")
    }
  }

  func summarise(_ summary: inout JSONObject) {
    // Drawn again by weight they follow rho as the number of particles grows, weighted ones do not.
    summary.add("draws", .boolean(!isWeighted && !isWithoutReplacement))
  }

  /// Results and figures; the evidence is the weights' own where none is given.
  func outcome(
    _ drawn: WeightedTexts, _ texts: LeftToRight, _ compiled: CompiledTarget, line: Int?,
    evidence: EvidenceOfRuns? = nil, isStopped: Bool, using choices: inout some ChoiceSource
  ) throws(CommandFailure) -> SamplerOutcome {
    var outcome = SamplerOutcome()
    if drawn.draws.isEmpty && !isStopped {
      outcome.failure = CommandFailure(
        .failed,
        "all \(drawn.count) weights are zero: the model gives none of the texts that were begun "
          + "a positive probability; take more --particles")
    }
    let chosen = chosen(drawn, using: &choices)
    outcome.results = chosen.enumerated().map { number, draw in
      texts.result(
        draw.text, compiled, line: line, number: number,
        logWeight: isWeighted ? draw.logWeight : nil)
    }
    outcome.summarise = { summary in
      texts.summarise(&summary)
      if let evidence {
        evidence.add(drawn, to: &summary)
      } else {
        Self.add(drawn, to: &summary)
      }
    }
    outcome.lines = [evidence?.line(drawn) ?? Self.line(drawn)] + texts.lines
    if let note = evidence?.note, !drawn.draws.isEmpty { outcome.lines.append("  " + note) }
    if let warning = evidence?.warning, !drawn.draws.isEmpty {
      outcome.lines.append("  not to be trusted: \(warning)")
    }
    if isStopped, !isWeighted {
      outcome.shortfall = Shortfall(of: chosen.count, asked: samples, stoppedReason)
    }
    if isWithoutReplacement {
      outcome.lines.append("  each text is shown once: these are no draws from rho")
      if !isStopped {
        outcome.shortfall = Shortfall(
          of: chosen.count, asked: samples, "there are no more different texts among those drawn")
      }
    }
    return outcome
  }

  private func chosen(
    _ drawn: WeightedTexts, using choices: inout some ChoiceSource
  ) -> [WeightedText] {
    if isWeighted || drawn.draws.isEmpty { return isWeighted ? drawn.draws : [] }
    guard isWithoutReplacement else {
      let table = AliasTable(weights: drawn.relativeWeights)
      return (0..<samples).map { _ in drawn.draws[table.draw(using: &choices)] }
    }
    // Equal texts are one, with their weights together.
    var places: [TokenSequence: Int] = [:]
    var texts: [WeightedText] = []
    for draw in drawn.draws {
      if let place = places[draw.text] {
        texts[place].logWeight = LogSpace.sum(texts[place].logWeight, draw.logWeight)
      } else {
        places[draw.text] = texts.count
        texts.append(draw)
      }
    }
    let weights = WeightedTexts(texts, zeroCount: 0).relativeWeights
    return drawWithoutReplacement(weights, count: samples, using: &choices).map { texts[$0] }
  }

  private static func add(_ drawn: WeightedTexts, to summary: inout JSONObject) {
    var reasons: [String] = []
    func value(_ estimate: Estimate) -> JSONObject.Value {
      if let reason = estimate.reason, !reasons.contains(reason) { reasons.append(reason) }
      return estimate.value.map { .number($0) } ?? .null
    }
    summary.add("zero_weights", .integer(drawn.zeroCount))
    summary.add("log_evidence", drawn.draws.isEmpty ? .null : .number(drawn.logEvidence))
    summary.add("log_evidence_error", value(drawn.logEvidenceError))
    summary.add("effective_size", .number(drawn.effectiveSize))
    let smoothed = drawn.smoothed
    summary.add("pareto_k", value(smoothed.shape))
    if smoothed.shape.value != nil {
      let evidence =
        LogSpace.sum(smoothed.logWeights) - LogSpace.log(Double(max(1, drawn.count)))
      summary.add("log_evidence_smoothed", .number(evidence))
    }
    let bounds = lowerBounds(drawn)
    summary.add("lower_bound_sizes", .integers(bounds.map(\.size)))
    summary.add("lower_bounds", .numbers(bounds.map(\.value)))
    if !reasons.isEmpty { summary.add("reason", .string(reasons.joined(separator: "; "))) }
  }

  /// Means of the logs of groups' mean weights, for groups of 1, 10, 100, ..., of which there are ten
  /// at least; those that are finite.
  private static func lowerBounds(_ drawn: WeightedTexts) -> [(size: Int, value: Double)] {
    sequence(first: 1) { $0 * 10 }.prefix { drawn.count / $0 >= 10 }.compactMap { size in
      drawn.lowerBound(groupsOf: size).flatMap { $0.value.isFinite ? (size, $0.value) : nil }
    }
  }

  fileprivate static func nothing(_ drawn: WeightedTexts) -> String {
    drawn.zeroCount > 0 ? "  all weights are zero" : "  nothing was finished"
  }

  /// An error behind its value, or why there is none.
  fileprivate static func plusMinus(_ error: Estimate) -> String {
    switch error {
    case .value(let error): String(format: " ± %.3f", error)
    case .undefined(let reason): ", no error: \(reason)"
    }
  }

  private static func line(_ drawn: WeightedTexts) -> String {
    guard !drawn.draws.isEmpty else { return nothing(drawn) }
    var line = String(format: "  log evidence %.3f", drawn.logEvidence)
    line += plusMinus(drawn.logEvidenceError)
    line += String(format: ", effective size %.0f of \(drawn.count)", drawn.effectiveSize)
    switch drawn.smoothed.shape {
    case .value(let k):
      line += String(format: ", k %.2f", k)
      if k > 0.7 {
        line += " (above .7: too few texts carry the weight; take more --particles, smc or mh)"
      }
    case .undefined(let reason): line += ", no k: \(reason)"
    }
    let bounds = lowerBounds(drawn).map { String(format: "%.3f by groups of \($0.size)", $0.value) }
    return bounds.isEmpty
      ? line
      : line + "\n  lower bounds in expectation, means of logs: " + bounds.joined(separator: ", ")
  }
}

/// The evidence by independent runs of particles, whose spread is its error: particles of one run are
/// related, so their weights do not tell.
struct EvidenceOfRuns {
  var logEvidences: [Double]
  var resamplings: Int
  /// From how many of the first particles the final ones of a run descend, at least.
  var fewestAncestors: Int
  /// The Pareto k that the weights of every run reach, where particles are resampled or at its end.
  ///
  /// The largest of all runs would be the largest of some dozens of noisy estimates.
  var sharedShape: Double?
  /// Tails drawn anew, and how many were taken; `nil` where none are.
  var redrawn: (tried: Int, made: Int)?

  /// What finished runs say.
  init(_ finished: [ParticleSummary], isRedrawn: Bool = false) {
    logEvidences = finished.map(\.texts.logEvidence)
    resamplings = finished.reduce(0) { $0 + $1.resamplings }
    fewestAncestors = finished.map(\.ancestorCount).min() ?? 0
    sharedShape = finished.compactMap(\.largestShape).min()
    guard isRedrawn else { return }
    redrawn = (
      finished.reduce(0) { $0 + $1.rejuvenations.tried },
      finished.reduce(0) { $0 + $1.rejuvenations.made }
    )
  }

  var logEvidence: Double {
    LogSpace.sum(logEvidences) - LogSpace.log(Double(max(1, logEvidences.count)))
  }

  /// The standard error by the runs' spread.
  private var spread: Estimate {
    guard logEvidences.count > 1 else {
      return .undefined(
        logEvidences.isEmpty ? "no run was finished" : "one run has no spread")
    }
    var runs = WeightedTexts()
    for log in logEvidences {
      runs.append(log > -.infinity ? WeightedText([], logWeight: log) : nil)
    }
    return runs.logEvidenceError
  }

  /// The same, larger as Student's t has it: a spread of few runs is often too small, and three of
  /// these errors hold the evidence as often as three known standard deviations would, 99.73 %.
  var error: Estimate { spread.map { $0 * factor } }

  /// How many times the spread that is, for two runs or more.
  private var factor: Double {
    let shareBelowThree = 0.998_650_101_968_369_9
    return studentQuantile(shareBelowThree, degrees: Double(logEvidences.count - 1)) / 3
  }

  /// Why the error is large; `nil` where there are runs enough.
  var note: String? {
    // That of four runs, the default, is 3.
    guard logEvidences.count > 1, factor > 4 else { return nil }
    return String(format: "± is %.0f times the spread of the runs, ", factor)
      + "as Student's t has it for \(counted(logEvidences.count, "run")): take more --runs"
  }

  func add(_ drawn: WeightedTexts, to summary: inout JSONObject) {
    summary.add("zero_weights", .integer(drawn.zeroCount))
    summary.add("effective_size", .number(drawn.effectiveSize))
    summary.add("log_evidence", .number(logEvidence))
    summary.add("log_evidence_error", error.value.map { .number($0) } ?? .null)
    summary.add("log_evidence_spread", spread.value.map { .number($0) } ?? .null)
    if let reason = error.reason { summary.add("reason", .string(reason)) }
    summary.add("log_evidence_runs", .numbers(logEvidences))
    summary.add("resamplings", .integer(resamplings))
    summary.add("fewest_ancestors", .integer(fewestAncestors))
    summary.add("pareto_k", sharedShape.map { .number($0) } ?? .null)
    if let redrawn {
      summary.add("redrawn", .integer(redrawn.tried))
      summary.add("redrawn_accepted", .integer(redrawn.made))
    }
    if let warning { summary.add("warning", .string(warning)) }
    if let note { summary.add("note", .string(note)) }
  }

  func line(_ drawn: WeightedTexts) -> String {
    guard !drawn.draws.isEmpty else { return WeightedChoice.nothing(drawn) }
    var line = String(format: "  log evidence %.3f", logEvidence)
    line += WeightedChoice.plusMinus(error)
    line += String(format: ", effective size %.0f of \(drawn.count)", drawn.effectiveSize)
    line +=
      ", \(counted(resamplings, "resampling")), "
      + "\(counted(fewestAncestors, "first particle")) left at least"
    if let sharedShape { line += String(format: ", k %.2f", sharedShape) }
    if let redrawn, redrawn.tried > 0 {
      line += String(
        format: ", %.0f %% of the tails drawn anew",
        100 * Double(redrawn.made)
          / Double(redrawn.tried))
    }
    return line
  }

  /// Why the evidence is not to be trusted, and what to do; `nil` where nothing says so.
  ///
  /// A k above .7 is where means of weights no longer settle (Vehtari et al. 2024); runs that
  /// differ by more than half of their mean are no estimate of their own error.
  var warning: String? {
    let remedy = "take more --particles, or mh"
    if let sharedShape, sharedShape > 0.7 {
      return String(format: "k is %.2f, above .7: ", sharedShape)
        + "too few particles carried the weight, so that the evidence may be too low; " + remedy
    }
    if let spread = spread.value, spread > 0.5 {
      return "the runs' evidences differ by more than half of their mean; " + remedy
    }
    return nil
  }
}
