// Licensed under the Apache License, Version 2.0.

/// A state that is edited by values; the undoing of each edit is an edit, too.
public protocol Editable: Hashable, Sendable {
  /// The kind of change that can be made.
  associatedtype Edit: Sendable

  /// Makes the change, and returns the edit that undoes it.
  @discardableResult
  mutating func apply(_ edit: Edit) -> Edit
}

/// A text as a list of tokens, without the end symbol.
public struct TokenSequence: Editable {
  /// The tokens in order.
  public private(set) var tokens: [Token]

  /// Creates a text from its tokens.
  public init(_ tokens: some Sequence<Token> = []) { self.tokens = Array(tokens) }

  /// A change of a text; places are counted before the change.
  @frozen
  public enum Edit: Hashable, Sendable {
    /// Replaces the token at a place in 0 ..< count.
    case replace(Int, Token)
    /// Inserts a token before a place in 0 ... count.
    case insert(Int, Token)
    /// Deletes the token at a place in 0 ..< count.
    case delete(Int)
    /// Exchanges the tokens at two places.
    case swap(Int, Int)
    /// Replaces a range by other tokens.
    case rewrite(Range<Int>, [Token])
  }

  /// Makes the change, and returns the edit that undoes it.
  ///
  /// - Complexity: O(count) if the length changes, otherwise O(edit).
  @discardableResult
  public mutating func apply(_ edit: Edit) -> Edit {
    switch edit {
    case .replace(let place, let token):
      let old = tokens[place]
      tokens[place] = token
      return .replace(place, old)
    case .insert(let place, let token):
      tokens.insert(token, at: place)
      return .delete(place)
    case .delete(let place):
      return .insert(place, tokens.remove(at: place))
    case .swap(let a, let b):
      tokens.swapAt(a, b)
      return edit
    case .rewrite(let range, let replacement):
      let old = Array(tokens[range])
      tokens.replaceSubrange(range, with: replacement)
      return .rewrite(range.lowerBound..<range.lowerBound + replacement.count, old)
    }
  }
}

extension TokenSequence: RandomAccessCollection, ExpressibleByArrayLiteral {
  /// Creates a text from its tokens.
  public init(arrayLiteral elements: Token...) { tokens = elements }
  /// The first place, always 0.
  public var startIndex: Int { 0 }
  /// The number of tokens.
  public var endIndex: Int { tokens.count }
  /// The token at a place.
  public subscript(place: Int) -> Token { tokens[place] }
}
