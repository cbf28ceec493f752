// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Sampling

/// Where decoders write their texts, and what they sum up.
final class DecodingResults {
  private let command: String
  private let modelName: String
  private let model: NGramModel
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
  /// The text that is shown while it grows.
  private var growing: GrowingText?
  private var writeFailure: CommandFailure?
  /// What distinct texts read; token sequences that differ may read alike.
  private var readings: Set<String> = []
  private var readAlike = 0
  /// How many texts are cut into other tokens than their own when they are read.
  private var readOtherwise = 0
  private var tokenizer: Tokenizer
  /// How many of those chosen by ``BestOfScores`` do not meet its statements.
  private var unmet = 0

  init(
    _ arguments: Arguments, command: String, modelName: String, model: NGramModel,
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

  /// How many texts were written.
  var count: Int { texts }

  /// Whether a person sees the texts appear.
  var isTerminal: Bool { stream.isTerminal }

  /// Whether nobody reads on.
  var isClosed: Bool { stream.isClosedByReader }

  /// Whether nobody wants more.
  var isAtEnd: Bool { isClosed || (texts > 0 && rules.isTimeUp()) }

  /// A line that says how far the work is.
  ///
  /// - Parameters:
  ///   - arguments: whether it is asked for.
  ///   - unit: what is counted.
  ///   - total: how many there will be at most.
  ///   - isSeen: whether what appears on a terminal says it itself.
  ///   - done: how many there are.
  /// - Returns: the line, which is gone once it is finished.
  /// - Throws: where the option's value is none.
  func progress(
    _ arguments: Arguments, unit: String, total: Int, isSeen: Bool, _ done: SharedCount
  ) throws(CommandFailure) -> Progress {
    let mode = try arguments.choice("progress", as: ProgressMode.self) ?? (isSeen ? .never : .auto)
    return Progress(
      arguments.has("quiet") ? .never : mode, unit: unit, total: total, done: { done.value })
  }

  /// Begins a text that is shown while it grows, if somebody reads along.
  func begin() {
    guard format == .text, stream.isTerminal else { return }
    growing = GrowingText(model.vocabulary, after: prompt, stops: rules.stopTexts)
  }

  /// Shows what a token of the text begun adds.
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
  ///   - result: what a beam says of it.
  ///   - alternative: the token that it was asked for.
  ///   - best: what is said of the best of several.
  ///   - logInclusion: with what log-probability it is among those drawn without replacement.
  /// - Throws: where it cannot be written.
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

  /// Whether a whole text is read as other tokens than it was made of.
  private func isReadOtherwise(_ decoded: DecodedText) -> Bool {
    if case .stop = decoded.ending { return false }
    return !tokenizer.tokens(of: text(of: decoded), in: model.vocabulary)
      .elementsEqual(decoded.text) { $0 == $1 }
  }

  /// A loop's block; its first token stands behind another one.
  private func spelled(_ block: TokenSequence) -> String {
    var bytes: [UInt8] = []
    for token in block { model.vocabulary.appendBytes(of: token, isFirst: false, to: &bytes) }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Writes the summary and ends.
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
            ? "  all texts that there are"
            : "  drawn without replacement; other texts have "
              + "\(ChainResults.percent(remaining)) of the probability")
      }
      if readAlike > 0 {
        report(
          "  \(readAlike) read\(readAlike == 1 ? "s" : "") like another: "
            + "their tokens differ, or what ended them")
      }
      if readOtherwise > 0 {
        report(
          "  \(readOtherwise) read\(readOtherwise == 1 ? "s" : "") as other tokens than "
            + "\(readOtherwise == 1 ? "its" : "their") own: 'score' and --prompt cut what is printed "
            + "otherwise")
      }
      if let shortfall { report("  \(shortfall.line)") }
      if let tally, tally.rounds > 0 {
        report(
          "  the draft proposed \(counted(tally.proposed, "token")), "
            + "\(ChainResults.percent(Double(tally.accepted) / Double(max(1, tally.proposed)))) "
            + "\(tally.proposed == 1 ? "was" : "were") taken; the model looked "
            + counted(tally.rounds, "time"))
      }
      if isHeuristic {
        report(
          "  under constraints each token is drawn among those allowed: no draws from rho, as "
            + "'mh' makes them")
      }
    }
    if let code = Interruption.exitCode {
      throw CommandFailure(code, "stopped; what was decoded so far is printed")
    }
  }
}
