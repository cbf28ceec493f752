// Licensed under the Apache License, Version 2.0.

import Foundation
import Sampling
import Testing

/// Figures of ArviZ, of R's package posterior and of CmdStan for shared series.
@Suite struct ChainTracesGoldenTests {
  /// A series for which ArviZ 0.23.4 and this project give different answers on purpose.
  struct Difference: Sendable {
    var reason: String
    var keys: @Sendable (String) -> Bool
    var isRight: @Sendable (Estimate) -> Bool

    func check(_ found: Estimate) { #expect(isRight(found), "\(reason): \(found)") }
  }

  static let differences: [String: Difference] = [
    "constant_all": Difference(
      reason: "nothing is known of how a chain moves whose draws are all the same; ArviZ takes "
        + "them for independent and their errors for 0",
      keys: { _ in true }, isRight: { $0 == .undefined("all draws are the same") }),
    "constant_per_chain": Difference(
      reason: "chains that are constant at different values have an infinite R-hat; ArviZ's 3e16 "
        + "is the rounding of a variance that is 0",
      keys: { $0.hasPrefix("rhat") }, isRight: { $0 == .value(.infinity) }),
    "large_offset_1e8": Difference(
      reason: "ArviZ rounds the mean to the spacing of numbers near 1e8, which moves squared "
        + "distances from it; in rational numbers the effective size is 1260.7123572584596",
      keys: { $0 == "ess_sd" || $0 == "mcse_sd" },
      isRight: { found in
        found.value.map { abs($0 - 1260.7123572584596) < 1e-9 * 1260 || $0 < 1 } ?? false
      }),
    "tiny_scale_1e-12": Difference(
      reason: "ArviZ takes squared distances of 1e-24 for constant; they are those of ordinary "
        + "draws, and so is their effective size",
      keys: { $0 == "ess_sd" || $0 == "mcse_sd" },
      isRight: { found in found.value.map { $0 < 1200 } ?? false }),
  ]

  /// The names that ArviZ has for what a trace knows of itself.
  static func figures(_ traces: ChainTraces) -> [(String, Estimate)] {
    [
      ("rhat_rank", traces.rHat), ("rhat_split", traces.splitRHat),
      ("rhat_folded", traces.foldedRHat), ("rhat_z_scale", traces.bulkRHat),
      ("rhat_identity", traces.unsplitRHat), ("ess_bulk", traces.bulkEffectiveSize),
      ("ess_tail", traces.tailEffectiveSize), ("ess_mean", traces.meanEffectiveSize),
      ("ess_sd", traces.deviationEffectiveSize), ("ess_median", traces.medianEffectiveSize),
      ("ess_mad", traces.absoluteDeviationEffectiveSize),
      ("ess_z_scale", traces.bulkEffectiveSize), ("ess_folded", traces.foldedEffectiveSize),
      ("ess_identity", traces.unsplitEffectiveSize),
      ("ess_quantile_0.05", traces.effectiveSize(ofQuantile: 0.05)),
      ("ess_quantile_0.5", traces.effectiveSize(ofQuantile: 0.5)),
      ("ess_quantile_0.9", traces.effectiveSize(ofQuantile: 0.9)),
      ("ess_local_.4_.6", traces.effectiveSize(ofQuantiles: 0.4...0.6)),
      ("mcse_mean", traces.meanError), ("mcse_sd", traces.deviationError),
      ("mcse_median", traces.medianError), ("mcse_quantile_.9", traces.error(ofQuantile: 0.9)),
    ]
  }

