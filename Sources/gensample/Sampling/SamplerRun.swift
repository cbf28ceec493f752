// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Runs
import Sampling

/// How much was done for one target, or for all.
struct Effort {
  /// What progress counts.
  var count: Int
  var seconds: Double
  var seed: UInt64
  /// How many texts were drawn, and the seconds that they took, where that is told.
  var drawn = (count: 0, seconds: 0.0)
}

/// What all commands that sample from a target share: the model, its targets one after another,
/// where results go, progress, and how it ends.
final class SamplerRun {
  let command: String
  let arguments: Arguments
  let constraints: [Constraint]
  let modelName: String
  let loaded: LoadedModel
  let model: NGramModel
  let seed: UInt64
  let threads: Int
  let monitor = RunMonitor()
  let stream: ResultStream
  let format: OutputFormat
  let isQuiet: Bool
  /// Whether there are many targets, one a line of a file.
  let hasSets: Bool
  /// The only target, where there is one.
  let single: CompiledTarget?
  private let sets: [(line: Int?, constraint: Constraint?)]
  private let refusingDivergence: Bool
  /// Looks into the sum of targets that must have one; `nil` where that is known.
  private let limitedSum: LimitedSum?
  private let kept: KeptRun?
  private let setUp: SetUp
  private let progressMode: ProgressMode
  /// What the run took before this command, where it was resumed.
  var earlierSeconds = 0.0
  private var failedTargets = 0

  /// Reads what the options say, and compiles the target if there is one only.
  init(
    _ command: any Command.Type, _ arguments: Arguments, seed: UInt64, threads: Int,
    constraints: [Constraint]? = nil, refusingDivergence: Bool = true, kept: KeptRun? = nil
  ) throws {
    self.command = command.name
    self.kept = kept
    self.arguments = arguments
    self.seed = seed
    self.threads = threads
    self.refusingDivergence = refusingDivergence
    if let extra = arguments.positional.first {
      throw CommandFailure.usage(
        "\(command.name) takes only options, got '\(extra)'; to name a constraint file, use "
          + "--constraints '\(extra)'")
    }
    format = try OutputOptions.format(arguments)
    isQuiet = arguments.has("quiet")
    progressMode =
      isQuiet ? .never : try arguments.choice("progress", as: ProgressMode.self) ?? .auto
    self.constraints =
      try constraints ?? kept?.constraints ?? TargetOptions.constraints(arguments)
    let sets = try arguments.text("each").map(TargetOptions.keywordSets)
    hasSets = sets != nil
    self.sets = sets?.map { ($0.line, $0.constraint) } ?? [(nil, nil)]
    modelName = arguments.text("model") ?? BuiltInModel.english.rawValue
    setUp = SetUp(progressMode, "reading the model")
    loaded = try openModel(modelName, arguments).laidOutForChains()
    model = try loaded.ngrams(.language, for: command.name)
    setUp.goes(on: "compiling the constraints")
    // With one target, what is wrong with it is said before anything is written.
    single =
      sets == nil
      ? try CompiledTarget(
        self.constraints, for: loaded, refusingDivergence: refusingDivergence) : nil
    limitedSum =
      refusingDivergence && BuiltInModel(rawValue: modelName) == nil
      ? LimitedSum(model, threads: threads, monitor: monitor) : nil
    if let single { try limitedSum?.check(single) }
    stream = try ResultStream(path: arguments.text("output"))
    if let single { warn(of: single) }
    try kept?.begin(
      self.command, model: modelName, checksum: model.checksum, constraints: self.constraints,
      seed: seed)
    setUp.goes(on: "laying out the model")
  }

  private func warn(of target: CompiledTarget) {
    for warning in target.warnings { tell("gensample: \(warning)") }
  }

  /// Says something on standard error, unless nothing is to be said there.
  func tell(_ message: String, of line: Int? = nil, _ speaker: String = "") {
    guard !isQuiet else { return }
    Progress.leaveLine()
    report(speaker + (line.map { "line \($0): " } ?? "") + message)
  }

  /// Prints and keeps a result.
  func write(
    _ text: @autoclosure () -> String, _ object: @autoclosure () -> JSONObject, of line: Int?
  ) throws(CommandFailure) {
    if format == .text { try write(text(), of: line) }
    try write(object())
  }

  /// Keeps a result, and prints it for programs.
  func write(_ object: @autoclosure () -> JSONObject) throws(CommandFailure) {
    guard format == .jsonl || kept?.isKept == true else { return }
    let object = object()
    if format == .jsonl { try stream.writeLine(object.text) }
    try kept?.write(object)
  }

  /// Prints a line of text; where there are many targets, the number of its own and a tab before it.
  func write(_ text: String, of line: Int?) throws(CommandFailure) {
    try stream.writeLine((line.map { "\($0)\t" } ?? "") + text)
  }

  /// How many targets there are.
  var targetCount: Int { sets.count }

