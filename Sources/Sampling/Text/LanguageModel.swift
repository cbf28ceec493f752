// Licensed under the Apache License, Version 2.0.

/// A distribution over texts, one token after another, the end symbol last.
///
/// This is what every model can do, a network as well as a table of n-grams: read some runs of
/// tokens behind known beginnings, many at once, and say how probable they are. Whoever samples
/// gathers what it wants to know into one batch. What only models with a short memory can do stands
/// in ``FiniteContextModel``.
///
/// Laws (checked by `SamplingLaws`): a row sums to one over all tokens; a run's log-probabilities
/// are those of the rows before its tokens; results depend neither on what else is in the batch nor
/// on how a text is cut into runs.
public protocol LanguageModel: Sendable {
  /// A beginning of a text that the model has read: a value, which costs O(1) to copy.
  associatedtype Context: Sendable

  /// The tokens.
  var vocabulary: Vocabulary { get }

  /// How many tokens a text can have at most.
  var longestText: Int { get }

  /// The context before the first token.
  ///
  /// - Throws: where the model needs memory or a file for it and cannot have it.
  func makeContext() throws -> Context

  /// Reads runs of tokens, all of them as one batch.
  ///
  /// - Parameters:
  ///   - runs: what to read, and behind which context.
  ///   - results: overwritten; its memory is used again.
  /// - Throws: where the model runs out of memory, or a text is longer than ``longestText``.
  func score(_ runs: [TokenRun<Context>], into results: inout ScoredRuns<Context>) throws

  /// Whether the model answers about a single context as cheaply as about a batch.
  ///
  /// `false` by default, and callers gather what they ask into batches. Where it is `true`,
  /// ``advanceDirectly(_:by:)`` and ``fillDirectly(_:behind:)`` work.
  var readsDirectly: Bool { get }

  /// Appends a token to a context without a batch.
  ///
  /// - Precondition: ``readsDirectly`` is `true`.
  func advanceDirectly(_ context: inout Context, by token: Token)

  /// Writes the row of log-probabilities behind a context without a batch.
  ///
  /// - Precondition: ``readsDirectly`` is `true`, and the row has one place per token.
  func fillDirectly(_ row: inout MutableSpan<Double>, behind context: Context)
}

extension LanguageModel {
  /// Everything goes through batches.
  @inlinable
  public var readsDirectly: Bool { false }

  /// Traps: this model reads in batches.
  @inlinable
  public func advanceDirectly(_ context: inout Context, by token: Token) {
    preconditionFailure("this model reads in batches")
  }

  /// Traps: this model reads in batches.
  @inlinable
  public func fillDirectly(_ row: inout MutableSpan<Double>, behind context: Context) {
    preconditionFailure("this model reads in batches")
  }
}

/// Tokens that a model is to read behind a context, and what is wanted of them.
public struct TokenRun<Context: Sendable>: Sendable {
  /// Which rows of log-probabilities over the whole vocabulary are wanted.
  public enum Rows: Hashable, Sendable {
    /// None.
    case none
    /// The row behind the last token.
    case last
    /// The rows before each token and behind the last one.
    case all
  }

  /// What stands before.
  public var context: Context
  /// The tokens, none of them start or end.
  public var tokens: [Token]
  /// Whether the end symbol is scored behind the last token.
  public var scoresEnd: Bool
  /// Which rows are wanted.
  public var rows: Rows

  /// A run.
  public init(_ context: Context, _ tokens: [Token], scoresEnd: Bool = false, rows: Rows = .none) {
    self.context = context
    self.tokens = tokens
    self.scoresEnd = scoresEnd
    self.rows = rows
  }
}

/// What a model says of a batch of runs.
public struct ScoredRuns<Context: Sendable>: Sendable {
  private struct Place {
    var firstContext: Int
    var firstLog: Int
    var firstRow: Int
    var rowCount: Int
  }

  /// How many numbers a row has.
  public private(set) var width = 0
  private var places: [Place] = []
  private var contexts: [Context] = []
  private var logs: [Double] = []
  private var rows: [Double] = []

  /// Results of no runs.
  public init() {}

  /// How many runs there are.
  public var count: Int { places.count }

  /// Begins anew, for a model whose rows have so many numbers.
  public mutating func removeAll(width: Int) {
    self.width = width
    places.removeAll(keepingCapacity: true)
    contexts.removeAll(keepingCapacity: true)
    logs.removeAll(keepingCapacity: true)
    rows.removeAll(keepingCapacity: true)
  }

  /// Begins the results of the next run.
  public mutating func beginRun() {
    places.append(
      Place(
        firstContext: contexts.count, firstLog: logs.count, firstRow: rows.count, rowCount: 0))
  }

  /// Appends the log-probability of the run's next token, or of the end behind its last one.
  public mutating func append(logProbability: Double) { logs.append(logProbability) }

  /// Appends the context behind the run's next token.
  public mutating func append(context: Context) { contexts.append(context) }

  /// Appends a row that a closure fills with natural log-probabilities.
  public mutating func appendRow(_ fill: (inout MutableSpan<Double>) throws -> Void) rethrows {
    precondition(!places.isEmpty, "a row belongs to a run")
    let first = rows.count
    rows.append(contentsOf: repeatElement(-.infinity, count: width))
    var all = rows.mutableSpan
    var row = all._mutatingExtracting(first..<first + width)
    try fill(&row)
    places[places.count - 1].rowCount += 1
  }

  /// The context behind so many tokens of a run, at least one.
  public func context(ofRun run: Int, behind count: Int) -> Context {
    precondition(count > 0, "the run itself knows the context before its first token")
    return contexts[places[run].firstContext + count - 1]
  }

  /// The log-probabilities of a run's tokens, and of the end where it was scored.
  public func logProbabilities(ofRun run: Int) -> ArraySlice<Double> {
    let stop = run + 1 < places.count ? places[run + 1].firstLog : logs.count
    return logs[places[run].firstLog..<stop]
  }

  /// How many rows a run has.
  public func rowCount(ofRun run: Int) -> Int { places[run].rowCount }

  /// One of a run's rows: natural log-probabilities of all tokens, the start symbol's being minus
  /// infinity.
  public func row(_ index: Int, ofRun run: Int) -> ArraySlice<Double> {
    precondition(index >= 0 && index < places[run].rowCount, "a row of the run")
    let first = places[run].firstRow + index * width
    return rows[first..<first + width]
  }
}

extension LanguageModel {
  /// Natural log-probability of a whole text, its end included: one batch of one run.
  ///
  /// - Throws: what reading throws.
  public func scoredLogProbability(of text: some Sequence<Token>) throws -> Double {
    var results = ScoredRuns<Context>()
    try score([TokenRun(makeContext(), Array(text), scoresEnd: true)], into: &results)
    return results.logProbabilities(ofRun: 0).reduce(0, +)
  }
}
