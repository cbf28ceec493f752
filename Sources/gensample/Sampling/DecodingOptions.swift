// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Sampling

/// Options of the decoders: what changes the model's distribution, in the order written.
enum DecodingOptions {
  static let limits = [
    Option("model", "NAME|PATH", "a built-in model or a model's file (default english)"),
    Option("prompt", "TEXT", "what every result begins with"),
    Option("max-tokens", "N", "tokens after the prompt at most, the end among them (default 64)"),
    Option("min-tokens", "N", "no end before so many tokens after the prompt"),
    Option(
      "stop-token", "TEXT|ID", isRepeatable: true,
      "a token, as the model spells it or by number, that ends the text as the end does"),
  ]

  static let penalties = [
    Option("repetition-penalty", "R", "divide positive logits of repeated tokens, multiply others"),
    Option("frequency-penalty", "F", "subtract F for each time that a token stands in the text"),
    Option("presence-penalty", "F", "subtract F once from each token of the text"),
    Option("penalty-window", "N", "the penalties look at the last N tokens (default: all)"),
    Option("no-repeat-ngram", "N", "no N tokens in a row twice"),
    Option("dry", "M,B,L", "subtract M x B^(m - L) where a token prolongs a repetition of m >= L"),
    Option("bias", "TEXT=X", isRepeatable: true, "add X where a token completes this text"),
    Option("forbid", "TEXT", isRepeatable: true, "no token may complete this text"),
    Option("end-decay", "START,FACTOR", "raise the end by FACTOR a token after START tokens"),
  ]

  static let truncations = [
    Option("temperature", "T", "divide logits by T; 0 takes the most probable token"),
    Option("top-k", "N", "the N most probable tokens"),
    Option("top-p", "P", "the smallest most probable set whose mass reaches P"),
    Option("min-p", "P", "tokens at least P times as probable as the first"),
    Option("typical", "P", "the set of mass P whose surprise is nearest the expected one"),
    Option("epsilon", "E", "tokens of probability E at least"),
    Option("eta", "E", "tokens of probability min(E, sqrt(E) exp(-entropy)) at least"),
    Option("top-h", "H", "the first tokens whose terms make up the share H of the entropy"),
    Option("top-n-sigma", "S", "logits within S standard deviations of the largest"),
    Option("top-a", "A", "tokens of probability A x (the largest one)^2 at least"),
    Option("tail-free", "Z", "cut the tail, where the ordered probabilities are straight"),
    Option("xtc", "P,T", "with probability P drop all tokens of probability T but the last"),
    Option("mirostat", "TAU,ETA", "steer the mean surprise to TAU bits at the rate ETA"),
    Option("sparse", "K", "sparse softmax: the K largest logits, made probabilities"),
    Option(flag: "entmax", "1.5-entmax in place of softmax"),
  ]

  static let termination = [
    Option(flag: "keep-end", "no truncation drops the end of the text"),
    Option("self-terminating", "EPS", "the end's probability never falls and goes to 1"),
    Option("non-monotone", "EPS", "the end's probability stays above a floor that goes to 1"),
  ]

  static let output = [
    OutputOptions.format, OutputOptions.output,
    Option(flag: "verbose", "say on standard error which transforms apply, in their order"),
    OutputOptions.quiet,
  ]

  /// The rules that the options write down.
  static func rules(_ arguments: Arguments, model: NGramModel) throws -> DecodingRules {
    let window = try arguments.integer("penalty-window", in: 0...Int.max) ?? .max
    let keepsEnd = arguments.has("keep-end")
    var transforms: [any NextTokenTransform] = []
    do {
      let scope = try RepetitionScope(window: window)
      for (name, value) in arguments.ordered {
        if let transform = try transform(
          name, value, model: model, scope: scope, keepsEnd: keepsEnd)
        {
          transforms.append(transform)
        }
      }
      return try DecodingRules(
        transforms: transforms,
        maxTokens: try arguments.integer("max-tokens", in: 1...1_000_000_000)
          ?? DecodingRules.plain.maxTokens,
        stops: try stops(arguments, model: model))
    } catch let error as DecodingError {
      throw CommandFailure.usage("--\(error)")
    }
  }

