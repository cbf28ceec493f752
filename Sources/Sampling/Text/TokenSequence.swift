// Licensed under the Apache License, Version 2.0.

/// What can be edited by values, each edit's undoing being an edit too.
public protocol Editable: Hashable, Sendable {
  /// A change as a value.
  associatedtype Edit: Sendable

  /// Makes the change and returns the one that undoes it.
  @discardableResult
  mutating func apply(_ edit: Edit) -> Edit
}

/// A text as tokens, its end symbol not among them.
public struct TokenSequence: Editable {
  /// The tokens in order.
  public private(set) var tokens: [Token]

  /// The text of these tokens.
  public init(_ tokens: some Sequence<Token> = []) { self.tokens = Array(tokens) }

  /// A change of a text; places are counted in the text before the change.
  @frozen
  public enum Edit: Hashable, Sendable {
    /// Another token at a place in 0 ..< count.
    case replace(Int, Token)
    /// A token before a place in 0 ... count.
    case insert(Int, Token)
    /// No token at a place in 0 ..< count.
    case delete(Int)
    /// The tokens of two places exchanged.
    case swap(Int, Int)
    /// Other tokens for a range.
    case rewrite(Range<Int>, [Token])
  }

  /// Makes the change and returns the one that undoes it.
  ///
  /// - Complexity: O(count) where the length changes, else O(edit).
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
  /// The text of these tokens.
  public init(arrayLiteral elements: Token...) { tokens = elements }
  /// 0.
  public var startIndex: Int { 0 }
  /// The number of tokens.
  public var endIndex: Int { tokens.count }
  /// The token at a place.
  public subscript(place: Int) -> Token { tokens[place] }
}
