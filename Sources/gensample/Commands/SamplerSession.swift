// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Runs
import Sampling

/// What all commands that sample from a target share: the model, its targets one after another,
/// where results go, progress, and how it ends.
final class SamplerSession {
  let arguments: Arguments
  let constraints: [Constraint]
  let model: LoadedModel
  private let command: any Command.Type
  private let resumed: ResumedRun?
  private let modelName: String
  private let seed: UInt64
  private let threads: Int
  private let monitor = RunMonitor()
  private let format: OutputFormat
  private let isQuiet: Bool
  private let progressMode: ProgressMode
  private let setUp: SetUp
  /// The targets: one, or one for each line of a file.
  private let sets: [(line: Int?, constraint: Constraint?)]
  /// Whether there are many targets, one a line of a file.
  private let hasSets: Bool
  /// The only target, if there is one.
  private let single: CompiledTarget?
  private let refusingDivergence: Bool
  /// Looks into the sum of targets that must have one; `nil` if that is known.
  private let limitedSum: LimitedSum?
  private var stream: ResultStream?
  private var folder: KeptRun?
  private var failedTargets = 0

  /// Opens the model, and compiles the target if there is only one.
  ///
  /// - Parameters:
  ///   - command: the command.
  ///   - arguments: its arguments; of a run that goes on, those that it began with.
  ///   - resumed: the run that goes on; `nil` for a new one.
  ///   - seed: the seed of all random numbers.
  ///   - refusingDivergence: whether targets must have a sum.
  /// - Throws: what is wrong with the arguments, before anything is written.
  init(
    _ command: any Command.Type, _ arguments: Arguments, _ resumed: ResumedRun?, seed: UInt64,
    refusingDivergence: Bool = true
  ) throws {
    self.command = command
    self.arguments = arguments
    self.resumed = resumed
    self.seed = seed
    self.refusingDivergence = refusingDivergence
    threads = try PlanOptions.threads(arguments)
    if let extra = arguments.positional.first {
      throw CommandFailure.usage(
        "\(command.name) takes only options, got '\(extra)'; to name a constraint file, use "
          + "--constraints '\(extra)'")
    }
    guard !arguments.has("run") || !arguments.has("each") else {
      throw CommandFailure.usage("--run keeps one target; give --each or --run")
    }
    format = try OutputOptions.format(arguments)
    isQuiet = arguments.has("quiet")
    progressMode =
      isQuiet ? .never : try arguments.choice("progress", as: ProgressMode.self) ?? .auto
    constraints = try resumed?.constraints ?? TargetOptions.constraints(arguments)
    let sets = try arguments.text("each").map(TargetOptions.keywordSets)
    hasSets = sets != nil
    self.sets = sets?.map { ($0.line, $0.constraint) } ?? [(nil, nil)]
    modelName = arguments.text("model") ?? BuiltInModel.english.rawValue
    setUp = SetUp(progressMode, "reading the model")
    model = try openModel(modelName, arguments).laidOutForChains()
    setUp.goes(on: "compiling the constraints")
    // With one target, what is wrong with it is said before anything is written.
    single =
      sets == nil
      ? try CompiledTarget(constraints, for: model, refusingDivergence: refusingDivergence) : nil
    limitedSum =
      refusingDivergence && BuiltInModel(rawValue: modelName) == nil
      ? LimitedSum(model, threads: threads, monitor: monitor) : nil
    if let single { try limitedSum?.check(single) }
  }

