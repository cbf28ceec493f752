// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Runs
import Sampling

/// The options that define the target: the model and the statements about texts.
enum TargetOptions {
  /// The options that make statements about texts.
  static let statements = [
    Option(
      "constraints", "FILE", isRepeatable: true, "a constraint file, or - ; all statements hold"),
    Option("include", "WORD", isRepeatable: true, "the text contains this word"),
    Option("exclude", "WORD", isRepeatable: true, "the text does not contain this word"),
    Option("length", "A..B", "the number of words in the text"),
    Option("match", "REGEX", isRepeatable: true, "the whole text matches"),
  ]

  static let all =
    ModelOptions.all + statements + [
      Option("prompt", "TEXT", "the beginning of every result"),
      Option("each", "FILE", "words to include, one set per line; each line is its own target"),
    ]

  /// The statements of constraint files and options together.
  ///
  /// Decoders leave the prompt out, because they put its tokens into the text themselves.
  static func constraints(
    _ arguments: Arguments, withPrompt: Bool = true
  ) throws -> [Constraint] {
    var constraints: [Constraint] = []
    let files = arguments.texts("constraints")
    try TextInput.checkOnce(files + arguments.texts("each"))
    for file in files {
      constraints += try ConstraintFile.parse(TextInput.text(file), path: TextInput.shown(file))
    }
    func add(
      _ option: String, _ statement: String,
      _ kind: (String) throws(CommandFailure) -> Constraint.Kind
    ) throws(CommandFailure) {
      for value in arguments.texts(option) {
        guard !value.isEmpty else {
          throw .usage("--\(option) is given an empty text, expected a word")
        }
        constraints.append(
          Constraint(
            try kind(NFC.of(value)), text: "\(statement) \(JSONObject.quoted(NFC.of(value)))",
            origin: "--\(option)"))
      }
    }
    try add("include", "include") { .include([.word($0)]) }
    try add("exclude", "exclude") { .exclude([.word($0)]) }
    if withPrompt { try add("prompt", "begin") { .begin($0, ignoringCase: false) } }
    if let value = arguments.text("length") {
      switch ConstraintRange.parse(value) {
      case .failure(let fault): throw CommandFailure.usage("--length \(value): \(fault)")
      case .success(let range):
        constraints.append(
          Constraint(.length(range, .words), text: "length \(value) words", origin: "--length"))
      }
    }
    for value in arguments.texts("match") {
      constraints.append(
        Constraint(
          .match(try expression(NFC.of(value), option: "match")),
          text: "match /\(escapingSlashes(value))/",
          origin: "--match"))
    }
    return constraints
  }

  /// Parses the regular expression of an option.
  static func expression(
    _ text: String, option: String
  ) throws(CommandFailure) -> Sampling.Expression {
    do throws(RegularExpression.Failure) {
      return try RegularExpression.parse(text)
    } catch {
      throw .usage("--\(option) '\(text)': at character \(error.offset + 1) \(error.reason)")
    }
  }

  /// The regular expression of an option as it would stand between slashes in a constraint file.
  static func escapingSlashes(_ expression: String) -> String {
    var escaped = ""
    var isEscaped = false
    for character in expression {
      if character == "/" && !isEscaped { escaped += "\\" }
      isEscaped = character == "\\" && !isEscaped
      escaped.append(character)
    }
    return escaped
  }

  /// The keyword sets of a file with their line numbers; empty lines are skipped.
  static func keywordSets(_ path: String) throws -> [(line: Int, constraint: Constraint)] {
    var sets: [(line: Int, constraint: Constraint)] = []
    for (i, line) in try TextInput.lines(path).enumerated() {
      let words = NFC.of(line).split(whereSeparator: \.isWhitespace).map(String.init)
      guard !words.isEmpty else { continue }
      sets.append(
        (
          i + 1,
          Constraint(
            .include(words.map { .word($0) }),
            text: "include " + words.map(JSONObject.quoted).joined(separator: " "),
            origin: "\(TextInput.shown(path)):\(i + 1)")
        ))
    }
    guard !sets.isEmpty else {
      throw CommandFailure(
        .data, "\(TextInput.shown(path)) contains no words; expected one set per line")
    }
    return sets
  }
}
