// Licensed under the Apache License, Version 2.0.

/// A model whose contexts are small values that can be compared, such as the last words of an n-gram
/// model.
///
/// The model is immutable and shared by all chains; the caller owns the contexts. Equal contexts
/// predict equally, which lets a scorer stop as soon as a changed text meets its old contexts.
/// Nothing throws, and single look-ups cost O(1).
///
/// Laws (checked by `SamplingLaws`): the vector of a context sums to one over all tokens but the
/// start symbol; it agrees with the single call; an advanced context equals a rebuilt one.
public protocol FiniteContextModel: LanguageModel where Context: Equatable {
  /// How many of the last tokens a context can depend on; `Int.max` where there is no such limit.
  var contextLimit: Int { get }

  /// What no log-probability exceeds: 0, but for models that are no distributions.
  var logProbabilityCeiling: Double { get }

  /// The context before the first token, the start symbol seen.
  func makeContext() -> Context

  /// Appends a token to the context.
  func advance(_ context: inout Context, by token: Token)

  /// Natural log-probability of a token, or of the end symbol, in a context.
  func logProbability(of token: Token, in context: Context) -> Double

  /// Natural log-probability of the token, and the context advanced by it: one look-up for both.
  func advance(_ context: inout Context, scoring token: Token) -> Double

  /// A hint that a token will be scored in a context, then another one behind it; changes nothing.
  func prepare(_ context: Context, for token: Token, before next: Token)

  /// Natural log-probabilities of all tokens, the start symbol's being minus infinity.
  ///
  /// - Parameters:
  ///   - context: what stands before.
  ///   - probabilities: `vocabulary.count` places, all overwritten.
  func logProbabilities(in context: Context, into probabilities: inout MutableSpan<Double>)
}

extension FiniteContextModel {
  /// No limit.
  @inlinable
  public var contextLimit: Int { .max }

  /// No limit.
  @inlinable
  public var longestText: Int { .max }

  /// Contexts are small values, so batches gain nothing.
  @inlinable
  public var readsDirectly: Bool { true }

  /// Advances the context.
  @inlinable
  public func advanceDirectly(_ context: inout Context, by token: Token) {
    advance(&context, by: token)
  }

  /// Looks the token up.
  @inlinable
  public func scoreDirectly(_ token: Token, behind context: Context) -> Double {
    logProbability(of: token, in: context)
  }

  /// Asks for the vector of the context.
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

  /// Probabilities do not exceed 1.
  @inlinable
  public var logProbabilityCeiling: Double { 0 }

  /// Nothing to prepare.
  @inlinable
  public func prepare(_ context: Context, for token: Token, before next: Token) {}

  /// Scores, then advances: correct for every model, twice the work for most.
  @inlinable
  public func advance(_ context: inout Context, scoring token: Token) -> Double {
    let logProbability = logProbability(of: token, in: context)
    advance(&context, by: token)
    return logProbability
  }

  /// Asks for one token after another.
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

  /// Natural log-probabilities of all tokens, in an array of their own.
  @inlinable
  func logProbabilities(in context: Context) -> [Double] {
    var logs = [Double](repeating: 0, count: vocabulary.count)
    var span = logs.mutableSpan
    logProbabilities(in: context, into: &span)
    return logs
  }

  /// Natural log-probability of a whole text, its end included.
  @inlinable
  public func logProbability(of text: some Sequence<Token>) -> Double {
    var context = makeContext()
    var sum = 0.0
    for token in text { sum += advance(&context, scoring: token) }
    return sum + logProbability(of: vocabulary.end, in: context)
  }
}
