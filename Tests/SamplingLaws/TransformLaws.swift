// Licensed under the Apache License, Version 2.0.

public import Sampling

/// Logits and what stands before them: where a transform is judged.
public struct TransformPlace: Sendable {
  /// One logit a token, minus infinity for those removed.
  public let logits: [Double]
  /// What stands before.
  public let text: [Token]
  /// How many of its tokens are the prompt's.
  public let promptCount: Int
  /// The tokens that close a text.
  public let ends: [Token]

  /// A place; token 0 closes texts unless told otherwise.
  public init(
    _ logits: [Double], after text: [Int] = [], promptCount: Int = 0, ends: [Int] = [0]
  ) {
    self.logits = logits
    self.text = text.map { Token($0) }
    self.promptCount = promptCount
    self.ends = ends.map { Token($0) }
  }
}

/// The law of the next token after a chain of transforms, its own draws averaged over; `nil` where
/// the chain throws.
public func law(of chain: TransformChain, at place: TransformPlace) -> [Double]? {
  let law = outcomes { choices -> [Double]? in
    var chain = chain
    var next = NextTokens(count: place.logits.count, ends: place.ends)
    next.setText(place.text, promptCount: place.promptCount)
    guard (try? next.begin(place.logits)) != nil,
      (try? chain.apply(to: &next, using: &choices)) != nil
    else { return nil }
    next.normalize()
    var probabilities = [Double](repeating: 0, count: next.count)
    for token in next.candidates { probabilities[token.index] = LogSpace.exp(next[token]) }
    return probabilities
  }
  var mean = [Double](repeating: 0, count: place.logits.count)
  for (probabilities, weight) in law {
    guard let probabilities else { return nil }
    for i in mean.indices { mean[i] += weight * probabilities[i] }
  }
  return mean
}

/// The largest total variation between a transform's law and its definition, over some places.
///
/// - Parameters:
///   - transforms: what is judged, as a chain.
///   - places: where.
///   - definition: weights of the next token, in proportion, from probabilities that sum to one.
/// - Returns: 0 for a perfect twin; infinite where the chain throws.
public func transformDefect(
  of transforms: [any NextTokenTransform], at places: [TransformPlace],
  against definition: (_ probabilities: [Double], _ place: TransformPlace) -> [Double]
) -> Double {
  var worst = 0.0
  for place in places {
    let total = LogSpace.sum(place.logits)
    let expected = definition(place.logits.map { LogSpace.exp($0 - total) }, place)
    let sum = expected.reduce(0, +)
    guard let found = law(of: TransformChain(transforms), at: place) else { return .infinity }
    let distance = zip(found, expected).reduce(0) { $0 + abs($1.0 - $1.1 / sum) } / 2
    worst = max(worst, distance.isNaN ? .infinity : distance)
  }
  return worst
}
