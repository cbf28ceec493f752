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
    if arguments.has("verbose") {
      let names = rules.transforms.transforms.map(\.name)
      report("transforms: " + (names.isEmpty ? "none" : names.joined(separator: ", ")))
    }
    for transform in rules.transforms.transforms {
      guard let step = Self.stepBeyondHalf(transform) else { continue }
      let isLate = step > rules.maxTokens
      guard arguments.has("verbose") || (isLate && !isQuiet) else { continue }
      report(
        "\(transform.name): its epsilon alone makes the end more probable than not from token "
          + "\(step) on"
          + (isLate ? "; with --max-tokens \(rules.maxTokens) that is no safeguard" : ""))
    }
  }

  private static func stepBeyondHalf(_ transform: any NextTokenTransform) -> Int? {
    switch transform {
    case let wrapper as SelfTerminating: SelfTerminating.stepBeyondHalf(wrapper.epsilon)
    case let wrapper as NonMonotoneTermination: SelfTerminating.stepBeyondHalf(wrapper.epsilon)
    default: nil
    }
  }

  /// Whether a person sees the texts appear.
  var isTerminal: Bool { stream.isTerminal }

  /// Whether nobody reads on.
  var isClosed: Bool { stream.isClosedByReader }

  /// Whether nobody wants more.
  var isAtEnd: Bool { isClosed || (texts > 0 && rules.isTimeUp()) }

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
  ///   - score: that of the best of several.
  ///   - logInclusion: with what log-probability it is among those drawn without replacement.
  /// - Throws: where it cannot be written.
  func write(
    _ decoded: DecodedText, beam result: BeamSearch.Result? = nil,
    alternative: BeamSearch.Alternative? = nil, score: Double? = nil,
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
      if rules.explains { for line in explanation(decoded) { report(line) } }
      if case .loop(let block) = decoded.ending, !isQuiet {
        report("text \(texts) runs in circles: \(spelled(block))")
      }
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
    if let score { object.add("score", .number(score)) }
    if let alternative {
      object.add("alternative", .integer(alternative.token.index))
      object.add("spelling", .string(model.vocabulary.spelling(of: alternative.token)))
      object.add("alternative_log_probability", .number(alternative.logProbability))
    }
    if let automaton = rules.constraint?.automaton {
      object.add("satisfied", .boolean(automaton.logWeight(of: decoded.text) > -.infinity))
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
    if rules.explains { object.add("steps", .objects(decoded.steps.map(self.object))) }
    try stream.writeLine(object.text)
  }

  private func text(of decoded: DecodedText) -> String {
    String(decoding: decoded.bytes(in: model.vocabulary), as: UTF8.self)
  }

  /// A loop's block; its first token stands behind another one.
  private func spelled(_ block: TokenSequence) -> String {
    var bytes: [UInt8] = []
    for token in block { model.vocabulary.appendBytes(of: token, isFirst: false, to: &bytes) }
    return String(decoding: bytes, as: UTF8.self)
  }

  private func object(_ step: DecodedStep) -> JSONObject {
    var object = JSONObject()
    object.add("token", .integer(step.token.index))
    object.add("spelling", .string(model.vocabulary.spelling(of: step.token)))
    object.add("log_model", .number(step.logModel))
    object.add("log_probability", .number(step.logProbability))
    object.add(
      "removed",
      .objects(
        step.removals.map { removal in
          var object = JSONObject()
          object.add("by", .string(removal.name))
          object.add("tokens", .integer(removal.count))
          object.add("mass", .number(removal.mass))
          object.add(
            "foremost", .strings(removal.foremost.map(model.vocabulary.spelling(of:))))
          return object
        }))
    return object
  }

  private func explanation(_ decoded: DecodedText) -> [String] {
    decoded.steps.enumerated().map { place, step in
      let removals = step.removals.filter { $0.count > 0 }.map { removal in
        "\(removal.name) removed \(removal.count) (\(ChainResults.percent(removal.mass))): "
          + removal.foremost.map { JSONObject.quoted(model.vocabulary.spelling(of: $0)) }
          .joined(separator: " ") + (removal.count > removal.foremost.count ? " ..." : "")
      }
      return "\(place + 1) \(JSONObject.quoted(model.vocabulary.spelling(of: step.token))) "
        + String(format: "%.4f (model %.4f)", step.logProbability, step.logModel)
        + (removals.isEmpty ? "" : "; " + removals.joined(separator: "; "))
    }
  }

  /// Writes the summary and ends.
  func finish(
    seed: UInt64? = nil, remaining: Double? = nil, draft tally: SpeculativeDecoder.Tally? = nil
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
        "\n\(texts) text\(texts == 1 ? "" : "s"), \(finished) of them finished, \(tokens) tokens in "
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
      if let tally, tally.rounds > 0 {
        report(
          "  the draft proposed \(tally.proposed) tokens, "
            + "\(ChainResults.percent(Double(tally.accepted) / Double(max(1, tally.proposed)))) "
            + "were taken; the model looked "
            + "\(tally.rounds) time\(tally.rounds == 1 ? "" : "s")")
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
