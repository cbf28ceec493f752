// Licensed under the Apache License, Version 2.0.

/// Which tokens of a text count as repeated, and with what weight.
///
/// The last `window` tokens have weight 1. Over the `decay` tokens before them the weight falls
/// evenly to 0, as in ExLlamaV2.
public struct RepetitionScope: Hashable, Sendable {
  /// The number of last tokens that count fully.
  public let window: Int
  /// The number of tokens before the window over which the weight falls to 0.
  public let decay: Int
  /// Tokens that never count.
  public let exempt: Set<Token>
  /// Whether the tokens of the prompt count.
  public let countsPrompt: Bool

  /// Creates a scope; by default it is the whole text with its prompt.
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

  /// The weight of the token at a distance from the end; the last token has distance 0.
  func weight(at distance: Int) -> Double {
    if distance < window { return 1 }
    let beyond = distance - window
    return beyond < decay ? 1 - Double(beyond + 1) / Double(decay + 1) : 0
  }

  /// Whether every token counts alike, however far back it stands.
  private var isWhole: Bool { window == .max && decay == 0 }

  /// Calls a closure for each distinct token that counts, with the sum and the maximum of its
  /// weights.
  ///
  /// - Complexity: O(window), or O(distinct tokens) where the whole text counts and it has grown by
  ///   the token accepted since the last call.
  fileprivate func forEach(
    in next: inout NextTokens, counting counts: inout TokenCounts,
    _ body: (inout NextTokens, Token, Double, Double) -> Void
  ) {
    if isWhole {
      counts.follow(next.text, from: countsPrompt ? 0 : next.promptCount)
      for (token, count) in counts.counts where exempt.isEmpty || !exempt.contains(token) {
        body(&next, token, Double(count), 1)
      }
      return
    }
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
      // A token that occurs twice is visited only once.
      next.weights[token.index] = 0
      body(&next, token, sum, next.keys[token.index])
    }
  }
}

/// How often each token stands in a text that grows by one token at a step: counted anew at each, a
/// long text would take time in proportion to its square.
private struct TokenCounts: Sendable {
  private(set) var counts: [Token: Int] = [:]
  /// How many of the text's tokens are counted.
  private var count = 0
  /// Whether a token has been accepted since the text was looked at.
  private var hasGrown = false

  /// Counts the tokens of a text from a place on, if they are not those that were counted.
  mutating func follow(_ text: [Token], from first: Int) {
    defer { hasGrown = false }
    if hasGrown, count == text.count { return }
    counts.removeAll(keepingCapacity: true)
    for token in text[first...] { counts[token, default: 0] += 1 }
    count = text.count
  }

  /// Counts the token that the text grows by.
  mutating func accept(_ token: Token) {
    counts[token, default: 0] += 1
    count += 1
    hasGrown = true
  }
}

/// Divides the positive logits of repeated tokens by a penalty, and multiplies the negative ones.
///
/// Log-probabilities are negative, so all of them are multiplied: the zero of the logits matters.
///
/// Reference: Keskar, McCann, Varshney, Xiong and Socher 2019, "CTRL", section 4.1.
///
/// **Edge cases.** 1 changes nothing, and a penalty below 1 rewards repetition. For a token whose
/// weight has decayed to w, the penalty is 1 + w (penalty - 1).
public struct RepetitionPenalty: NextTokenTransform {
  /// The penalty.
  public let penalty: Double
  /// The tokens that count.
  public let scope: RepetitionScope
  private var counts = TokenCounts()

  /// Creates the transform; the penalty is positive and finite.
  public init(_ penalty: Double, scope: RepetitionScope = .whole) throws(DecodingError) {
    guard penalty > 0 && penalty < .infinity else {
      throw .argument("repetition-penalty", "a penalty is positive and finite", penalty)
    }
    self.penalty = penalty
    self.scope = scope
  }

  /// The name in messages: `repetition-penalty R`.
  public var name: String { "repetition-penalty \(penalty)" }

  /// Divides or multiplies the logits of repeated tokens.
  public mutating func apply(to next: inout NextTokens, using choices: inout some ChoiceSource) {
    scope.forEach(in: &next, counting: &counts) { next, token, _, weight in
      let factor = 1 + weight * (penalty - 1)
      let logit = next[token]
      next[token] = logit < 0 ? logit * factor : logit / factor
    }
  }

  /// Counts the token.
  public mutating func accept(_ token: Token, logProbability: Double) { counts.accept(token) }
}

/// Subtracts a penalty from a token's logit for each time that the token occurs in the text.
///
/// Reference: the `frequency_penalty` of OpenAI's completion interface.
///
/// **Edge cases.** A penalty below 0 rewards repetition. A decayed occurrence counts with its
/// weight.
public struct FrequencyPenalty: NextTokenTransform {
  /// The penalty.
  public let penalty: Double
  /// The tokens that count.
  public let scope: RepetitionScope
  private var counts = TokenCounts()

  /// Creates the transform; the penalty is finite.
  public init(_ penalty: Double, scope: RepetitionScope = .whole) throws(DecodingError) {
    guard penalty.isFinite else {
      throw .argument("frequency-penalty", "a penalty is finite", penalty)
    }
    self.penalty = penalty
    self.scope = scope
  }

  /// Returns `false`: only differences of logits matter.
  public var readsLevel: Bool { false }

  /// The name in messages: `frequency-penalty F`.
  public var name: String { "frequency-penalty \(penalty)" }

  /// Subtracts the penalties.
  public mutating func apply(to next: inout NextTokens, using choices: inout some ChoiceSource) {
    scope.forEach(in: &next, counting: &counts) { next, token, sum, _ in
      next[token] -= penalty * sum
    }
  }

  /// Counts the token.
  public mutating func accept(_ token: Token, logProbability: Double) { counts.accept(token) }
}

/// Subtracts a penalty once from the logit of each token that occurs in the text.
///
/// Reference: the `presence_penalty` of OpenAI's completion interface.
///
/// **Edge cases.** A penalty below 0 rewards repetition. Of a decayed token the largest weight
/// counts.
public struct PresencePenalty: NextTokenTransform {
  /// The penalty.
  public let penalty: Double
  /// The tokens that count.
  public let scope: RepetitionScope
  private var counts = TokenCounts()

  /// Creates the transform; the penalty is finite.
  public init(_ penalty: Double, scope: RepetitionScope = .whole) throws(DecodingError) {
    guard penalty.isFinite else {
      throw .argument("presence-penalty", "a penalty is finite", penalty)
    }
    self.penalty = penalty
    self.scope = scope
  }

  /// Returns `false`: only differences of logits matter.
  public var readsLevel: Bool { false }

  /// The name in messages: `presence-penalty F`.
  public var name: String { "presence-penalty \(penalty)" }

  /// Subtracts the penalties.
  public mutating func apply(to next: inout NextTokens, using choices: inout some ChoiceSource) {
    scope.forEach(in: &next, counting: &counts) { next, token, _, weight in
      next[token] -= penalty * weight
    }
  }

  /// Counts the token.
  public mutating func accept(_ token: Token, logProbability: Double) { counts.accept(token) }
}
