// Licensed under the Apache License, Version 2.0.

/// The error of a decoder that cannot be made or cannot continue.
public struct DecodingError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The kind of error, for callers that handle kinds differently.
  public struct Kind: Hashable, Sendable {
    private enum Code { case badArgument, nothingLeft, badLogit, unmet }
    private let code: Code

    /// A parameter lies outside its range.
    public static let badArgument = Kind(code: .badArgument)
    /// No token may come next.
    public static let nothingLeft = Kind(code: .nothingLeft)
    /// A logit is not a number, or is plus infinity.
    public static let badLogit = Kind(code: .badLogit)
    /// No allowed text begins with the prompt and ends within the limit.
    public static let unmet = Kind(code: .unmet)
  }

  /// The kind of error.
  public let kind: Kind
  /// The transform that caused it, as the user writes it; `nil` if it was the model or a decoder.
  public let transform: String?
  /// What was found, what was expected and what to do.
  public let description: String

  /// Creates an error.
  public init(_ kind: Kind, transform: String? = nil, _ description: String) {
    self.kind = kind
    self.transform = transform
    self.description = description
  }

  /// The same error with its place: the text before it and the number of the choice.
  func at(choice: Int, behind text: String) -> DecodingError {
    guard kind == .nothingLeft || kind == .badLogit else { return self }
    let end = text.count > 80 ? "...\(text.suffix(80))" : text
    return DecodingError(
      kind, transform: transform,
      "\(description) (token \(choice), behind \(end.isEmpty ? "no text" : "'\(end)'"))")
  }

  static func argument(
    _ transform: String, _ what: String, _ value: some CustomStringConvertible
  ) -> DecodingError {
    DecodingError(.badArgument, transform: transform, "\(transform): \(what), got \(value)")
  }
}
