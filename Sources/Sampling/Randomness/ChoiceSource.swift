// Licensed under the Apache License, Version 2.0.

/// The source of all random choices.
///
/// Every random act is a finite choice with known probabilities. ``RandomChoices`` plays it with a
/// random generator. The enumerating source of `SamplingLaws` plays every branch exactly once,
/// which gives the exact transition matrix of a kernel, so laws are checked without a seed.
public protocol ChoiceSource {
  /// Chooses one of 0 ..< count, all equally likely.
  ///
  /// - Precondition: `count` is positive.
  mutating func index(below count: Int) -> Int

  /// Returns true with a given probability.
  ///
  /// - Precondition: 0 <= probability <= 1.
  mutating func chance(_ probability: Double) -> Bool

  /// Chooses an index in proportion to its weight; an index with weight zero is never chosen.
  ///
  /// - Precondition: the weights are finite and not negative, and at least one is positive.
  mutating func index(weights: borrowing Span<Double>) -> Int

  /// Chooses an index in proportion to its weight, given the running sums of the weights as well.
  ///
  /// This is for many draws from the same weights. A random source searches the sums. An
  /// enumerating source takes the weights, because the sums are less accurate.
  ///
  /// - Precondition: the weights are finite and not negative, and at least one is positive.
  mutating func index(weights: borrowing Span<Double>, sums: borrowing Span<Double>) -> Int

  /// Returns true with probability min(1, exp(r)), where `logRatio` computes r.
  ///
  /// A random source draws its threshold first and passes it to `logRatio`, which may return any
  /// value below the threshold as soon as it knows that r is below. An enumerating source passes
  /// minus infinity and therefore always gets r itself.
  mutating func accepts(_ logRatio: (_ threshold: Double) -> Double) -> Bool
}

extension ChoiceSource {
  /// Computes the whole ratio, then takes a chance with its probability.
  @inlinable
  public mutating func accepts(_ logRatio: (_ threshold: Double) -> Double) -> Bool {
    let ratio = logRatio(-.infinity)
    precondition(!ratio.isNaN, "an acceptance ratio is a number")
    return ratio >= 0 || chance(LogSpace.exp(ratio))
  }

  /// Chooses by the weights and ignores the sums.
  @inlinable
  public mutating func index(
    weights: borrowing Span<Double>, sums: borrowing Span<Double>
  ) -> Int { index(weights: weights) }

  /// Chooses an index in proportion to its weight.
  @inlinable
  public mutating func index(weights: [Double]) -> Int { index(weights: weights.span) }
}
