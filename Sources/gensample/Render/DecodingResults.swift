// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Runs
import Sampling

/// Writes the texts of a decoder and collects their summary.
final class DecodingResults {
  private let command: String
  private let modelName: String
  private let model: LoadedModel
  private let rules: DecodingRules
  private let prompt: TokenSequence
  private let format: OutputFormat
  private let isQuiet: Bool
  private let stream: ResultStream
  private let began = ContinuousClock.now
  private var texts = 0
  private var finished = 0
  private var looping = 0
  private var tokens = 0
  /// The text that is shown while it grows; `nil` if nobody watches.
  private var growing: GrowingText?
  private var writeFailure: CommandFailure?
  /// The distinct texts so far; different token sequences may read alike.
  private var readings: Set<String> = []
  private var readAlike = 0
  /// How many texts the tokenizer splits into other tokens than those drawn.
  private var readOtherwise = 0
  private var tokenizer: Tokenizer
  /// How many of the texts chosen by ``BestOfScores`` break its statements.
  private var unmet = 0

  init(
    _ arguments: Arguments, command: String, modelName: String, model: LoadedModel,
    rules: DecodingRules, prompt: TokenSequence
  ) throws {
    self.command = command
    self.modelName = modelName
    self.model = model
    self.rules = rules
    self.prompt = prompt
    format = try OutputOptions.format(arguments)
    isQuiet = arguments.has("quiet")
    stream = try ResultStream(path: arguments.text("output"))
    tokenizer = Tokenizer(for: model.vocabulary)
    rules.announce(arguments)
  }

  /// The number of texts written.
  var count: Int { texts }

  /// Whether the results appear on a terminal.
  var isTerminal: Bool { stream.isTerminal }

  /// Whether the reader has closed the pipe.
  var isClosed: Bool { stream.isClosedByReader }

  /// Whether to stop: the reader has gone, or time is up and there is at least one text.
  var isAtEnd: Bool { isClosed || (texts > 0 && rules.isTimeUp()) }

  /// A progress line for the work.
  ///
  /// - Parameters:
  ///   - arguments: the options, which may turn it on or off.
  ///   - unit: what is counted.
  ///   - total: the largest possible number of units.
  ///   - isSeen: whether the results on the terminal already show the progress.
  ///   - done: the number of units so far.
  /// - Returns: the line, which disappears when it is finished.
  /// - Throws: if the value of the option is invalid.
  func progress(
    _ arguments: Arguments, unit: String, total: Int, isSeen: Bool, _ done: SharedCount
  ) throws(CommandFailure) -> Progress {
    let mode = try arguments.choice("progress", as: ProgressMode.self) ?? (isSeen ? .never : .auto)
    return Progress(
      arguments.has("quiet") ? .never : mode, unit: unit, total: total, done: { done.value })
  }

  /// Begins a text that is shown while it grows, if somebody watches.
  func begin() {
    guard format == .text, stream.isTerminal else { return }
    growing = GrowingText(model.vocabulary, after: prompt, stops: rules.stopTexts)
  }

  /// Shows the next token of the current text.
  func show(_ token: Token) {
    guard writeFailure == nil, let new = growing?.append(token), !new.isEmpty else { return }
    do throws(CommandFailure) {
      try stream.writePart(new)
    } catch {
      writeFailure = error
    }
  }

  /// Writes a text.
  ///
  /// - Parameters:
  ///   - decoded: the text.
  ///   - result: the text's scores in the beam.
  ///   - alternative: the token for which a beam was asked.
  ///   - best: the score by which the text was chosen.
  ///   - logInclusion: the log-probability of being among the texts drawn without replacement.
  /// - Throws: if the text cannot be written.
  func write(
    _ decoded: DecodedText, beam result: BeamSearch.Result? = nil,
    alternative: BeamSearch.Alternative? = nil, best: BestOfScores.Chosen? = nil,
    logInclusion: Double? = nil
  ) throws {
    if let writeFailure { throw writeFailure }
    texts += 1
    tokens += decoded.text.count - decoded.promptCount + (decoded.end == nil ? 0 : 1)
    if decoded.isFinished { finished += 1 }
    if case .loop = decoded.ending { looping += 1 }
    if logInclusion != nil || (result != nil && alternative == nil),
      !readings.insert(text(of: decoded)).inserted
    {
      readAlike += 1
    }
    if isReadOtherwise(decoded) { readOtherwise += 1 }
    if best?.isMet == false { unmet += 1 }
    guard format == .jsonl else {
      if var text = growing {
        try stream.writeLine(text.finish(decoded))
        growing = nil
      } else {
        let prefix = alternative.map {
          String(format: "%.4g", LogSpace.exp($0.logProbability)) + "\t"
            + model.vocabulary.spelling(of: $0.token) + "\t"
        }
        try stream.writeLine((prefix ?? "") + text(of: decoded))
      }
      if rules.explains {
        for (place, step) in decoded.steps.enumerated() {
          report("\(place + 1) " + step.line(model.vocabulary))
        }
      }
      if case .loop(let block) = decoded.ending, !isQuiet {
        report("text \(texts) runs in circles: \(spelled(block))")
      }
      if let reason = best?.reason, !isQuiet { report("text \(texts): \(reason)") }
      return
    }
    var object = JSONObject()
    object.add("type", .string("sample"))
    object.add("text", .string(text(of: decoded)))
    object.add("tokens", .integers(decoded.text.map(\.index)))
    object.add("log_probability", .number(decoded.logTransformed))
    object.add("log_model", .number(decoded.logPrompt + decoded.logModel))
    object.add("log_drawn", .number(decoded.logDrawn))
    if let logInclusion { object.add("log_inclusion", .number(logInclusion)) }
    if let result {
      object.add("score", .number(result.score))
      object.add("group", .integer(result.group))
    }
    if let best {
      object.add("score", .number(best.score))
      if let reason = best.reason { object.add("score_reason", .string(reason)) }
    }
    if let alternative {
      object.add("alternative", .integer(alternative.token.index))
      object.add("spelling", .string(model.vocabulary.spelling(of: alternative.token)))
      object.add("alternative_log_probability", .number(alternative.logProbability))
    }
    let constraint = rules.constraint
    if constraint != nil || best?.isMet != nil {
      let isAllowed = constraint?.allows(decoded.text) ?? true
      object.add("satisfied", .boolean(isAllowed && best?.isMet != false))
    }
    object.add("finished", .boolean(decoded.isFinished))
    switch decoded.ending {
    case .end(let token):
      object.add("reason", .string("end"))
      if token != model.vocabulary.end {
        object.add("stop_token", .string(model.vocabulary.spelling(of: token)))
      }
    case .stop(let stop, _):
      object.add("reason", .string("stop"))
      object.add("stop", .string(stop))
    case .loop(let block):
      object.add("reason", .string("loop"))
      object.add("loop", .string(spelled(block)))
    case .limit: object.add("reason", .string("limit"))
    case .timeUp: object.add("reason", .string("time"))
    }
    if rules.explains {
      object.add("steps", .objects(decoded.steps.map { $0.object(model.vocabulary) }))
    }
    try stream.writeLine(object.text)
  }

