// Licensed under the Apache License, Version 2.0.

/// The self-terminating wrapper: the end's probability never falls and goes to 1.
///
/// With e_t the model's own end probability at step t = 1, 2, ..., whatever other transforms do, the
/// end gets 1 - product over i <= t of (1 - epsilon)(1 - e_i); the other tokens share the rest in
/// proportion to what they arrive with.
///
/// Reference: Welleck, Kulikov, Kim, Pang and Cho 2020, "Consistency of a recurrent language model
/// with respect to incomplete decoding", section 4.2.
///
/// **Edge cases.** An end of probability zero gets its share all the same, so put a minimum length
/// behind this transform. With epsilon 0 an end of probability zero stays out.
public struct SelfTerminating: NextTokenTransform {
  /// What the end gains at each step at least.
  public let epsilon: Double
  private var logSurvival = 0.0
  private var pending = 0.0

  /// An epsilon from 0 to below 1.
  public init(_ epsilon: Double) throws(DecodingError) {
    guard epsilon >= 0 && epsilon < 1 else {
      throw .argument("self-terminating", "epsilon lies in 0 ..< 1", epsilon)
    }
    self.epsilon = epsilon
  }

  /// `self-terminating EPS`.
  public var name: String { "self-terminating \(epsilon)" }

  /// True.
  public var readsModelEnd: Bool { true }

  /// Moves probability to the end.
  public mutating func apply(to next: inout NextTokens, using choices: inout some ChoiceSource) {
    pending = logSurvival + logOneMinus(epsilon) + LogSpace.complement(next.logModelEnds)
    next.share(logSurvival: min(0, pending))
  }

  /// Goes on to the next step.
  public mutating func accept(_ token: Token, logProbability: Double) { logSurvival = pending }

  /// The first step at which epsilon alone gives the end more than one half.
  ///
  /// `SelfTerminating.stepBeyondHalf(1e-5) == 69315`: a safeguard in name only.
  public static func stepBeyondHalf(_ epsilon: Double) -> Int? {
    guard epsilon > 0 else { return nil }
    guard epsilon < 1 else { return 1 }
    let steps = (LogSpace.log(0.5) / logOneMinus(epsilon)).rounded(.down) + 1
    return steps < 0x1p62 ? Int(steps) : nil
  }
}

/// The non-monotone form: the end gets e_t + (1 - e_t)(1 - (1 - epsilon)^t), e_t being the model's
/// own end probability.
///
/// The end's probability may fall, as the model's own does, but lies above a floor that goes to 1.
///
/// Reference: Choi, Kulikov, Welleck and Cho 2023, "A non-monotonic self-terminating language
/// model", eq. 5.
///
/// **Edge cases.** As of ``SelfTerminating``.
public struct NonMonotoneTermination: NextTokenTransform {
  /// How fast the floor rises.
  public let epsilon: Double
  private var step = 1.0

  /// An epsilon from 0 to below 1.
  public init(_ epsilon: Double) throws(DecodingError) {
    guard epsilon >= 0 && epsilon < 1 else {
      throw .argument("non-monotone", "epsilon lies in 0 ..< 1", epsilon)
    }
    self.epsilon = epsilon
  }

  /// `non-monotone EPS`.
  public var name: String { "non-monotone \(epsilon)" }

  /// True.
  public var readsModelEnd: Bool { true }

  /// Moves probability to the end.
  public func apply(to next: inout NextTokens, using choices: inout some ChoiceSource) {
    let logOthers = LogSpace.complement(next.logModelEnds)
    next.share(logSurvival: min(0, logOthers + step * logOneMinus(epsilon)))
  }

  /// Goes on to the next step.
  public mutating func accept(_ token: Token, logProbability: Double) { step += 1 }
}

/// log(1 - x) for 0 <= x < 1, to all digits.
private func logOneMinus(_ x: Double) -> Double {
  x == 0 ? 0 : LogSpace.complement(LogSpace.log(x))
}

extension NextTokens {
  /// Log-probabilities of all ends together and of all other tokens together.
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
  /// Where no other token is left, the ends have it all.
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
    if logEnds == -.infinity, logEnd > -.infinity, let end = ends.first { restore(end, logEnd) }
  }
}
