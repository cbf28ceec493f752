// Licensed under the Apache License, Version 2.0.

import Runs
import Sampling

/// Which results are printed.
struct ResultOptions {
  static let all = [
    Option("best", "N", "the N most probable texts seen, which are no draws"),
    Option(flag: "unique", "each text once, which makes them no draws"),
  ]

  let best: Int?
  private let isUnique: Bool

  init(_ arguments: Arguments) throws(CommandFailure) {
    best = try arguments.integer("best", in: 1...1_000_000)
    isUnique = arguments.has("unique")
  }

  /// Whether what is printed are draws from the target.
  var areDraws: Bool { best == nil && !isUnique }

  /// What is printed of all draws, or of all texts that the chains have seen.
  func chosen(
    _ draws: [Draw<TokenSequence>], _ records: [ChainResults.Record]
  ) -> [Draw<TokenSequence>] {
    if let best { return ChainResults.best(records.flatMap(\.best), best) }
    return isUnique ? ChainResults.unique(draws) : draws
  }

  /// Fewer texts than `--best` asked for.
  func shortfall(
    _ draws: [Draw<TokenSequence>], _ records: [ChainResults.Record]
  ) -> Shortfall? {
    best.flatMap {
      Shortfall(
        of: chosen(draws, records).count, asked: $0, "the chains have seen no more different texts")
    }
  }

  /// What people are told of that.
  var lines: [String] {
    if best != nil { return ["  these are the most probable texts seen, no draws from rho"] }
    return isUnique ? ["  each text is shown once: these are no draws from rho"] : []
  }
}
