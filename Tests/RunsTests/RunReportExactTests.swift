// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Runs
import Sampling
import Testing

/// Reports as JSON.
@Suite struct RunReportExactTests {
  private static func report() -> RunReport {
    var chains = ChainReport(
      RunPlan(chains: 3, warmup: 7, thin: 5, extent: .draws(11), seed: .max), chains: 1...2,
      copies: 4, choice: ResultChoice(best: 2))
    chains.moves = [MoveReport(kind: "swap", proposed: 2_000, accepted: 0)]
    // The first quantity has an infinite R-hat, the second none.
    chains.quantities = [[[0, 0, 0, 0], [1, 1, 1, 1]], [[1], [2]]].map {
      QuantitySummary("length", ChainTraces($0), chainNumbers: [1, 2], isWhole: true)
    }
    chains.ladders = [
      LadderReport(chain: 1, powers: [1, 0.5], exchangeRates: [0.25], roundTrips: 3)
    ]
    var report = RunReport(
      command: "temper", model: "sea.gsm", checksums: [0xabc, 1], seed: .max, statements: [],
      figures: .chains(chains))
    report.missing = [MissingPart("quantities", "none")]
    report.failure = RunError(.data, "it broke")
    report.findProblems()
    return report
  }

  @Test func decodingGivesWhatWasEncoded() throws {
    let data = try RunReport.encoder.encode(Self.report())
    let read = try RunReport.decoder.decode(RunReport.self, from: data)
    #expect(try RunReport.encoder.encode(read) == data)
    #expect(read.seed == .max && read.modelChecksums == ["abc", "1"])
    let chains = try #require(read.chains)
    #expect(chains.plan.samples == 11 && chains.plan.steps == nil)
    #expect(chains.plan.firstChain == 1 && chains.plan.lastChain == 2)
    #expect(read.failure?.kind == .data && read.failure?.message == "it broke")
    #expect(chains.quantities[0].estimate("r_hat") == .value(.infinity))
    #expect(chains.quantities[1].estimate("r_hat").reason != nil)
    // The problems are those of the figures that were read.
    #expect(chains.problems == read.problems && read.problems.count > 1)
    #expect(
      read.problems[0] == "moves: all 2000 proposals of 'swap' were rejected, so this kind of move "
        + "is useless here")
  }
}
