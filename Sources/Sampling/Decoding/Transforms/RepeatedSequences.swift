// Licensed under the Apache License, Version 2.0.

/// Forbids tokens that would repeat a sequence of n tokens.
///
/// Reference: Paulus, Xiong and Socher 2018, "A deep reinforced model for abstractive
/// summarization", section 2.5, for trigrams.
///
/// **Edge cases.** 1 forbids every token of the text. Sequences in the prompt count by default. If
/// it forbids every token, the chain fails with a message.
public struct NoRepeatNGram: NextTokenTransform {
  /// The length n of the sequences.
  public let size: Int
  /// Whether sequences that begin in the prompt count.
  public let countsPrompt: Bool
  private var seen = SeenSequences()

  /// Creates the transform; the size is positive.
  public init(_ size: Int, countsPrompt: Bool = true) throws(DecodingError) {
    guard size > 0 else {
      throw .argument("no-repeat-ngram", "a sequence has at least 1 token", size)
    }
    self.size = size
    self.countsPrompt = countsPrompt
  }

  /// Returns `true`: it only removes tokens, given the text before them.
  public var forbids: Bool { true }

  /// Returns `false`: only differences of logits matter.
  public var readsLevel: Bool { false }

  /// The name in messages: `no-repeat-ngram N`.
  public var name: String { "no-repeat-ngram \(size)" }

  /// Removes the tokens that would repeat a sequence.
  ///
  /// - Complexity: O(n) expected where the text has grown by the tokens accepted since the last call,
  ///   else O(text x n).
  public mutating func apply(to next: inout NextTokens, using choices: inout some ChoiceSource) {
    let first = countsPrompt ? 0 : next.promptCount
    guard next.text.count - first >= size else { return }
    seen.follow(next.text, from: first, size: size)
    for place in seen.followers(of: next.text, size: size) { next.remove(next.text[place]) }
  }

  /// Takes note that the text grows.
  public mutating func accept(_ token: Token, logProbability: Double) { seen.accept() }
}

/// Where the sequences of a text stand that grows by one token at a step: looked for anew at each, a
/// long text would take time in proportion to its square.
private struct SeenSequences: Sendable {
  /// For the hash of all tokens of a sequence but the last: the places of the last, each sequence
  /// once.
  private var places: [Int: [Int]] = [:]
  /// How many of the text's tokens are looked through, and how many it has grown by since.
  private var count = 0
  private var grown = 0

  mutating func accept() { grown += 1 }

  mutating func follow(_ text: [Token], from first: Int, size: Int) {
    var last = max(count, first + size - 1)
    if grown == 0 || count + grown != text.count {
      places.removeAll(keepingCapacity: true)
      last = first + size - 1
    }
    while last < text.count {
      let sequence = text[last - size + 1...last]
      let key = Self.hash(sequence.dropLast())
      let isSeen = places[key, default: []].contains {
        text[$0 - size + 1...$0].elementsEqual(sequence)
      }
      if !isSeen { places[key, default: []].append(last) }
      last += 1
    }
    count = text.count
    grown = 0
  }

  /// The places of tokens that followed an earlier copy of the text's last tokens.
  func followers(of text: [Token], size: Int) -> [Int] {
    let last = text.suffix(size - 1)
    return (places[Self.hash(last)] ?? []).filter {
      text[$0 - size + 1..<$0].elementsEqual(last)
    }
  }

  private static func hash(_ tokens: ArraySlice<Token>) -> Int {
    var hasher = Hasher()
    for token in tokens { hasher.combine(token) }
    return hasher.finalize()
  }
}

/// DRY: a penalty for tokens that extend a repetition, exponential in its length.
///
/// The penalty applies to a token that followed an earlier copy of the text's last m tokens, where
/// m is as large as possible and at least the allowed length. It is multiplier x base^(m - allowed
/// length).
///
/// Reference: Weidmann 2024, "DRY: a modern repetition penalty that reliably prevents looping",
/// text-generation-webui pull request 5677.
///
/// **Edge cases.** A repetition ends at a breaker, and a breaker is never penalised. A penalty that
/// overflows removes the token. A multiplier of 0 has no effect.
public struct RepeatedSuffixPenalty: NextTokenTransform {
  /// The penalty for a repetition of the allowed length.
  public let multiplier: Double
  /// The factor by which the penalty grows with each token.
  public let base: Double
  /// The length from which repetitions are penalised.
  public let allowedLength: Int
  /// Tokens that interrupt repetitions.
  public let breakers: Set<Token>
  /// The number of last tokens that are examined.
  public let window: Int
  private var followers: SuffixFollowers
  // How many of the text's tokens the followers hold, and how many were accepted since.
  private var count = 0
  private var grown = 0
  private var lastBreaker = -1

