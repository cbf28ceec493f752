// Licensed under the Apache License, Version 2.0.

/// A distribution over texts, one token after another, the end symbol last.
///
/// Every model can do this much, be it a network or a table of n-grams: read runs of tokens after
/// known beginnings, many at once, and give their probabilities. Samplers gather their questions
/// into one batch. ``FiniteContextModel`` adds what only models with a short memory can do.
///
/// Laws (checked by `SamplingLaws`): a row sums to one over all tokens; a run's log-probabilities
/// are those of the rows before its tokens; results depend neither on what else is in the batch nor
/// on how a text is cut into runs.
public protocol LanguageModel: Sendable {
  /// A beginning of a text that the model has read: a value, which costs O(1) to copy.
  associatedtype Context: Sendable

  /// The tokens that the model knows.
  var vocabulary: Vocabulary { get }

  /// The most tokens that a text can have.
  var longestText: Int { get }

  /// The context before the first token.
  ///
  /// - Throws: an error if the model cannot get the memory or the file that it needs.
  func makeContext() throws -> Context

  /// Reads runs of tokens, all of them as one batch.
  ///
  /// - Parameters:
  ///   - runs: the tokens to read, with the context before each run.
  ///   - results: overwritten; its memory is reused.
  /// - Throws: an error if the model runs out of memory, or a text is longer than ``longestText``.
  func score(_ runs: [TokenRun<Context>], into results: inout ScoredRuns<Context>) throws

  /// Whether the model answers about a single context as cheaply as about a batch.
  ///
  /// By default it is `false`, and callers gather their questions into batches. If it is `true`,
  /// ``advanceDirectly(_:by:)``, ``scoreDirectly(_:behind:)`` and ``fillDirectly(_:behind:)`` work.
  var readsDirectly: Bool { get }

  /// Appends a token to a context without a batch.
  ///
  /// - Precondition: ``readsDirectly`` is `true`.
  func advanceDirectly(_ context: inout Context, by token: Token)

  /// Natural log-probability of a token, or of the end symbol, after a context without a batch.
  ///
  /// - Precondition: ``readsDirectly`` is `true`.
  func scoreDirectly(_ token: Token, behind context: Context) -> Double

  /// Writes the row of log-probabilities after a context without a batch.
  ///
  /// - Precondition: ``readsDirectly`` is `true`, and the row has one place per token.
  func fillDirectly(_ row: inout MutableSpan<Double>, behind context: Context)
}

extension LanguageModel {
  /// Returns `false`: all questions go through batches.
  @inlinable
  public var readsDirectly: Bool { false }

  /// Traps: this model reads in batches.
  @inlinable
  public func advanceDirectly(_ context: inout Context, by token: Token) {
    preconditionFailure("this model reads in batches")
  }

  /// Traps: this model reads in batches.
  @inlinable
  public func scoreDirectly(_ token: Token, behind context: Context) -> Double {
    preconditionFailure("this model reads in batches")
  }

  /// Traps: this model reads in batches.
  @inlinable
  public func fillDirectly(_ row: inout MutableSpan<Double>, behind context: Context) {
    preconditionFailure("this model reads in batches")
  }
}

/// Tokens for a model to read after a context, and the answers that are wanted.
public struct TokenRun<Context: Sendable>: Sendable {
  /// The rows of log-probabilities over the whole vocabulary that are wanted.
  public enum Rows: Hashable, Sendable {
    /// No rows.
    case none
    /// The row after the last token.
    case last
    /// The rows before each token and the one after the last.
    case all
  }

  /// The context before the first token.
  public var context: Context
  /// The tokens, none of them start or end.
  public var tokens: [Token]
  /// Whether to score the end symbol after the last token.
  public var scoresEnd: Bool
  /// The rows that are wanted.
  public var rows: Rows

  /// Creates a run; by default only its tokens are scored.
  public init(_ context: Context, _ tokens: [Token], scoresEnd: Bool = false, rows: Rows = .none) {
    self.context = context
    self.tokens = tokens
    self.scoresEnd = scoresEnd
    self.rows = rows
  }
}

/// A model's answers to a batch of runs.
public struct ScoredRuns<Context: Sendable>: Sendable {
  private struct Place {
    var firstContext: Int
    var firstLog: Int
    var firstRow: Int
    var rowCount: Int
  }

  /// The number of values in a row.
  public private(set) var width = 0
  private var places: [Place] = []
  private var contexts: [Context] = []
  private var logs: [Double] = []
  private var rows: [Double] = []

  /// Creates an empty list of results.
  public init() {}

  /// The number of runs.
  public var count: Int { places.count }

  /// Removes all results, for a model whose rows have `width` values.
  public mutating func removeAll(width: Int) {
    self.width = width
    places.removeAll(keepingCapacity: true)
    contexts.removeAll(keepingCapacity: true)
    logs.removeAll(keepingCapacity: true)
    rows.removeAll(keepingCapacity: true)
  }

  /// Starts the results of the next run.
  public mutating func beginRun() {
    places.append(
      Place(
        firstContext: contexts.count, firstLog: logs.count, firstRow: rows.count, rowCount: 0))
  }

  /// Appends the log-probability of the run's next token, or of the end after its last one.
  public mutating func append(logProbability: Double) { logs.append(logProbability) }

  /// Appends the context after the run's next token.
  public mutating func append(context: Context) { contexts.append(context) }

  /// Appends a row that a closure fills with natural log-probabilities.
  public mutating func appendRow(_ fill: (inout MutableSpan<Double>) throws -> Void) rethrows {
    precondition(!places.isEmpty, "a row belongs to a run")
    let row = rows.count..<rows.count + width
    rows.append(contentsOf: repeatElement(-.infinity, count: width))
    var all = rows.mutableSpan
    var span = all._mutatingExtracting(row)
    try fill(&span)
    places[places.count - 1].rowCount += 1
  }

  /// The context after the first `count` tokens of a run; `count` is at least 1.
  public func context(ofRun run: Int, behind count: Int) -> Context {
    precondition(count > 0, "the run itself knows the context before its first token")
    return contexts[places[run].firstContext + count - 1]
  }

  /// The log-probabilities of a run's tokens, and of the end if it was scored.
  public func logProbabilities(ofRun run: Int) -> ArraySlice<Double> {
    let stop = run + 1 < places.count ? places[run + 1].firstLog : logs.count
    return logs[places[run].firstLog..<stop]
  }

  /// The number of rows of a run.
  public func rowCount(ofRun run: Int) -> Int { places[run].rowCount }

  /// One of a run's rows: natural log-probabilities of all tokens.
  ///
  /// The start symbol's is minus infinity.
  public func row(_ index: Int, ofRun run: Int) -> ArraySlice<Double> {
    precondition(index >= 0 && index < places[run].rowCount, "a row of the run")
    let first = places[run].firstRow + index * width
    return rows[first..<first + width]
  }
}

extension LanguageModel {
  /// The natural log-probability of a whole text, including its end, in one batch of one run.
  ///
  /// - Throws: what reading throws.
  public func scoredLogProbability(of text: some Sequence<Token>) throws -> Double {
    var results = ScoredRuns<Context>()
    try score([TokenRun(makeContext(), Array(text), scoresEnd: true)], into: &results)
    return results.logProbabilities(ofRun: 0).reduce(0, +)
  }
}
