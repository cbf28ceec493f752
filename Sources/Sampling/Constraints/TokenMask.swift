// Licensed under the Apache License, Version 2.0.

/// A set of tokens with one bit per token, such as the tokens that a constraint allows next.
///
/// It is a value, and copies share their bits, so keeping and returning masks is cheap.
public struct TokenMask: Hashable, Sendable {
  /// The number of tokens in the vocabulary.
  public let count: Int
  /// Token i is bit i % 64 of word i / 64.
  ///
  /// Bits beyond the vocabulary are 0.
  public private(set) var words: [UInt64]

  /// Creates the empty set over a vocabulary of `count` tokens.
  public init(count: Int) {
    precondition(count >= 0, "a vocabulary has no negative size")
    self.count = count
    words = [UInt64](repeating: 0, count: (count + 63) / 64)
  }

  /// Whether a token is in the set.
  ///
  /// - Precondition: the token lies in the vocabulary.
  @inlinable
  public func contains(_ token: Token) -> Bool {
    precondition(token.index < count, "a token lies in the vocabulary")
    return words[token.index >> 6] >> UInt64(token.index & 63) & 1 == 1
  }

  /// Adds a token of the vocabulary.
  public mutating func insert(_ token: Token) {
    precondition(token.index < count, "a token lies in the vocabulary")
    words[token.index >> 6] |= 1 << UInt64(token.index & 63)
  }

  /// Removes a token of the vocabulary, if it is in the set.
  public mutating func remove(_ token: Token) {
    precondition(token.index < count, "a token lies in the vocabulary")
    words[token.index >> 6] &= ~(1 << UInt64(token.index & 63))
  }

  /// Removes all tokens that are not in another set.
  ///
  /// - Precondition: both sets are over the same vocabulary.
  public mutating func formIntersection(_ other: TokenMask) {
    precondition(count == other.count, "both masks are over one vocabulary")
    for i in words.indices { words[i] &= other.words[i] }
  }

  /// The number of tokens in the set.
  public var memberCount: Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }

  /// Calls the body for each token, in ascending order.
  @inlinable
  public func forEach(_ body: (Token) -> Void) {
    for i in words.indices {
      var rest = words[i]
      while rest != 0 {
        body(Token(i << 6 + rest.trailingZeroBitCount))
        rest &= rest - 1
      }
    }
  }

  /// The tokens in ascending order.
  public var tokens: [Token] {
    var tokens: [Token] = []
    tokens.reserveCapacity(memberCount)
    for (i, word) in words.enumerated() {
      var rest = word
      while rest != 0 {
        tokens.append(Token(i << 6 + rest.trailingZeroBitCount))
        rest &= rest - 1
      }
    }
    return tokens
  }
}
