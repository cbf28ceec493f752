// Licensed under the Apache License, Version 2.0.

import Foundation
package import Sampling

/// The estimates for one traced quantity, for the summary of a run and for its diagnosis.
public struct QuantitySummary: Codable, Sendable {
  /// A larger R-hat means that the chains have not converged (Vehtari and others 2021, 4.1).
  package static let highestRHat = 1.01
  /// Estimates of errors need at least this effective sample size (same source).
  package static let leastDraws = 400.0
  /// Each chain is split into halves, which need two rows each.
  package static let fewestRows = 4
  /// One in a thousand converged quantities has a smaller p-value by chance.
  package static let leastPValue = 1e-3

  package let name: String
  package let chainNumbers: [Int]
  /// The fields in the order of the output.
  package let estimates: [NamedEstimate]
  package let homogeneity: TestEstimate?
  /// The chains that never moved while others did, and the value at which each is stuck.
  package let stuck: [StuckChain]
  private let hasNaN: Bool
  private let isConstant: Bool

  /// An estimate and the field that it has in JSON.
  package struct NamedEstimate: Codable, Sendable {
    package let field: String
    package let value: Estimate
  }

  /// A chain that never moved while others did, and the value at which it is stuck.
  package struct StuckChain: Codable, Sendable {
    package let chain: Int
    package let value: Double
  }

  /// - Parameters:
  ///   - name: the name of the quantity.
  ///   - traces: its rows.
  ///   - chainNumbers: the numbers of the chains in the plan.
  ///   - isWhole: whether to compute all fields, or only those of a run's summary.
  ///   - superchain: the number of neighbouring chains that share a start; `nil` if none do.
  package init(
    _ name: String, _ traces: ChainTraces, chainNumbers: [Int], isWhole: Bool,
    superchain: Int? = nil
  ) {
    self.name = name
    self.chainNumbers = chainNumbers
    hasNaN = traces.chains.contains { $0.contains(where: \.isNaN) }
    let first = traces.chains.first?.first
    isConstant = first != nil && traces.chains.allSatisfy { $0.allSatisfy { $0 == first } }
    let ((bulk, bulkSize), folded) = (traces.bulk, traces.foldedRHat)
    var estimates = [
      ("mean", traces.mean), ("mcse", traces.meanError), ("ess_bulk", bulkSize),
      ("ess_tail", traces.tailEffectiveSize), ("r_hat", ChainTraces.rHat(bulk, folded)),
    ]
    guard isWhole else {
      self.estimates = estimates.map { NamedEstimate(field: $0.0, value: $0.1) }
      homogeneity = nil
      stuck = []
      return
    }
    estimates += [
      ("sd", traces.deviation), ("sd_mcse", traces.deviationError),
      ("q5", traces.quantile(0.05)), ("q5_mcse", traces.error(ofQuantile: 0.05)),
      ("median", traces.quantile(0.5)), ("median_mcse", traces.medianError),
      ("q95", traces.quantile(0.95)), ("q95_mcse", traces.error(ofQuantile: 0.95)),
      ("autocorrelation_time", traces.autocorrelationTime), ("r_hat_bulk", bulk),
      ("r_hat_folded", folded),
    ]
    if let superchain {
      estimates.append(("r_hat_nested", traces.nestedRHat(superchainsOf: superchain)))
    }
    self.estimates = estimates.map { NamedEstimate(field: $0.0, value: $0.1) }
    homogeneity = traces.homogeneity()
    let constant = traces.chains.map { chain in
      chain.first.flatMap { first in chain.allSatisfy { $0 == first } ? first : nil }
    }
    let isMoving = constant.contains { $0 == nil }
    stuck =
      isMoving && traces.count > 1
      ? zip(chainNumbers, constant).compactMap { chain, value in
        value.map { StuckChain(chain: chain, value: $0) }
      } : []
  }

  /// The estimate of a field.
  package func estimate(_ field: String) -> Estimate {
    estimates.first { $0.field == field }?.value ?? .undefined("it was not computed")
  }

