// Licensed under the Apache License, Version 2.0.

import LM
package import Sampling

/// A run that a folder keeps: what it is, its results, and where its chains left off.
///
/// A sampler without chains that was not finished is made anew from its seed, which gives the same.
package final class KeptRun {
  package let folder: RunFolder
  package let description: RunDescription
  /// How far the run was before this command; `nil` for a new one.
  package let earlier: CheckpointFile?
  private let interval: Duration
  private let samples: ResultStream

  /// Begins a run in a new folder.
  package init(beginning path: String, _ description: RunDescription, every interval: Duration)
    throws
  {
    folder = try RunFolder(path)
    self.description = description
    self.interval = interval
    earlier = nil
    try folder.write(description)
    samples = try folder.stream("samples.jsonl")
  }

  /// Goes on with a run, which is what its folder says.
  ///
  /// - Throws: how the run that would begin now differs.
  package init(
    resuming begun: RunDescription, in folder: RunFolder, from checkpoint: CheckpointFile,
    as description: RunDescription, further: [FurtherModel], every interval: Duration
  ) throws {
    try Self.check(description, against: begun, path: folder.path, further)
    self.folder = folder
    self.description = description
    self.interval = interval
    earlier = checkpoint
    samples = try folder.stream("samples.jsonl")
  }

  /// Checks that what would begin now is what was begun.
  private static func check(
    _ run: RunDescription, against begun: RunDescription, path: String, _ further: [FurtherModel]
  ) throws(RunError) {
    let (mine, theirs) = (run.checksums, begun.checksums)
    for (i, checksum) in mine.enumerated() where i >= theirs.count || theirs[i] != checksum {
      let other = i > 0 ? further[i - 1] : nil
      throw RunError(
        .data,
        "'\(other?.name ?? run.model)' is another model than that of the run in '\(path)': its "
          + "checksum is \(checksum), and the run has \(i < theirs.count ? theirs[i] : "none"); "
          + (other.map { "put the file of --\($0.option) back that it was begun with" }
            ?? "give the model that it was begun with by --model"))
    }
    if let difference = begun.difference(from: run) {
      throw RunError(
        .data,
        "'\(path)/run.json' was changed: \(difference); put the file back that the run began with")
    }
  }

  /// The seconds that the run took before this command.
  package var earlierSeconds: Double { earlier?.seconds ?? 0 }

  /// The steps that its chains took before this command; `nil` if they cannot be counted.
  package var earlierSteps: Int? {
    CheckedNumbers.sum(of: (earlier?.chains ?? []).map(\.record.steps))
  }

  /// Where chains leave their checkpoints.
  ///
  /// - Parameters:
  ///   - range: the chains that run here.
  ///   - vocabulary: the number of the model's tokens.
  ///   - columns: the number of traced quantities.
  ///   - kinds: the number of kinds of move.
  /// - Returns: a store that holds the checkpoints of chains that have begun.
  /// - Throws: if these are of another run, or the folder takes no checkpoint.
  package func makeCheckpoints(
    _ range: ClosedRange<Int>, vocabulary: Int, columns: Int, kinds: Int
  ) throws -> ChainCheckpoints<TokenSequence> {
    let began = ContinuousClock.now
    let (folder, checksum, earlierSeconds) = (folder, description.checksum, earlierSeconds)
    let checkpoints = ChainCheckpoints(
      resumed: try begunChains(range, vocabulary: vocabulary, columns: columns, kinds: kinds),
      every: interval
    ) { chains in
      try folder.write(
        CheckpointFile(
          run: checksum, seconds: earlierSeconds + began.duration(to: .now) / .seconds(1),
          chains: chains))
    }
    // A folder that takes no checkpoint is better known before hours of work than after.
    try checkpoints.saveAll()
    return checkpoints
  }

  private func begunChains(
    _ range: ClosedRange<Int>, vocabulary: Int, columns: Int, kinds: Int
  ) throws(LoadError) -> [ChainCheckpoint<TokenSequence>] {
    guard let earlier else { return [] }
    func isSound(_ chain: ChainCheckpoint<TokenSequence>) -> Bool {
      let record = chain.record
      // No chain takes more steps than its plan, nor accepts more than it proposes.
      guard let plan = description.plan, range.contains(record.chain),
        let most = plan.totalSteps(of: record.chain...record.chain), record.steps <= most,
        record.proposed.allSatisfy({ $0 <= most }),
        zip(record.proposed, record.accepted).allSatisfy({ $1 <= $0 })
      else { return false }
      return record.proposed.count == kinds
        && record.accepted.count == kinds && record.trace.allSatisfy { $0.count == columns }
        && (chain.state + record.draws.flatMap(\.state)).allSatisfy { $0.index < vocabulary }
    }
    guard earlier.chains.allSatisfy(isSound) else {
      throw LoadError(
        .badData, path: folder.path + "/checkpoint",
        "does not fit the run; begin it anew, in another folder")
    }
    return earlier.chains
  }

  /// Keeps a result.
  package func write(_ object: JSONObject) throws(RunError) {
    try samples.writeLine(object.text)
  }

  /// Keeps the report and the summary, and says whether there is nothing left to do.
  package func finish(_ report: RunReport, summary: JSONObject, isFinished: Bool) throws(RunError) {
    try folder.write(report)
    try samples.writeLine(summary.text)
    try samples.finish()
    // Last, so that whoever reads that a run is finished finds all of it.
    if isFinished {
      try folder.write(CheckpointFile(run: description.checksum, isFinished: true))
    }
  }
}
