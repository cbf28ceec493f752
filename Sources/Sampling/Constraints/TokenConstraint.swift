// Licensed under the Apache License, Version 2.0.

/// A weight on texts that can be followed token by token.
///
/// A constraint reads a text from ``start``. Reading a token adds ``weight(_:_:)`` nats and leads to
/// another state, or to none, where no allowed text begins so. At the end ``endWeight(_:)`` is added,
/// minus infinity where the text is not allowed. States may be unbounded in number: a grammar's
/// state is its stack.
///
/// Laws (checked by `SamplingLaws`): a state is live exactly when some sequence of drawable tokens
/// completes it; ``shortestCompletion(_:)`` is the length of the shortest such sequence;
/// ``mask(_:)`` holds exactly the tokens whose next state is live.
///
/// ``TokenAutomaton`` has all its states in one table, which exact sums need.
public protocol TokenConstraint: Sendable {
  /// What is remembered of the tokens read so far.
  associatedtype State: Hashable & Sendable

  /// How many tokens the vocabulary has.
  var tokenCount: Int { get }

  /// The state before the first token.
  var start: State { get }

  /// The state after one more token; `nil` where no allowed text begins so.
  ///
  /// - Precondition: the token lies below ``tokenCount``.
  func next(_ state: State, _ token: Token) -> State?

  /// Nats that reading a token adds; finite. It means nothing where ``next(_:_:)`` is `nil`.
  func weight(_ state: State, _ token: Token) -> Double

  /// Nats that ending the text adds, minus infinity where the text is not allowed.
  func endWeight(_ state: State) -> Double

  /// The tokens that can be read, as a bit set over the vocabulary.
  func mask(_ state: State) -> TokenMask

  /// The tokens behind which an allowed end is at most so many further tokens away.
  ///
  /// - Parameters:
  ///   - state: the state before the token.
  ///   - room: how many further tokens there is room for; none of the mask's tokens where negative.
  /// - Returns: a part of ``mask(_:)``.
  func mask(_ state: State, within room: Int) -> TokenMask

  /// The fewest further tokens to an allowed end, 0 where the text may end.
  ///
  /// - Returns: `nil` where no text is allowed; only the start can be such a state.
  func shortestCompletion(_ state: State) -> Int?

  /// Adds the nats of reading each token of a mask to the token's logit: many ``weight(_:_:)`` at once.
  ///
  /// - Parameters:
  ///   - state: the state before the token.
  ///   - mask: tokens that can be read in the state.
  ///   - logits: one for each token of the vocabulary.
  func addWeights(_ state: State, of mask: TokenMask, to logits: inout [Double])

  /// Writes the shortest completion behind each of some tokens, `Int.max` where there is none.
  func shortestCompletions(_ state: State, behind tokens: [Token], into counts: inout [Int])

  /// Whether all allowed texts weigh the same.
  ///
  /// Scorers and kernels save work where it is true; `false` is always safe.
  var isUniform: Bool { get }

  /// Whether a token can add more than 0 nats, or an end can.
  ///
  /// Searches need it to know when a better text can no longer come; `true` is always safe.
  var canRaise: Bool { get }

  /// Tokens that all states treat alike, class by class; `nil` where that is not known.
  var tokenClasses: [[Token]]? { get }

  /// The constraint with all its nats multiplied by a factor, hard parts as they are.
  ///
  /// - Parameter factor: positive and finite.
  /// - Returns: a constraint on the same texts, with the same states.
  func scaled(by factor: Double) -> Self
}

extension TokenConstraint {
  /// Asks ``next(_:_:)`` for every token.
  ///
  /// - Complexity: O(vocabulary).
  public func mask(_ state: State) -> TokenMask {
    var mask = TokenMask(count: tokenCount)
    for i in 0..<tokenCount where next(state, Token(i)) != nil { mask.insert(Token(i)) }
    return mask
  }

  /// Asks for the shortest completion behind each token of the mask.
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

  /// Asks ``weight(_:_:)`` for every token of the mask.
  ///
  /// - Complexity: O(tokens in the mask).
  public func addWeights(_ state: State, of mask: TokenMask, to logits: inout [Double]) {
    mask.forEach { logits[$0.index] += weight(state, $0) }
  }

  /// Asks for one token after another.
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

  /// Unknown, and so taken to be false.
  @inlinable
  public var isUniform: Bool { false }

  /// Unknown.
  public var tokenClasses: [[Token]]? { nil }

  /// Unknown, and so taken to be true.
  @inlinable
  public var canRaise: Bool { true }

  /// Whether any text is allowed.
  public var isSatisfiable: Bool { shortestCompletion(start) != nil }

  /// Nats that the constraint adds to a text; minus infinity where it is not allowed.
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
