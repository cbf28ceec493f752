// Licensed under the Apache License, Version 2.0.

import Foundation
import Runs
import Sampling

extension RunReport {
  /// The first lines about one target or about all.
  func headlines(_ effort: Effort) -> [String] {
    let end = String(format: " in %.2f s", effort.seconds) + ", seed \(effort.seed)"
    switch figures {
    case .chains(let report):
      let chains = report.plan.lastChain - report.plan.firstChain + 1
      return [
        counted(chains, "chain") + (report.copies > 1 ? " of \(report.copies) copies" : "") + ", "
          + counted(effort.count, "step")
          + String(
            format: " in %.2f s (%.2f M/s)", effort.seconds,
            Double(effort.count) / effort.seconds / 1e6) + ", seed \(effort.seed)"
      ]
    case .annealing(let report):
      return [
        "\(counted(report.restarts, "restart")), \(counted(effort.count, "step"))" + end,
        "  these are the likeliest texts found; they are not draws from rho",
      ]
    case .rejection: return [counted(effort.count, "proposal") + end]
    case .importance: return [counted(effort.drawn.count, "text") + end]
    case .particles(let report):
      return [
        "\(counted(report.runs, "run")) of \(counted(report.particles, "particle")), "
          + counted(effort.count, "token") + end
      ]
    case .exact(let report):
      return [
        counted(effort.drawn.count, report.best == nil ? "exact draw" : "text") + " in "
          + String(format: "%.2f s, all in %.2f s", effort.drawn.seconds, effort.seconds)
          + ", seed \(effort.seed)"
      ]
        + (report.isUnique ? ["  each text is shown once, so these are not draws from rho"] : [])
        + (report.best == nil
          ? [] : ["  these are the most probable texts of all, not draws from rho"])
    case .tuning:
      return [String(format: "in %.2f s", effort.seconds) + ", seed \(effort.seed)"]
    case .decoding(let report):
      return [
        "\n\(counted(report.count, "text")), \(report.finished) of them finished, "
          + "\(counted(report.tokens, "token")) in " + String(format: "%.2f s", effort.seconds)
          + (hasSeed ? ", seed \(effort.seed)" : "")
      ]
    }
  }

  /// The figures of the target, as lines of text.
  var lines: [String] {
    var lines =
      switch figures {
      case .chains(let report): report.lines
      case .annealing(let report): report.lines
      case .rejection(let report): report.lines
      case .importance(let report): report.lines
      case .particles(let report): report.lines
      case .exact(let report): report.lines
      case .tuning(let report): report.lines
      case .decoding(let report): report.lines(shortfall)
      }
    lines += notes.map { "  " + $0 } + missing.map(\.line)
    return lines
  }

  /// The results that are no texts, as lines.
  var resultLines: [String] {
    switch figures {
    case .exact(let report): report.resultLines
    case .tuning(let report): report.found?.statements ?? []
    default: []
    }
  }
}

extension ChainReport {
  fileprivate var lines: [String] {
    var lines = isKnown ? known : []
    if choice.best != nil {
      lines.append("  these are the most probable texts seen, no draws from rho")
    } else if choice.isUnique {
      lines.append("  each text is shown once: these are no draws from rho")
    }
    return lines
  }

  private var known: [String] {
    let rates = moves.compactMap { move in
      move.acceptanceRate.map { "\(move.kind) \(percent($0))" }
    }
    // A run that was stopped in its warm-up has none.
    var lines = rates.isEmpty ? [] : ["  accepted: " + rates.joined(separator: ", ")]
    var haveMet = true
    // All draws meet the hard statements, which needs no line.
    for quantity in quantities where !hardStatements.contains(quantity.name) {
      guard let mean = quantity.estimate("mean").value else { continue }
      var line = "  \(quantity.name): mean \(QuantitySummary.short(mean))"
      if let error = quantity.estimate("mcse").value {
        line += " ± \(QuantitySummary.short(error))"
      }
      if let size = quantity.estimate("ess_bulk").value {
        line += ", effective draws \(QuantitySummary.whole(size))"
      }
      switch quantity.estimate("r_hat") {
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
          + (hasExactSums
            ? " or, where the texts fall into parts\n  that few edits join, draw by 'gensample exact'"
            : ""))
    }
    return lines + (ladders ?? []).map(\.line)
  }
}

extension LadderReport {
  fileprivate var line: String {
    func joined(_ format: String, _ numbers: [Double]) -> String {
      numbers.map { String(format: format, $0) }.joined(separator: " ")
    }
    return "  chain \(chain): powers " + joined("%.2f", powers) + "; exchanged "
      + joined("%.0f %%", exchangeRates.map { $0 * 100 })
      + "; \(counted(roundTrips, "round trip"))"
  }
}

extension AnnealingReport {
  fileprivate var lines: [String] {
    guard let best = logProbabilities.max(), let worst = logProbabilities.min(),
      let power = lastPowers.min()
    else { return [] }
    return [
      String(
        format: "  log_probability: best %.2f, worst restart %.2f; last power %.3g", best, worst,
        power)
    ]
  }
}

