// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Runs
import Sampling

extension AuditReport {
  /// The report as one line of JSON.
  var object: JSONObject {
    func numbers(_ range: ClosedRange<Double>) -> JSONObject.Value {
      .numbers([range.lowerBound, range.upperBound])
    }
    var object = JSONObject()
    object.add("type", .string("audit"))
    object.add("model", .string(model))
    object.add("strategy", .string(strategy.rawValue))
    object.add("transforms", .strings(transforms))
    object.add("stops", .strings(stops))
    if !search.isEmpty { object.add("search", .strings(search)) }
    if isExact {
      object.add("never_ends", .number(neverEnds.lowerBound))
    } else {
      object.add("never_ends", .null)
    }
    object.add("exact", .boolean(isExact))
    if !isExact { object.add("interval", numbers(neverEnds)) }
    if let proof { object.add("proof", .string(proof)) }
    if let error { object.add("error", .number(error)) }
    object.add("expected_tokens", expected.map { .number($0) } ?? .null)
    object.add("expected_tokens_if_ending", expectedIfEnding.map { .number($0) } ?? .null)
    if let expectedAtLeast { object.add("expected_tokens_at_least", .number(expectedAtLeast)) }
    if let logExpectedAtLeast {
      object.add("log_expected_tokens_at_least", .number(logExpectedAtLeast))
    }
    object.add("max_tokens", .integer(maxTokens))
    if let shares {
      object.add(shares.areBounds ? "ended_at_least" : "ended_by_max_tokens", .number(shares.ended))
      if let stopped = shares.stopped { object.add("stopped_by_max_tokens", .number(stopped)) }
      object.add(shares.areBounds ? "cut_at_most" : "cut_at_max_tokens", .number(shares.cut))
    }
    if let runs { object.add("runs", .integer(runs.count)) }
    if let seed { object.add("seed", .unsigned(seed)) }
    if let contexts { object.add("contexts", .integer(contexts)) }
    if let transitions { object.add("transitions", .integer(transitions)) }
    object.add("loop_count", .integer(loopCount))
    object.add(
      "loops",
      .objects(
        loops.map { loop in
          var object = JSONObject()
          object.add("tokens", .integers(loop.tokens))
          object.add("text", .string(loop.text))
          object.add("witness", .string(loop.witness))
          object.add("probability", .number(loop.probability))
          object.add("contexts", .integer(loop.contexts))
          if let logLeaving = loop.logLeaving { object.add("log_leaving", .number(logLeaving)) }
          return object
        }))
    object.add(
      "cures",
      .objects(
        cures.map { cure in
          var object = JSONObject()
          object.add("option", .string(cure.option))
          if let value = cure.value { object.add("value", .number(value)) }
          object.add("says", .string(cure.says))
          return object
        }))
    if let prompts {
      var all = JSONObject()
      all.add("count", .integer(prompts.count))
      all.add(isComputed ? "may_loop" : "cut", .integer(prompts.looping))
      all.add(isComputed ? "mean_never_ends" : "mean_cut", .number(prompts.mean))
      object.add("prompts", .object(all))
    }
    if let repetition {
      object.add("repetition", numbers(repetition.range))
      object.add("repetition_trace", .number(repetition.trace))
      object.add(
        "inflow",
        .objects(
          inflow.map { one in
            var object = JSONObject()
            object.add("token", .string(one.token))
            object.add("mean_probability", .number(one.share))
            return object
          }))
    }
    return object
  }

