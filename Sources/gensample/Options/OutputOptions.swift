// Licensed under the Apache License, Version 2.0.

import Runs

/// How results are written.
enum OutputFormat: String, CaseIterable {
  case text, jsonl
}

/// The options for output that commands share.
enum OutputOptions {
  static let format = Option(
    "format", "FORMAT", "text, or jsonl (one JSON object per line) (default text)")
  static let quiet = Option(flag: "quiet", "print only errors on standard error")
  static let output = Option("output", "PATH", "write results to PATH, not to standard output")
  static let progress = Option(
    "progress", "WHEN", "auto, always or never: show progress on standard error (default auto)")

  /// The options of commands that sample.
  static let sampler = [format, output, quiet, progress]

  /// The options of commands that print one report.
  static let report = [format, quiet]

  static func format(_ arguments: Arguments) throws(CommandFailure) -> OutputFormat {
    try arguments.choice("format", as: OutputFormat.self) ?? .text
  }

  /// Writes a report in the format that the options ask for.
  static func write(
    _ object: @autoclosure () -> JSONObject, _ arguments: Arguments,
    text: @autoclosure () -> String
  ) throws(CommandFailure) {
    let stream = try ResultStream(path: nil)
    switch try format(arguments) {
    case .text: try stream.writeLine(text())
    case .jsonl: try stream.writeLine(object().text)
    }
    try stream.finish()
  }
}
