// Licensed under the Apache License, Version 2.0.

import Runs
import Sampling

extension RunReport {
  /// The first fields of a summary, which tell of one target or of all.
  func head(_ effort: Effort) -> JSONObject {
    var summary = JSONObject()
    summary.add("type", .string("summary"))
    summary.add("command", .string(command))
    summary.add("model", .string(model))
    if hasSeed { summary.add("seed", .unsigned(effort.seed)) }
    summary.add("seconds", .number(effort.seconds))
    switch figures {
    case .chains:
      summary.add("steps", .integer(effort.count))
      summary.add(
        "steps_per_second", .number(Double(effort.count) / max(effort.seconds, 1e-9)))
      summary.add("draws", .boolean(areDraws))
    case .annealing(let report):
      summary.add("steps", .integer(effort.count))
      summary.add("schedule", .string(report.schedule))
      summary.add("draws", .boolean(areDraws))
    case .rejection(let report):
      summary.add("proposal", .string(report.proposal.rawValue))
      summary.add("draws", .boolean(areDraws))
      summary.add("proposals", .integer(effort.count))
    case .importance(let report):
      summary.add("particles", .integer(report.particles))
      if let stages = report.stages { summary.add("anneal", .integer(stages)) }
      summary.add("draws", .boolean(areDraws))
    case .particles(let report):
      summary.add("particles", .integer(report.particles))
      summary.add("runs", .integer(report.runs))
      summary.add("tokens_drawn", .integer(effort.count))
      summary.add("draws", .boolean(areDraws))
    case .exact:
      let drawn = effort.drawn
      summary.add("samples", .integer(drawn.count))
      summary.add(
        "samples_per_second",
        drawn.seconds > 0 ? .number(Double(drawn.count) / drawn.seconds) : .null)
      summary.add("draws", .boolean(areDraws))
    case .tuning: break
    case .decoding(let report):
      summary.add("steps", .integer(report.tokens))
      summary.add(
        "steps_per_second", .number(Double(report.tokens) / max(effort.seconds, 1e-9)))
      summary.add("texts", .integer(report.count))
      summary.add("finished", .integer(report.finished))
    }
    return summary
  }

  /// Adds the figures of the target to a summary.
  func add(to summary: inout JSONObject) {
    switch figures {
    case .chains(let report): if report.isKnown { report.add(to: &summary) }
    case .annealing(let report): if report.isKnown { report.add(to: &summary) }
    case .rejection(let report): report.add(to: &summary)
    case .importance(let report): report.add(to: &summary)
    case .particles(let report): report.add(to: &summary)
    case .exact(let report): report.add(to: &summary)
    case .tuning(let report): report.add(to: &summary)
    case .decoding(let report):
      return report.add(to: &summary, shortfall, isStopped: isStopped)
    }
    shortfall?.add(to: &summary)
    missing.add(to: &summary)
    if isStopped { summary.add("stopped", .boolean(true)) }
  }

