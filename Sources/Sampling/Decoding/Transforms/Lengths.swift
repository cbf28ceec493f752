// Licensed under the Apache License, Version 2.0.

/// No end before so many tokens.
///
/// Reference: transformers' `MinLengthLogitsProcessor`.
public struct MinimumLength: NextTokenTransform {
  /// How many tokens stand before the end at least.
  public let length: Int
  /// Whether the prompt's are counted.
  public let countsPrompt: Bool

  /// A length of 0 or more.
  public init(_ length: Int, countsPrompt: Bool = false) throws(DecodingError) {
    guard length >= 0 else { throw .argument("min-tokens", "a length is 0 or more", length) }
    self.length = length
    self.countsPrompt = countsPrompt
  }

  /// `min-tokens N`.
  public var name: String { "min-tokens \(length)" }

  /// Removes the ends while the text is short.
  public func apply(to next: inout NextTokens, using choices: inout some ChoiceSource) {
    guard next.text.count - (countsPrompt ? 0 : next.promptCount) < length else { return }
    for end in next.ends { next.remove(end) }
  }
}

/// The end after so many tokens, whatever the model says.
///
/// This changes the distribution; a decoder's own limit cuts the text and says that it did.
///
/// Reference: transformers' `ForcedEOSTokenLogitsProcessor`.
///
/// **Edge cases.** Of several ends, those that are left share in proportion; where none is left,
/// the first comes.
public struct MaximumLength: NextTokenTransform {
  /// How many tokens stand before the end at most.
  public let length: Int
  /// Whether the prompt's are counted.
  public let countsPrompt: Bool

  /// A length of 0 or more.
  public init(_ length: Int, countsPrompt: Bool = false) throws(DecodingError) {
    guard length >= 0 else { throw .argument("forced end", "a length is 0 or more", length) }
    self.length = length
    self.countsPrompt = countsPrompt
  }

  /// `forced end N`.
  public var name: String { "forced end \(length)" }

  /// Removes all but the ends when the text is long.
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

/// An end that grows ever more probable: its logit l becomes l + |l| (factor^n - 1), n tokens after
/// the start.
///
/// Reference: transformers' `ExponentialDecayLengthPenalty`.
///
/// **Edge cases.** Where the power exceeds all numbers, the ends alone are left. An end of logit 0
/// does not move.
public struct EndDecay: NextTokenTransform {
  /// How many tokens after the prompt it begins.
  public let start: Int
  /// By what it grows with each token.
  public let factor: Double

  /// A start of 0 or more, a finite factor of 1 or more.
  public init(start: Int, factor: Double) throws(DecodingError) {
    guard start >= 0 else { throw .argument("end-decay", "a start is 0 or more", start) }
    guard factor >= 1 && factor < .infinity else {
      throw .argument("end-decay", "a factor is 1 or more, and finite", factor)
    }
    self.start = start
    self.factor = factor
  }

  /// `end-decay START,FACTOR`.
  public var name: String { "end-decay \(start),\(factor)" }

  /// Raises the ends.
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
