// Licensed under the Apache License, Version 2.0.

/// A number, or the reason why there is none.
public enum Estimate: Codable, Hashable, Sendable {
  /// A number; an infinite R-hat counts as one.
  case value(Double)
  /// The reason why there is no number, as a sentence without a full stop.
  case undefined(String)

  /// The number, if there is one.
  public var value: Double? {
    if case .value(let value) = self { value } else { nil }
  }

  /// The reason, if there is no number.
  public var reason: String? {
    if case .undefined(let reason) = self { reason } else { nil }
  }

  /// Transforms the number, if there is one.
  public func map(_ transform: (Double) throws -> Double) rethrows -> Estimate {
    switch self {
    case .value(let value): .value(try transform(value))
    case .undefined: self
    }
  }

  private enum Key: String, CodingKey { case value, reason }

  /// Reads `{"value": ...}` or `{"reason": ...}`.
  public init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: Key.self)
    if let value = try fields.decodeIfPresent(Double.self, forKey: .value) {
      self = .value(value)
    } else {
      self = .undefined(try fields.decode(String.self, forKey: .reason))
    }
  }

  /// Writes `{"value": ...}` or `{"reason": ...}`.
  public func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: Key.self)
    switch self {
    case .value(let value): try fields.encode(value, forKey: .value)
    case .undefined(let reason): try fields.encode(reason, forKey: .reason)
    }
  }

  /// The smaller of two numbers; if one is missing, the first reason.
  static func smaller(_ a: Estimate, _ b: Estimate) -> Estimate {
    guard let first = a.value else { return a }
    return b.map { min(first, $0) }
  }
}