  /// Creates the transform; multiplier 0 or more, base 1 or more, both finite; length 1 or more.
  public init(
    multiplier: Double, base: Double = 1.75, allowedLength: Int = 2, breakers: Set<Token> = [],
    window: Int = .max
  ) throws(DecodingError) {
    guard multiplier >= 0 && multiplier < .infinity else {
      throw .argument("dry", "a multiplier is 0 or more, and finite", multiplier)
    }
    guard base >= 1 && base < .infinity else {
      throw .argument("dry", "a base is 1 or more, and finite", base)
    }
    guard allowedLength >= 1 else {
      throw .argument("dry", "an allowed length is 1 or more", allowedLength)
    }
    guard window >= 0 else { throw .argument("dry", "a window is 0 tokens or more", window) }
    self.multiplier = multiplier
    self.base = base
    self.allowedLength = allowedLength
    self.breakers = breakers
    self.window = window
    followers = SuffixFollowers(shortest: allowedLength)
  }

  /// Returns `false`: only differences of logits matter.
  public var readsLevel: Bool { false }

  /// The name in messages: `dry MULTIPLIER,BASE,LENGTH`.
  public var name: String { "dry \(multiplier),\(base),\(allowedLength)" }

  /// Subtracts the penalties.
  ///
  /// - Complexity: O(tokens that are penalised) expected if the text has grown by the tokens accepted
  ///   since the last call, else O(text). O(window) if the text is longer than the window.
  public mutating func apply(to next: inout NextTokens, using choices: inout some ChoiceSource) {
    guard multiplier > 0, next.text.count > 1 else { return }
    guard next.text.count <= window else { return applyToWindow(&next) }
    follow(next.text)
    let limit = count - 1 - lastBreaker
    guard limit >= allowedLength else { return }
    // The keys are lent, so that penalties can be subtracted meanwhile.
    var lengths: [Double] = []
    swap(&lengths, &next.keys)
    followers.forEach(in: &lengths) { penalise($0, length: min($1, limit), &next) }
    swap(&lengths, &next.keys)
  }

  /// Takes note that the text grows.
  public mutating func accept(_ token: Token, logProbability: Double) { grown += 1 }

  private mutating func follow(_ text: [Token]) {
    if grown == 0 || count + grown != text.count {
      followers = SuffixFollowers(shortest: allowedLength)
      count = 0
      lastBreaker = -1
    }
    for place in count..<text.count {
      followers.append(text[place])
      if breakers.contains(text[place]) { lastBreaker = place }
    }
    count = text.count
    grown = 0
  }

  private func penalise(_ token: Token, length: Int, _ next: inout NextTokens) {
    guard !breakers.contains(token) else { return }
    next[token] -=
      multiplier * LogSpace.exp(Double(length - allowedLength) * LogSpace.log(base))
  }

  /// Compares the window's last tokens with all earlier ones, by the Z algorithm on the reversed text.
  private func applyToWindow(_ next: inout NextTokens) {
    let count = window
    guard count > 1 else { return }
    let last = next.text.count - 1
    var limit = 0
    while limit < count, !breakers.contains(next.text[last - limit]) { limit += 1 }
    guard limit >= allowedLength else { return }
    next.numbers.removeAll(keepingCapacity: true)
    next.numbers.append(count)
    var left = 0
    var right = 0
    for place in 1..<count {
      var length = place < right ? min(right - place, next.numbers[place - left]) : 0
      while place + length < count,
        next.text[last - length] == next.text[last - place - length]
      {
        length += 1
      }
      next.numbers.append(length)
      if place + length > right {
        left = place
        right = place + length
      }
    }
    for place in 1..<count { next.keys[next.text[last - place + 1].index] = 0 }
    for place in 1..<count {
      let follower = next.text[last - place + 1]
      let length = Double(min(next.numbers[place], limit))
      next.keys[follower.index] = max(next.keys[follower.index], length)
    }
    for place in 1..<count {
      let follower = next.text[last - place + 1]
      let length = Int(next.keys[follower.index])
      guard length >= allowedLength else { continue }
      // Penalise each token once, however often it follows a copy.
      next.keys[follower.index] = 0
      penalise(follower, length: length, &next)
    }
  }
}
