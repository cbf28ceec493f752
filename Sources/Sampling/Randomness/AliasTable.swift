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
    var scaled = weights.map { $0 / total * Double(count) }
    var thresholds = [Double](repeating: 1, count: count)
    var aliases = (0..<count).map { UInt32($0) }
    var small = (0..<count).filter { scaled[$0] < 1 }
    var large = (0..<count).filter { scaled[$0] >= 1 }
    while let less = small.popLast() {
      guard let more = large.last else {
        // Rounding alone leaves a small one over. One of weight zero must still never be drawn.
        if weights[less] == 0 {
          thresholds[less] = 0
          aliases[less] = UInt32(weights.indices.max { weights[$0] < weights[$1] } ?? 0)
        }
        continue
      }
      thresholds[less] = scaled[less]
      aliases[less] = UInt32(more)
      scaled[more] -= 1 - scaled[less]
      if scaled[more] < 1 {
        large.removeLast()
        small.append(more)
      }
    }
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
