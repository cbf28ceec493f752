// Licensed under the Apache License, Version 2.0.

/// The reason why a command fails: a message for standard error and an exit code.
struct CommandFailure: Error {
  /// The exit codes that users may rely on.
  enum Code: Int32 {
    case failed = 1
    case usage = 64
    case data = 65
    case unreadable = 66
    case unreachable = 69
    case unwritable = 73
    case interrupted = 130
    case terminated = 143
  }

  var code: Code
  var message: String

  init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }

  static func usage(_ message: String) -> CommandFailure { CommandFailure(.usage, message) }
}

/// Thrown when the results are already there, so there is nothing to do; the exit code is 0.
struct NothingToDo: Error {
  var message: String
}
