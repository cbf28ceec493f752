// Licensed under the Apache License, Version 2.0.

/// How results are written.
enum OutputFormat: String, CaseIterable {
  case text, jsonl
}

/// Options that commands share about what they print.
enum OutputOptions {
  static let format = Option(
    "format", "FORMAT", "text, or jsonl: one JSON object a line (default text)")
  static let quiet = Option(flag: "quiet", "say nothing on standard error but errors")
  static let output = Option("output", "PATH", "write results there instead of standard output")
  static let progress = Option(
    "progress", "WHEN", "auto, always or never show progress on standard error (default auto)")

  /// For commands that sample.
  static let sampler = [format, output, quiet, progress]

  /// For commands that end in one report.
  static let report = [format, quiet]

  static func format(_ arguments: Arguments) throws(CommandFailure) -> OutputFormat {
    try arguments.choice("format", as: OutputFormat.self) ?? .text
  }

  /// Writes a report in the form that was asked for.
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
