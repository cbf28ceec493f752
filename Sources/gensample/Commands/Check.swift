// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Runs
import Sampling

enum Check: Command {
  static let name = "check"
  static let summary = "whether a constraint file can be met, and where a text breaks it"
  static let usage = "FILE [TEXT...] [options]"
  static let discussion = """
    Says whether the model has a text that meets all statements of a constraint file, and shows one.
    If there is none, it names a smallest set of statements that contradict each other. With TEXT
    (files, or - for standard input) it checks each line, and with --text each
    text given there: which statement the line breaks, and from
    which character on it can no longer be met.

        gensample check examples/constraints/sea.txt
        gensample check examples/constraints/sea.txt --text "The sea was calm."
        echo "The sea was calm." | gensample check examples/constraints/sea.txt -
    """
  static let options = [
    ModelOptions.model, ModelOptions.tokens, ModelOptions.begin,
    Option("text", "TEXT", isRepeatable: true, "check this text"),
    Option("seed", "N", "seed for the text that is shown (default 0)"),
    OutputOptions.format, OutputOptions.quiet,
  ]

  static func run(_ arguments: Arguments) throws {
    guard let path = arguments.positional.first else {
      throw CommandFailure.usage("check needs a constraint file: gensample check \(usage)")
    }
    let format = try OutputOptions.format(arguments)
    let seed = try arguments.seed("seed") ?? 0
    let model = try openModel(
      arguments.text("model") ?? BuiltInModel.english.rawValue, arguments)
    try TextInput.checkOnce(arguments.positional)
    let constraints = try ConstraintFile.parse(
      TextInput.text(path), path: TextInput.shown(path))
    let target = try CompiledTarget(constraints, for: model)
    let texts = arguments.positional.dropFirst()
    let given = arguments.texts("text")
    let lines = try texts.flatMap { try Self.lines($0) }
    let stream = try ResultStream(path: nil)
    if texts.isEmpty, given.isEmpty {
      try show(target, path, seed: seed, format, stream)
    } else {
      let unmet = try judge(given + lines, target, format, stream)
      if unmet > 0 {
        try stream.finish()
        let lines = "\(counted(unmet, "line")) \(unmet == 1 ? "does" : "do")"
        throw CommandFailure(.failed, "\(lines) not meet the statements")
      }
    }
    try stream.finish()
  }

  /// The lines of a file.
  private static func lines(_ path: String) throws -> [String] {
    guard path == "-" || FileManager.default.fileExists(atPath: path) else {
      throw CommandFailure(
        .unreadable,
        "there is no file '\(path)'; to check a text itself, write --text \(quoted(path))")
    }
    return try TextInput.lines(path)
  }

  /// A word as a shell takes it.
  private static func quoted(_ word: String) -> String {
    "'" + word.replacingOccurrences(of: "'", with: "'\\''") + "'"
  }

  private static func show(
    _ target: CompiledTarget, _ path: String, seed: UInt64, _ format: OutputFormat,
    _ stream: ResultStream
  ) throws {
    var choices = RandomChoices(seed: seed)
    func start(_ model: some ChainModel) throws -> TokenSequence? {
      try target.sentences(of: model).randomStart(using: &choices)
    }
    guard let text = try start(target.model.chainModel) else {
      throw CommandFailure(
        .data, "\(TextInput.shown(path)): the model gives every allowed text probability 0")
    }
    let example = target.spelled(text)
    let shortest = target.compiled.automaton.flatMap { $0.shortestCompletion($0.start) } ?? 0
    let states = target.compiled.automaton?.stateCount ?? 1
    switch format {
    case .text:
      try stream.writeLine(
        """
        \(TextInput.shown(path)) can be met, for example by: \(example)
        statements: \(target.compiled.parts.count)  states: \(states)  \
        tokens in the shortest text: \(shortest)
        """)
    case .jsonl:
      var object = JSONObject()
      object.add("type", .string("check"))
      object.add("satisfiable", .boolean(true))
      object.add("example", .string(example))
      object.add("statements", .integer(target.compiled.parts.count))
      object.add("states", .integer(states))
      object.add("shortest", .integer(shortest))
      try stream.writeLine(object.text)
    }
  }

  /// The position, from 1, of the first visible scalar after `offset` scalars.
  private static func column(of offset: Int, in text: String) -> Int {
    let blanks = text.unicodeScalars.dropFirst(offset).prefix { $0.properties.isWhitespace }
    return offset + blanks.count + 1
  }

  /// Checks texts and returns how many break a statement.
  private static func judge(
    _ lines: [String], _ target: CompiledTarget, _ format: OutputFormat, _ stream: ResultStream
  ) throws -> Int {
    let vocabulary = target.model.vocabulary
    var tokenizer = Tokenizer(for: vocabulary)
    var unmet = 0
    for line in lines {
      let text = NFC.of(line)
      let tokens = tokenizer.tokens(of: text, in: vocabulary)
      var reason: String?
      var statement: String?
      var column: Int?
      if let (symbol, place) = ModelSymbols.first(in: text, of: vocabulary) {
        column = place
        reason = "'\(symbol)' stands for the model's own symbol"
      } else if let place = tokens.firstIndex(of: nil) {
        let known = vocabulary.text(of: tokens[..<place].compactMap { $0 })
        column = Self.column(of: known.unicodeScalars.count, in: text)
        let pieces = tokenizer.pieces(of: text)
        let piece = place < pieces.count ? pieces[place] : text
        reason = "'\(piece.drop { $0 == " " })' is outside the model's vocabulary"
      } else {
        let known = tokens.compactMap { $0 }
        if let fault = target.firstUnmet(by: TokenSequence(known)) {
          statement = fault.constraint.text
          if fault.after == known.count {
            reason = "the whole text does not meet it"
          } else {
            column = Self.column(
              of: vocabulary.text(of: known[..<fault.after]).unicodeScalars.count, in: text)
            reason = "can no longer be met"
          }
        }
      }
      if reason != nil { unmet += 1 }
      switch format {
      case .text:
        let said = [statement, reason].compactMap { $0 }.joined(separator: ": ")
        let place = column.map { " from character \($0) on" } ?? ""
        try stream.writeLine(reason == nil ? "met\t\(text)" : "unmet\t\(text)\t\(said)\(place)")
      case .jsonl:
        var object = JSONObject()
        object.add("type", .string("check"))
        object.add("text", .string(text))
        object.add("satisfied", .boolean(reason == nil))
        if let statement { object.add("statement", .string(statement)) }
        if let reason { object.add("reason", .string(reason)) }
        if let column { object.add("character", .integer(column)) }
        try stream.writeLine(object.text)
      }
    }
    return unmet
  }
}
