// Licensed under the Apache License, Version 2.0.

/// Why a file or a text could not be read, made or written: a sentence that names the place.
public struct LoadError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What went wrong, for callers that tell cases apart.
  public struct Kind: Hashable, Sendable {
    private enum Code { case cannotRead, cannotWrite, badData, badArgument, cancelled }
    private let code: Code

    /// A file is not there or may not be read.
    public static let cannotRead = Kind(code: .cannotRead)
    /// A file or temporary data cannot be written.
    public static let cannotWrite = Kind(code: .cannotWrite)
    /// What was read is not what it should be.
    public static let badData = Kind(code: .badData)
    /// What was asked for cannot be done.
    public static let badArgument = Kind(code: .badArgument)
    /// The work was asked to stop.
    public static let cancelled = Kind(code: .cancelled)
  }

  /// Where in a file.
  public enum Place: Hashable, Sendable {
    /// A line, from 1.
    case line(Int)
    /// A line and a column, both from 1.
    case column(line: Int, column: Int)
    /// A byte, from 0.
    case byte(Int)
  }

  /// What went wrong.
  public let kind: Kind
  /// The file, if it is about one.
  public let path: String?
  /// The place in it, if there is one.
  public let place: Place?
  /// What was found, what was expected and what to do, without the place.
  public let reason: String

  /// An error.
  public init(_ kind: Kind, path: String? = nil, place: Place? = nil, _ reason: String) {
    self.kind = kind
    self.path = path
    self.place = place
    self.reason = reason
  }

  /// `file:line: reason`.
  public var description: String {
    var text = path == "-" ? "standard input" : path ?? ""
    switch place {
    case .line(let line): text += ":\(line)"
    case .column(let line, let column): text += ":\(line):\(column)"
    case .byte(let byte): text += " at byte \(byte)"
    case nil: break
    }
    return text.isEmpty ? reason : "\(text): \(reason)"
  }
}
