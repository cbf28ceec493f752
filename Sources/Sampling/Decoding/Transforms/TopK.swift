// Licensed under the Apache License, Version 2.0.

/// The k most probable tokens.
///
/// Reference: Fan, Lewis and Dauphin 2018, "Hierarchical neural story generation", section 5.4.
///
/// **Edge cases.** Of tokens equal to the k-th the lower ones are kept, so that exactly k are;
/// a k beyond what is left removes nothing.
public struct TopK: Truncation {
  /// How many are kept.
  public let k: Int
  /// Whether end tokens are never removed; they come on top of the k.
  public let keepsEnd: Bool

  /// The first k, k being positive.
  public init(_ k: Int, keepsEnd: Bool = false) throws(DecodingError) {
    guard k > 0 else { throw .argument("top-k", "at least 1 token is kept", k) }
    self.k = k
    self.keepsEnd = keepsEnd
  }

  /// `top-k K`.
  public var name: String { named("top-k \(k)") }

  /// Keeps the first k.
  ///
  /// - Complexity: O(candidates) where few come to stand among the first k when they are met.
  public func truncate(_ next: inout NextTokens, using choices: inout some ChoiceSource) {
    guard k < next.count else { return }
    next.keepFirst(k)
  }
}
