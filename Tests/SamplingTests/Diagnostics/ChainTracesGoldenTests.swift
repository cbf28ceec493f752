// Licensed under the Apache License, Version 2.0.

import Foundation
import Sampling
import Testing

/// Figures of ArviZ 0.23.4 for series of the shared test data.
///
/// Set GENSAMPLE_TEST_DATA to run these; they are skipped without it.
@Suite(.enabled(if: ProcessInfo.processInfo.environment["GENSAMPLE_TEST_DATA"] != nil))
struct ChainTracesGoldenTests {
  /// Where ArviZ gives no number, a number of another meaning, or one from no variation:
  /// constant chains (R-hat is infinite or has a reason here), and draws that are not finite.
  static let differences: Set<String> = [
    "constant_all", "constant_per_chain", "one_nan", "one_inf",
  ]

  @Test func agreesWithArviZ() throws {
    let root = URL(
      fileURLWithPath: ProcessInfo.processInfo.environment["GENSAMPLE_TEST_DATA"] ?? "")
    let folder = root.appending(path: "reference/diagnostics")
    let object = try JSONSerialization.jsonObject(
      with: Data(contentsOf: folder.appending(path: "expected.json")))
    let cases = try #require((object as? [String: Any])?["cases"] as? [String: [String: Any]])
    #expect(cases.count == 31)
    for (name, expected) in cases.sorted(by: { $0.key < $1.key })
    where !Self.differences.contains(name) {
      let text = try String(
        contentsOf: folder.appending(path: "\(name).csv"), encoding: .utf8)
      let rows = text.split(separator: "\n").dropFirst().map { line in
        line.split(separator: ",").map { Double($0) ?? .nan }
      }
      let traces = ChainTraces((rows.first ?? []).indices.map { c in rows.map { $0[c] } })
      for (key, found) in [
        ("rhat_rank", traces.rHat), ("ess_bulk", traces.bulkEffectiveSize),
        ("ess_tail", traces.tailEffectiveSize), ("ess_mean", traces.meanEffectiveSize),
        ("mcse_mean", traces.meanError),
      ] {
        guard let reference = (expected[key] as? NSNumber)?.doubleValue, reference.isFinite else {
          continue
        }
        guard let value = found.value else {
          Issue.record("\(name) \(key): \(found) but ArviZ has \(reference)")
          continue
        }
        // The contract: 1e-9 relative.
        #expect(abs(value - reference) <= 1e-9 * abs(reference), "\(name) \(key)")
      }
    }
  }
}

@Suite struct ChainTracesExactTests {
  @Test func constantChainsThatDifferHaveAnInfiniteRHat() {
    let traces = ChainTraces([[1, 1, 1, 1, 1, 1], [2, 2, 2, 2, 2, 2]])
    #expect(traces.rHat == .value(.infinity))
    let constant = ChainTraces([[1, 1, 1, 1], [1, 1, 1, 1]])
    #expect(constant.rHat == .undefined("all draws are the same"))
    #expect(ChainTraces([[1, 2, 3, 4]]).rHat.value == nil)
    #expect(ChainTraces([[1, 2], [2, 1]]).bulkEffectiveSize.value == nil)
    let broken = ChainTraces([[1, 2, .nan, 3], [1, 2, 3, 4]])
    #expect(broken.mean == .undefined("a draw is not finite"))
  }

  /// R's qnorm to all its digits; one ulp at 2 is 4e-16.
  @Test(arguments: [
    (0.975, 1.959963984540054), (0.5, 0), (1e-10, -6.361340902404056), (0.9, 1.2815515655446004),
  ])
  func quantiles(p: Double, x: Double) {
    #expect(abs(normalQuantile(p) - x) <= 4e-15)
  }
}
