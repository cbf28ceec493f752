// Licensed under the Apache License, Version 2.0.

/// How texts are drawn from left to right.
package struct LookAheadOptions: Sendable {
  /// If constraints leave the length of a text open, it must be bounded all the same.
  package static let defaultMost = 256

  /// What is expected of the rest of a text; `nil` for the best that is possible.
  package var kind: LookAheadKind?
  /// The bytes that a look-ahead by bigrams may take.
  package var memory = 1 << 30
  /// The most tokens of a text; `nil` for what the constraints allow, or a default.
  package var mostTokens: Int?

  package init() {}
}