  /// Samples for each target, prints, and ends with the summary.
  ///
  /// - Throws: why that is not possible, or the failure to exit with.
  func run<S: Sampler>(_ sampler: S) throws {
    for (capability, what) in sampler.needs { try model.require(capability, for: what) }
    if let single { try single.check(start: sampler.chainOptions?.start) }
    stream = try ResultStream(path: arguments.text("output"))
    if let single { warn(of: single) }
    folder = try makeFolder(sampler)
    setUp.goes(on: "laying out the model")
    Interruption.watch { [monitor] in monitor.stop() }
    let blank = blank(sampler)
    let copies = blank.chains?.copies ?? 1
    monitor.add(folder?.earlierSteps.flatMap { CheckedNumbers.product($0, copies) } ?? 0)
    setUp.finish()
    let progress = Progress(
      progressMode, unit: S.unit, total: CheckedNumbers.product(sampler.work, sets.count) ?? .max,
      done: { [monitor] in monitor.steps })
    var all = Effort(seconds: folder?.earlierSeconds ?? 0, seed: seed)
    let began = ContinuousClock.now
    var last = blank
    var begun = 0
    do {
      for (line, constraint) in sets {
        if monitor.isStopping || isClosed { break }
        begun += 1
        do {
          let report = try sample(sampler, blank, line, constraint, isFirst: begun == 1)
          last = report
          all.drawn.count += report.figures.drawn.count
          all.drawn.seconds += report.figures.drawn.seconds
          if let failure = report.failure, let line { try tell(failure, ofLine: line) }
        } catch let failure as CommandFailure {
          guard let line else { throw failure }
          try tell(failure, ofLine: line)
        }
      }
    } catch {
      progress.finish()
      throw error
    }
    progress.finish()
    all.count = monitor.steps
    all.seconds += began.duration(to: .now) / .seconds(1)
    try end(last, all, begun: begun)
  }

  /// The report of a run that has done nothing yet.
  private func blank(_ sampler: some Sampler) -> RunReport {
    var report = RunReport(
      command: command.name, model: modelName,
      checksums: [model.checksum] + sampler.furtherModels.map(\.checksum), seed: seed,
      statements: constraints, figures: sampler.figures)
    report.areDraws = sampler.areDraws
    return report
  }

  /// The folder that keeps the run; `nil` without `--run`.
  private func makeFolder(_ sampler: some Sampler) throws -> KeptRun? {
    guard let path = arguments.text("run") else { return nil }
    let chains = sampler.chainOptions
    let checksums = [model.checksum] + sampler.furtherModels.map(\.checksum)
    let options = ResumedRun.words(arguments, seed: seed, hasChains: chains != nil)
    let description =
      if let chains {
        RunDescription(
          command: command.name, model: modelName, checksums: checksums, constraints: constraints,
          options: options, plan: chains.plan, chains: chains.chains,
          start: arguments.text("start"))
      } else {
        RunDescription(
          command: command.name, model: modelName, checksums: checksums, constraints: constraints,
          options: options, seed: seed)
      }
    let interval = try FolderOptions.interval(arguments)
    guard let resumed else {
      return try KeptRun(beginning: path, description, every: interval)
    }
    let kept = try KeptRun(
      resuming: resumed.description, in: resumed.folder, from: resumed.checkpoint,
      as: description, further: sampler.furtherModels, every: interval)
    if chains == nil {
      gensample.report("gensample: the run in '\(path)' is made anew, from its seed")
    }
    return kept
  }

  private func warn(of target: CompiledTarget) {
    for warning in target.warnings { tell("gensample: \(warning)") }
  }

  /// Samples for one target and prints what was drawn.
  private func sample(
    _ sampler: some Sampler, _ blank: RunReport, _ line: Int?, _ constraint: Constraint?,
    isFirst: Bool
  ) throws -> RunReport {
    let target =
      try single
      ?? CompiledTarget(
        constraints + [constraint].compactMap { $0 }, for: model,
        refusingDivergence: refusingDivergence)
    if single == nil { try limitedSum?.check(target) }
    // What weighs no text stands in what all targets share.
    if single == nil, isFirst { warn(of: target) }
    let before = (monitor.steps, ContinuousClock.now)
    var task = blank
    task.target = line
    task.seed = seed(ofLine: line)
    var report = try sampler.run(
      SamplingTask(
        target, report: task, threads: threads, monitor: monitor, output: self, folder: folder))
    report.findProblems()
    try write(report)
    if let shortfall = report.shortfall { tell(shortfall.line, of: line, "gensample: ") }
    guard let line, let constraint else { return report }
    let effort = Effort(
      count: monitor.steps - before.0, seconds: before.1.duration(to: .now) / .seconds(1),
      seed: task.seed, drawn: report.figures.drawn)
    if format == .jsonl {
      var summary = report.head(effort)
      summary.add("target", .integer(line))
      summary.add("statement", .string(constraint.text))
      report.add(to: &summary)
      try stream?.writeLine(summary.text)
    } else {
      tell("\nline \(line), \(constraint.text):")
      for text in report.headlines(effort) + report.lines { tell(text) }
    }
    return report
  }

