// Licensed under the Apache License, Version 2.0.

/// Top-H: keeps the most probable tokens whose entropy terms add up to at most a share of the
/// entropy.
///
/// Reference: Potraghloo, Azizi, Kundu and Pedram 2025, "Top-H decoding: adapting the creativity
/// and coherence with bounded entropy in text generation", algorithm 1, in the form in use: the
/// terms -p log p are those of the whole distribution, not of the truncated one.
///
/// **Edge cases.** The most probable token stays. 1 removes nothing, whatever rounding does. All
/// tokens count, not only the first hundred.
public struct TopH: Truncation {
  /// The share of the entropy.
  public let share: Double
  /// Whether end tokens are never removed.
  public let keepsEnd: Bool

  /// Creates the transform; the share is positive and at most 1.
  public init(_ share: Double, keepsEnd: Bool = false) throws(DecodingError) {
    guard share > 0 && share <= 1 else {
      throw .argument("top-h", "a share of the entropy is positive and at most 1", share)
    }
    self.share = share
    self.keepsEnd = keepsEnd
  }

  /// The name in messages: `top-h H`.
  public var name: String { named("top-h \(share)") }

  /// Keeps the most probable tokens within the share.
  ///
  /// - Complexity: O(candidates + kept log candidates).
  public func truncate(_ next: inout NextTokens, using choices: inout some ChoiceSource) {
    guard share < 1 else { return }
    let total = next.weigh()
    let bound = share * next.entropy(total: total)
    next.orderByLogit()
    var sum = 0.0
    var isFirst = true
    while let token = next.takeNext() {
      let p = next.weights[token.index] / total
      if p > 0 { sum -= p * LogSpace.log(p) }
      if sum > bound && !isFirst {
        next.remove(token)
        break
      }
      isFirst = false
    }
    next.removeRest()
  }
}

/// Tail-free sampling: removes the tail, where the curve of sorted probabilities becomes straight.
///
/// The absolute second differences of the sorted probabilities are scaled to the sum 1. Tokens are
/// kept until the running sum exceeds z.
///
/// Reference: Bricken 2019, "Tail free sampling"; in llama.cpp's form, which keeps as many tokens
/// as there are differences before the one that exceeds z, but at least one.
///
/// **Edge cases.** 1 removes nothing, and neither does any z if there are at most two tokens. If
/// the differences sum to less than 1e-6, as for equal tokens, they count as equal.
public struct TailFree: Truncation {
  /// The bound z.
  public let bound: Double
  /// Whether end tokens are never removed.
  public let keepsEnd: Bool

  /// Creates the transform; the bound is from 0 to 1.
  public init(_ bound: Double, keepsEnd: Bool = false) throws(DecodingError) {
    guard bound >= 0 && bound <= 1 else {
      throw .argument("tail-free", "the bound lies in 0 ... 1", bound)
    }
    self.bound = bound
    self.keepsEnd = keepsEnd
  }

  /// The name in messages: `tail-free Z`.
  public var name: String { named("tail-free \(bound)") }

  /// Removes the tail.
  ///
  /// - Complexity: O(candidates log candidates).
  public func truncate(_ next: inout NextTokens, using choices: inout some ChoiceSource) {
    let count = next.candidates.count
    guard bound < 1, count > 2 else { return }
    let total = next.weigh()
    var differences = 0.0
    next.walkSecondDifferences(total) { _, difference in
      differences += difference
      return true
    }
    var sum = 0.0
    var kept = count
    next.walkSecondDifferences(total) { place, difference in
      sum += differences > 1e-6 ? difference / differences : 1 / Double(count - 2)
      if sum > bound && place >= 1 {
        kept = place
        return false
      }
      return true
    }
    guard kept < count else { return }
    next.orderByLogit()
    for _ in 0..<kept { _ = next.takeNext() }
    next.removeRest()
  }
}

extension NextTokens {
  /// Visits |p[i] - 2 p[i+1] + p[i+2]| of the sorted probabilities until the closure says stop.
  fileprivate mutating func walkSecondDifferences(
    _ total: Double, _ body: (Int, Double) -> Bool
  ) {
    orderByLogit()
    var before = (0.0, 0.0)
    var place = 0
    while let token = takeNext() {
      let p = weights[token.index] / total
      if place >= 2, !body(place - 2, abs((before.0 - before.1) - (before.1 - p))) { return }
      before = (before.1, p)
      place += 1
    }
  }
}
