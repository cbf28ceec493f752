// Licensed under the Apache License, Version 2.0.

/// Keeps the k most probable tokens.
///
/// Reference: Fan, Lewis and Dauphin 2018, "Hierarchical neural story generation", section 5.4.
///
/// **Edge cases.** Among tokens equal to the k-th, those with lower numbers are kept, so exactly k
/// remain. A k beyond the number of remaining tokens removes nothing.
public struct TopK: Truncation {
  /// The number of tokens that are kept.
  public let k: Int
  /// Whether end tokens are never removed; they are added to the k tokens.
  public let keepsEnd: Bool

  /// Creates the transform; k is positive.
  public init(_ k: Int, keepsEnd: Bool = false) throws(DecodingError) {
    guard k > 0 else { throw .argument("top-k", "at least 1 token is kept", k) }
    self.k = k
    self.keepsEnd = keepsEnd
  }

  /// The name in messages: `top-k K`.
  public var name: String { named("top-k \(k)") }

  /// Keeps the k most probable tokens.
  ///
  /// - Complexity: O(candidates) if few tokens enter the first k when they are read.
  public func truncate(_ next: inout NextTokens, using choices: inout some ChoiceSource) {
    guard k < next.count else { return }
    next.keepFirst(k)
  }
}