  /// Prints the results of a report, and keeps those that its sampler does not keep itself.
  private func write(_ report: RunReport) throws {
    for text in report.printed { try write(text, of: report.target) }
    if format == .text {
      for text in report.resultLines {
        try stream?.writeLine(marked(text, report.target))
      }
    }
    guard format == .jsonl || folder != nil else { return }
    for object in report.resultObjects { try write(object) }
  }

  /// A line of text; if there are many targets, the number of its own and a tab before it.
  private func marked(_ text: String, _ line: Int?) -> String {
    (line.map { "\($0)\t" } ?? "") + text
  }

  private func write(_ object: JSONObject) throws(CommandFailure) {
    if format == .jsonl { try stream?.writeLine(object.text) }
    try folder?.write(object)
  }

  /// Says something on standard error, unless nothing is to be said there.
  private func tell(_ message: String, of line: Int? = nil, _ speaker: String = "") {
    guard !isQuiet else { return }
    Progress.leaveLine()
    gensample.report(speaker + (line.map { "line \($0): " } ?? "") + message)
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
    gensample.report("gensample: \(failure.message)")
    guard format == .jsonl else { return }
    var object = JSONObject()
    object.add("type", .string("error"))
    object.add("target", .integer(line))
    object.add("message", .string(failure.message))
    try stream?.writeLine(object.text)
  }

  private func end(_ last: RunReport, _ all: Effort, begun: Int) throws {
    var last = last
    last.seconds = all.seconds
    last.steps = all.count
    last.isStopped = monitor.isStopping
    var summary = last.head(all)
    if hasSets {
      summary.add("targets", .integer(sets.count))
      summary.add("begun_targets", .integer(begun))
      summary.add("failed_targets", .integer(failedTargets))
      if monitor.isStopping { summary.add("stopped", .boolean(true)) }
    } else {
      last.add(to: &summary)
    }
    if format == .jsonl { try stream?.writeLine(summary.text) }
    let hasChains = last.chains != nil
    try folder?.finish(
      last, summary: summary,
      isFinished: !monitor.isStopping && (hasChains || last.failure == nil))
    try stream?.finish()
    if format == .text {
      tell("")
      if hasSets {
        tell(
          "\(begun) of \(counted(sets.count, "target")) begun, "
            + String(format: "in %.2f s", all.seconds) + ", seed \(seed)")
      } else {
        for line in last.headlines(all) + last.lines { tell(line) }
      }
    }
    if let code = Interruption.failure {
      throw CommandFailure(code, "stopped; what was drawn so far is printed")
    }
    if let failure = last.failure, !hasSets { throw failure }
    if failedTargets > 0 {
      throw CommandFailure(
        .data, "\(failedTargets) of \(counted(sets.count, "line")) could not be sampled for")
    }
  }
}

extension SamplerSession: TextOutput {
  var isClosed: Bool { stream?.isClosedByReader ?? false }

  func write(_ text: SampledText, of line: Int?) throws {
    if format == .text {
      let probability = text.probability.map { String(format: "%.6g\t", $0) } ?? ""
      try stream?.writeLine(marked(probability + text.text, line))
    }
    // Chains keep all that they draw, whatever is printed of it.
    let isKept = folder?.description.chains == nil && folder != nil
    guard format == .jsonl || isKept else { return }
    let object = text.object(ofLine: line)
    if format == .jsonl { try stream?.writeLine(object.text) }
    if isKept { try folder?.write(object) }
  }

  func expect(_ forecast: RejectionReport.Forecast, samples: Int, threads: Int, of line: Int?) {
    tell(forecast.line(samples: samples, threads: threads), of: line)
  }
}
