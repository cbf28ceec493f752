// Licensed under the Apache License, Version 2.0.

/// Why a run could not begin or go on: what kind of failure it is, and a message for people.
public struct RunError: Error, Codable, Sendable, CustomStringConvertible {
  /// What went wrong, for callers that tell cases apart; a program's exit code follows from it.
  public enum Kind: String, Codable, Sendable {
    /// The run itself failed.
    case failed
    /// What was asked for cannot be done so.
    case usage
    /// What was read is not what it should be.
    case data
    /// A file or a folder cannot be read.
    case unreadable
    /// A server cannot be reached.
    case unreachable
    /// A file or a folder cannot be written.
    case unwritable
    /// Ctrl-C stopped the run.
    case interrupted
    /// SIGTERM stopped the run.
    case terminated
  }

  /// What went wrong.
  public let kind: Kind
  /// What was found, what was expected, and what to do.
  public let message: String

  /// A failure and its message.
  public init(_ kind: Kind, _ message: String) {
    self.kind = kind
    self.message = message
  }

  /// A failure by what was asked for.
  public static func usage(_ message: String) -> RunError { RunError(.usage, message) }

  /// The message.
  public var description: String { message }
}