  @Test(TestData.isNeeded) func agreesWithArviZ() throws {
    let folder = TestData.path("reference/diagnostics")
    let object = try JSONSerialization.jsonObject(
      with: Data(contentsOf: URL(fileURLWithPath: folder + "/expected.json")))
    let cases = try #require((object as? [String: Any])?["cases"] as? [String: [String: Any]])
    #expect(cases.count == 31)
    var compared = 0
    for (name, expected) in cases.sorted(by: { $0.key < $1.key }) {
      let table = try Table("\(folder)/\(name).csv")
      let traces = ChainTraces(table.columns)
      for (key, found) in Self.figures(traces) {
        guard let reference = (expected[key] as? NSNumber)?.doubleValue else {
          // No number there: NaN or an infinity, each a string.
          if expected[key] as? String == "inf" { #expect(found == .value(.infinity), "\(name)") }
          continue
        }
        if let difference = Self.differences[name], difference.keys(key) {
          difference.check(found)
          continue
        }
        compared += 1
        check(found, reference, "\(name) \(key)")
      }
      guard let first = expected["autocorr_chain0_lag0_20"] as? [Any] else { continue }
      for (lag, reference) in first.enumerated() {
        guard let reference = (reference as? NSNumber)?.doubleValue else { continue }
        // ArviZ goes by a transform, which leaves about 1e-16 of the variance: absolute here.
        let found = traces.autocorrelation(ofChain: 0, lag: lag)
        if name.hasPrefix("one_"), found.value == nil { continue }
        #expect(abs((found.value ?? .nan) - reference) < 1e-9, "\(name) lag \(lag)")
      }
    }
    // 22 figures of 28 series that have them all, and what the odd ones have.
    #expect(compared > 22 * 26)
  }

  /// The posterior package's figures for two chains of Stan's BUGS example "blocker".
  @Test(TestData.isNeeded) func agreesWithPosterior() throws {
    let folder = TestData.path("diagnostics/")
    let reference = try Table(folder + "arviz/reference_posterior_2024-12.csv")
    let chains = try [1, 2].map { try Table(folder + "stan/blocker.\($0).csv") }
    #expect(!reference.rowNames.isEmpty)
    for (row, name) in reference.rowNames.enumerated() {
      let traces = ChainTraces(try chains.map { try #require($0.column(name)) })
      for (key, found) in [
        ("rhat_rank", traces.rHat), ("rhat_raw", traces.unsplitRHat),
        ("ess_bulk", traces.bulkEffectiveSize), ("ess_tail", traces.tailEffectiveSize),
        ("ess_mean", traces.meanEffectiveSize), ("ess_sd", traces.deviationEffectiveSize),
        ("ess_median", traces.medianEffectiveSize), ("ess_raw", traces.unsplitEffectiveSize),
        ("ess_quantile01", traces.effectiveSize(ofQuantile: 0.01)),
        ("ess_quantile10", traces.effectiveSize(ofQuantile: 0.1)),
        ("ess_quantile30", traces.effectiveSize(ofQuantile: 0.3)),
        ("mcse_mean", traces.meanError), ("mcse_sd", traces.deviationError),
        ("mcse_median", traces.medianError), ("mcse_quantile01", traces.error(ofQuantile: 0.01)),
        ("mcse_quantile10", traces.error(ofQuantile: 0.1)),
        ("mcse_quantile30", traces.error(ofQuantile: 0.3)),
      ] {
        check(found, try #require(reference.column(key))[row], "\(name) \(key)")
      }
    }
  }

  /// What `stansummary` of CmdStan 2.35 prints for four chains, to the digits that it prints.
  @Test(TestData.isNeeded) func agreesWithStansummary() throws {
    let folder = TestData.path("diagnostics/stan/")
    let reference = try Table(folder + "cmdstan-2-35-0-stansummary.csv")
    let chains = try (1...4).map { try Table("\(folder)bern\($0).csv") }
    #expect(!reference.rowNames.isEmpty)
    for (row, name) in reference.rowNames.enumerated() {
      let traces = ChainTraces(try chains.map { try #require($0.column(name)) })
      for (key, found) in [
        ("Mean", traces.mean), ("StdDev", traces.deviation), ("N_Eff", traces.unsplitEffectiveSize),
        ("R_hat", traces.splitRHat),
      ] {
        let value = try #require(reference.column(key))[row]
        if !value.isFinite {
          // One value in all draws.
          #expect(found.value == nil, "\(name) \(key)")
        } else if name == "stepsize__", key == "R_hat" || key == "N_Eff" {
          // Each chain has a step size of its own. Stan's 7e12 is the rounding of a variance that
          // is 0 here, and moves the effective size by a thousandth.
          #expect(key == "N_Eff" || found == .value(.infinity))
        } else {
          check(found, value, "\(name) \(key)")
        }
      }
    }
  }

  private func check(_ found: Estimate, _ reference: Double, _ what: String) {
    guard let value = found.value else {
      Issue.record("\(what): \(found) but the reference has \(reference)")
      return
    }
    // The contract: 1e-9 relative.
    #expect(abs(value - reference) <= 1e-9 * abs(reference), "\(what): \(value), \(reference)")
  }
}

/// A file of numbers with a line of names, comments left out.
private struct Table {
  var names: [String] = []
  var rowNames: [String] = []
  var rows: [[Double]] = []

  init(_ path: String) throws {
    let text = try String(contentsOfFile: path, encoding: .utf8)
    for line in text.split(separator: "\n") where !line.hasPrefix("#") {
      let fields = line.split(separator: ",", omittingEmptySubsequences: false).map {
        $0.trimmingCharacters(in: ["\""])
      }
      if names.isEmpty {
        names = fields
      } else if Double(fields[0]) == nil {
        rowNames.append(fields[0])
        rows.append(fields.map { Double($0) ?? .nan })
      } else {
        rows.append(fields.map { Double($0) ?? .nan })
      }
    }
  }

  var columns: [[Double]] { names.indices.map { c in rows.map { $0[c] } } }

  func column(_ name: String) -> [Double]? {
    names.firstIndex(of: name).map { c in rows.map { $0[c] } }
  }
}
