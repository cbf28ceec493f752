// Licensed under the Apache License, Version 2.0.

import Runs

extension RunReport {
  /// Adds the figures of the target to a summary.
  func add(to summary: inout JSONObject) {
    if chains.isKnown { chains.add(to: &summary) }
    shortfall?.add(to: &summary)
    missing.add(to: &summary)
    if isStopped { summary.add("stopped", .boolean(true)) }
  }
}

extension ChainReport {
  fileprivate func add(to summary: inout JSONObject) {
    func rate(_ move: MoveReport) -> JSONObject.Value {
      move.acceptanceRate.map { .number($0) } ?? .null
    }
    summary.add(
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
    summary.add("moves", .object(all))
    var known = JSONObject()
    for quantity in quantities { known.add(quantity.name, .object(quantity.object)) }
    summary.add("quantities", .object(known))
    if let ladders { summary.add("ladders", .objects(ladders.map(\.object))) }
  }
}

extension LadderReport {
  fileprivate var object: JSONObject {
    var object = JSONObject()
    object.add("powers", .numbers(powers))
    object.add("exchange_rates", .numbers(exchangeRates))
    object.add("round_trips", .integer(roundTrips))
    return object
  }
}

extension Shortfall {
  func add(to summary: inout JSONObject) {
    summary.add("results", .integer(found))
    summary.add("asked_for", .integer(asked))
    summary.add("missing_because", .string(reason))
  }
}

extension [MissingPart] {
  func add(to summary: inout JSONObject) {
    guard !isEmpty else { return }
    var missing = JSONObject()
    for part in self { missing.add(part.field, .string(part.reason)) }
    summary.add("missing", .object(missing))
  }
}