  /// Samples for each target, prints, and ends with the summary.
  ///
  /// - Parameters:
  ///   - unit: what is counted.
  ///   - total: how many of them are expected in all.
  ///   - head: adds to a summary what is known of a target, or of all.
  ///   - lines: the same for people.
  ///   - finish: takes the last summary, and what lies behind it, before the command ends.
  ///   - sample: samples for one target, with a seed of its own.
  /// - Throws: what these throw, and the failure to exit with.
  func each(
    unit: String, total: Int, head: (inout JSONObject, Effort) -> Void,
    lines: (Effort) -> [String],
    finish: (JSONObject, SamplerOutcome, Effort) throws -> Void = { _, _, _ in },
    sample: (CompiledTarget, _ line: Int?, _ seed: UInt64) throws -> SamplerOutcome
  ) throws {
    Interruption.watch { [monitor] in monitor.stop() }
    setUp.finish()
    let progress = Progress(
      progressMode, unit: unit, total: total, done: { [monitor] in monitor.steps })
    var all = Effort(count: 0, seconds: earlierSeconds, seed: seed)
    let began = ContinuousClock.now
    var last = SamplerOutcome()
    var begun = 0
    do {
      for (line, constraint) in sets {
        if monitor.isStopping || stream.isClosedByReader { break }
        begun += 1
        do {
          let target =
            try single
            ?? CompiledTarget(
              constraints + [constraint].compactMap { $0 }, for: loaded,
              refusingDivergence: refusingDivergence)
          if single == nil { try limitedSum?.check(target) }
          // What weighs no text stands in what all targets share.
          if single == nil, begun == 1 { warn(of: target) }
          let before = (monitor.steps, ContinuousClock.now)
          let seed = seed(ofLine: line)
          last = try sample(target, line, seed)
          all.drawn.count += last.drawn.count
          all.drawn.seconds += last.drawn.seconds
          for result in last.results { try write(result.text, result.object, of: line) }
          if let shortfall = last.shortfall { tell(shortfall.line, of: line, "gensample: ") }
          guard let line, let constraint else { continue }
          let effort = Effort(
            count: monitor.steps - before.0, seconds: before.1.duration(to: .now) / .seconds(1),
            seed: seed, drawn: last.drawn)
          if format == .jsonl {
            var summary = summary(effort, head: head)
            summary.add("target", .integer(line))
            summary.add("statement", .string(constraint.text))
            last.add(to: &summary, isStopped: monitor.isStopping)
            try stream.writeLine(summary.text)
          } else {
            tell("\nline \(line), \(constraint.text):")
            for text in lines(effort) + last.allLines { tell(text) }
          }
          if let failure = last.failure { try tell(failure, ofLine: line) }
        } catch let failure as CommandFailure where line != nil {
          try tell(failure, ofLine: line ?? 0)
        }
      }
    } catch {
      progress.finish()
      throw error
    }
    progress.finish()
    all.count = monitor.steps
    all.seconds += began.duration(to: .now) / .seconds(1)
    try end(last, all, begun: begun, head: head, lines: lines, finish: finish)
  }

  /// Each target has a seed of its own, whatever stands on the other lines.
  private func seed(ofLine line: Int?) -> UInt64 {
    guard let line else { return seed }
    var random = Philox(seed: seed).stream(UInt64(line))
    return random.next()
  }

  private func tell(_ failure: CommandFailure, ofLine line: Int) throws {
    failedTargets += 1
    Progress.leaveLine()
    report("gensample: \(failure.message)")
    guard format == .jsonl else { return }
    var object = JSONObject()
    object.add("type", .string("error"))
    object.add("target", .integer(line))
    object.add("message", .string(failure.message))
    try stream.writeLine(object.text)
  }

  /// A summary's first fields.
  private func summary(
    _ effort: Effort, head: (inout JSONObject, Effort) -> Void
  ) -> JSONObject {
    var summary = JSONObject()
    summary.add("type", .string("summary"))
    summary.add("command", .string(command))
    summary.add("model", .string(modelName))
    summary.add("seed", .unsigned(effort.seed))
    summary.add("seconds", .number(effort.seconds))
    head(&summary, effort)
    return summary
  }

  private func end(
    _ last: SamplerOutcome, _ all: Effort, begun: Int, head: (inout JSONObject, Effort) -> Void,
    lines: (Effort) -> [String], finish: (JSONObject, SamplerOutcome, Effort) throws -> Void
  ) throws {
    var summary = summary(all, head: head)
    if hasSets {
      summary.add("targets", .integer(targetCount))
      summary.add("begun_targets", .integer(begun))
      summary.add("failed_targets", .integer(failedTargets))
      if monitor.isStopping { summary.add("stopped", .boolean(true)) }
    } else {
      last.add(to: &summary, isStopped: monitor.isStopping)
    }
    if format == .jsonl { try stream.writeLine(summary.text) }
    try finish(summary, last, all)
    try kept?.finish(summary, isStopped: monitor.isStopping || last.failure != nil)
    try stream.finish()
    if format == .text {
      tell("")
      if hasSets {
        tell(
          "\(begun) of \(counted(targetCount, "target")) begun, "
            + String(format: "in %.2f s", all.seconds) + ", seed \(seed)")
      } else {
        for line in lines(all) + last.allLines { tell(line) }
      }
    }
    if let code = Interruption.failure {
      throw CommandFailure(code, "stopped; what was drawn so far is printed")
    }
    if let failure = last.failure, !hasSets { throw failure }
    if failedTargets > 0 {
      throw CommandFailure(
        .data, "\(failedTargets) of \(counted(targetCount, "line")) could not be sampled for")
    }
  }
}
