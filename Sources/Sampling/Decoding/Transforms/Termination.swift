// Licensed under the Apache License, Version 2.0.

/// The self-terminating wrapper: the probability of the end never falls and tends to 1.
///
/// Let e_t be the model's own probability of the end at step t = 1, 2, ..., whatever other
/// transforms do. The end gets 1 - product over i <= t of (1 - epsilon)(1 - e_i), and the other
/// tokens share the rest in proportion to their incoming probabilities.
///
/// Reference: Welleck, Kulikov, Kim, Pang and Cho 2020, "Consistency of a recurrent language model
/// with respect to incomplete decoding", section 4.2.
///
/// **Edge cases.** Even an end with probability zero gets its share; where the rules ask for a minimum
/// length, it is removed again. With epsilon 0, an end with probability zero stays removed.
public struct SelfTerminating: NextTokenTransform {
  /// The share that the end gains at each step, at least.
  public let epsilon: Double
  private var logSurvival = 0.0
  private var pending = 0.0

  /// Creates the transform; epsilon is in 0 ..< 1.
  public init(_ epsilon: Double) throws(DecodingError) {
    guard epsilon >= 0 && epsilon < 1 else {
      throw .argument("self-terminating", "epsilon lies in 0 ..< 1", epsilon)
    }
    self.epsilon = epsilon
  }

  /// Returns `false`: only differences of logits matter.
  public var readsLevel: Bool { false }

  /// The name in messages: `self-terminating EPS`.
  public var name: String { "self-terminating \(epsilon)" }

  /// True, because it needs the model's own probability of the end.
  public var readsModelEnd: Bool { true }

  /// Moves probability to the end.
  public mutating func apply(to next: inout NextTokens, using choices: inout some ChoiceSource) {
    pending = logSurvival + logOneMinus(epsilon) + LogSpace.complement(next.logModelEnds)
    next.share(logSurvival: min(0, pending))
  }

  /// Continues with the next step.
  public mutating func accept(_ token: Token, logProbability: Double) { logSurvival = pending }

  /// The first step at which epsilon alone gives the end more than one half.
  ///
  /// `SelfTerminating.stepBeyondHalf(1e-5) == 69315`, which is no safeguard in practice.
  public static func stepBeyondHalf(_ epsilon: Double) -> Int? {
    guard epsilon > 0 else { return nil }
    guard epsilon < 1 else { return 1 }
    let steps = (LogSpace.log(0.5) / logOneMinus(epsilon)).rounded(.down) + 1
    return steps < 0x1p62 ? Int(steps) : nil
  }
}

/// The non-monotone wrapper: the probability of the end stays above a floor that tends to 1.
///
/// The end gets e_t + (1 - e_t)(1 - (1 - epsilon)^t), where e_t is the model's own probability of
/// the end. Unlike in ``SelfTerminating``, the probability can fall, as the model's own does.
///
/// Reference: Choi, Kulikov, Welleck and Cho 2023, "A non-monotonic self-terminating language
/// model", eq. 5.
///
/// **Edge cases.** The same as for ``SelfTerminating``.
public struct NonMonotoneTermination: NextTokenTransform {
  /// How fast the floor rises.
  public let epsilon: Double
  private var step = 1.0

  /// Creates the transform; epsilon is in 0 ..< 1.
  public init(_ epsilon: Double) throws(DecodingError) {
    guard epsilon >= 0 && epsilon < 1 else {
      throw .argument("non-monotone", "epsilon lies in 0 ..< 1", epsilon)
    }
    self.epsilon = epsilon
  }

  /// Returns `false`: only differences of logits matter.
  public var readsLevel: Bool { false }

  /// The name in messages: `non-monotone EPS`.
  public var name: String { "non-monotone \(epsilon)" }

  /// True, because it needs the model's own probability of the end.
  public var readsModelEnd: Bool { true }

  /// Moves probability to the end.
  public func apply(to next: inout NextTokens, using choices: inout some ChoiceSource) {
    let logOthers = LogSpace.complement(next.logModelEnds)
    next.share(logSurvival: min(0, logOthers + step * logOneMinus(epsilon)))
  }

  /// Continues with the next step.
  public mutating func accept(_ token: Token, logProbability: Double) { step += 1 }
}

/// log(1 - x) for 0 <= x < 1, accurate to all digits.
private func logOneMinus(_ x: Double) -> Double {
  x == 0 ? 0 : LogSpace.complement(LogSpace.log(x))
}

extension NextTokens {
  /// The log-probabilities of all ends together and of all other tokens together.
  fileprivate mutating func logShares() -> (ends: Double, others: Double) {
    _ = weigh()
    var ends = 0.0
    var others = 0.0
    for token in candidates {
      if isEnd(token) { ends += weights[token.index] } else { others += weights[token.index] }
    }
    let logTotal = LogSpace.log(ends + others)
    return (LogSpace.log(ends) - logTotal, LogSpace.log(others) - logTotal)
  }

  /// Gives the other tokens this log-probability together, in proportion, and the ends the rest.
  ///
  /// If no other token remains, the ends get everything.
  fileprivate mutating func share(logSurvival: Double) {
    let (logEnds, logOthers) = logShares()
    guard logOthers > -.infinity else { return }
    normalize()
    let logEnd = logSurvival == 0 ? -.infinity : LogSpace.complement(logSurvival)
    for token in candidates {
      if isEnd(token) {
        self[token] += logEnd - logEnds
      } else {
        self[token] += logSurvival - logOthers
      }
    }
    // Else a truncation behind it could leave nothing but an end that comes too early.
    guard !forbidsEnds else { return }
    if logEnds == -.infinity, logEnd > -.infinity, let end = ends.first { restore(end, logEnd) }
  }
}
