// Licensed under the Apache License, Version 2.0.

public import Sampling

/// Alias tables of many lists, stored one after the other.
///
/// Reference: Walker 1977; Vose 1991.
@usableFromInline
struct AliasLists: Sendable {
  @usableFromInline let entries: FlatBuffer<AliasEntry>
  private var filler = AliasFiller()

  init(count: Int) {
    entries = FlatBuffer(count: count)
  }

  /// Fills the list that starts at an entry; lists with the sum 0 are never drawn from.
  mutating func fill(from low: Int, _ weights: [Double], sum: Double) {
    guard sum > 0 else { return }
    unsafe filler.fill(entries.pointer, weights, sum: sum, from: low)
  }

  /// Draws an entry of the list from `low` to before `high`, in proportion to its weight.
  @inlinable
  func draw(_ low: Int, _ high: Int, using choices: inout some ChoiceSource) -> Int {
    unsafe entries.pointer[low &+ choices.index(below: high &- low)].draw(using: &choices)
  }
}
