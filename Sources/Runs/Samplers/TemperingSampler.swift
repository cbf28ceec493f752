// Licensed under the Apache License, Version 2.0.

import LM
import Sampling
import Synchronization

/// `temper`: chains at several temperatures that exchange their texts.
package struct TemperingSampler: ChainSampler {
  package static let name = "temper"

  package var options: ChainOptions
  package var tempering: Tempering

  package init(_ options: ChainOptions, _ tempering: Tempering = Tempering()) {
    self.options = options
    self.tempering = tempering
  }

  package var copies: Int { tempering.replicas }

  package func runChains(_ work: ChainWork, folder: KeptRun?) throws -> ChainsDone {
    try run(work, work.target.model.chainModel, folder)
  }

  @specialized(where Model == NGramModel)
  private func run<Model: ChainModel>(
    _ work: ChainWork, _ model: Model, _ folder: KeptRun?
  ) throws -> ChainsDone {
    let kinds = StandardMoves(
      for: work.target.sentences(of: model), left: work.target.leftTokens(of: model),
      weights: model.unigramWeights
    ).kinds
    let checkpoints = try work.checkpoints(folder, kinds: kinds.count)
    let reports = Mutex<[Int: TemperedReport]>([:])
    let (records, failure) = try work.keepingOthers(kinds: kinds.count) {
      try concurrently(
        work.chains.count, threads: work.threads, stoppingBy: { work.monitor.stop() }
      ) { i in
        let number = work.chains.lowerBound + i
        var chain = try TemperedChain(
          number, tempering, work, model, from: checkpoints?.checkpoint(ofChain: number))
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
