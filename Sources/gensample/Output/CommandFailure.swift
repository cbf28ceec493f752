// Licensed under the Apache License, Version 2.0.

/// Why a command ends without success: a message for standard error and an exit code.
struct CommandFailure: Error {
  /// The contract's exit codes.
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

/// A command that ends with success before it began: what was asked for is there.
struct NothingToDo: Error {
  var message: String
}