  /// The fields as JSON; undefined ones are `null`, and their reasons are listed.
  package var object: JSONObject {
    var one = JSONObject()
    var reasons: [String] = []
    for estimate in estimates {
      let field = estimate.field
      switch estimate.value {
      case .value(let value) where value.isFinite: one.add(field, .number(value))
      case .value:
        one.add(field, .null)
        reasons.append("\(field) is infinite: no chain moves, and the chains differ")
      case .undefined(let reason):
        one.add(field, .null)
        if !reasons.contains(reason) { reasons.append(reason) }
      }
    }
    switch homogeneity {
    case .result(let result):
      one.add("homogeneity_statistic", .number(result.statistic))
      one.add("homogeneity_degrees", .integer(result.degrees))
      one.add("homogeneity_p", .number(result.pValue))
    case .undefined(let reason):
      one.add("homogeneity_p", .null)
      if !reasons.contains(reason) { reasons.append(reason) }
    case nil: break
    }
    if !reasons.isEmpty { one.add("reason", .string(reasons.joined(separator: "; "))) }
    return one
  }

  /// The problems of the quantity, each a sentence that says what to do.
  package var problems: [String] {
    var problems = stuck.prefix(3).map {
      "\(name): chain \($0.chain) is stuck at \(Self.short($0.value)) while others move: do not "
        + "trust these figures; run longer (--warmup, --thin)"
    }
    if stuck.count > 3 {
      problems.append("\(name): \(stuck.count) chains are stuck in all")
    }
    var haveMet = false
    switch estimate("r_hat") {
    case .value(let value) where value > Self.highestRHat:
      problems.append(
        "\(name): R-hat is \(value.isFinite ? Self.rHat(value) : "infinite"), above "
          + "\(Self.highestRHat): "
          + (chainNumbers.count == 1
            ? "the two halves of the chain differ" : "the chains have not converged")
          + ", so do not trust the mean and its error; run longer (--warmup, --thin)")
    case .value: haveMet = true
    case .undefined(let reason):
      if let problem = problem(without: reason) { problems.append(problem) }
    }
    if let nested = estimate("r_hat_nested").value, nested > Self.highestRHat {
      problems.append(
        "\(name): nested R-hat is \(nested.isFinite ? Self.rHat(nested) : "infinite"), above "
          + "\(Self.highestRHat): the superchains have not forgotten their starts; run longer "
          + "(--warmup)")
    }
    let sizes = [("bulk", "ess_bulk"), ("tails", "ess_tail")].compactMap { part, field in
      estimate(field).value.flatMap {
        $0 < Self.leastDraws ? "\(Self.whole($0)) in the \(part)" : nil
      }
    }
    if !sizes.isEmpty {
      problems.append(
        "\(name): the effective sample size is \(sizes.joined(separator: " and ")), below "
          + "\(Self.whole(Self.leastDraws)): errors and R-hat are unreliable; run longer (--steps, "
          + "or --samples with --thin)"
      )
    }
    if haveMet, case .result(let test) = homogeneity, test.pValue < Self.leastPValue {
      problems.append(
        "\(name): the chains visit its values unequally (chi-square \(Self.short(test.statistic)) "
          + "at \(test.degrees) degrees of freedom, p = \(Self.short(test.pValue))) although R-hat "
          + "is low; run longer (--warmup, --thin)")
    }
    return problems
  }

  /// The problem behind a missing R-hat; `nil` if it is none.
  private func problem(without reason: String) -> String? {
    if hasNaN {
      return "\(name): a row has a value that is not a number, so nothing can be computed; check "
        + "the chain that produced it"
    }
    if isConstant || chainNumbers.count < 2 { return nil }
    return "\(name): no R-hat: \(reason); run longer, or trace more often (--trace-every)"
  }

  package static func rHat(_ value: Double) -> String { String(format: "%.3f", value) }

  package static func whole(_ value: Double) -> String { String(format: "%.0f", value) }

  /// A number with as many digits as its size calls for.
  package static func short(_ number: Double) -> String {
    let size = abs(number)
    if size != 0, size < 0.01 { return String(format: "%.2g", number) }
    return String(format: size < 1e6 ? "%.2f" : "%.3g", number)
  }
}
