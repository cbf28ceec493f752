// Licensed under the Apache License, Version 2.0.

public import Sampling

/// Alias tables of many lists that lie one behind the other.
///
/// Reference: Walker 1977; Vose 1991.
@usableFromInline
struct AliasLists: Sendable {
  /// How likely an entry is itself.
  @usableFromInline var thresholds: [Double]
  /// Which entry it is else.
  @usableFromInline var aliases: [UInt32]
  private var filler = AliasFiller()

  init(count: Int) {
    thresholds = [Double](repeating: 1, count: count)
    aliases = [UInt32](repeating: 0, count: count)
  }

  /// Fills the list from an entry on; weights with the sum 0 are never drawn from.
  mutating func fill(from low: Int, _ weights: [Double], sum: Double) {
    guard sum > 0 else { return }
    filler.fill(weights, sum: sum, from: low, &thresholds, &aliases)
  }

  /// An entry of the list from `low` to before `high`, in proportion to its weight.
  @inlinable
  func draw(_ low: Int, _ high: Int, using choices: inout some ChoiceSource) -> Int {
    let place = low &+ choices.index(below: high &- low)
    return choices.chance(thresholds[place]) ? place : Int(aliases[place])
  }
}
