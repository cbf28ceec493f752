// Licensed under the Apache License, Version 2.0.

/// A fixed distribution over 0 ..< count, drawn in constant time.
///
/// A draw takes one uniform choice and one chance. Reference: Walker 1977; Vose 1991.
public struct AliasTable: Sendable {
  @usableFromInline let entries: [AliasEntry]

  /// Creates the distribution in proportion to some weights.
  ///
  /// - Precondition: the weights are finite and not negative, at least one is positive, and there
  ///   are fewer than 2^32.
  /// - Complexity: O(count).
  public init(weights: [Double]) {
    let total = weights.reduce(0, +)
    precondition(total > 0 && total < .infinity, "weights have a positive, finite sum")
    precondition(weights.allSatisfy { $0 >= 0 }, "weights are not negative")
    var filler = AliasFiller()
    var entries = [AliasEntry](repeating: AliasEntry(0), count: weights.count)
    unsafe entries.withUnsafeMutableBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      unsafe filler.fill(base, weights, sum: total, from: 0)
    }
    self.entries = entries
  }

  /// The number of outcomes.
  public var count: Int { entries.count }

  /// Draws an outcome in proportion to its weight.
  @inlinable
  public func draw(using choices: inout some ChoiceSource) -> Int {
    entries[choices.index(below: entries.count)].draw(using: &choices)
  }
}

/// An entry of an alias table: an outcome and its alias.
@usableFromInline
@frozen
package struct AliasEntry: Sendable {
  /// The probability of keeping the entry's own outcome.
  @usableFromInline package var threshold = 1.0
  /// The index of the entry's own outcome, and of its alias.
  @usableFromInline package var place: UInt32
  @usableFromInline package var alias: UInt32

  @inlinable
  package init(_ place: UInt32) {
    self.place = place
    alias = place
  }

  /// Draws the outcome or its alias.
  @inlinable
  package func draw(using choices: inout some ChoiceSource) -> Int {
    Int(choices.chance(threshold) ? place : alias)
  }
}

/// Fills alias tables that are stored one after another in a long array.
package struct AliasFiller: Sendable {
  private var small: [Int] = []
  private var large: [Int] = []
  private var scaled: [Double] = []

  package init() {}

  /// Fills the table for weights with a positive sum.
  ///
  /// - Parameters:
  ///   - entries: the long array.
  ///   - weights: the weights, not negative.
  ///   - sum: the sum of the weights.
  ///   - base: the index of the table's first entry.
  package mutating func fill(
    _ entries: UnsafeMutablePointer<AliasEntry>, _ weights: [Double], sum: Double, from base: Int
  ) {
    small.removeAll(keepingCapacity: true)
    large.removeAll(keepingCapacity: true)
    scaled.removeAll(keepingCapacity: true)
    let scale = Double(weights.count) / sum
    var heaviest = 0
    for (i, weight) in weights.enumerated() {
      scaled.append(weight * scale)
      unsafe entries[base + i] = AliasEntry(UInt32(base + i))
      if scaled[i] < 1 { small.append(i) } else { large.append(i) }
      if weight > weights[heaviest] { heaviest = i }
    }
    while let less = small.popLast() {
      guard let more = large.last else {
        // Rounding can leave an entry over. If its weight is zero, it must still never be drawn.
        if weights[less] == 0 {
          unsafe entries[base + less].threshold = 0
          unsafe entries[base + less].alias = UInt32(base + heaviest)
        }
        continue
      }
      unsafe entries[base + less].threshold = scaled[less]
      unsafe entries[base + less].alias = UInt32(base + more)
      scaled[more] -= 1 - scaled[less]
      if scaled[more] < 1 {
        large.removeLast()
        small.append(more)
      }
    }
  }
}
