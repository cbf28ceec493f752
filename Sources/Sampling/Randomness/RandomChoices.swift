// Licensed under the Apache License, Version 2.0.

/// Choices made by a random generator; each draw function is pinned, so seeds keep their meaning.
public struct RandomChoices: ChoiceSource, Hashable, Sendable {
  /// The generator; a copy of it is a checkpoint.
  public var random: Philox

  /// Creates choices from a generator.
  public init(_ random: Philox) { self.random = random }

  /// Creates choices from the stream of a seed.
  public init(seed: UInt64) { random = Philox(seed: seed) }

  /// Chooses one of 0 ..< count, all equally likely without any bias.
  ///
  /// Reference: Lemire 2019, "Fast random integer generation in an interval".
  @inlinable
  public mutating func index(below count: Int) -> Int {
    precondition(count > 0, "a choice has at least one branch")
    let bound = UInt64(count)
    var product = random.next().multipliedFullWidth(by: bound)
    if product.low < bound {
      let rest = (0 &- bound) % bound
      while product.low < rest { product = random.next().multipliedFullWidth(by: bound) }
    }
    return Int(product.high)
  }

  /// Returns true with a given probability, to a resolution of 2^-53; 0 and 1 are exact.
  @inlinable
  public mutating func chance(_ probability: Double) -> Bool {
    precondition(probability >= 0 && probability <= 1, "a probability lies in 0 ... 1")
    return uniform() < probability
  }

  /// Chooses an index in proportion to its weight, by inverting the cumulative weights.
  ///
  /// - Complexity: O(count).
  @inlinable
  public mutating func index(weights: borrowing Span<Double>) -> Int {
    if weights.count >= 1024 { return indexByBlocks(weights: weights) }
    var total = 0.0
    for i in weights.indices { total += weights[i] }
    precondition(total > 0 && total < .infinity, "weights have a positive, finite sum")
    let mark = uniform() * total
    var sum = 0.0
    var last = 0
    for i in weights.indices where weights[i] > 0 {
      sum += weights[i]
      last = i
      if mark < sum { return i }
    }
    // Rounding can put the mark at the total.
    return last
  }

  /// Chooses an index in proportion to its weight, by searching the sums.
  ///
  /// - Complexity: O(log count).
  @inlinable
  public mutating func index(
    weights: borrowing Span<Double>, sums: borrowing Span<Double>
  ) -> Int {
    let total = sums[sums.count - 1]
    precondition(total > 0 && total < .infinity, "weights have a positive, finite sum")
    // Rounding can put the mark at the total.
    let mark = min(uniform() * total, total.nextDown)
    // The first sum above the mark: it exceeds the one before.
    var low = 0
    var count = sums.count - 1
    while count > 0 {
      let half = (count &+ 1) / 2
      low = sums[low &+ half &- 1] <= mark ? low &+ half : low
      count &-= half
    }
    return low
  }

  /// The same choice by weights, skipping blocks whose sums don't contain the mark.
  @usableFromInline
  mutating func indexByBlocks(weights: borrowing Span<Double>) -> Int {
    let block = DenseNumbers.blockCount
    func places(_ first: Int, _ weights: borrowing Span<Double>) -> Range<Int> {
      first..<min(first + block, weights.count)
    }
    var total = 0.0
    for first in stride(from: 0, to: weights.count, by: block) {
      total += DenseNumbers.sum(weights, places(first, weights))
    }
    precondition(total > 0 && total < .infinity, "weights have a positive, finite sum")
    let mark = uniform() * total
    var sum = 0.0
    var last = 0
    for first in stride(from: 0, to: weights.count, by: block) {
      let places = places(first, weights)
      let reached = sum + DenseNumbers.sum(weights, places)
      guard mark < reached else {
        sum = reached
        continue
      }
      for i in places where weights[i] > 0 {
        sum += weights[i]
        last = i
        if mark < sum { return i }
      }
      // A sum in another order can round to less than the sum of the block.
      return last
    }
    // Rounding can put the mark at the total.
    var end = weights.count - 1
    while end > 0, weights[end] == 0 { end -= 1 }
    return end
  }

  /// Returns true with probability min(1, exp(r)); the threshold is drawn first.
  @inlinable
  public mutating func accepts(_ logRatio: (_ threshold: Double) -> Double) -> Bool {
    // 1 - uniform lies in 0 < u <= 1, so the logarithm is finite.
    let threshold = LogSpace.log(1 - uniform())
    return logRatio(threshold) >= threshold
  }

  /// A multiple of 2^-53 in 0 ..< 1.
  @inlinable
  mutating func uniform() -> Double {
    Double(random.next() >> 11) * 0x1p-53
  }
}
