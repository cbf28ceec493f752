// Licensed under the Apache License, Version 2.0.

/// Which tokens of a text count as repeated, and how much.
///
/// The last `window` tokens count fully; over the `decay` tokens before them the weight falls
/// evenly to nothing, as in ExLlamaV2.
public struct RepetitionScope: Hashable, Sendable {
  /// How many of the last tokens count fully.
  public let window: Int
  /// Over how many tokens before the window the weight falls.
  public let decay: Int
  /// Tokens that never count.
  public let exempt: Set<Token>
  /// Whether tokens of the prompt count.
  public let countsPrompt: Bool

  /// A scope; by default the whole text, its prompt included.
  public init(
    window: Int = .max, decay: Int = 0, exempt: Set<Token> = [], countsPrompt: Bool = true
  ) throws(DecodingError) {
    guard window >= 0 else {
      throw .argument("penalty-window", "a window is 0 tokens or more", window)
    }
    guard decay >= 0 else {
      throw .argument("penalty-decay", "a decay is 0 tokens or more", decay)
    }
    self.window = window
    self.decay = decay
    self.exempt = exempt
    self.countsPrompt = countsPrompt
  }

  /// The whole text.
  public static let whole = RepetitionScope()

  private init() {
    window = .max
    decay = 0
    exempt = []
    countsPrompt = true
  }

  /// Weight of the token that stands so many places before the end, 0 being the last.
  func weight(at distance: Int) -> Double {
    if distance < window { return 1 }
    let beyond = distance - window
    return beyond < decay ? 1 - Double(beyond + 1) / Double(decay + 1) : 0
  }

  /// Hands over each distinct token that counts: the sum of its weights and the largest of them.
  fileprivate func forEach(
    in next: inout NextTokens, _ body: (inout NextTokens, Token, Double, Double) -> Void
  ) {
    let first = countsPrompt ? 0 : next.promptCount
    let reach = window > next.text.count - min(decay, next.text.count) ? .max : window + decay
    let count = min(reach, next.text.count - first)
    next.numbers.removeAll(keepingCapacity: true)
    for distance in 0..<count {
      let token = next.text[next.text.count - 1 - distance]
      if !exempt.isEmpty, exempt.contains(token) { continue }
      next.numbers.append(token.index)
      next.weights[token.index] = 0
      next.keys[token.index] = 0
    }
    for distance in 0..<count {
      let token = next.text[next.text.count - 1 - distance]
      if !exempt.isEmpty, exempt.contains(token) { continue }
      let weight = weight(at: distance)
      next.weights[token.index] += weight
      next.keys[token.index] = max(next.keys[token.index], weight)
    }
    for i in next.numbers.indices {
      let token = Token(next.numbers[i])
      let sum = next.weights[token.index]
      guard sum > 0 else { continue }
      // A token that stands there twice is handed over once.
      next.weights[token.index] = 0
      body(&next, token, sum, next.keys[token.index])
    }
  }
}

/// Logits of repeated tokens divided by a penalty where positive, multiplied where negative.
///
/// With log-probabilities, which are negative, all are multiplied: the zero of the logits matters.
///
/// Reference: Keskar, McCann, Varshney, Xiong and Socher 2019, "CTRL", section 4.1.
///
/// **Edge cases.** 1 changes nothing, below 1 repetition is rewarded. A token whose weight has
/// decayed to w has the penalty 1 + w (penalty - 1).
public struct RepetitionPenalty: NextTokenTransform {
  /// The penalty.
  public let penalty: Double
  /// What counts.
  public let scope: RepetitionScope

  /// A positive, finite penalty.
  public init(_ penalty: Double, scope: RepetitionScope = .whole) throws(DecodingError) {
    guard penalty > 0 && penalty < .infinity else {
      throw .argument("repetition-penalty", "a penalty is positive and finite", penalty)
    }
    self.penalty = penalty
    self.scope = scope
  }

  /// `repetition-penalty R`.
  public var name: String { "repetition-penalty \(penalty)" }

  /// Divides or multiplies.
  public func apply(to next: inout NextTokens, using choices: inout some ChoiceSource) {
    scope.forEach(in: &next) { next, token, _, weight in
      let factor = 1 + weight * (penalty - 1)
      let logit = next[token]
      next[token] = logit < 0 ? logit * factor : logit / factor
    }
  }
}

/// A penalty taken from a token's logit as often as the token stands in the text.
///
/// Reference: the `frequency_penalty` of OpenAI's completion interface.
///
/// **Edge cases.** Below 0 repetition is rewarded. A decayed occurrence counts by its weight.
public struct FrequencyPenalty: NextTokenTransform {
  /// The penalty.
  public let penalty: Double
  /// What counts.
  public let scope: RepetitionScope

  /// A finite penalty.
  public init(_ penalty: Double, scope: RepetitionScope = .whole) throws(DecodingError) {
    guard penalty.isFinite else {
      throw .argument("frequency-penalty", "a penalty is finite", penalty)
    }
    self.penalty = penalty
    self.scope = scope
  }

  /// `frequency-penalty F`.
  public var name: String { "frequency-penalty \(penalty)" }

  /// Subtracts.
  public func apply(to next: inout NextTokens, using choices: inout some ChoiceSource) {
    scope.forEach(in: &next) { next, token, sum, _ in next[token] -= penalty * sum }
  }
}

/// A penalty taken once from the logit of each token that stands in the text.
///
/// Reference: the `presence_penalty` of OpenAI's completion interface.
///
/// **Edge cases.** Below 0 repetition is rewarded. The largest weight of a decayed token counts.
public struct PresencePenalty: NextTokenTransform {
  /// The penalty.
  public let penalty: Double
  /// What counts.
  public let scope: RepetitionScope

  /// A finite penalty.
  public init(_ penalty: Double, scope: RepetitionScope = .whole) throws(DecodingError) {
    guard penalty.isFinite else {
      throw .argument("presence-penalty", "a penalty is finite", penalty)
    }
    self.penalty = penalty
    self.scope = scope
  }

  /// `presence-penalty F`.
  public var name: String { "presence-penalty \(penalty)" }

  /// Subtracts.
  public func apply(to next: inout NextTokens, using choices: inout some ChoiceSource) {
    scope.forEach(in: &next) { next, token, _, weight in next[token] -= penalty * weight }
  }
}
