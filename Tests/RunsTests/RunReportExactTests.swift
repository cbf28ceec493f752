// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Runs
import Sampling
import Testing

/// Reports as JSON.
@Suite struct RunReportExactTests {
  private static func report() -> RunReport {
    var report = RunReport(
      command: "temper", model: "sea.gsm", checksums: [0xabc, 1], seed: .max, statements: [],
      chains: ChainReport(
        RunPlan(chains: 3, warmup: 7, thin: 5, extent: .draws(11), seed: .max), chains: 1...2,
        copies: 4, choice: ResultChoice(best: 2)))
    report.chains.moves = [MoveReport(kind: "swap", proposed: 2_000, accepted: 0)]
    // The first quantity has an infinite R-hat, the second none.
    report.chains.quantities = [[[0, 0, 0, 0], [1, 1, 1, 1]], [[1], [2]]].map {
      QuantitySummary("length", ChainTraces($0), chainNumbers: [1, 2], isWhole: true)
    }
    report.chains.ladders = [
      LadderReport(chain: 1, powers: [1, 0.5], exchangeRates: [0.25], roundTrips: 3)
    ]
    report.missing = [MissingPart("quantities", "none")]
    report.failure = RunError(.data, "it broke")
    report.problems = report.chains.problems
    return report
  }

  @Test func decodingGivesWhatWasEncoded() throws {
    let data = try RunReport.encoder.encode(Self.report())
    let read = try RunReport.decoder.decode(RunReport.self, from: data)
    #expect(try RunReport.encoder.encode(read) == data)
    #expect(read.seed == .max && read.modelChecksums == ["abc", "1"])
    #expect(read.chains.plan.samples == 11 && read.chains.plan.steps == nil)
    #expect(read.chains.plan.firstChain == 1 && read.chains.plan.lastChain == 2)
    #expect(read.failure?.kind == .data && read.failure?.message == "it broke")
    #expect(read.chains.quantities[0].estimate("r_hat") == .value(.infinity))
    #expect(read.chains.quantities[1].estimate("r_hat").reason != nil)
    // The problems are those of the figures that were read.
    #expect(read.chains.problems == read.problems && read.problems.count > 1)
    #expect(
      read.problems[0] == "moves: all 2000 proposals of 'swap' were rejected, so this kind of move "
        + "is useless here")
  }
}
