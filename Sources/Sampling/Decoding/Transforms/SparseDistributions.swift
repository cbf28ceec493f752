// Licensed under the Apache License, Version 2.0.

/// Sparse softmax: the k largest logits, made probabilities.
///
/// Reference: Sun, Zhu, Wang, Zhang and Wang 2021, "Sparse-softmax: a simpler and faster
/// alternative softmax transformation", eq. 3.
///
/// **Edge cases.** As of ``TopK``; what comes out is normalised.
public struct SparseSoftmax: Truncation {
  private let first: TopK
  /// How many are kept.
  public var k: Int { first.k }
  /// Whether end tokens are never removed; they come on top of the k.
  public let keepsEnd: Bool

  /// The first k, k being positive.
  public init(_ k: Int, keepsEnd: Bool = false) throws(DecodingError) {
    guard k > 0 else { throw .argument("sparse", "at least 1 token is kept", k) }
    first = try TopK(k)
    self.keepsEnd = keepsEnd
  }

  /// `sparse K`.
  public var name: String { named("sparse \(k)") }

  /// Keeps the first k and makes them probabilities.
  public func truncate(_ next: inout NextTokens, using choices: inout some ChoiceSource) {
    first.truncate(&next, using: &choices)
    if keepsEnd { next.restoreEnds() }
    next.normalizeLeft()
  }
}

/// 1.5-entmax: p = (logit/2 - tau)^2 above a threshold tau and 0 below, tau making the sum 1.
///
/// Reference: Peters, Niculae and Martins 2019, "Sparse sequence-to-sequence models", algorithm 2.
///
/// **Edge cases.** Equal logits give equal probabilities. An end that is kept although its
/// probability is zero weighs what softmax gives it, and all are normalised again.
public struct Entmax: Truncation {
  /// Whether end tokens are never removed.
  public let keepsEnd: Bool

  /// The transformation, which has no parameter.
  public init(keepsEnd: Bool = false) { self.keepsEnd = keepsEnd }

  /// `entmax`.
  public var name: String { named("entmax") }

  /// Makes the logits log-probabilities under entmax.
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
  /// Makes the logits of tokens that are not removed log-probabilities.
  fileprivate mutating func normalizeLeft() {
    var best = -Double.infinity
    for token in candidates { best = max(best, self[token]) }
    var total = 0.0
    for token in candidates { total += LogSpace.exp(self[token] - best) }
    let logTotal = LogSpace.log(total)
    for token in candidates { self[token] = self[token] - best - logTotal }
  }
}
