// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Runs
import Sampling
import Synchronization

enum Temper: Command {
  static let name = "temper"
  static let summary = "replica exchange: chains at several temperatures that swap their texts"
  static let usage = "[--constraints FILE] [options]"
  static let discussion = """
    Draws texts from rho, as mh does, for targets whose likely texts are far apart, for example with
    a fluency above 1. Each chain has --replicas copies. The first samples rho, the others sample
    rho^b with b down to --hottest. Neighbours exchange their texts every --every steps. During the
    first half of the warm-up, the powers b are adjusted until all neighbours exchange about equally
    often. The summary shows the powers, the exchange rate of each pair, and how often a text went
    to the hottest copy and back. Hard constraints hold in every copy. --steps, --thin and --warmup
    count the steps of one copy, in multiples of --every.

        gensample temper --constraints examples/constraints/sea.txt --hottest 0.4
    """
  static let options =
    ChainCommand.options + [
      Option("replicas", "N", "copies of each chain (default \(Tempering().replicas))"),
      Option(
        "hottest", "B",
        "the lowest power of rho, above 0 and at most 1 (default \(Tempering().hottest))"),
      Option(
        "every", "STEPS", "steps of each copy between exchanges (default \(Tempering().every))"),
    ]

  static func run(_ arguments: Arguments) throws {
    var tempering = Tempering()
    let command = try ChainCommand(
      Self.self, arguments,
      further: { arguments, _ in
        tempering = try Tempering(arguments)
        return []
      })
    let words = command.makeWords()
    try command.run(copies: tempering.replicas) { [tempering] work, makeCheckpoints in
      let kinds = NGramMoves(for: work.target.target, left: words).kinds
      let checkpoints = try makeCheckpoints(kinds.count)
      let reports = Mutex<[Int: TemperedChain.Report]>([:])
      let (records, failure) = try keepingOthers(work, kinds: kinds.count) {
        try concurrently(
          work.chains.count, threads: work.threads, stoppingBy: { work.monitor.stop() }
        ) { i in
          let number = work.chains.lowerBound + i
          var chain = try TemperedChain(
            number, tempering, work, words: words, from: checkpoints?.checkpoint(ofChain: number))
          chain?.run(leaving: checkpoints)
          let report = chain?.report
          reports.withLock { $0[number] = report }
          // A chain that was stopped before it began has an empty record, as everywhere.
          return report?.record ?? ChainResults.Record(chain: number, kinds: kinds.count)
        }
      }
      let begun = reports.withLock { $0.sorted { $0.key < $1.key }.map(\.value) }
      return ChainsDone(
        records: records, kinds: kinds, checkpoints: checkpoints, failure: failure,
        ladders: begun.map(\.ladder))
    }
  }
}
