// Licensed under the Apache License, Version 2.0.

/// An entry of a model's vocabulary, by its index there.
@frozen
public struct Token: RawRepresentable, Hashable, Comparable, Sendable {
  /// Index in the vocabulary, from 0.
  public var rawValue: UInt32

  /// Creates a token from its index in the vocabulary.
  @inlinable
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// Creates a token from its index, which must lie in 0 ..< 2^32.
  @inlinable
  public init(_ index: Int) { rawValue = UInt32(index) }

  /// The index as `Int`.
  @inlinable
  public var index: Int { Int(rawValue) }

  /// Compares tokens by their indices.
  @inlinable
  public static func < (a: Token, b: Token) -> Bool { a.rawValue < b.rawValue }
}

extension Token: CustomStringConvertible {
  /// The index in decimal.
  public var description: String { String(rawValue) }
}