  private static func transform(
    _ name: String, _ value: String, model: NGramModel, scope: RepetitionScope, keepsEnd: Bool
  ) throws -> (any NextTokenTransform)? {
    func number() throws -> Double { try numbers(name, value, "N")[0] }
    func whole() throws -> Int { try integer(name, value) }
    switch name {
    case "temperature": return try Temperature(number())
    case "top-k": return try TopK(whole(), keepsEnd: keepsEnd)
    case "top-p": return try Nucleus(number(), keepsEnd: keepsEnd)
    case "min-p": return try MinP(number(), keepsEnd: keepsEnd)
    case "typical": return try LocallyTypical(number(), keepsEnd: keepsEnd)
    case "epsilon": return try EpsilonCutoff(number(), keepsEnd: keepsEnd)
    case "eta": return try EtaCutoff(number(), keepsEnd: keepsEnd)
    case "top-h": return try TopH(number(), keepsEnd: keepsEnd)
    case "top-n-sigma": return try TopNSigma(number(), keepsEnd: keepsEnd)
    case "top-a": return try TopA(number(), keepsEnd: keepsEnd)
    case "tail-free": return try TailFree(number(), keepsEnd: keepsEnd)
    case "xtc":
      let parts = try numbers(name, value, "P,T")
      return try TopChoiceExclusion(
        probability: parts[0], threshold: parts[1], keepsEnd: keepsEnd)
    case "mirostat":
      let parts = try numbers(name, value, "TAU,ETA")
      return try Mirostat(tau: parts[0], eta: parts[1], keepsEnd: keepsEnd)
    case "sparse": return try SparseSoftmax(whole(), keepsEnd: keepsEnd)
    case "entmax": return Entmax(keepsEnd: keepsEnd)
    case "repetition-penalty": return try RepetitionPenalty(number(), scope: scope)
    case "frequency-penalty": return try FrequencyPenalty(number(), scope: scope)
    case "presence-penalty": return try PresencePenalty(number(), scope: scope)
    case "no-repeat-ngram": return try NoRepeatNGram(whole())
    case "dry":
      let parts = try numbers(name, value, "MULTIPLIER,BASE,LENGTH")
      guard let length = Int(exactly: parts[2]) else {
        throw CommandFailure.usage("--dry takes a whole number as its length, got '\(parts[2])'")
      }
      return try RepeatedSuffixPenalty(
        multiplier: parts[0], base: parts[1], allowedLength: length)
    case "bias":
      guard let equals = value.lastIndex(of: "="),
        let bias = Double(value[value.index(after: equals)...]), bias.isFinite
      else { throw CommandFailure.usage("--bias takes TEXT=X such as sea=1.5, got '\(value)'") }
      let text = String(value[..<equals])
      return try SequenceBias(sequences(name, text, model).map { ($0, bias) })
    case "forbid": return try ForbiddenSequences(sequences(name, value, model))
    case "end-decay":
      let parts = try numbers(name, value, "START,FACTOR")
      guard let start = Int(exactly: parts[0]) else {
        throw CommandFailure.usage("--end-decay takes a whole number as start, got '\(parts[0])'")
      }
      return try EndDecay(start: start, factor: parts[1])
    case "min-tokens": return try MinimumLength(whole())
    case "self-terminating": return try SelfTerminating(number())
    case "non-monotone": return try NonMonotoneTermination(number())
    default: return nil
    }
  }

  private static func numbers(
    _ name: String, _ value: String, _ form: String
  ) throws(CommandFailure) -> [Double] {
    let count = form.split(separator: ",").count
    let parts = value.split(separator: ",", omittingEmptySubsequences: false).compactMap {
      Double($0)
    }
    guard parts.count == count, value.split(separator: ",").count == count else {
      throw .usage(
        count == 1
          ? "--\(name) takes a number, got '\(value)'"
          : "--\(name) takes \(count) numbers \(form), got '\(value)'")
    }
    return parts
  }

  private static func integer(_ name: String, _ value: String) throws(CommandFailure) -> Int {
    guard let number = Int(value) else {
      throw .usage("--\(name) takes a whole number, got '\(value)'")
    }
    return number
  }

