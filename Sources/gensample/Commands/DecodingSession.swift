// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Runs
import Sampling

/// What all commands that decode share: the model, the rules, where texts go, progress, and how it
/// ends.
final class DecodingSession {
  let model: LoadedModel
  let rules: DecodingRules
  private let arguments: Arguments
  private let command: any Command.Type
  private let modelName: String
  private let prompt: TokenSequence
  private let format: OutputFormat
  private let isQuiet: Bool
  private var stream: ResultStream?
  private var progress: Progress?
  /// The text that is shown while it grows; `nil` if nobody watches.
  private var growing: GrowingText?
  private var writeFailure: CommandFailure?
  private var texts = 0

  /// Opens the model and reads the rules.
  init(_ command: any Command.Type, _ arguments: Arguments, truncates: Bool = true) throws {
    if let extra = arguments.positional.first {
      throw CommandFailure.usage(
        "\(command.name) takes only options, got '\(extra)'; to give the beginning of the "
          + "\(command.name == Greedy.name ? "text" : "texts"), use --prompt '\(extra)'")
    }
    self.command = command
    self.arguments = arguments
    format = try OutputOptions.format(arguments)
    isQuiet = arguments.has("quiet")
    modelName = arguments.text("model") ?? BuiltInModel.english.rawValue
    model = try openModel(modelName, arguments, isDecoder: true)
    try model.require(.language, for: command.name)
    rules = try DecodingOptions.rules(arguments, model: model, truncates: truncates)
    prompt = try DecodingOptions.prompt(arguments, model: model)
  }

  /// Decodes, prints, and ends with the summary.
  func run(_ decoder: some TextDecoder) throws {
    Interruption.watch {}
    let stream = try ResultStream(path: arguments.text("output"))
    self.stream = stream
    rules.announce(isVerbose: arguments.has("verbose"), isQuiet: isQuiet)
    let began = ContinuousClock.now
    let recorder = DecodingRecorder(model, prompt: prompt, rules, output: self)
    let isSeen = decoder.showsGrowth && stream.isTerminal
    let mode = try arguments.choice("progress", as: ProgressMode.self) ?? (isSeen ? .never : .auto)
    let progress = Progress(
      isQuiet ? .never : mode, unit: decoder.unit, total: decoder.work,
      done: { [monitor = recorder.monitor] in monitor.steps })
    self.progress = progress
    defer { progress.finish() }
    try decoder.run(recorder)
    progress.finish()
    try finish(recorder, decoder, seconds: began.duration(to: .now) / .seconds(1))
  }

  private func finish(
    _ recorder: DecodingRecorder, _ decoder: some TextDecoder, seconds: Double
  ) throws {
    var figures = recorder.report
    figures.isHeuristic = decoder.seed != nil && rules.constraint != nil
    var report = RunReport(
      command: command.name, model: modelName, checksums: [model.checksum],
      seed: decoder.seed ?? 0, statements: [], figures: .decoding(figures))
    report.hasSeed = decoder.seed != nil
    report.seconds = seconds
    report.steps = figures.tokens
    report.areDraws = report.hasSeed && !figures.isHeuristic
    report.isStopped = rules.isTimeUp()
    report.shortfall = recorder.shortfall
    let effort = Effort(count: figures.tokens, seconds: seconds, seed: report.seed)
    if format == .jsonl {
      var summary = report.head(effort)
      report.add(to: &summary)
      try stream?.writeLine(summary.text)
    }
    try stream?.finish()
    if !isQuiet && format == .text {
      for line in report.headlines(effort) + report.lines { gensample.report(line) }
    }
    if let code = Interruption.failure {
      throw CommandFailure(code, "stopped; the output holds what was decoded so far")
    }
  }
}

extension DecodingSession: DecodingOutput {
  var isClosed: Bool { stream?.isClosedByReader ?? false }

  func begin() {
    guard format == .text, stream?.isTerminal == true else { return }
    growing = GrowingText(model.vocabulary, after: prompt, stops: rules.stopTexts)
  }

  func show(_ token: Token) {
    guard writeFailure == nil, let new = growing?.append(token), !new.isEmpty else { return }
    do throws(CommandFailure) {
      try stream?.writePart(new)
    } catch {
      writeFailure = error
    }
  }

  func endProgress() { progress?.finish() }

  func write(_ text: DecodedTextReport, _ decoded: DecodedText) throws {
    if let writeFailure { throw writeFailure }
    texts += 1
    let vocabulary = model.vocabulary
    guard format == .text else {
      let steps = rules.explains ? decoded.steps.map { $0.object(vocabulary) } : nil
      return try stream?.writeLine(text.object(steps: steps).text) ?? ()
    }
    if var shown = growing {
      try stream?.writeLine(shown.finish(decoded))
      growing = nil
    } else {
      let prefix = text.alternative.map {
        String(format: "%.4g", LogSpace.exp($0.logProbability)) + "\t" + $0.spelling + "\t"
      }
      try stream?.writeLine((prefix ?? "") + text.text)
    }
    if rules.explains {
      for (place, step) in decoded.steps.enumerated() {
        report("\(place + 1) " + step.line(vocabulary))
      }
    }
    if let loop = text.loop, !isQuiet { report("text \(texts) runs in circles: \(loop)") }
    if let reason = text.scoreReason, !isQuiet { report("text \(texts): \(reason)") }
  }
}