  /// The results that are no texts, as objects.
  var resultObjects: [JSONObject] {
    guard case .exact(let report) = figures else { return [] }
    return (report.marginals?.places ?? []).enumerated().map { number, place in
      var object = JSONObject()
      object.add("type", .string("marginal"))
      object.add("place", .integer(number + 1))
      object.add("probability", .number(place.probability))
      let tokens = place.tokens.map { token in
        var one = JSONObject()
        one.add("token", .integer(token.token))
        one.add("text", .string(token.text))
        one.add("probability", .number(token.probability))
        return one
      }
      object.add("tokens", .objects(tokens))
      if let target { object.add("target", .integer(target)) }
      return object
    }
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

extension AnnealingReport {
  fileprivate func add(to summary: inout JSONObject) {
    summary.add("restarts", .integer(restarts))
    summary.add("best", logProbabilities.max().map { .number($0) } ?? .null)
    summary.add("best_of_restarts", .numbers(logProbabilities))
    summary.add("last_powers", .numbers(lastPowers))
  }
}

extension LookAheadReport {
  fileprivate func add(to summary: inout JSONObject) {
    summary.add("max_tokens", .integer(maxTokens))
    summary.add("look_ahead", .string(kind.rawValue))
  }
}

extension Double? {
  /// The number, or null.
  fileprivate var json: JSONObject.Value { map { .number($0) } ?? .null }
}

extension ClosedRange<Double>? {
  /// Both ends, or null.
  fileprivate var json: JSONObject.Value {
    map { .numbers([$0.lowerBound, $0.upperBound]) } ?? .null
  }
}

extension RejectionReport {
  fileprivate func add(to summary: inout JSONObject) {
    lookAhead?.add(to: &summary)
    guard let forecast, let kept else { return }
    summary.add("accepted", .integer(kept.count))
    summary.add("log_bound", .number(forecast.logBound))
    summary.add("bound_is_estimated", .boolean(forecast.isEstimated))
    summary.add("expected_acceptance", .number(forecast.acceptance))
    summary.add(
      "kept_share",
      kept.proposals > 0 ? .number(Double(kept.count) / Double(kept.proposals)) : .null)
    summary.add("acceptance", kept.acceptance.value.json)
    summary.add("acceptance_interval", kept.interval.json)
    summary.add("log_evidence", kept.logEvidence.json)
    summary.add("log_evidence_error", kept.relativeError.value.json)
    summary.add("log_evidence_interval", kept.logEvidenceInterval.json)
    if let reason = kept.reason { summary.add("reason", .string(reason)) }
  }
}

extension ImportanceReport {
  fileprivate func add(to summary: inout JSONObject) {
    lookAhead?.add(to: &summary)
    guard let weights else { return }
    summary.add("zero_weights", .integer(weights.zeroCount))
    summary.add("log_evidence", weights.hasDraws ? .number(weights.logEvidence) : .null)
    summary.add("log_evidence_error", weights.logEvidenceError.value.json)
    summary.add("effective_size", .number(weights.effectiveSize))
    summary.add("pareto_k", weights.shape.value.json)
    if let smoothed = weights.smoothedLogEvidence {
      summary.add("log_evidence_smoothed", .number(smoothed))
    }
    summary.add("lower_bound_sizes", .integers(weights.lowerBounds.map(\.size)))
    summary.add("lower_bounds", .numbers(weights.lowerBounds.map(\.value)))
    if let reason = weights.reason { summary.add("reason", .string(reason)) }
    guard let upperBound else { return }
    summary.add("upper_bound", upperBound.value.json)
    summary.add("upper_bound_error", upperBound.error.json)
    summary.add("upper_bound_draws", .integer(upperBound.count))
  }
}

extension ParticleReport {
  fileprivate func add(to summary: inout JSONObject) {
    lookAhead?.add(to: &summary)
    guard let weights, let evidence else { return }
    summary.add("zero_weights", .integer(weights.zeroCount))
    summary.add("effective_size", .number(weights.effectiveSize))
    summary.add("log_evidence", .number(evidence.logEvidence))
    summary.add("log_evidence_error", evidence.error.value.json)
    summary.add("log_evidence_spread", evidence.spread.value.json)
    if let reason = evidence.error.reason { summary.add("reason", .string(reason)) }
    summary.add("log_evidence_runs", .numbers(evidence.logEvidences))
    summary.add("resamplings", .integer(evidence.resamplings))
    summary.add("fewest_ancestors", .integer(evidence.fewestAncestors))
    summary.add("pareto_k", evidence.sharedShape.json)
    if let redrawn = evidence.redrawn {
      summary.add("redrawn", .integer(redrawn.tried))
      summary.add("redrawn_accepted", .integer(redrawn.made))
    }
    if let warning = evidence.warning { summary.add("warning", .string(warning)) }
    if let note = evidence.note { summary.add("note", .string(note)) }
  }
}

extension ExactReport {
  fileprivate func add(to summary: inout JSONObject) {
    guard let sums else { return }
    summary.add("log_evidence", .number(sums.logEvidence))
    summary.add("log_evidence_error", .number(sums.logEvidenceError))
    if let texts = sums.texts { summary.add("texts", .integer(texts)) }
    if let entropy = sums.entropy { summary.add("entropy", .number(entropy)) }
    if let marginals {
      summary.add("expected_length", .number(marginals.expectedLength))
      summary.add("lengths", .numbers(marginals.lengths))
    }
    if !probabilities.isEmpty {
      var object = JSONObject()
      for one in probabilities { object.add(one.statement, .number(one.probability)) }
      summary.add("probabilities", .object(object))
    }
    if let comparison { summary.add("compare", .object(comparison.object)) }
  }
}

extension ComparisonReport {
  fileprivate var object: JSONObject {
    var object = JSONObject()
    object.add("sampler", .string(sampler))
    object.add(unit, .integer(work))
    if let evidence { object.add("log_evidence", .object(evidence.object)) }
    var all = JSONObject()
    for line in lines { all.add(line.name, .object(line.object)) }
    object.add("quantities", .object(all))
    object.add("left_out_places", .integer(leftOut))
    if !notes.isEmpty { object.add("notes", .strings(notes)) }
    if isStopped { object.add("stopped", .boolean(true)) }
    return object
  }
}

extension ComparisonReport.Line {
  fileprivate var object: JSONObject {
    var object = JSONObject()
    object.add("truth", .number(truth))
    object.add("mean", mean.value.json)
    object.add("mcse", error.value.json)
    object.add("standard_errors", distance.json)
    if let reason { object.add("reason", .string(reason)) }
    return object
  }
}

extension TuningReport {
  fileprivate func add(to summary: inout JSONObject) {
    guard let found else { return }
    summary.add("rounds", .integer(rounds))
    summary.add("reached", .boolean(found.isReached))
    var numbers = JSONObject()
    for parameter in found.parameters {
      numbers.add(parameter.statement, .number(parameter.value))
    }
    summary.add("parameters", .object(numbers))
    var all = JSONObject()
    for goal in found.goals {
      var one = JSONObject()
      one.add("wanted", .number(goal.wanted))
      one.add("value", .number(goal.value))
      all.add(goal.name, .object(one))
    }
    summary.add("goals", .object(all))
    summary.add("log_evidence", .number(found.logEvidence))
  }
}

extension DecodingReport {
  fileprivate func add(to summary: inout JSONObject, _ shortfall: Shortfall?, isStopped: Bool) {
    if let loops { summary.add("loops", .integer(loops)) }
    if let remaining { summary.add("remaining", .number(remaining)) }
    if readAlike > 0 { summary.add("read_alike", .integer(readAlike)) }
    if readOtherwise > 0 { summary.add("read_otherwise", .integer(readOtherwise)) }
    if unmet > 0 { summary.add("unmet", .integer(unmet)) }
    shortfall?.add(to: &summary)
    if let draft {
      summary.add("draft_proposed", .integer(draft.proposed))
      summary.add("draft_accepted", .integer(draft.accepted))
      summary.add("draft_rounds", .integer(draft.rounds))
    }
    if isHeuristic { summary.add("draws", .boolean(false)) }
    if isStopped { summary.add("stopped", .boolean(true)) }
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
