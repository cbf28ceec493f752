// Licensed under the Apache License, Version 2.0.

/// An entry of a model's vocabulary, by its index there.
@frozen
public struct Token: RawRepresentable, Hashable, Comparable, Sendable {
  /// Index in the vocabulary, from 0.
  public var rawValue: UInt32

  /// The entry with this index.
  @inlinable
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// The entry with this index, which must lie in 0 ..< 2^32.
  @inlinable
  public init(_ index: Int) { rawValue = UInt32(index) }

  /// The index as `Int`.
  @inlinable
  public var index: Int { Int(rawValue) }

  /// Order of indices.
  @inlinable
  public static func < (a: Token, b: Token) -> Bool { a.rawValue < b.rawValue }
}

extension Token: CustomStringConvertible {
  /// The index in decimal.
  public var description: String { String(rawValue) }
}
