// Licensed under the Apache License, Version 2.0.

/// A weight on texts that can be followed token by token.
///
/// A constraint reads a text from ``start``. Reading a token adds ``weight(_:_:)`` nats and leads
/// to another state, or to none if no allowed text begins so. The end of the text adds
/// ``endWeight(_:)``, which is minus infinity if the text is not allowed. The number of states may
/// be unbounded: a grammar's state is its stack.
///
/// Laws (checked by `SamplingLaws`): a state is live exactly when some sequence of drawable tokens
/// completes it; ``shortestCompletion(_:)`` is the length of the shortest such sequence;
/// ``mask(_:)`` holds exactly the tokens whose next state is live.
///
/// ``TokenAutomaton`` keeps all its states in one table, which exact sums need.
public protocol TokenConstraint: Sendable {
  /// What the constraint remembers of the tokens read so far.
  associatedtype State: Hashable & Sendable

  /// The number of tokens in the vocabulary.
  var tokenCount: Int { get }

  /// The state before the first token.
  var start: State { get }

  /// The state after one more token; `nil` if no allowed text begins so.
  ///
  /// - Precondition: the token lies below ``tokenCount``.
  func next(_ state: State, _ token: Token) -> State?

  /// The nats that reading a token adds; finite, and meaningless where ``next(_:_:)`` is `nil`.
  func weight(_ state: State, _ token: Token) -> Double

  /// The nats that ending the text adds; minus infinity if the text is not allowed.
  func endWeight(_ state: State) -> Double

  /// The tokens that can be read in a state.
  func mask(_ state: State) -> TokenMask

  /// The tokens after which an allowed end is at most `room` further tokens away.
  ///
  /// - Parameters:
  ///   - state: the state before the token.
  ///   - room: the number of further tokens that fit; no tokens are returned if it is negative.
  /// - Returns: a subset of ``mask(_:)``.
  func mask(_ state: State, within room: Int) -> TokenMask

  /// The fewest further tokens to an allowed end; 0 if the text may end.
  ///
  /// - Returns: `nil` if no text is allowed, which only the start can tell.
  func shortestCompletion(_ state: State) -> Int?

  /// Adds the nats of reading each token of a mask to the token's logit.
  ///
  /// - Parameters:
  ///   - state: the state before the token.
  ///   - mask: tokens that can be read in the state.
  ///   - logits: one for each token of the vocabulary.
  func addWeights(_ state: State, of mask: TokenMask, to logits: inout [Double])

  /// Writes the shortest completion after each of some tokens, or `Int.max` if there is none.
  func shortestCompletions(_ state: State, behind tokens: [Token], into counts: inout [Int])

  /// Whether all allowed texts have the same weight.
  ///
  /// Scorers and kernels save work if it is `true`; `false` is always safe.
  var isUniform: Bool { get }

  /// Whether some token or end can add more than 0 nats.
  ///
  /// Searches use it to know when no better text can come; `true` is always safe.
  var canRaise: Bool { get }

  /// Groups of tokens that all states treat alike; `nil` if they are not known.
  var tokenClasses: [[Token]]? { get }

  /// The constraint with all its nats multiplied by a factor; what is forbidden stays forbidden.
  ///
  /// - Parameter factor: positive and finite.
  /// - Returns: a constraint over the same states.
  func scaled(by factor: Double) -> Self
}

extension TokenConstraint {
  /// Asks ``next(_:_:)`` about every token.
  ///
  /// - Complexity: O(vocabulary).
  public func mask(_ state: State) -> TokenMask {
    var mask = TokenMask(count: tokenCount)
    for i in 0..<tokenCount where next(state, Token(i)) != nil { mask.insert(Token(i)) }
    return mask
  }

  /// Asks for the shortest completion after each token of the mask.
  ///
  /// - Complexity: O(tokens in the mask).
  public func mask(_ state: State, within room: Int) -> TokenMask {
    var mask = mask(state)
    for token in mask.tokens {
      let isNear = next(state, token).flatMap(shortestCompletion).map { $0 <= room } ?? false
      if !isNear { mask.remove(token) }
    }
    return mask
  }

  /// Asks ``weight(_:_:)`` about every token of the mask.
  ///
  /// - Complexity: O(tokens in the mask).
  public func addWeights(_ state: State, of mask: TokenMask, to logits: inout [Double]) {
    mask.forEach { logits[$0.index] += weight(state, $0) }
  }

  /// Asks about one token after another.
  ///
  /// - Complexity: O(tokens).
  public func shortestCompletions(
    _ state: State, behind tokens: [Token], into counts: inout [Int]
  ) {
    counts.removeAll(keepingCapacity: true)
    for token in tokens {
      counts.append(next(state, token).flatMap { shortestCompletion($0) } ?? .max)
    }
  }

  /// Returns `false`, the safe answer.
  @inlinable
  public var isUniform: Bool { false }

  /// Returns `nil`: no groups are known.
  public var tokenClasses: [[Token]]? { nil }

  /// Returns `true`, the safe answer.
  @inlinable
  public var canRaise: Bool { true }

  /// Whether the constraint allows any text.
  public var isSatisfiable: Bool { shortestCompletion(start) != nil }

  /// The nats that the constraint adds to a text; minus infinity if the text is not allowed.
  ///
  /// - Complexity: O(tokens).
  public func logWeight(of text: some Sequence<Token>) -> Double {
    var state = start
    var sum = 0.0
    for token in text {
      guard token.index < tokenCount, let following = next(state, token) else {
        return -.infinity
      }
      sum += weight(state, token)
      state = following
    }
    return sum + endWeight(state)
  }
}
