// Licensed under the Apache License, Version 2.0.

/// A fixed distribution over 0 ..< count, drawn in constant time.
///
/// Reference: Walker 1977; Vose 1991. One draw is one equal choice and one chance.
public struct AliasTable: Sendable {
  @usableFromInline let thresholds: [Double]
  @usableFromInline let aliases: [UInt32]

  /// The distribution in proportion to these weights.
  ///
  /// - Precondition: weights are finite and not negative, one at least is positive, and there are
  ///   fewer than 2^32.
  /// - Complexity: O(count).
  public init(weights: [Double]) {
    let total = weights.reduce(0, +)
    precondition(total > 0 && total < .infinity, "weights have a positive, finite sum")
    precondition(weights.allSatisfy { $0 >= 0 }, "weights are not negative")
    let count = weights.count
    var thresholds = [Double](repeating: 1, count: count)
    var aliases = [UInt32](repeating: 0, count: count)
    var filler = AliasFiller()
    filler.fill(weights, sum: total, from: 0, &thresholds, &aliases)
    self.thresholds = thresholds
    self.aliases = aliases
  }

  /// How many outcomes there are.
  public var count: Int { thresholds.count }

  /// An outcome in proportion to its weight.
  @inlinable
  public func draw(using choices: inout some ChoiceSource) -> Int {
    let place = choices.index(below: thresholds.count)
    return choices.chance(thresholds[place]) ? place : Int(aliases[place])
  }
}

/// Fills alias tables that lie one behind the other in long arrays.
package struct AliasFiller {
  private var small: [Int] = []
  private var large: [Int] = []
  private var scaled: [Double] = []

  package init() {}

  /// Fills the table of some weights with a positive sum.
  ///
  /// - Parameters:
  ///   - weights: not negative.
  ///   - sum: theirs.
  ///   - base: the place of the first one's entry; aliases are places too.
  ///   - thresholds: how likely an entry is itself.
  ///   - aliases: who else it is.
  package mutating func fill(
    _ weights: [Double], sum: Double, from base: Int, _ thresholds: inout [Double],
    _ aliases: inout [UInt32]
  ) {
    small.removeAll(keepingCapacity: true)
    large.removeAll(keepingCapacity: true)
    scaled.removeAll(keepingCapacity: true)
    let scale = Double(weights.count) / sum
    var heaviest = 0
    for (i, weight) in weights.enumerated() {
      scaled.append(weight * scale)
      thresholds[base + i] = 1
      aliases[base + i] = UInt32(base + i)
      if scaled[i] < 1 { small.append(i) } else { large.append(i) }
      if weight > weights[heaviest] { heaviest = i }
    }
    while let less = small.popLast() {
      guard let more = large.last else {
        // Rounding alone leaves one over; of weight zero it must still never be drawn.
        if weights[less] == 0 {
          thresholds[base + less] = 0
          aliases[base + less] = UInt32(base + heaviest)
        }
        continue
      }
      thresholds[base + less] = scaled[less]
      aliases[base + less] = UInt32(base + more)
      scaled[more] -= 1 - scaled[less]
      if scaled[more] < 1 {
        large.removeLast()
        small.append(more)
      }
    }
  }
}
