// Licensed under the Apache License, Version 2.0.

/// What a text loses in score for what it leaves out of a source.
///
/// With c_i how far place i of the source is covered, from 0 to 1, the score gains
/// weight x sum over i of log(max(c_i, floor)), which is 0 where all is covered. Without a network's
/// attention, each token of the text is shared evenly by the places of the source that hold the same
/// token: c_i = min(1, how often the text holds it / how often the source does).
///
/// Reference: Wu et al. 2016, "Google's neural machine translation system", eq. 14, where c_i is the
/// attention that place i receives, and where a place without attention costs infinitely much; the
/// floor makes that finite.
public struct CoveragePenalty: Hashable, Sendable {
  /// What a unit of the sum weighs.
  public let weight: Double
  /// What a place that is not covered counts as.
  public let floor: Double
  /// How often the source holds its tokens.
  private let counts: [Token: Int]

  /// A penalty of a finite weight of 0 or more, with a floor above 0 and at most 1, for a source that
  /// holds a token.
  public init(
    of source: some Collection<Token>, weight: Double, floor: Double
  ) throws(DecodingError) {
    guard weight >= 0 && weight < .infinity else {
      throw DecodingError(
        .badArgument, "coverage: a weight is 0 or more, and finite, got \(weight)")
    }
    guard floor > 0 && floor <= 1 else {
      throw DecodingError(
        .badArgument, "coverage: a floor lies above 0 and is at most 1, got \(floor)")
    }
    guard !source.isEmpty else {
      throw DecodingError(
        .badArgument, "coverage: a source holds at least 1 token of the model, got none")
    }
    self.weight = weight
    self.floor = floor
    counts = source.reduce(into: [:]) { $0[$1, default: 0] += 1 }
  }

  /// What a text's score gains: 0 or less.
  ///
  /// - Complexity: O(text + source).
  public func gain(of text: some Sequence<Token>) -> Double {
    let held: [Token: Int] = text.reduce(into: [:]) { $0[$1, default: 0] += 1 }
    var sum = 0.0
    for (token, count) in counts.sorted(by: { $0.key < $1.key }) {
      let covered = min(1, Double(held[token] ?? 0) / Double(count))
      sum += Double(count) * LogSpace.log(max(covered, floor))
    }
    return weight * sum
  }
}
