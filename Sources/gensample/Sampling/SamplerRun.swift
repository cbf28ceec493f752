// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Sampling

/// What a sampler made of one target.
struct SamplerOutcome {
  /// What is printed: a text, and the same as an object.
  var results: [(text: String, object: JSONObject)] = []
  /// Adds what the summary says of this target.
  var summarise: (inout JSONObject) -> Void = { _ in }
  /// Lines about this target for people.
  var lines: [String] = []
  /// Fewer results than were asked for; `nil` where there are as many.
  var shortfall: Shortfall?
  /// Why what was printed is not what was asked for; `nil` where it is.
  var failure: CommandFailure?
}

/// That there are fewer results than were asked for, and why.
struct Shortfall {
  private let found: Int
  private let asked: Int
  private let reason: String

  /// What is said of so many results; `nil` where they are as many as asked for.
  init?(of found: Int, asked: Int, _ reason: String) {
    guard found < asked else { return nil }
    self.found = found
    self.asked = asked
    self.reason = reason
  }

  /// For people, on standard error.
  var line: String { "\(found) of the \(asked) results asked for: \(reason)" }

  func add(to summary: inout JSONObject) {
    summary.add("results", .integer(found))
    summary.add("asked_for", .integer(asked))
    summary.add("missing_because", .string(reason))
  }
}

/// What all commands that sample from a target share: the model, its targets one after another,
/// where results go, progress, and how it ends.
final class SamplerRun {
  let command: String
  let arguments: Arguments
  let constraints: [Constraint]
  let modelName: String
  let model: NGramModel
  let tree: VocabularyTree
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
  private let progressMode: ProgressMode
  private let refusingDivergence: Bool
  private var began = ContinuousClock.now
  /// What the run took before this command, where it was resumed.
  var earlierSeconds = 0.0
  private var failedTargets = 0

  /// Reads what the options say, and compiles the target if there is one only.
  init(
    _ command: any Command.Type, _ arguments: Arguments, seed: UInt64, threads: Int,
    constraints: [Constraint]? = nil, refusingDivergence: Bool = true
  ) throws {
    self.command = command.name
    self.arguments = arguments
    self.seed = seed
    self.threads = threads
    self.refusingDivergence = refusingDivergence
    if let extra = arguments.positional.first {
      throw CommandFailure.usage(
        "\(command.name) takes options only, got '\(extra)'; a file of constraints is "
          + "given by --constraints \(extra)")
    }
    format = try OutputOptions.format(arguments)
    progressMode = try arguments.choice("progress", as: ProgressMode.self) ?? .auto
    isQuiet = arguments.has("quiet")
    self.constraints = try constraints ?? TargetOptions.constraints(arguments)
    let sets = try arguments.text("each").map(TargetOptions.keywordSets)
    hasSets = sets != nil
    self.sets = sets?.map { ($0.line, $0.constraint) } ?? [(nil, nil)]
    modelName = arguments.text("model") ?? BuiltInModel.english.rawValue
    model = try loadFastModel(modelName)
    tree = VocabularyTree(model.vocabulary)
    // With one target, what is wrong with it is said before anything is written.
    single =
      sets == nil
      ? try CompiledTarget(
        self.constraints, model: model, tree: tree, refusingDivergence: refusingDivergence) : nil
    stream = try ResultStream(path: arguments.text("output"))
    if let single, !isQuiet {
      for warning in single.warnings(tree) { report("gensample: \(warning)") }
    }
  }

  /// How many targets there are.
  var targetCount: Int { sets.count }

  /// Samples for each target, prints, and ends with the summary.
  ///
  /// - Parameters:
  ///   - unit: what is counted.
  ///   - total: how many of them are expected in all.
  ///   - head: adds to the summary what is known of the whole run.
  ///   - lines: what is said to people of the whole run, given the seconds that it took.
  ///   - finish: takes the summary before the command ends.
  ///   - sample: samples for one target, with a seed of its own.
  /// - Throws: what these throw, and the failure to exit with.
  func each(
    unit: String, total: Int, head: (inout JSONObject, _ seconds: Double) -> Void,
    lines: (_ seconds: Double) -> [String], finish: (JSONObject) throws -> Void = { _ in },
    sample: (CompiledTarget, _ line: Int?, _ seed: UInt64) throws -> SamplerOutcome
  ) throws {
    Interruption.watch { [monitor] in monitor.stop() }
    let progress = Progress(
      isQuiet ? .never : progressMode, unit: unit, total: total,
      done: { [monitor] in monitor.steps })
    began = ContinuousClock.now
    var last = SamplerOutcome()
    do {
      for (line, constraint) in sets {
        if monitor.isStopping || stream.isClosedByReader { break }
        do {
          let target =
            try single
            ?? CompiledTarget(
              constraints + [constraint].compactMap { $0 }, model: model, tree: tree,
              refusingDivergence: refusingDivergence)
          last = try sample(target, line, seed(ofLine: line))
        } catch let failure as CommandFailure where line != nil {
          try tell(failure, ofLine: line ?? 0)
          continue
        }
        for result in last.results {
          try stream.writeLine(format == .text ? result.text : result.object.text)
        }
        if let shortfall = last.shortfall, !isQuiet {
          report("gensample: " + (line.map { "line \($0): " } ?? "") + shortfall.line)
        }
        if let failure = last.failure, let line { try tell(failure, ofLine: line) }
      }
    } catch {
      progress.finish()
      throw error
    }
    progress.finish()
    try end(last, head: head, lines: lines, finish: finish)
  }

  /// Each target has a seed of its own, whatever stands on the other lines.
  private func seed(ofLine line: Int?) -> UInt64 {
    guard let line else { return seed }
    var random = Philox(seed: seed).stream(UInt64(line))
    return random.next()
  }

  private func tell(_ failure: CommandFailure, ofLine line: Int) throws {
    failedTargets += 1
    report("gensample: \(failure.message)")
    guard format == .jsonl else { return }
    var object = JSONObject()
    object.add("type", .string("error"))
    object.add("target", .integer(line))
    object.add("message", .string(failure.message))
    try stream.writeLine(object.text)
  }

  private func end(
    _ last: SamplerOutcome, head: (inout JSONObject, _ seconds: Double) -> Void,
    lines: (_ seconds: Double) -> [String], finish: (JSONObject) throws -> Void
  ) throws {
    let seconds = earlierSeconds + began.duration(to: .now) / .seconds(1)
    var summary = JSONObject()
    summary.add("type", .string("summary"))
    summary.add("command", .string(command))
    summary.add("model", .string(modelName))
    summary.add("seed", .unsigned(seed))
    summary.add("seconds", .number(seconds))
    head(&summary, seconds)
    if hasSets {
      summary.add("targets", .integer(targetCount))
      summary.add("failed_targets", .integer(failedTargets))
    } else {
      last.summarise(&summary)
      last.shortfall?.add(to: &summary)
    }
    if monitor.isStopping { summary.add("stopped", .boolean(true)) }
    if format == .jsonl { try stream.writeLine(summary.text) }
    try finish(summary)
    try stream.finish()
    if !isQuiet && format == .text {
      for line in lines(seconds) + (hasSets ? [] : last.lines) { report(line) }
    }
    if let code = Interruption.exitCode {
      throw CommandFailure(code, "stopped; what was drawn so far is printed")
    }
    if let failure = last.failure, !hasSets { throw failure }
    if failedTargets > 0 {
      throw CommandFailure(
        .data, "\(failedTargets) of \(targetCount) lines could not be sampled for")
    }
  }
}
