// Licensed under the Apache License, Version 2.0.

/// Where random choices come from: the one door to randomness.
///
/// Every random act is a finite choice with stated probabilities. ``RandomChoices`` plays it from
/// a generator; the enumerating player of `SamplingLaws` plays every branch exactly once, so that a
/// kernel's transition matrix comes out and its law is checked without a seed.
public protocol ChoiceSource {
  /// One of 0 ..< count, equally likely.
  ///
  /// - Precondition: `count` is positive.
  mutating func index(below count: Int) -> Int

  /// True with this probability.
  ///
  /// - Precondition: 0 <= probability <= 1.
  mutating func chance(_ probability: Double) -> Bool

  /// An index in proportion to its weight; one of weight zero is never chosen.
  ///
  /// - Precondition: weights are finite and not negative, and one at least is positive.
  mutating func index(weights: borrowing Span<Double>) -> Int

  /// An index in proportion to its weight, given the weights' sums up to and with each, too.
  ///
  /// For many draws from the same weights: a random player searches the sums, an enumerating one
  /// takes the weights, of which sums keep less.
  ///
  /// - Precondition: weights are finite and not negative, and one at least is positive.
  mutating func index(weights: borrowing Span<Double>, sums: borrowing Span<Double>) -> Int

  /// True with probability min(1, exp(r)), where `logRatio` computes r.
  ///
  /// A random player draws its threshold first and hands it to `logRatio`, which may return any
  /// value below the threshold as soon as it knows that r lies below. An enumerating player hands
  /// over minus infinity and so always gets r itself.
  mutating func accepts(_ logRatio: (_ threshold: Double) -> Double) -> Bool
}

extension ChoiceSource {
  /// Asks for the whole ratio, then takes the chance.
  @inlinable
  public mutating func accepts(_ logRatio: (_ threshold: Double) -> Double) -> Bool {
    let ratio = logRatio(-.infinity)
    precondition(!ratio.isNaN, "an acceptance ratio is a number")
    return ratio >= 0 || chance(LogSpace.exp(ratio))
  }

  /// Takes the weights.
  @inlinable
  public mutating func index(
    weights: borrowing Span<Double>, sums: borrowing Span<Double>
  ) -> Int { index(weights: weights) }

  /// An index in proportion to its weight.
  @inlinable
  public mutating func index(weights: [Double]) -> Int { index(weights: weights.span) }
}
