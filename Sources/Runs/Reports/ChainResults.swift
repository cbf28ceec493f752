// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
package import Sampling

/// What a chain sampler traces, draws and sums up.
package enum ChainResults {
  package typealias Record = ChainRecord<TokenSequence>

  /// A traced number of the text.
  package struct Quantity: Sendable {
    package var name: String
    package var part: CompiledConstraints.Part?
  }

  /// `log_probability`, `length`, each statement, and how often patterns occur that say nothing.
  package static func quantities(
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
  package static func row(
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

  /// A draw with what is told of it.
  package static func text(
    _ draw: Draw<TokenSequence>, of target: CompiledTarget
  ) -> SampledText {
    SampledText(
      draw.state, of: target, logProbability: draw.logProbability, chain: draw.chain,
      step: draw.step)
  }

  /// All chains' draws, the first of each, then the second of each, and so on.
  package static func draws(_ records: [Record]) -> [Draw<TokenSequence>] {
    let most = records.map(\.draws.count).max() ?? 0
    return (0..<most).flatMap { i in
      records.compactMap { i < $0.draws.count ? $0.draws[i] : nil }
    }
  }

  /// The most probable texts of some, each once.
  package static func best(_ draws: [Draw<TokenSequence>], _ count: Int) -> [Draw<TokenSequence>] {
    let sorted = draws.enumerated().sorted {
      ($1.element.logProbability, $0.offset) < ($0.element.logProbability, $1.offset)
    }
    return Array(unique(sorted.map(\.element)).prefix(count))
  }

  /// Each text once, where it was first.
  package static func unique(_ draws: [Draw<TokenSequence>]) -> [Draw<TokenSequence>] {
    var seen: Set<TokenSequence> = []
    return draws.filter { seen.insert($0.state).inserted }
  }

  /// What is known of each quantity, by the chains that have rows.
  package static func summaries(
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
  package static func missing(
    _ records: [Record], isStopped: Bool
  ) -> [MissingPart] {
    let others = records.filter(\.trace.isEmpty).map { "\($0.chain)" }
    guard !others.isEmpty else { return [] }
    let reason = isStopped ? "the run was stopped before they had a row" : "they have no rows"
    guard others.count < records.count else {
      return [MissingPart("quantities", "of \(counted(others.count, "chain")), \(reason)")]
    }
    return [
      MissingPart(
        "quantities of chains \(others.prefix(8).joined(separator: ", "))"
          + (others.count > 8 ? ", ..." : ""), reason
      )
    ]
  }

  private static func total(_ rows: [[Int]]) -> [Int] {
    guard let first = rows.first else { return [] }
    return first.indices.map { i in rows.reduce(0) { $0 + $1[i] } }
  }

  /// Proposed and accepted steps by kind of move.
  package static func moves(_ records: [Record], kinds: [String]) -> [MoveReport] {
    let proposed = total(records.map(\.proposed))
    let accepted = total(records.map(\.accepted))
    return kinds.enumerated().map { i, kind in
      MoveReport(
        kind: kind, proposed: i < proposed.count ? proposed[i] : 0,
        accepted: i < accepted.count ? accepted[i] : 0)
    }
  }
}
