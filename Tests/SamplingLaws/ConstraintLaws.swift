// Licensed under the Apache License, Version 2.0.

public import Sampling

/// Checks all that a constraint promises on every prefix of some tokens against a definition.
///
/// A prefix must be live exactly when an allowed text begins so. Masks, with and without a limit of
/// room, must hold exactly the tokens behind which that is so. Shortest completions must be those of
/// the enumeration, and a text's weights must add up to the definition. Answers about many tokens must
/// be those about single ones.
///
/// - Parameters:
///   - constraint: the constraint.
///   - vocabulary: its vocabulary.
///   - depth: the longest prefix that is asked about.
///   - reach: the longest text that is enumerated: every live prefix has a completion by then.
///   - weight: the definition: nats of a whole text, minus infinity where it is not allowed.
/// - Returns: the largest error of a text's weight; infinite where anything else is wrong.
/// - Complexity: O(tokens^reach).
public func constraintDefect<Constraint: TokenConstraint>(
  of constraint: Constraint, over vocabulary: Vocabulary, depth: Int, reach: Int,
  weight: (TokenSequence) -> Double
) -> Double {
  guard constraint.tokenCount == vocabulary.count else { return .infinity }
  let all = (0..<vocabulary.count).map { Token($0) }
  let letters = all.filter { vocabulary.isDrawable($0) }
  var weights: [TokenSequence: Double] = [:]
  var layers: [[[Token]]] = [[[]]]
  for _ in 0..<reach {
    layers.append(layers[layers.count - 1].flatMap { text in letters.map { text + [$0] } })
  }
  // From the longest texts back: how far each prefix is from an allowed end.
  var shortest: [TokenSequence: Int] = [:]
  for text in layers.joined().reversed() {
    let here = TokenSequence(text)
    weights[here] = weight(here)
    if let own = weights[here], own > -.infinity {
      shortest[here] = 0
    } else if let best = letters.compactMap({ shortest[TokenSequence(text + [$0])] }).min() {
      shortest[here] = best + 1
    }
  }
  var worst = 0.0
  let sums = weights.values.filter { $0 > -.infinity }
  if constraint.isUniform, let low = sums.min(), let high = sums.max() { worst = high - low }
  if constraint.isSatisfiable != (shortest[[]] != nil) { return .infinity }
  let scaled = constraint.scaled(by: 2)
  for text in layers[...depth].joined() {
    let here = TokenSequence(text)
    let expected = weights[here] ?? -.infinity
    for (found, expected) in [
      (constraint.logWeight(of: here), expected), (scaled.logWeight(of: here), 2 * expected),
    ] where found != expected {
      guard found > -.infinity, expected > -.infinity else { return .infinity }
      worst = max(worst, abs(found - expected))
    }
    var state: Constraint.State? = constraint.start
    for token in text { state = state.flatMap { constraint.next($0, token) } }
    guard let state else {
      if shortest[here] != nil { return .infinity }
      continue
    }
    // Only the start can be a state without a completion.
    guard shortest[here] != nil || text.isEmpty else { return .infinity }
    guard constraint.shortestCompletion(state) == shortest[here] else { return .infinity }
    guard (constraint.endWeight(state) > -.infinity) == (expected > -.infinity) else {
      return .infinity
    }
    if !constraint.canRaise, constraint.endWeight(state) > 0 { return .infinity }
    guard text.count < reach else { continue }
    let behind = all.map { token in
      vocabulary.isDrawable(token) ? shortest[TokenSequence(text + [token])] : nil
    }
    for room in -1...reach {
      let mask = constraint.mask(state, within: room)
      for (token, distance) in zip(all, behind) {
        guard mask.contains(token) == (distance.map { $0 <= room } ?? false) else {
          return .infinity
        }
      }
    }
    let mask = constraint.mask(state)
    guard mask.tokens == all.filter({ behind[$0.index] != nil }) else { return .infinity }
    var counts: [Int] = []
    constraint.shortestCompletions(state, behind: all, into: &counts)
    guard counts == behind.map({ $0 ?? .max }) else { return .infinity }
    var logits = [Double](repeating: 0, count: all.count)
    constraint.addWeights(state, of: mask, to: &logits)
    for token in all {
      let nats = mask.contains(token) ? constraint.weight(state, token) : 0
      guard logits[token.index] == nats, nats <= 0 || constraint.canRaise else {
        return .infinity
      }
    }
  }
  return worst
}
