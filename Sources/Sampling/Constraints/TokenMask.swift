// Licensed under the Apache License, Version 2.0.

/// A set of tokens as one bit a token: what a constraint allows next.
///
/// A value; copies share their bits, so that a mask can be kept and handed out at no cost.
public struct TokenMask: Hashable, Sendable {
  /// How many tokens the vocabulary has.
  public let count: Int
  /// Token i is bit i % 64 of word i / 64.
  ///
  /// Bits beyond the vocabulary are 0.
  public private(set) var words: [UInt64]

  /// The empty set over a vocabulary of so many tokens.
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

  /// Adds a token.
  public mutating func insert(_ token: Token) {
    precondition(token.index < count, "a token lies in the vocabulary")
    words[token.index >> 6] |= 1 << UInt64(token.index & 63)
  }

  /// Removes a token.
  public mutating func remove(_ token: Token) {
    precondition(token.index < count, "a token lies in the vocabulary")
    words[token.index >> 6] &= ~(1 << UInt64(token.index & 63))
  }

  /// Keeps only the tokens that another set holds, too.
  ///
  /// - Precondition: both are over one vocabulary.
  public mutating func formIntersection(_ other: TokenMask) {
    precondition(count == other.count, "both masks are over one vocabulary")
    for i in words.indices { words[i] &= other.words[i] }
  }

  /// How many tokens are in the set.
  public var memberCount: Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }

  /// Hands over the tokens in ascending order.
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
