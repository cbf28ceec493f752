// Licensed under the Apache License, Version 2.0.

/// Forbids the end before a number of tokens.
///
/// ``DecodingRules`` see to it that no other transform brings an end back earlier, and that no stop
/// text and no loop ends a text earlier.
///
/// Reference: transformers' `MinLengthLogitsProcessor`.
public struct MinimumLength: NextTokenTransform {
  /// The smallest number of tokens before the end.
  public let length: Int
  /// Whether the tokens of the prompt count.
  public let countsPrompt: Bool

  /// Creates the transform; the length is 0 or more.
  public init(_ length: Int, countsPrompt: Bool = false) throws(DecodingError) {
    guard length >= 0 else { throw .argument("min-tokens", "a length is 0 or more", length) }
    self.length = length
    self.countsPrompt = countsPrompt
  }

  /// Returns `true`: it only removes tokens, given the text before them.
  public var forbids: Bool { true }

  /// Returns `false`: only differences of logits matter.
  public var readsLevel: Bool { false }

  /// The name in messages: `min-tokens N`.
  public var name: String { "min-tokens \(length)" }

  /// Removes the ends while the text is too short.
  public func apply(to next: inout NextTokens, using choices: inout some ChoiceSource) {
    guard next.text.count - (countsPrompt ? 0 : next.promptCount) < length else { return }
    for end in next.ends { next.remove(end) }
    next.forbidsEnds = true
  }
}

/// Forces the end after a number of tokens.
///
/// This changes the distribution. A decoder's own limit instead cuts the text and reports it.
///
/// Reference: transformers' `ForcedEOSTokenLogitsProcessor`.
///
/// **Edge cases.** If there are several ends, those that remain share the probability in
/// proportion. If none remains, the first is forced.
public struct MaximumLength: NextTokenTransform {
  /// The largest number of tokens before the end.
  public let length: Int
  /// Whether the tokens of the prompt count.
  public let countsPrompt: Bool

  /// Creates the transform; the length is 0 or more.
  public init(_ length: Int, countsPrompt: Bool = false) throws(DecodingError) {
    guard length >= 0 else { throw .argument("forced end", "a length is 0 or more", length) }
    self.length = length
    self.countsPrompt = countsPrompt
  }

  /// Returns `false`: only differences of logits matter.
  public var readsLevel: Bool { false }

  /// The name in messages: `forced end N`.
  public var name: String { "forced end \(length)" }

  /// Removes everything except the ends once the text is long enough.
  public func apply(to next: inout NextTokens, using choices: inout some ChoiceSource) {
    guard next.text.count - (countsPrompt ? 0 : next.promptCount) >= length else { return }
    var logTotal = -Double.infinity
    for end in next.ends { logTotal = LogSpace.sum(logTotal, next[end]) }
    if logTotal == -.infinity {
      if let end = next.ends.first { next.force(end) }
      return
    }
    for token in next.candidates {
      if next.isEnd(token) { next[token] -= logTotal } else { next.remove(token) }
    }
  }
}

/// Makes the end more and more probable.
///
/// Its logit l becomes l + |l| (factor^n - 1), n tokens after the start.
///
/// Reference: transformers' `ExponentialDecayLengthPenalty`.
///
/// **Edge cases.** If the power overflows, only the ends remain. An end with logit 0 does not
/// change.
public struct EndDecay: NextTokenTransform {
  /// The number of tokens after the prompt at which the increase starts.
  public let start: Int
  /// The factor per token.
  public let factor: Double

  /// Creates the transform; the start is 0 or more, and the factor is finite and 1 or more.
  public init(start: Int, factor: Double) throws(DecodingError) {
    guard start >= 0 else { throw .argument("end-decay", "a start is 0 or more", start) }
    guard factor >= 1 && factor < .infinity else {
      throw .argument("end-decay", "a factor is 1 or more, and finite", factor)
    }
    self.start = start
    self.factor = factor
  }

  /// The name in messages: `end-decay START,FACTOR`.
  public var name: String { "end-decay \(start),\(factor)" }

  /// Raises the logits of the ends.
  public func apply(to next: inout NextTokens, using choices: inout some ChoiceSource) {
    let steps = next.text.count - next.promptCount - start
    guard steps > 0 else { return }
    let growth = LogSpace.exp(Double(steps) * LogSpace.log(factor)) - 1
    var isBeyond = false
    for end in next.ends where next[end] > -.infinity && next[end] != 0 {
      let logit = next[end] + abs(next[end]) * growth
      if logit < .infinity { next[end] = logit } else { isBeyond = true }
    }
    guard isBeyond else { return }
    for token in next.candidates where !next.isEnd(token) { next.remove(token) }
  }
}
