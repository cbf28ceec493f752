// Licensed under the Apache License, Version 2.0.

/// A model whose contexts are small, comparable values, such as the last tokens of an n-gram model.
///
/// The model is immutable and shared by all chains; the caller owns the contexts. Equal contexts
/// predict equally, which lets a scorer stop as soon as a changed text meets its old contexts.
/// Nothing throws, and single look-ups cost O(1).
///
/// Laws (checked by `SamplingLaws`): the vector of a context sums to one over all tokens but the
/// start symbol; it agrees with the single call; an advanced context equals a rebuilt one.
public protocol FiniteContextModel: LanguageModel where Context: Equatable {
  /// How many of the last tokens a context can depend on; `Int.max` if there is no limit.
  var contextLimit: Int { get }

  /// The upper bound of log-probabilities: 0, except for models that are not distributions.
  var logProbabilityCeiling: Double { get }

  /// The context before the first token, after the start symbol.
  func makeContext() -> Context

  /// Appends a token to the context.
  func advance(_ context: inout Context, by token: Token)

  /// Natural log-probability of a token, or of the end symbol, in a context.
  func logProbability(of token: Token, in context: Context) -> Double

  /// Advances the context by a token, and returns the token's natural log-probability in it.
  ///
  /// One look-up serves both.
  func advance(_ context: inout Context, scoring token: Token) -> Double

  /// Hints that a token will be scored in a context, and another one after it. It changes nothing.
  func prepare(_ context: Context, for token: Token, before next: Token)

  /// Writes the natural log-probabilities of all tokens; the start symbol's is minus infinity.
  ///
  /// - Parameters:
  ///   - context: the tokens before.
  ///   - probabilities: `vocabulary.count` numbers, all overwritten.
  func logProbabilities(in context: Context, into probabilities: inout MutableSpan<Double>)
}

extension FiniteContextModel {
  /// Returns `Int.max`: no limit.
  @inlinable
  public var contextLimit: Int { .max }

  /// Returns `Int.max`: no limit.
  @inlinable
  public var longestText: Int { .max }

  /// Returns `true`, because contexts are small values and batches gain nothing.
  @inlinable
  public var readsDirectly: Bool { true }

  /// Advances the context.
  @inlinable
  public func advanceDirectly(_ context: inout Context, by token: Token) {
    advance(&context, by: token)
  }

  /// Looks up the token.
  @inlinable
  public func scoreDirectly(_ token: Token, behind context: Context) -> Double {
    logProbability(of: token, in: context)
  }

  /// Asks for the row of the context.
  @inlinable
  public func fillDirectly(_ row: inout MutableSpan<Double>, behind context: Context) {
    logProbabilities(in: context, into: &row)
  }

  /// Reads the runs one after another.
  public func score(
    _ runs: [TokenRun<Context>], into results: inout ScoredRuns<Context>
  ) {
    results.removeAll(width: vocabulary.count)
    for run in runs {
      results.beginRun()
      var context = run.context
      for token in run.tokens {
        if run.rows == .all {
          results.appendRow { logProbabilities(in: context, into: &$0) }
        }
        results.append(logProbability: advance(&context, scoring: token))
        results.append(context: context)
      }
      if run.scoresEnd {
        results.append(logProbability: logProbability(of: vocabulary.end, in: context))
      }
      if run.rows != .none { results.appendRow { logProbabilities(in: context, into: &$0) } }
    }
  }

  /// Returns 0, because probabilities do not exceed 1.
  @inlinable
  public var logProbabilityCeiling: Double { 0 }

  /// Does nothing.
  @inlinable
  public func prepare(_ context: Context, for token: Token, before next: Token) {}

  /// Scores, then advances: correct for every model, but twice the work for most.
  @inlinable
  public func advance(_ context: inout Context, scoring token: Token) -> Double {
    let logProbability = logProbability(of: token, in: context)
    advance(&context, by: token)
    return logProbability
  }

  /// Asks about one token after another.
  @inlinable
  public func logProbabilities(
    in context: Context, into probabilities: inout MutableSpan<Double>
  ) {
    for i in probabilities.indices {
      let token = Token(i)
      probabilities[i] =
        token == vocabulary.start ? -.infinity : logProbability(of: token, in: context)
    }
  }

  /// The natural log-probabilities of all tokens, in a new array.
  @inlinable
  func logProbabilities(in context: Context) -> [Double] {
    var logs = [Double](repeating: 0, count: vocabulary.count)
    var span = logs.mutableSpan
    logProbabilities(in: context, into: &span)
    return logs
  }

  /// The natural log-probability of a whole text, including its end.
  @inlinable
  public func logProbability(of text: some Sequence<Token>) -> Double {
    var context = makeContext()
    var sum = 0.0
    for token in text { sum += advance(&context, scoring: token) }
    return sum + logProbability(of: vocabulary.end, in: context)
  }
}
