// Licensed under the Apache License, Version 2.0.

public import Sampling

/// Texts whose brackets match: a constraint with infinitely many states, so no table holds it.
///
/// Drawable tokens other than the two brackets may stand anywhere. A bound on the number of tokens
/// and nats for each pair of brackets can be added.
///
/// ```swift
/// let model = RememberingModel(letters: ["(", ")", "a"])
/// let brackets = BalancedBrackets(model.vocabulary, longest: 6)
/// ```
public struct BalancedBrackets: TokenConstraint {
  /// How many brackets are open, and how many tokens have been read where their number is bounded.
  public struct State: Hashable, Sendable {
    /// How many brackets are open.
    public var depth: Int
    /// How many tokens have been read; always 0 without a bound.
    public var read: Int
  }

  private let vocabulary: Vocabulary
  private let open: Token
  private let close: Token
  private let longest: Int?
  private let logPair: Double

  /// The texts whose brackets match.
  ///
  /// - Parameters:
  ///   - vocabulary: has the tokens `(` and `)`.
  ///   - longest: how many tokens a text can have, 0 or more; `nil` for any number.
  ///   - logPair: the nats that each pair of brackets adds.
  public init(_ vocabulary: Vocabulary, longest: Int? = nil, logPair: Double = 0) {
    guard let open = vocabulary.token("("), let close = vocabulary.token(")") else {
      preconditionFailure("the vocabulary has the tokens ( and )")
    }
    precondition(longest ?? 0 >= 0, "a length is 0 or more")
    self.vocabulary = vocabulary
    self.open = open
    self.close = close
    self.longest = longest
    self.logPair = logPair
  }

  /// All tokens of the vocabulary.
  public var tokenCount: Int { vocabulary.count }

  /// Nothing open, nothing read.
  public var start: State { State(depth: 0, read: 0) }

  /// Counts brackets; `nil` where those open cannot be closed within the bound.
  public func next(_ state: State, _ token: Token) -> State? {
    guard vocabulary.isDrawable(token) else { return nil }
    var next = state
    if token == open { next.depth += 1 }
    if token == close { next.depth -= 1 }
    guard next.depth >= 0 else { return nil }
    if let longest {
      next.read += 1
      guard next.read + next.depth <= longest else { return nil }
    }
    return next
  }

  /// The nats of a pair, at its closing bracket.
  public func weight(_ state: State, _ token: Token) -> Double { token == close ? logPair : 0 }

  /// A text can end where nothing is open.
  public func endWeight(_ state: State) -> Double { state.depth == 0 ? 0 : -.infinity }

  /// One closing bracket for each open one.
  public func shortestCompletion(_ state: State) -> Int? { state.depth }

  /// True without nats for pairs.
  public var isUniform: Bool { logPair == 0 }

  /// True where pairs add more than 0 nats.
  public var canRaise: Bool { logPair > 0 }

  /// The same brackets with other nats.
  public func scaled(by factor: Double) -> BalancedBrackets {
    BalancedBrackets(vocabulary, longest: longest, logPair: logPair * factor)
  }
}
