// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Sampling

/// The figures and problems of one run, assembled from its parts.
package struct Diagnosis {
  /// The command and its plan, or the number of Stan files.
  package let title: String
  package let chainNumbers: [Int]
  package let rows: Int
  package let summaries: [QuantitySummary]
  /// Proposed and accepted steps by kind of move; empty if the run does not say.
  package let moves: [MoveReport]
  package let texts: TextFigures?
  /// Problems of the run as a whole, listed before those of its quantities.
  package let runProblems: [String]
  package let description: RunDescription?

  /// All problems, each a sentence.
  package var problems: [String] {
    runProblems + moves.compactMap(\.problem) + summaries.flatMap(\.problems)
  }

  /// The diagnosis as one JSON object.
  package var object: JSONObject {
    var object = JSONObject()
    object.add("type", .string("diagnosis"))
    if let description {
      object.add("command", .string(description.command))
      object.add("model", .string(description.model))
      object.add("seed", .unsigned(description.seed))
    }
    object.add("chains", .integers(chainNumbers))
    object.add("rows", .integer(rows))
    if !moves.isEmpty {
      var all = JSONObject()
      for move in moves {
        var one = JSONObject()
        one.add("proposed", .integer(move.proposed))
        one.add("accepted", .integer(move.accepted))
        one.add("acceptance_rate", move.acceptanceRate.map { .number($0) } ?? .null)
        all.add(move.kind, .object(one))
      }
      object.add("moves", .object(all))
    }
    var quantities = JSONObject()
    for summary in summaries { quantities.add(summary.name, .object(summary.object)) }
    object.add("quantities", .object(quantities))
    if let texts { object.add("texts", .object(texts.object)) }
    object.add("problems", .strings(problems))
    return object
  }

  /// The diagnosis as text for people.
  package var text: String {
    var lines = [title, ""]
    let columns = [
      ("mean", "mean"), ("mcse", "mcse"), ("sd", "sd"), ("5 %", "q5"), ("median", "median"),
      ("95 %", "q95"), ("ess bulk", "ess_bulk"), ("ess tail", "ess_tail"),
      ("time", "autocorrelation_time"), ("R-hat", "r_hat"),
    ]
    lines.append(columns.map { padded($0.0) }.joined() + "  quantity")
    for summary in summaries {
      let cells = columns.map { _, field -> String in
        guard let value = summary.estimate(field).value else { return "-" }
        guard value.isFinite else { return "inf" }
        switch field {
        case "r_hat": return QuantitySummary.rHat(value)
        case "ess_bulk", "ess_tail": return QuantitySummary.whole(value)
        default: return QuantitySummary.short(value)
        }
      }
      lines.append(cells.map(padded).joined() + "  " + summary.name)
    }
    let notes = reasons
    if !notes.isEmpty { lines += [""] + notes }
    for summary in summaries {
      if let nested = summary.estimates.first(where: { $0.field == "r_hat_nested" }) {
        let text =
          nested.value.value.map(QuantitySummary.rHat) ?? "none: \(nested.value.reason ?? "")"
        lines.append("nested R-hat of \(summary.name): \(text)")
      }
    }
    if !moves.isEmpty {
      let rates = moves.compactMap { move in
        move.acceptanceRate.map { "\(move.kind) \(percent($0))" }
      }
      lines += ["", "acceptance rates: " + rates.joined(separator: ", ")]
    }
    if let texts { lines += ["", texts.line] }
    lines += Self.list(problems)
    return lines.joined(separator: "\n")
  }

  /// The problems as a list, or a line that says there are none.
  package static func list(_ problems: [String]) -> [String] {
    guard !problems.isEmpty else { return ["", "No problems found."] }
    return ["", problems.count == 1 ? "One problem:" : "\(problems.count) problems:"]
      + problems.map { "  - \($0)" }
  }

  /// Why cells are empty: one line per reason, with the quantities that it applies to.
  private var reasons: [String] {
    var order: [String] = []
    var names: [String: [String]] = [:]
    for summary in summaries {
      for estimate in summary.estimates {
        guard let reason = estimate.value.reason else { continue }
        if names[reason] == nil { order.append(reason) }
        if names[reason]?.contains(summary.name) != true {
          names[reason, default: []].append(summary.name)
        }
      }
    }
    return order.map { "- : \($0) (\((names[$0] ?? []).joined(separator: ", ")))" }
  }

  private func padded(_ cell: String) -> String {
    String(repeating: " ", count: max(1, 10 - cell.count)) + cell
  }
}
