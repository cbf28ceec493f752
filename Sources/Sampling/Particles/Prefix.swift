// Licensed under the Apache License, Version 2.0.

/// The beginning of a text that is written from left to right.
///
/// A model that reads directly has always read all tokens, and keeps no row. Any other model has read
/// only some of them; ``read(_:by:)`` reads the rest, for many prefixes at once, and keeps the row of
/// what comes next.
public struct Prefix<Model: LanguageModel, Constraint: TokenConstraint>: Sendable {
  /// The tokens written so far.
  public var tokens: [Token] = []
  /// The model's context: behind all tokens where it reads directly, else before the first one.
  public var context: Model.Context
  /// The model's contexts behind each token that a batch has read.
  @usableFromInline var contexts: [Model.Context] = []
  /// The next token's log-probabilities behind all tokens, once a batch has read them.
  public var row: ArraySlice<Double>?
  /// The constraint's state behind all tokens.
  public var state: Constraint.State

  /// Creates the empty text.
  ///
  /// - Parameters:
  ///   - context: the model's first context.
  ///   - state: the constraint's start.
  @inlinable
  public init(context: Model.Context, state: Constraint.State) {
    self.context = context
    self.state = state
  }

  /// Appends a token that the constraint allows.
  @inlinable
  public mutating func append(_ token: Token, _ model: Model, _ constraint: Constraint) {
    guard let next = constraint.next(state, token) else {
      preconditionFailure("only tokens that the constraint allows are appended")
    }
    append(token, model, leadingTo: next)
  }

  /// Appends a token that leads to a known state.
  @inlinable
  mutating func append(_ token: Token, _ model: Model, leadingTo next: Constraint.State) {
    tokens.append(token)
    state = next
    if model.readsDirectly {
      model.advanceDirectly(&context, by: token)
    } else {
      row = nil
    }
  }

  /// The first tokens alone.
  ///
  /// What the model has read of them is not read again.
  ///
  /// - Complexity: O(count) steps of the constraint, and of a model that reads directly.
  func truncated(to count: Int, from start: Prefix, _ model: Model, _ constraint: Constraint)
    -> Prefix
  {
    var stem = start
    for token in tokens.prefix(count) { stem.append(token, model, constraint) }
    stem.contexts = Array(contexts.prefix(count))
    if count == tokens.count { stem.row = row }
    return stem
  }

  /// Frees the row: for texts that are finished.
  @inlinable
  mutating func dropRow() { row = nil }

  /// Reads all tokens that are still unread, of all prefixes, in one batch.
  ///
  /// Equal prefixes, such as the copies that resampling makes, are read once.
  ///
  /// - Throws: what the model throws.
  /// - Complexity: no batch where every prefix has its row, or the model reads directly.
  public static func read(_ prefixes: inout [Prefix], by model: Model) throws {
    guard !model.readsDirectly else { return }
    var runs: [TokenRun<Model.Context>] = []
    var readers: [Int] = []
    var copies: [(place: Int, reader: Int)] = []
    var readersOfTokens: [[Token]: Int] = [:]
    for place in prefixes.indices where prefixes[place].row == nil {
      let prefix = prefixes[place]
      if let reader = readersOfTokens[prefix.tokens] {
        copies.append((place, reader))
        continue
      }
      readersOfTokens[prefix.tokens] = place
      readers.append(place)
      runs.append(
        TokenRun(
          prefix.contexts.last ?? prefix.context,
          Array(prefix.tokens[prefix.contexts.count...]), rows: .last))
    }
    guard !runs.isEmpty else { return }
    var results = ScoredRuns<Model.Context>()
    try model.score(runs, into: &results)
    for (run, place) in readers.enumerated() {
      for count in stride(from: 1, through: runs[run].tokens.count, by: 1) {
        prefixes[place].contexts.append(results.context(ofRun: run, behind: count))
      }
      prefixes[place].row = results.row(0, ofRun: run)
    }
    for (place, reader) in copies {
      prefixes[place].contexts = prefixes[reader].contexts
      prefixes[place].row = prefixes[reader].row
    }
  }

  /// Reads this prefix alone.
  ///
  /// - Throws: what the model throws.
  public mutating func read(by model: Model) throws {
    guard !model.readsDirectly, row == nil else { return }
    var alone = [self]
    try Self.read(&alone, by: model)
    self = alone[0]
  }

  /// The next token's log-probabilities, in an array of their own.
  ///
  /// - Precondition: the model reads directly, or the prefix was read.
  /// - Complexity: O(vocabulary).
  @inlinable
  public func logProbabilities(by model: Model) -> [Double] {
    if model.readsDirectly {
      var logs = [Double](repeating: 0, count: model.vocabulary.count)
      var span = logs.mutableSpan
      model.fillDirectly(&span, behind: context)
      return logs
    }
    guard let row else { preconditionFailure("a prefix is read before its tokens are drawn") }
    return Array(row)
  }
}
