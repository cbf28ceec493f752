// Licensed under the Apache License, Version 2.0.

package import LM

/// How texts are drawn from left to right.
package struct LookAheadOptions: Sendable {
  /// If constraints leave the length of a text open, it must be bounded all the same.
  package static let defaultMost = 256

  /// What is expected of the rest of a text; `nil` for the best that is possible.
  package var kind: LookAheadKind?
  /// A model of n-grams over the same tokens, which expects in place of the model; `nil` for none.
  package var companion: LoadedModel?
  /// The bytes that a look-ahead by bigrams may take.
  package var memory = 1 << 30
  /// The most tokens of a text; `nil` for what the constraints allow, or a default.
  package var mostTokens: Int?

  package init() {}

  /// The companion, for what results depend on.
  var furtherModels: [FurtherModel] {
    companion.map { [FurtherModel(option: "look-ahead", name: $0.name, checksum: $0.checksum)] }
      ?? []
  }
}
