// Licensed under the Apache License, Version 2.0.

/// A fixed distribution over 0 ..< count, drawn in constant time.
///
/// Reference: Walker 1977; Vose 1991. One draw is one equal choice and one chance.
public struct AliasTable: Sendable {
  @usableFromInline let entries: [AliasEntry]

  /// The distribution in proportion to these weights.
  ///
  /// - Precondition: weights are finite and not negative, one at least is positive, and there are
  ///   fewer than 2^32.
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

  /// How many outcomes there are.
  public var count: Int { entries.count }

  /// An outcome in proportion to its weight.
  @inlinable
  public func draw(using choices: inout some ChoiceSource) -> Int {
    entries[choices.index(below: entries.count)].draw(using: &choices)
  }
}

/// An entry of an alias table: itself, or else another one.
@usableFromInline
@frozen
package struct AliasEntry: Sendable {
  /// How likely it is itself.
  @usableFromInline package var threshold = 1.0
  /// Its own place, and the other one's.
  @usableFromInline package var place: UInt32
  @usableFromInline package var alias: UInt32

  @inlinable
  package init(_ place: UInt32) {
    self.place = place
    alias = place
  }

  /// One of both.
  @inlinable
  package func draw(using choices: inout some ChoiceSource) -> Int {
    Int(choices.chance(threshold) ? place : alias)
  }
}

/// Fills alias tables that lie one behind the other in a long one.
package struct AliasFiller: Sendable {
  private var small: [Int] = []
  private var large: [Int] = []
  private var scaled: [Double] = []

  package init() {}

  /// Fills the table of some weights with a positive sum.
  ///
  /// - Parameters:
  ///   - entries: the long table.
  ///   - weights: not negative.
  ///   - sum: theirs.
  ///   - base: where the table's entries begin.
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
        // Rounding alone leaves one over; of weight zero it must still never be drawn.
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
