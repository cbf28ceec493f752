// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Runs
import Sampling

extension CompiledTarget {
  /// What is sampled from.
  var target: SentenceTarget<NGramModel, TokenAutomaton> {
    guard let model = model.chainModel as? NGramModel else { preconditionFailure("n-grams") }
    return sentences(of: model)
  }
}

extension SampledText {
  /// For programs.
  func object(ofLine line: Int?) -> JSONObject {
    var object = JSONObject()
    object.add("type", .string("sample"))
    object.add("text", .string(text))
    object.add("tokens", .integers(tokens))
    object.add("log_probability", .number(logProbability))
    object.add("log_model", .number(logModel))
    object.add("satisfied", .boolean(isSatisfied))
    if let chain { object.add("chain", .integer(chain)) }
    if let step { object.add("step", .integer(step)) }
    if let draw { object.add("draw", .integer(draw)) }
    if let logWeight { object.add("log_weight", .number(logWeight)) }
    if let line { object.add("target", .integer(line)) }
    return object
  }
}

extension Shortfall {
  /// For people, on standard error.
  var line: String { "\(found) of the \(asked) results asked for: \(reason)" }

  func add(to summary: inout JSONObject) {
    summary.add("results", .integer(found))
    summary.add("asked_for", .integer(asked))
    summary.add("missing_because", .string(reason))
  }
}

extension ChainResults {
  /// Steps, acceptance and what is known of each quantity, for the summary's object.
  static func add(
    to object: inout JSONObject, _ moves: [MoveReport], summaries: [QuantitySummary]
  ) {
    func rate(_ move: MoveReport) -> JSONObject.Value {
      move.acceptanceRate.map { .number($0) } ?? .null
    }
    object.add(
      "acceptance_rate",
      rate(
        MoveReport(
          kind: "", proposed: moves.reduce(0) { $0 + $1.proposed },
          accepted: moves.reduce(0) { $0 + $1.accepted })))
    var all = JSONObject()
    for move in moves {
      var one = JSONObject()
      one.add("proposed", .integer(move.proposed))
      one.add("accepted", .integer(move.accepted))
      one.add("acceptance_rate", rate(move))
      all.add(move.kind, .object(one))
    }
    object.add("moves", .object(all))
    var quantities = JSONObject()
    for summary in summaries { quantities.add(summary.name, .object(summary.object)) }
    object.add("quantities", .object(quantities))
  }

  /// The same for people, some lines for standard error.
  static func lines(
    _ moves: [MoveReport], quantities: [Quantity], summaries: [QuantitySummary],
    isExactlyDrawn: Bool
  ) -> [String] {
    let rates = moves.compactMap { move in
      move.acceptanceRate.map { "\(move.kind) \(percent($0))" }
    }
    // A run that was stopped in its warm-up has none.
    var lines = rates.isEmpty ? [] : ["  accepted: " + rates.joined(separator: ", ")]
    // Hard statements are met by all draws, which needs no line.
    var haveMet = true
    let shown = quantities.map { $0.part?.constraint.isSoft ?? true }
    for (summary, isShown) in zip(summaries, shown) where isShown {
      guard let mean = summary.estimate("mean").value else { continue }
      var line = "  \(summary.name): mean \(QuantitySummary.short(mean))"
      if let error = summary.estimate("mcse").value {
        line += " ± \(QuantitySummary.short(error))"
      }
      if let size = summary.estimate("ess_bulk").value {
        line += ", effective draws \(QuantitySummary.whole(size))"
      }
      switch summary.estimate("r_hat") {
      case .value(let value):
        line += ", R-hat \(value.isFinite ? QuantitySummary.rHat(value) : "infinite")"
        haveMet = haveMet && value <= QuantitySummary.highestRHat
      case .undefined(let reason): line += ", no R-hat: \(reason)"
      }
      lines.append(line)
    }
    if !haveMet {
      lines.append(
        "  R-hat above \(QuantitySummary.highestRHat): the chains have not met; run longer "
          + "(--warmup, --thin)"
          + (isExactlyDrawn
            ? " or, where the texts fall into parts\n  that few edits join, draw by 'gensample exact'"
            : ""))
    }
    return lines
  }
}
