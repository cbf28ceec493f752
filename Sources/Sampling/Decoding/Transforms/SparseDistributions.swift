// Licensed under the Apache License, Version 2.0.

/// Sparse softmax: keeps the k largest logits and normalises them.
///
/// Reference: Sun, Zhu, Wang, Zhang and Wang 2021, "Sparse-softmax: a simpler and faster
/// alternative softmax transformation", eq. 3.
///
/// **Edge cases.** The same as for ``TopK``. The result is normalised.
public struct SparseSoftmax: Truncation {
  private let first: TopK
  /// The number of tokens that are kept.
  public var k: Int { first.k }
  /// Whether end tokens are never removed; they are added to the k tokens.
  public let keepsEnd: Bool

  /// Creates the transform; k is positive.
  public init(_ k: Int, keepsEnd: Bool = false) throws(DecodingError) {
    guard k > 0 else { throw .argument("sparse", "at least 1 token is kept", k) }
    first = try TopK(k)
    self.keepsEnd = keepsEnd
  }

  /// The name in messages: `sparse K`.
  public var name: String { named("sparse \(k)") }

  /// Keeps the k most probable tokens and normalises their logits.
  public func truncate(_ next: inout NextTokens, using choices: inout some ChoiceSource) {
    first.truncate(&next, using: &choices)
    if keepsEnd { next.restoreEnds() }
    next.normalizeLeft()
  }
}

/// 1.5-entmax: p = (logit/2 - tau)^2 above a threshold tau and 0 below it; tau makes the sum 1.
///
/// Reference: Peters, Niculae and Martins 2019, "Sparse sequence-to-sequence models", algorithm 2.
///
/// **Edge cases.** Equal logits give equal probabilities. If an end is kept although its
/// probability is zero, it gets its softmax probability, and all tokens are normalised again.
public struct Entmax: Truncation {
  /// Whether end tokens are never removed.
  public let keepsEnd: Bool

  /// Creates the transform, which has no parameters.
  public init(keepsEnd: Bool = false) { self.keepsEnd = keepsEnd }

  /// The name in messages: `entmax`.
  public var name: String { named("entmax") }

  /// Turns the logits into log-probabilities under entmax.
  ///
  /// - Complexity: O(candidates + kept log candidates).
  public func truncate(_ next: inout NextTokens, using choices: inout some ChoiceSource) {
    let best = next.best.logit
    let logTotal = LogSpace.log(next.weigh())
    next.orderByLogit()
    var count = 0.0
    var mean = 0.0
    var squares = 0.0
    var tau = -1.0
    while let token = next.takeNext() {
      let x = (next[token] - best) / 2
      count += 1
      let distance = x - mean
      mean += distance / count
      squares += distance * (x - mean)
      let candidate = mean - (max(0, 1 - squares) / count).squareRoot()
      if candidate > x { break }
      tau = candidate
    }
    for token in next.candidates {
      let excess = (next[token] - best) / 2 - tau
      if excess > 0 {
        next[token] = 2 * LogSpace.log(excess)
      } else if keepsEnd, next.isEnd(token) {
        next[token] = next[token] - best - logTotal
      } else {
        next.remove(token)
      }
    }
    next.normalizeLeft()
  }
}

extension NextTokens {
  /// Turns the logits of the remaining tokens into log-probabilities.
  fileprivate mutating func normalizeLeft() {
    var best = -Double.infinity
    for token in candidates { best = max(best, self[token]) }
    var total = 0.0
    for token in candidates { total += LogSpace.exp(self[token] - best) }
    let logTotal = LogSpace.log(total)
    for token in candidates { self[token] = self[token] - best - logTotal }
  }
}
