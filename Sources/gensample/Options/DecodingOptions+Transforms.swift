// Licensed under the Apache License, Version 2.0.

import LM
import Runs
import Sampling

extension DecodingOptions {
  /// The tokens that the values of an option name.
  static func tokens(
    _ name: String, _ arguments: Arguments, _ model: LoadedModel
  ) throws -> Set<Token> {
    try Set(
      arguments.texts(name).flatMap { value in
        try sequences(name, value, model).flatMap { $0 }
      })
  }

  /// The transform that an option describes; `nil` if the option is not a transform.
  static func transform(
    _ name: String, _ value: String, model: LoadedModel, scope: RepetitionScope,
    breakers: Set<Token>, source: [[Token]], keepsEnd: Bool
  ) throws -> (any NextTokenTransform)? {
    func number() throws -> Double { try numbers(name, value, "N")[0] }
    func whole() throws -> Int { try integer(name, value) }
    switch name {
    case "temperature": return try Temperature(number())
    case "dynamic-temperature":
      let parts = try numbers(name, value, "LOW,HIGH,EXPONENT")
      return try DynamicTemperature(low: parts[0], high: parts[1], exponent: parts[2])
    case "copy": return try CopiedSpans(of: source, length: whole())
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
    case "no-repeat-ngram": return try NoRepeatNGram(whole(), countsPrompt: scope.countsPrompt)
    case "dry":
      let parts = try numbers(name, value, "MULTIPLIER,BASE,LENGTH")
      guard let length = Int(exactly: parts[2]) else {
        throw CommandFailure.usage("--dry takes a whole number as its length, got '\(parts[2])'")
      }
      return try RepeatedSuffixPenalty(
        multiplier: parts[0], base: parts[1], allowedLength: length, breakers: breakers,
        window: scope.window)
    case "bias":
      guard let equals = value.lastIndex(of: "="),
        let bias = Double(value[value.index(after: equals)...]), bias.isFinite
      else {
        throw CommandFailure.usage(
          "--bias takes TEXT=X with a finite X, such as sea=1.5, got '\(value)'; --forbid removes")
      }
      let text = String(value[..<equals])
      return try SequenceBias(
        sequences(name, text, model).map { ($0, bias) },
        written: "\(JSONObject.quoted(text))=\(bias)")
    case "forbid":
      return try ForbiddenSequences(
        sequences(name, value, model), written: JSONObject.quoted(value))
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

  /// The tokens of a text at the beginning of a line, and the single token for it if there is one.
  ///
  /// The single token may have no space before it, as `.` after a word has none.
  static func sequences(
    _ name: String, _ text: String, _ model: LoadedModel
  ) throws -> [[Token]] {
    guard !text.isEmpty else {
      throw CommandFailure.usage("--\(name) was given an empty text, expected words")
    }
    guard let exact = model.vocabulary.token(text) else {
      return [try CompiledTarget.tokens(of: text, model: model, option: "--\(name)").tokens]
    }
    let pieces = model.tokens(of: text)
    let written = pieces.compactMap { $0 }
    return written.count < pieces.count || written == [exact] ? [[exact]] : [[exact], written]
  }
}
