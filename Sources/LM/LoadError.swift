// Licensed under the Apache License, Version 2.0.

/// The error of reading, making or writing a file or text, as a sentence that names the place.
public struct LoadError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The kind of error, for callers that handle kinds differently.
  public struct Kind: Hashable, Sendable {
    private enum Code { case cannotRead, cannotWrite, badData, badArgument, cancelled }
    private let code: Code

    /// A file does not exist or cannot be read.
    public static let cannotRead = Kind(code: .cannotRead)
    /// A file or temporary data cannot be written.
    public static let cannotWrite = Kind(code: .cannotWrite)
    /// A file or text does not have the expected form.
    public static let badData = Kind(code: .badData)
    /// The request cannot be carried out.
    public static let badArgument = Kind(code: .badArgument)
    /// The work was asked to stop.
    public static let cancelled = Kind(code: .cancelled)
  }

  /// A place in a file.
  public enum Place: Hashable, Sendable {
    /// A line number, from 1.
    case line(Int)
    /// A line and a column, both from 1.
    case column(line: Int, column: Int)
    /// A byte offset, from 0.
    case byte(Int)
  }

  /// The kind of error.
  public let kind: Kind
  /// The file's path, if the error is about a file.
  public let path: String?
  /// The place in the file, if it is known.
  public let place: Place?
  /// What was found, what was expected and what to do, without the place.
  public let reason: String

  /// Creates an error; the reason must not name the place.
  public init(_ kind: Kind, path: String? = nil, place: Place? = nil, _ reason: String) {
    self.kind = kind
    self.path = path
    self.place = place
    self.reason = reason
  }

  /// The message in the form `file:line: reason`.
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
