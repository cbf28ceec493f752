// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
package import Sampling

/// A folder that keeps a whole run: `run.json`, `samples.jsonl`, a trace of each chain, the report,
/// and the checkpoint from which it goes on.
///
/// Each file appears whole under its name or not at all, so that a run that is killed at any moment
/// can be resumed. One program at a time works in a folder.
package final class RunFolder: Sendable {
  package let path: String
  private let descriptor: Int32

  /// Makes the folder, or takes an empty one.
  package init(_ path: String) throws(RunError) {
    self.path = path
    do {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch {
      var isFolder: ObjCBool = false
      let exists = unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
      throw RunError(
        .unwritable,
        exists && !isFolder.boolValue
          ? "'\(path)' is a file; --run needs a folder of its own"
          : "cannot make the folder '\(path)': \(systemErrorText())")
    }
    descriptor = try Self.lock(path)
    removeRemains()
    let entries = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    guard entries.isEmpty else {
      throw .usage(
        "'\(path)' is not empty; a run takes a folder of its own, so that nothing is overwritten"
          + (entries.contains("run.json") ? "; --resume goes on with the run in it" : ""))
    }
  }

  /// Takes the folder of a run that is to go on.
  package init(resuming path: String) throws(RunError) {
    self.path = path
    guard FileManager.default.fileExists(atPath: path) else {
      throw RunError(
        .unreadable, "there is no folder '\(path)' to resume; leave --resume out to begin a run")
    }
    descriptor = try Self.lock(path)
    removeRemains()
  }

  deinit { close(descriptor) }

  /// Two programs in one folder would overwrite each other's files.
  private static func lock(_ path: String) throws(RunError) -> Int32 {
    let descriptor = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw RunError(.unreadable, "cannot read the folder '\(path)': \(systemErrorText())")
    }
    // Some file systems know no locks; then there is none.
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK else {
      close(descriptor)
      throw RunError(
        .failed, "another program is at work in '\(path)'; wait for its end, or stop it")
    }
    return descriptor
  }

  /// What a killed run was writing when it was killed.
  private func removeRemains() {
    for name in (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    where name.wholeMatch(
      of: #/(run\.json|report\.json|samples\.jsonl|checkpoint|trace-\d+\.csv)\.partial-\d+/#) != nil
    {
      try? FileManager.default.removeItem(atPath: path + "/" + name)
    }
  }

  package func holds(_ name: String) -> Bool {
    FileManager.default.fileExists(atPath: path + "/" + name)
  }

  package func stream(_ name: String) throws(RunError) -> ResultStream {
    try ResultStream(path: path + "/" + name)
  }

  /// Writes what the run is, before it begins.
  package func write(_ description: RunDescription) throws(RunError) {
    let stream = try stream("run.json")
    try stream.writeLine(description.object.text)
    try stream.finish()
  }

  /// Writes the report of a run.
  ///
  /// `samples.jsonl` holds the texts that are too many for it.
  package func write(_ report: RunReport) throws(RunError) {
    var report = report
    report.texts = Array(report.texts.prefix(RunReport.mostKeptTexts))
    let data: Data
    do {
      data = try RunReport.encoder.encode(report)
    } catch {
      throw RunError(.failed, "the report of the run cannot be written as JSON: \(error)")
    }
    let stream = try stream("report.json")
    try stream.writeBytes(data)
    try stream.writeLine("")
    try stream.finish()
  }

  /// Writes the checkpoint in place of the last one.
  package func write(_ checkpoint: CheckpointFile) throws(RunError) {
    let stream = try stream("checkpoint")
    try stream.writeBytes(checkpoint.bytes)
    try stream.finish()
  }

  /// The last checkpoint; `nil` where none was written yet.
  ///
  /// - Throws: where it is damaged, or belongs to another run.
  package func checkpoint(of run: RunDescription) throws -> CheckpointFile? {
    let name = path + "/checkpoint"
    guard FileManager.default.fileExists(atPath: name) else { return nil }
    guard let bytes = FileManager.default.contents(atPath: name) else {
      throw LoadError(.cannotRead, path: name, "cannot be read")
    }
    let checkpoint = try CheckpointFile(Array(bytes), path: name)
    guard checkpoint.run == run.checksum else {
      throw LoadError(
        .badData, path: name,
        "belongs to another plan than \(path)/run.json, which was changed or exchanged; put the "
          + "file back that the run began with")
    }
    return checkpoint
  }

  /// What is said of a folder that lacks a file which its run writes at its end.
  package static func unfinished(_ path: String, missing: String) -> String {
    "'\(path)' holds no \(missing): its run is still going on, was killed before its end, or lost "
      + "the file; the command that began it goes on, or makes it anew, with --run \(path) --resume"
  }

  /// Writes the chains' traces in the layout of Stan's sample files.
  ///
  /// They go to the disk together: thousands would wait for it one after another.
  package func write(
    traces records: [ChainRecord<TokenSequence>], plan: RunPlan, model: String,
    quantities: [ChainResults.Quantity]
  ) throws(RunError) {
    var streams: [ResultStream] = []
    for record in records {
      let stream = try stream("trace-\(record.chain).csv")
      try write(trace: record, to: stream, plan: plan, model: model, quantities: quantities)
      streams.append(stream)
    }
    try ResultStream.name(streams)
  }

  private func write(
    trace record: ChainRecord<TokenSequence>, to stream: ResultStream, plan: RunPlan,
    model: String, quantities: [ChainResults.Quantity]
  ) throws(RunError) {
    try stream.writeLine(
      """
      # model = \(model)
      # method = sample
      #   sample
      #     num_samples = \(CheckedNumbers.product(record.trace.count, plan.traceInterval) ?? .max)
      #     num_warmup = \(plan.warmup)
      #     save_warmup = 0
      #     thin = \(plan.traceInterval)
      # id = \(record.chain)
      # random
      #   seed = \(plan.seed)
      """)
    for (i, quantity) in quantities.enumerated() where quantity.part != nil {
      try stream.writeLine("# \(Self.column(i)) = \(quantity.name)")
    }
    try stream.writeLine(
      quantities.indices.map { Self.column($0) }.joined(separator: ","))
    for row in record.trace {
      try stream.writeLine(row.map { "\($0)" }.joined(separator: ","))
    }
    try stream.close()
  }

  /// Statements hold commas and quotes, which headers cannot.
  private static func column(_ i: Int) -> String {
    switch i {
    case 0: "lp__"
    case 1: "length"
    default: "constraint_\(i - 1)"
    }
  }
}
