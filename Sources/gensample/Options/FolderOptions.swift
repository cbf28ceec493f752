// Licensed under the Apache License, Version 2.0.

import Runs

/// Options of the folder that keeps a run.
enum FolderOptions {
  /// The options of samplers without chains.
  static let plain = [
    Option("run", "DIR", "keep plan, results and summary in a folder"),
    Option(flag: "resume", "make the run in --run DIR anew from its seed, if it was not finished"),
  ]

  /// The options of samplers that run chains.
  static let chains = [
    Option("run", "DIR", "keep plan, results and traces in a folder"),
    Option(flag: "resume", "go on with the run in --run DIR as if it had never been stopped"),
    Option("checkpoint-every", "SECONDS", "how often a run is kept, to be resumed (default 5)"),
  ]

  /// The time between two checkpoints.
  static func interval(_ arguments: Arguments) throws(CommandFailure) -> Duration {
    let seconds = try arguments.number(
      "checkpoint-every", in: 0...1e9, expected: "seconds such as 5")
    guard seconds == nil || arguments.has("run") else {
      throw .usage(
        "--checkpoint-every keeps a run to be resumed, in a folder; give --run DIR with it")
    }
    return .seconds(seconds ?? 5)
  }
}
