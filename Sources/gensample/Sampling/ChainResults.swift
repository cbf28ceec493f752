// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Sampling

/// What a chain sampler traces, draws and sums up, on its way to the user.
struct ChainResults {
  typealias Record = ChainRecord<TokenSequence>

  /// A traced number of the text.
  struct Quantity: Sendable {
    var name: String
    var part: CompiledConstraints.Part?
  }

  /// `log_probability`, `length`, each statement, and how often patterns occur that say nothing.
  static func quantities(
    _ target: CompiledTarget, patterns: [CompiledConstraints.Part] = []
  ) -> [Quantity] {
    var seen: Set<String> = []
    return [Quantity(name: "log_probability"), Quantity(name: "length")]
      // A statement that is made twice is one quantity, as names of fields stand once.
      + (target.compiled.parts + patterns).compactMap {
        seen.insert($0.constraint.text).inserted
          ? Quantity(name: $0.constraint.text, part: $0) : nil
      }
  }

  /// A row of the trace: soft statements as the nats that they add, hard ones as 1 or 0.
  static func row(
    _ quantities: [Quantity], _ scorer: some Scorer<TokenSequence>
  ) -> [Double] {
    let text = scorer.state
    var row = [scorer.logProbability, Double(text.count)]
    for quantity in quantities.dropFirst(2) {
      guard let part = quantity.part else { continue }
      let weight = part.automaton.logWeight(of: text)
      row.append(part.constraint.isSoft ? weight : weight > -.infinity ? 1 : 0)
    }
    return row
  }

  /// A result as one JSON object.
  static func object(
    _ draw: Draw<TokenSequence>, _ target: CompiledTarget, number: Int?
  ) -> JSONObject {
    var object = target.object(draw.state, logProbability: draw.logProbability)
    object.add("chain", .integer(draw.chain))
    object.add("step", .integer(draw.step))
    if let number { object.add("target", .integer(number)) }
    return object
  }

  /// All chains' draws, the first of each, then the second of each, and so on.
  static func draws(_ records: [Record]) -> [Draw<TokenSequence>] {
    let most = records.map(\.draws.count).max() ?? 0
    return (0..<most).flatMap { i in
      records.compactMap { i < $0.draws.count ? $0.draws[i] : nil }
    }
  }

  /// The most probable texts of some, each once.
  static func best(_ draws: [Draw<TokenSequence>], _ count: Int) -> [Draw<TokenSequence>] {
    let sorted = draws.enumerated().sorted {
      ($1.element.logProbability, $0.offset) < ($0.element.logProbability, $1.offset)
    }
    return Array(unique(sorted.map(\.element)).prefix(count))
  }

  /// Each text once, where it was first.
  static func unique(_ draws: [Draw<TokenSequence>]) -> [Draw<TokenSequence>] {
    var seen: Set<TokenSequence> = []
    return draws.filter { seen.insert($0.state).inserted }
  }

  /// Steps, acceptance and what is known of each quantity, for the summary's object.
  static func add(
    to object: inout JSONObject, _ records: [Record], kinds: [String],
    summaries: [QuantitySummary]
  ) {
    let proposed = total(records.map(\.proposed))
    let accepted = total(records.map(\.accepted))
    object.add("acceptance_rate", rate(accepted.reduce(0, +), proposed.reduce(0, +)))
    var moves = JSONObject()
    for (i, kind) in kinds.enumerated() {
      var move = JSONObject()
      move.add("proposed", .integer(i < proposed.count ? proposed[i] : 0))
      move.add("accepted", .integer(i < accepted.count ? accepted[i] : 0))
      if i < proposed.count { move.add("acceptance_rate", rate(accepted[i], proposed[i])) }
      moves.add(kind, .object(move))
    }
    object.add("moves", .object(moves))
    var all = JSONObject()
    for summary in summaries { all.add(summary.name, .object(summary.object)) }
    object.add("quantities", .object(all))
  }

  /// What is known of each quantity, by the chains that have rows.
  static func summaries(
    _ records: [Record], _ quantities: [Quantity], threads: Int
  ) throws -> [QuantitySummary] {
    let records = records.filter { !$0.trace.isEmpty }
    return try concurrently(quantities.count, threads: threads) { i in
      QuantitySummary(
        quantities[i].name, records.traces(ofQuantity: i), chainNumbers: records.map(\.chain),
        isWhole: false)
    }
  }

  /// What these leave out, and why.
  static func missing(
    _ records: [Record], isStopped: Bool
  ) -> [(field: String, reason: String)] {
    let others = records.filter(\.trace.isEmpty).map { "\($0.chain)" }
    guard !others.isEmpty else { return [] }
    let reason = isStopped ? "the run was stopped before they had a row" : "they have no rows"
    guard others.count < records.count else {
      return [("quantities", "of \(counted(others.count, "chain")), \(reason)")]
    }
    return [
      (
        "quantities of chains \(others.prefix(8).joined(separator: ", "))"
          + (others.count > 8 ? ", ..." : ""), reason
      )
    ]
  }

  private static func total(_ rows: [[Int]]) -> [Int] {
    guard let first = rows.first else { return [] }
    return first.indices.map { i in rows.reduce(0) { $0 + $1[i] } }
  }

  private static func rate(_ part: Int, _ whole: Int) -> JSONObject.Value {
    whole > 0 ? .number(Double(part) / Double(whole)) : .null
  }

  /// The same for people, some lines for standard error.
  static func lines(
    _ records: [Record], kinds: [String], quantities: [Quantity], summaries: [QuantitySummary],
    isExactlyDrawn: Bool
  ) -> [String] {
    let proposed = total(records.map(\.proposed))
    let accepted = total(records.map(\.accepted))
    let moves = zip(kinds, zip(accepted, proposed)).compactMap { kind, counts in
      counts.1 > 0 ? "\(kind) \(percent(Double(counts.0) / Double(counts.1)))" : nil
    }
    // A run that was stopped in its warm-up has none.
    var lines = moves.isEmpty ? [] : ["  accepted: " + moves.joined(separator: ", ")]
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

  /// The same where shares can be tiny.
  static func percentOrPower(_ share: Double) -> String {
    share >= 0.000_5 || share == 0 ? percent(share) : String(format: "%.1e", share)
  }

  static func percent(_ share: Double) -> String {
    String(format: share < 0.0995 ? "%.1f %%" : "%.0f %%", share * 100)
  }
}
