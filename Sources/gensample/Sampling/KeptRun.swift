// Licensed under the Apache License, Version 2.0.

import LM
import Runs
import Sampling

/// The folder of a sampler without chains.
///
/// It holds what was asked, the results and the summary. A run that was not finished is made anew
/// from its seed, which gives the same.
final class KeptRun {
  static let options = [
    Option("run", "DIR", "keep plan, results and summary in a folder"),
    Option(flag: "resume", "make the run in --run DIR anew from its seed, if it was not finished"),
  ]

  /// Those that the run was begun with.
  let arguments: Arguments
  private let path: String?
  private let resumed: ResumedRun?
  private var folder: RunFolder?
  private var description: RunDescription?
  private var samples: ResultStream?

  /// What the options say of a folder.
  ///
  /// - Throws: where there is nothing to go on with, or nothing left to do.
  init(_ command: any Command.Type, _ given: Arguments) throws {
    resumed = try ResumedRun(command, given)
    arguments = resumed?.arguments ?? given
    path = arguments.text("run")
    guard path == nil || !arguments.has("each") else {
      throw CommandFailure.usage("--run keeps one target; give --each or --run")
    }
  }

  /// The statements that it was begun with, whatever their files hold by now.
  var constraints: [Constraint]? { resumed?.constraints }

  /// Whether there is a folder.
  var isKept: Bool { path != nil }

  /// Writes the plan, once it is known to be sound.
  func begin(
    _ command: String, model: String, checksum: UInt64, constraints: [Constraint], seed: UInt64
  ) throws {
    guard let path else { return }
    let description = RunDescription(
      command: command, model: model, checksums: [checksum], constraints: constraints,
      options: ResumedRun.words(arguments, seed: seed, hasChains: false), seed: seed)
    self.description = description
    if let resumed {
      try resumed.check(description, [])
      report("gensample: the run in '\(path)' is made anew, from its seed")
      folder = resumed.folder
    } else {
      folder = try RunFolder(path)
      try folder?.write(description)
    }
    samples = try folder?.stream("samples.jsonl")
  }

  /// Keeps a result.
  func write(_ object: JSONObject) throws(CommandFailure) { try samples?.writeLine(object.text) }

  /// Keeps the summary, and gives the results their name.
  func finish(_ summary: JSONObject, isStopped: Bool) throws(CommandFailure) {
    guard let samples, let folder, let description else { return }
    try samples.writeLine(summary.text)
    try samples.finish()
    if !isStopped {
      // Last: who reads that a run is finished finds all of it.
      try folder.write(CheckpointFile(run: description.checksum, isFinished: true))
    }
  }
}
