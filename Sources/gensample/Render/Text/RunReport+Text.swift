// Licensed under the Apache License, Version 2.0.

import Foundation
import Runs
import Sampling

extension RunReport {
  /// The figures of the target, as lines of text.
  var lines: [String] {
    var lines = chains.isKnown ? chains.lines : []
    if chains.choice.best != nil {
      lines.append("  these are the most probable texts seen, no draws from rho")
    } else if chains.choice.isUnique {
      lines.append("  each text is shown once: these are no draws from rho")
    }
    return lines + notes.map { "  " + $0 } + missing.map(\.line)
  }
}

extension ChainReport {
  fileprivate var lines: [String] {
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

extension Shortfall {
  var line: String { "\(found) of the \(asked) results asked for: \(reason)" }
}

extension MissingPart {
  var line: String { "  no \(field.replacing("_", with: " ")): \(reason)" }
}
