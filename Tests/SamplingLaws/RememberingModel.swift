// Licensed under the Apache License, Version 2.0.

public import Sampling
internal import Synchronization

/// A model with an unlimited context that helps nobody: code that runs with it uses nothing but what
/// every ``LanguageModel`` promises.
///
/// Each probability depends on all tokens before it and on their order. Contexts cannot be compared.
/// The model counts its batches, so that a test can say what a step may cost. It refuses what the
/// protocol forbids: a start or an end inside a run traps, a text beyond ``longestText`` throws.
///
/// ```swift
/// let model = RememberingModel(letters: ["a", "b"])
/// _ = try GreedyDecoder().decode(model)
/// model.calls.batches
/// ```
public struct RememberingModel: LanguageModel {
  /// The whole text so far.
  ///
  /// It has no `==` on purpose.
  public struct Context: Sendable {
    fileprivate var tokens: [Token]
  }

  /// What the model has been asked since it was made or ``resetCalls()``.
  public struct Calls: Hashable, Sendable {
    /// Calls of ``score(_:into:)``.
    public var batches = 0
    /// Runs in all batches.
    public var runs = 0
    /// Tokens read, in all runs.
    public var tokens = 0
    /// Rows of log-probabilities handed out.
    public var rows = 0

    /// Counts to compare with.
    public init(batches: Int = 0, runs: Int = 0, tokens: Int = 0, rows: Int = 0) {
      self.batches = batches
      self.runs = runs
      self.tokens = tokens
      self.rows = rows
    }
  }

  /// What the model throws.
  public enum Failure: Error, Hashable {
    /// A text would have more tokens than ``RememberingModel/longestText``.
    case tooLong(Int)
    /// More batches were asked for than the model was made for.
    case outOfBatches
  }

  private final class Counter: Sendable {
    let batches = Atomic(0)
    let runs = Atomic(0)
    let tokens = Atomic(0)
    let rows = Atomic(0)
  }

  /// `^`, `$` and the letters, as ``BigramTable`` has them; then `?`, the unknown token, if there is
  /// one.
  public let vocabulary: Vocabulary
  /// How many tokens a text can have.
  public let longestText: Int
  private let seed: UInt64
  private let batchLimit: Int
  private let counter = Counter()

  /// A model over some letters.
  ///
  /// - Parameters:
  ///   - letters: the spellings of the tokens that texts are made of.
  ///   - seed: different seeds give different models.
  ///   - hasUnknown: whether the vocabulary has an unknown token; it then has some probability.
  ///   - longestText: how many tokens a text can have.
  ///   - batchLimit: how many batches are read before ``score(_:into:)`` throws.
  public init(
    letters: [String] = ["a", "b"], seed: UInt64 = 1, hasUnknown: Bool = false,
    longestText: Int = .max, batchLimit: Int = .max
  ) {
    let spellings = ["^", "$"] + letters + (hasUnknown ? ["?"] : [])
    vocabulary = Vocabulary(
      spellings: spellings.map { Array($0.utf8) }, spacing: .none, start: Token(0), end: Token(1),
      unknown: hasUnknown ? Token(spellings.count - 1) : nil)
    self.seed = seed
    self.longestText = longestText
    self.batchLimit = batchLimit
  }

  /// What the model has been asked; copies of a model count together.
  public var calls: Calls {
    Calls(
      batches: counter.batches.load(ordering: .relaxed),
      runs: counter.runs.load(ordering: .relaxed),
      tokens: counter.tokens.load(ordering: .relaxed),
      rows: counter.rows.load(ordering: .relaxed))
  }

  /// Counts from 0 again.
  public func resetCalls() {
    counter.batches.store(0, ordering: .relaxed)
    counter.runs.store(0, ordering: .relaxed)
    counter.tokens.store(0, ordering: .relaxed)
    counter.rows.store(0, ordering: .relaxed)
  }

  /// The text of some letters, each one character.
  public func text(_ letters: String) -> TokenSequence {
    TokenSequence(letters.compactMap { vocabulary.token(String($0)) })
  }

  /// All texts of drawable tokens with at most so many of them, the shortest first.
  public func texts(upTo length: Int) -> [TokenSequence] {
    let letters = (0..<vocabulary.count).map { Token($0) }.filter { vocabulary.isDrawable($0) }
    var all: [TokenSequence] = [[]]
    var layer: [[Token]] = [[]]
    for _ in 0..<length {
      layer = layer.flatMap { text in letters.map { text + [$0] } }
      all += layer.map { TokenSequence($0) }
    }
    return all
  }

  /// The row behind a text, for tests that enumerate; it is not counted.
  public func logProbabilities(after text: some Sequence<Token>) -> [Double] {
    var state = mixed(seed &+ 0x9E37_79B9_7F4A_7C15)
    for token in text { state = mixed(state ^ (UInt64(token.rawValue) &+ 0x1234_5678_9ABC_DEF1)) }
    var weights = [Double](repeating: 0, count: vocabulary.count)
    var total = 0.0
    for i in weights.indices where Token(i) != vocabulary.start {
      weights[i] = 1 + Double(mixed(state &+ UInt64(i)) >> 53) / 256
      total += weights[i]
    }
    return weights.map { LogSpace.log($0 / total) }
  }

  /// The log-probability of a whole text with its end, for tests that enumerate; it is not counted.
  public func logProbability(ofText text: some Sequence<Token>) -> Double {
    var before: [Token] = []
    var sum = 0.0
    for token in text {
      sum += logProbabilities(after: before)[token.index]
      before.append(token)
    }
    return sum + logProbabilities(after: before)[vocabulary.end.index]
  }

  /// An empty text.
  public func makeContext() throws -> Context { Context(tokens: []) }

  /// Reads the runs and counts them.
  public func score(
    _ runs: [TokenRun<Context>], into results: inout ScoredRuns<Context>
  ) throws {
    let batch = counter.batches.add(1, ordering: .relaxed).newValue
    guard batch <= batchLimit else { throw Failure.outOfBatches }
    results.removeAll(width: vocabulary.count)
    for run in runs {
      counter.runs.add(1, ordering: .relaxed)
      results.beginRun()
      var context = run.context
      for token in run.tokens {
        precondition(
          token != vocabulary.start && token != vocabulary.end, "a run holds no start and no end")
        guard context.tokens.count < longestText else { throw Failure.tooLong(longestText) }
        counter.tokens.add(1, ordering: .relaxed)
        let row = logProbabilities(after: context.tokens)
        if run.rows == .all { append(row, to: &results) }
        results.append(logProbability: row[token.index])
        context.tokens.append(token)
        results.append(context: context)
      }
      guard run.scoresEnd || run.rows != .none else { continue }
      let row = logProbabilities(after: context.tokens)
      if run.scoresEnd { results.append(logProbability: row[vocabulary.end.index]) }
      if run.rows != .none { append(row, to: &results) }
    }
  }

  private func append(_ row: [Double], to results: inout ScoredRuns<Context>) {
    counter.rows.add(1, ordering: .relaxed)
    results.appendRow { for i in row.indices { $0[i] = row[i] } }
  }

  /// A step of SplitMix64.
  private func mixed(_ bits: UInt64) -> UInt64 {
    var z = bits &+ 0x9E37_79B9_7F4A_7C15
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