  /// The report as a table for people.
  var table: String {
    var rows: [(String, String)] = []
    let names =
      search + transforms
      + (isConstrained ? ["constrained"] : []) + stops
    rows.append(
      ("decoder", ([strategy.rawValue] + names).joined(separator: ", ") + " of \(model)"))
    if let proof {
      rows.append(("never ends", "0, proven by \(proof)"))
    } else if isExact {
      rows.append(
        (
          "never ends",
          short(neverEnds.lowerBound)
            + (logExpectedAtLeast != nil
              ? " (exact), but texts hardly ever end in practice: see the loops"
              : error.map { " (exact, error below \(String(format: "%.0e", max($0, 1e-16))))" }
                ?? " (this text is finished)")
        ))
    } else {
      rows.append(
        (
          "never ends",
          "\(short(neverEnds.lowerBound)) to \(short(neverEnds.upperBound)) "
            + (isComputed
              ? "(a bound: "
                + (isHardlyLeft
                  ? "loops can be left, but hardly ever are)"
                  : isStopped
                    ? "the search was interrupted)" : "--max-transitions stopped the search)")
              : runs?.areDrawn == true
                ? "(99 % confidence)"
                : runs?.count == 1 ? "(the only text was cut)" : "(unknown)")
        ))
    }
    if let logExpectedAtLeast {
      rows.append(("expected tokens", "at least \(power(logExpectedAtLeast))"))
    } else if let expectedAtLeast {
      rows.append(
        (
          "expected tokens",
          "at least \(short(expectedAtLeast)): some loops hold texts too long for an exact solution"
        ))
    } else if let expected {
      rows.append(("expected tokens", short(expected)))
    } else if let expectedIfEnding {
      rows.append(
        ("expected tokens", "infinite; \(short(expectedIfEnding)) for the texts that end"))
    }
    rows.append(("texts", shares.map(told) ?? "no texts were drawn"))
    if let contexts, let transitions {
      rows.append(("contexts", "\(contexts), with \(counted(transitions, "transition"))"))
    }
    for (place, loop) in loops.enumerated() {
      rows.append(
        (
          place == 0 ? (loopCount > loops.count ? "loops (\(loopCount))" : "loops") : "",
          "\(short(loop.probability)) after \(JSONObject.quoted(loop.witness)): "
            + JSONObject.quoted(loop.text)
            + (loop.contexts > loop.tokens.count
              ? ", or another way around among \(loop.contexts) contexts" : "")
            + (loop.logLeaving.map { ", left with probability \(power($0)) per token" } ?? "")
        ))
    }
    if let prompts {
      rows.append(
        (
          "prompts",
          "\(prompts.looping) of \(prompts.count) \(isComputed ? "may loop" : "were cut"), "
            + "\(short(prompts.mean)) on average"
        ))
    }
    for (place, cure) in cures.enumerated() {
      rows.append(
        (
          place == 0 ? "cures" : "",
          "--\(cure.option)\(cure.value.map { " \(number($0))" } ?? ""): \(cure.says)"
        ))
    }
    if let repetition {
      let range = repetition.range
      let isOne = range.lowerBound == range.upperBound
      rows.append(
        (
          "repetition",
          isOne
            ? short(range.lowerBound) : "\(short(range.lowerBound)) to \(short(range.upperBound))"
        ))
      rows.append(
        (
          "inflow",
          inflow.map {
            "\(JSONObject.quoted($0.token)) \(short($0.share))"
          }.joined(separator: ", ")
        ))
    }
    let width = rows.map(\.0.count).max() ?? 0
    return rows.map { left, right in
      left.padding(toLength: width + 2, withPad: " ", startingAt: 0) + right
    }.joined(separator: "\n")
  }

  /// What happened to texts by --max-tokens, and how that is known.
  private func told(_ shares: Shares) -> String {
    let source = runs.map { runs in
      runs.areDrawn
        ? " (\(counted(runs.count, "run"))\(seed.map { ", seed \($0)" } ?? ""))" : " (one text)"
    }
    return "\(shares.areBounds ? "at least " : "")\(short(shares.ended)) end, "
      + (shares.stopped.map { "\(short($0)) are stopped in a loop, " } ?? "")
      + "\(shares.areBounds ? "at most " : "")\(short(shares.cut)) are cut at --max-tokens "
      + "\(maxTokens)" + (source ?? "")
  }

  /// A power of e, which may be too large or too small for a number.
  private func power(_ exponent: Double) -> String { "e^" + String(format: "%.6g", exponent) }

  private func number(_ value: Double) -> String {
    value == value.rounded() ? String(Int(value)) : String(format: "%.9g", value)
  }

  private func short(_ value: Double) -> String {
    value == .infinity
      ? "infinite" : value == 0 ? "0" : value == 1 ? "1" : String(format: "%.4g", value)
  }
}
