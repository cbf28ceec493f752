// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Runs
import Sampling

/// A run that goes on: its folder, what it is, how far it is, and the arguments that it began with.
struct ResumedRun {
  let folder: RunFolder
  let description: RunDescription
  let checkpoint: CheckpointFile
  /// As the run was begun, but for what is said of output now.
  let arguments: Arguments
  /// The statements that it began with, whatever their files hold by now.
  let constraints: [Constraint]

  /// Options that decide nothing of what is kept.
  private static func free(hasChains: Bool) -> Set<String> {
    let all: Set = ["output", "format", "quiet", "progress", "threads", "run", "resume"]
    // Chains keep what they draw; which of it is printed is said anew.
    return hasChains ? all.union(["best", "unique", "checkpoint-every"]) : all
  }

  /// Options that `run.json` keeps in fields of their own.
  private static let kept: Set<String> = ["model", "chain-range", "seed"]

  /// Options that say which texts are wanted; `run.json` keeps the statements that they make.
  private static let statements = Set(TargetOptions.all.map(\.name)).subtracting(
    kept.union([ModelOptions.tokens.name]))

  /// The words that begin a run again, but for its model, its statements and its chains.
  static func words(_ arguments: Arguments, seed: UInt64, hasChains: Bool = true) -> [String] {
    let free = free(hasChains: hasChains)
    return arguments.ordered.filter {
      !free.contains($0.name) && !kept.contains($0.name) && !statements.contains($0.name)
    }.map(arguments.word) + ["--seed=\(seed)"]
  }

  /// Takes a run up again; `nil` where the arguments do not ask for that.
  ///
  /// - Throws: where there is nothing to resume, or what is there was begun by other words, by
  ///   another version, or is finished.
  init?(_ command: any Command.Type, _ arguments: Arguments) throws {
    guard arguments.has("resume") else { return nil }
    guard let path = arguments.text("run") else {
      throw CommandFailure.usage("--resume needs --run DIR, the folder of the run that goes on")
    }
    let folder = try RunFolder(resuming: path)
    let description = try RunDescription(folder: path)
    guard description.version == programVersion else {
      throw CommandFailure(
        .data,
        "the run in '\(path)' was begun by version \(description.version), and this is "
          + "\(programVersion); go on with the version that began it")
    }
    guard description.command == command.name else {
      throw CommandFailure.usage(
        "the run in '\(path)' is one of '\(description.command)'; go on with gensample "
          + "\(description.command) --run \(path) --resume")
    }
    constraints = try ConstraintFile.parse(
      description.constraints.joined(separator: "\n"), path: path + "/run.json")
    let free = Self.free(hasChains: description.chains != nil)
    try Self.compare(arguments, with: description, path: path, free: free)
    var checkpoint = try folder.checkpoint(of: description)
    if checkpoint?.isFinished == true {
      let files = ["samples.jsonl"] + description.chainNumbers.map { "trace-\($0).csv" }
      guard let lost = files.first(where: { !folder.holds($0) }) else {
        throw NothingToDo(message: "the run in '\(path)' is finished; it is left as it is")
      }
      report("gensample: '\(path)' has lost its \(lost); the run is made anew, from its seed")
      checkpoint = nil
    }
    var words = description.options
    let model = arguments.text("model") ?? description.model
    words.append("--model=\(model)")
    if let range = Self.range(description) { words.append("--chain-range=\(range)") }
    words += arguments.ordered.filter { free.contains($0.name) }.map(arguments.word)
    self.folder = folder
    self.description = description
    self.checkpoint = checkpoint ?? CheckpointFile(run: description.checksum)
    self.arguments = try Arguments(words, options: command.options, command: command.name)
  }

  /// A run's chains, as the option has them.
  private static func range(_ run: RunDescription) -> String? {
    run.chains.map { "\($0.chain_range[0])..\($0.chain_range[1])" }
  }

  /// Refuses options that are not those that the run began with.
  private static func compare(
    _ arguments: Arguments, with run: RunDescription, path: String, free: Set<String>
  ) throws {
    func refuse(_ option: (name: String, value: String), _ begun: String) -> CommandFailure {
      .usage(
        "--\(option.name)\(option.value.isEmpty ? "" : " " + option.value): the run in '\(path)' "
          + "was begun \(begun), and goes on as it was begun; leave the option out, or begin "
          + "another run")
    }
    for option in arguments.ordered where !free.contains(option.name) && option.name != "model" {
      if statements.contains(option.name) { continue }
      if option.name == "chain-range", let range = range(run) {
        guard option.value == range else { throw refuse(option, "with \(range)") }
        continue
      }
      guard run.options.contains(arguments.word(option)) else {
        let begun = run.options.first { $0.hasPrefix("--\(option.name)=") }
        throw refuse(
          option, begun.map { "with \($0.dropFirst(option.name.count + 3))" } ?? "without it")
      }
    }
    guard arguments.ordered.contains(where: { statements.contains($0.name) }) else { return }
    guard try TargetOptions.constraints(arguments).map(\.text) == run.constraints else {
      throw CommandFailure.usage(
        "the statements about texts are not those that the run in '\(path)' was begun with; it "
          + "goes on with its own: leave them out, or begin another run")
    }
  }
}