extension LookAheadReport {
  fileprivate var lines: [String] { notes.map { "  " + $0 } }
}

extension RejectionReport {
  fileprivate var lines: [String] { (kept?.lines ?? []) + (lookAhead?.lines ?? []) }
}

extension RejectionReport.Forecast {
  /// What to expect, for people who wait.
  func line(samples: Int, threads: Int) -> String {
    let seconds = secondsPerProposal * Double(samples) / acceptance / Double(threads)
    var line =
      "expected: \(percentOrPower(acceptance)) of the proposals are kept, "
      + "\(counted(samples, "result")) take about \(Self.wait(seconds))"
    if isEstimated {
      line += String(format: "; log M = %.2f is an estimate", logBound)
    }
    return line
  }

  private static func wait(_ seconds: Double) -> String {
    switch seconds {
    case ..<120: String(format: "%.1f s", seconds)
    case ..<7200: String(format: "%.0f minutes", seconds / 60)
    case ..<172_800: String(format: "%.0f hours", seconds / 3600)
    default:
      String(format: "%.3g days", seconds / 86_400)
        + "; --proposal guided, importance, smc or mh are faster"
    }
  }
}

extension RejectionReport.Kept {
  fileprivate var lines: [String] {
    guard let interval, let logs = logEvidenceInterval else { return ["  nothing was kept"] }
    func within(_ low: String, _ high: String) -> String { "(\(low) to \(high))" }
    let share = acceptance.value.map { percentOrPower($0) + " " } ?? ""
    var line =
      "  Z / M: " + share
      + within(percentOrPower(interval.lowerBound), percentOrPower(interval.upperBound))
    line += ", log evidence "
    if let error = relativeError.value, let logEvidence {
      return [line + String(format: "%.3f ± %.3f", logEvidence, error)]
    }
    // An estimate without an error would suggest more than is known.
    line += within(
      String(format: "%.3f", logs.lowerBound), String(format: "%.3f", logs.upperBound))
    return [line + (reason.map { ", no standard error: \($0)" } ?? "")]
  }
}

extension Estimate {
  /// An error behind its value, or why there is none.
  fileprivate var plusMinus: String {
    switch self {
    case .value(let error): String(format: " ± %.3f", error)
    case .undefined(let reason): ", no error: \(reason)"
    }
  }
}

extension WeightedChoice {
  fileprivate var lines: [String] {
    isWithoutReplacement ? ["  each text is shown once: these are no draws from rho"] : []
  }
}

/// That there is nothing to tell of some weights.
private func nothing(zeroCount: Int) -> String {
  zeroCount > 0 ? "  all weights are zero" : "  nothing was finished"
}

extension ImportanceReport {
  fileprivate var lines: [String] {
    guard let weights else { return [] }
    return [weights.line] + (lookAhead?.lines ?? []) + choice.lines
      + [upperBound?.line].compactMap { $0 }
  }
}

extension UpperBoundReport {
  fileprivate var line: String? {
    guard let value else { return nil }
    return "  upper bound in expectation, by \(counted(count, "exact draw")) led back: "
      + String(format: "%.3f", value)
      + (error.map { String(format: " ± %.3f", $0) } ?? ", no error: one draw has no spread")
  }
}

extension WeightReport {
  fileprivate var line: String {
    guard hasDraws else { return nothing(zeroCount: zeroCount) }
    var line = String(format: "  log evidence %.3f", logEvidence)
    line += logEvidenceError.plusMinus
    line += String(format: ", effective size %.0f of \(count)", effectiveSize)
    switch shape {
    case .value(let k):
      line += String(format: ", k %.2f", k)
      if k > 0.7 {
        line += " (above .7: too few texts carry the weight; take more --particles, smc or mh)"
      }
    case .undefined(let reason): line += ", no k: \(reason)"
    }
    let bounds = lowerBounds.map { String(format: "%.3f by groups of \($0.size)", $0.value) }
    return bounds.isEmpty
      ? line
      : line + "\n  lower bounds in expectation, means of logs: " + bounds.joined(separator: ", ")
  }
}

extension ParticleReport {
  fileprivate var lines: [String] {
    guard let weights, let evidence else { return [] }
    let hasDraws = weights.count > weights.zeroCount
    var lines = [
      hasDraws ? evidence.line(weights) : nothing(zeroCount: weights.zeroCount)
    ]
    lines += lookAhead?.lines ?? []
    if let note = evidence.note, hasDraws { lines.append("  " + note) }
    if let warning = evidence.warning, hasDraws {
      lines.append("  not to be trusted: \(warning)")
    }
    return lines + choice.lines
  }
}