  /// A text as the model writes it at the beginning of a line, and as one token where it is one.
  ///
  /// A sign such as `.` stands behind a word without a space, and a word may too.
  private static func sequences(
    _ name: String, _ text: String, _ model: NGramModel
  ) throws -> [[Token]] {
    guard !text.isEmpty else {
      throw CommandFailure.usage("--\(name) is given an empty text, expected words")
    }
    guard let exact = model.vocabulary.token(text) else {
      return [try CompiledTarget.tokens(of: text, model: model, option: "--\(name)").tokens]
    }
    let pieces = Tokenizer.tokens(of: text, in: model.vocabulary)
    let written = pieces.compactMap { $0 }
    return written.count < pieces.count || written == [exact] ? [[exact]] : [[exact], written]
  }

  private static func stops(_ arguments: Arguments, model: NGramModel) throws -> [Token] {
    try arguments.texts("stop-token").flatMap { value in
      if let number = Int(value), number >= 0, number < model.vocabulary.count {
        return [Token(number)]
      }
      return try sequences("stop-token", value, model).map { tokens in
        guard tokens.count == 1 else {
          throw CommandFailure.usage(
            "--stop-token takes one token, and '\(value)' is \(tokens.count) of this model")
        }
        return tokens[0]
      }
    }
  }

  /// What the results begin with.
  static func prompt(_ arguments: Arguments, model: NGramModel) throws -> TokenSequence {
    try arguments.text("prompt").map {
      try CompiledTarget.tokens(of: $0, model: model, option: "--prompt")
    } ?? []
  }
}

/// Where decoders write their texts, and what they sum up.
final class DecodingResults {
  private let command: String
  private let modelName: String
  private let model: NGramModel
  private let format: OutputFormat
  private let isQuiet: Bool
  private let stream: ResultStream
  private let began = ContinuousClock.now
  private var texts = 0
  private var finished = 0
  private var tokens = 0

  init(
    _ arguments: Arguments, command: String, modelName: String, model: NGramModel,
    rules: DecodingRules
  ) throws {
    self.command = command
    self.modelName = modelName
    self.model = model
    format = try OutputOptions.format(arguments)
    isQuiet = arguments.has("quiet")
    stream = try ResultStream(path: arguments.text("output"))
    if arguments.has("verbose") {
      let names = rules.transforms.transforms.map(\.name)
      report("transforms: " + (names.isEmpty ? "none" : names.joined(separator: ", ")))
    }
  }

  /// Whether nobody wants more.
  var isAtEnd: Bool { stream.isClosedByReader || Interruption.signal != nil }

  /// Writes a text.
  func write(_ decoded: DecodedText) throws {
    texts += 1
    tokens += decoded.text.count - decoded.promptCount + (decoded.isFinished ? 1 : 0)
    if decoded.isFinished { finished += 1 }
    let text = model.vocabulary.text(of: decoded.text)
    guard format == .jsonl else {
      try stream.writeLine(text)
      return
    }
    var object = JSONObject()
    object.add("type", .string("sample"))
    object.add("text", .string(text))
    object.add("tokens", .integers(decoded.text.map(\.index)))
    object.add("log_probability", .number(decoded.logTransformed))
    object.add("log_model", .number(decoded.logPrompt + decoded.logModel))
    object.add("log_drawn", .number(decoded.logDrawn))
    object.add("finished", .boolean(decoded.isFinished))
    try stream.writeLine(object.text)
  }

  /// Writes the summary and ends.
  func finish(seed: UInt64? = nil) throws {
    let seconds = began.duration(to: .now) / .seconds(1)
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
      if Interruption.signal != nil { summary.add("stopped", .boolean(true)) }
      try stream.writeLine(summary.text)
    }
    try stream.finish()
    if !isQuiet && format == .text {
      report(
        "\n\(texts) text\(texts == 1 ? "" : "s"), \(finished) of them finished, \(tokens) tokens in "
          + String(format: "%.2f s", seconds) + (seed.map { ", seed \($0)" } ?? ""))
    }
    if let code = Interruption.exitCode {
      throw CommandFailure(code, "stopped; what was decoded so far is printed")
    }
  }
}