  private func text(of decoded: DecodedText) -> String {
    String(decoding: decoded.bytes(in: model.vocabulary), as: UTF8.self)
  }

  /// Whether the tokenizer splits the text into other tokens than those drawn.
  private func isReadOtherwise(_ decoded: DecodedText) -> Bool {
    if case .stop = decoded.ending { return false }
    return !tokenizer.tokens(of: text(of: decoded), in: model.vocabulary)
      .elementsEqual(decoded.text) { $0 == $1 }
  }

  /// The text of a loop's block, whose first token follows another one.
  private func spelled(_ block: TokenSequence) -> String {
    var bytes: [UInt8] = []
    for token in block { model.vocabulary.appendBytes(of: token, isFirst: false, to: &bytes) }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Writes the summary and closes the output.
  func finish(
    seed: UInt64? = nil, remaining: Double? = nil, draft tally: SpeculativeDecoder.Tally? = nil,
    shortfall: Shortfall? = nil
  ) throws {
    let seconds = began.duration(to: .now) / .seconds(1)
    let isHeuristic = seed != nil && rules.constraint != nil
    if format == .jsonl {
      var summary = JSONObject()
      summary.add("type", .string("summary"))
      summary.add("command", .string(command))
      summary.add("model", .string(modelName))
      if let seed { summary.add("seed", .unsigned(seed)) }
      summary.add("seconds", .number(seconds))
      summary.add("steps", .integer(tokens))
      summary.add("steps_per_second", .number(Double(tokens) / max(seconds, 1e-9)))
      summary.add("texts", .integer(texts))
      summary.add("finished", .integer(finished))
      if rules.loops != nil { summary.add("loops", .integer(looping)) }
      if let remaining { summary.add("remaining", .number(remaining)) }
      if readAlike > 0 { summary.add("read_alike", .integer(readAlike)) }
      if readOtherwise > 0 { summary.add("read_otherwise", .integer(readOtherwise)) }
      if unmet > 0 { summary.add("unmet", .integer(unmet)) }
      shortfall?.add(to: &summary)
      if let tally {
        summary.add("draft_proposed", .integer(tally.proposed))
        summary.add("draft_accepted", .integer(tally.accepted))
        summary.add("draft_rounds", .integer(tally.rounds))
      }
      if isHeuristic { summary.add("draws", .boolean(false)) }
      if rules.isTimeUp() { summary.add("stopped", .boolean(true)) }
      try stream.writeLine(summary.text)
    }
    try stream.finish()
    if !isQuiet && format == .text {
      report(
        "\n\(counted(texts, "text")), \(finished) of them finished, \(counted(tokens, "token")) in "
          + String(format: "%.2f s", seconds) + (seed.map { ", seed \($0)" } ?? ""))
      if let remaining {
        report(
          remaining == 0
            ? "  these are all texts there are"
            : "  drawn without replacement; the other texts have "
              + "\(percent(remaining)) of the probability")
      }
      if readAlike > 0 {
        report(
          "  \(counted(readAlike, "text")) read\(readAlike == 1 ? "s" : "") like another: "
            + "the tokens or the ends differ")
      }
      if readOtherwise > 0 {
        report(
          "  \(counted(readOtherwise, "text")) would be read as other tokens than those drawn: "
            + "'score' and --prompt split the printed text differently")
      }
      if let shortfall { report("  \(shortfall.line)") }
      if let tally, tally.rounds > 0 {
        report(
          "  the draft proposed \(counted(tally.proposed, "token")), "
            + "\(percent(Double(tally.accepted) / Double(max(1, tally.proposed)))) "
            + "\(tally.proposed == 1 ? "was" : "were") accepted; the model checked "
            + counted(tally.rounds, "time"))
      }
      if isHeuristic {
        report(
          "  under constraints each token is drawn among the allowed ones, so these are not draws "
            + "from rho; for such draws use 'mh'")
      }
    }
    if let code = Interruption.failure {
      throw CommandFailure(code, "stopped; the output holds what was decoded so far")
    }
  }
}