extension EvidenceReport {
  fileprivate func line(_ weights: ParticleReport.ParticleWeights) -> String {
    var line = String(format: "  log evidence %.3f", logEvidence)
    line += error.plusMinus
    line += String(
      format: ", effective size %.0f of \(weights.count)", weights.effectiveSize)
    line +=
      ", \(counted(resamplings, "resampling")), "
      + "\(counted(fewestAncestors, "first particle")) left at least"
    if let sharedShape { line += String(format: ", k %.2f", sharedShape) }
    if let redrawn, redrawn.tried > 0 {
      line += String(
        format: ", %.0f %% of the tails drawn anew",
        100 * Double(redrawn.made) / Double(redrawn.tried))
    }
    return line
  }
}

extension ExactReport {
  fileprivate var lines: [String] {
    guard let sums else { return [] }
    var line = "  log evidence \(sums.logEvidence)"
    if sums.logEvidenceError > 0 {
      line += String(
        format: ", too low by at most %.1e because the longest texts are left out",
        sums.logEvidenceError)
    }
    if let texts = sums.texts { line += ", \(counted(texts, "text"))" }
    if let entropy = sums.entropy { line += String(format: ", entropy %.4f nats", entropy) }
    return [line]
      + (marginals.map { ["  expected length \($0.expectedLength) tokens"] } ?? [])
      + (comparison?.noteLines ?? [])
  }

  fileprivate var resultLines: [String] {
    (marginals?.lines ?? [])
      + probabilities.map { "probability of \($0.statement): \($0.probability)" }
      + (comparison?.resultLines ?? [])
  }
}

extension ExactReport.Marginals {
  fileprivate var lines: [String] {
    var lines: [String] = []
    for (number, place) in places.enumerated() {
      // Later places would be shown as 0.0 % only.
      guard place.probability >= 0.0005 || places.count <= number + 1 else {
        lines.append("place \(number + 1) and later ones are reached by less than 0.05 % of texts")
        break
      }
      lines.append(
        "place \(number + 1): "
          + place.tokens.map { $0.text + " " + percent($0.probability) }.joined(separator: ", "))
    }
    return lines
  }
}

extension ComparisonReport {
  fileprivate var noteLines: [String] {
    var notes = notes
    if leftOut > 0 {
      notes.append(
        counted(leftOut, "place") + " left out, whose likeliest token fewer than "
          + String(format: "%.0f", Self.fewestDraws) + " of the draws have, or all but so few")
    }
    if isStopped { notes.append("\(stoppedReason) after \(work) \(unit)") }
    return notes.map { "  \(sampler): \($0)" }
  }

  fileprivate var resultLines: [String] {
    ([evidence].compactMap { $0 } + lines).map { line in
      // Logs of evidences differ in their decimals.
      let digits = line.name == evidence?.name ? "%.3f" : "%.4g"
      let truth = "\(line.name): truth \(String(format: digits, line.truth)), \(sampler) "
      guard let mean = line.mean.value else { return truth + "none: \(line.mean.reason ?? "")" }
      guard let distance = line.distance, let error = line.error.value else {
        return truth + String(format: digits, mean) + ", no error: \(line.reason ?? "")"
      }
      return truth
        + String(format: digits + " ± %.2g: ", mean, error)
        + "\(standardErrors(distance)) standard errors"
    }
  }
}

extension DecodingReport {
  fileprivate func lines(_ shortfall: Shortfall?) -> [String] {
    var lines: [String] = []
    if let remaining {
      lines.append(
        remaining == 0
          ? "  these are all texts there are"
          : "  drawn without replacement; the other texts have "
            + "\(percent(remaining)) of the probability")
    }
    if readAlike > 0 {
      lines.append(
        "  \(counted(readAlike, "text")) read\(readAlike == 1 ? "s" : "") like another: "
          + "the tokens or the ends differ")
    }
    if readOtherwise > 0 {
      lines.append(
        "  \(counted(readOtherwise, "text")) would be read as other tokens than those drawn: "
          + "'score' and --prompt split the printed text differently")
    }
    if let shortfall { lines.append("  \(shortfall.line)") }
    if let draft, draft.rounds > 0 {
      lines.append(
        "  the draft proposed \(counted(draft.proposed, "token")), "
          + "\(percent(Double(draft.accepted) / Double(max(1, draft.proposed)))) "
          + "\(draft.proposed == 1 ? "was" : "were") accepted; the model checked "
          + counted(draft.rounds, "time"))
    }
    if isHeuristic {
      lines.append(
        "  under constraints each token is drawn among the allowed ones, so these are not draws "
          + "from rho; for such draws use 'mh'")
    }
    return lines
  }
}

extension TuningReport {
  fileprivate var lines: [String] {
    (found?.goals ?? []).map {
      "  \($0.name): \(String(format: "%.5g", $0.value)), goal \($0.wanted)"
    }
  }
}

extension Shortfall {
  var line: String { "\(found) of the \(asked) results asked for: \(reason)" }
}

extension MissingPart {
  var line: String { "  no \(field.replacing("_", with: " ")): \(reason)" }
}
