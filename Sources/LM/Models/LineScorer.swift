// Licensed under the Apache License, Version 2.0.

internal import Sampling

/// Log-probabilities of texts under a model, line by line.
///
/// ```swift
/// var scorer = LoadedModel(opening: "english").makeLineScorer()
/// print(scorer.score("It was a dark night.").logProbability)
/// ```
public protocol LineScorer {
  /// Whether to score the end of each text.
  var countsEnd: Bool { get set }
  /// Whether each score lists its tokens.
  var keepsTokens: Bool { get set }

  /// The score of one line.
  ///
  /// - Throws: what the model throws, for example because the line is too long for it.
  mutating func score(_ line: String) throws -> TextScorer.Score

  /// Scores all lines of a file and hands each over; `-` is standard input.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - isLossy: whether U+FFFD is put in place of what is no UTF-8.
  ///   - isCancelled: asked while there is nothing to read yet.
  ///   - body: takes a line and its score.
  /// - Throws: `LoadError` if the file cannot be read, is not valid UTF-8 or reading was cancelled,
  ///   or what `body` or the model throws.
  mutating func score(
    path: String, isLossy: Bool, isCancelled: @escaping @Sendable () -> Bool,
    _ body: (String, TextScorer.Score) throws -> Void
  ) throws
}

extension TextScorer: LineScorer {}

/// Scores lines under a model of any kind, many in one batch.
private struct RunScorer<Model: LanguageModel>: LineScorer {
  var countsEnd = true
  var keepsTokens = false
  private let model: Model
  private var tokenizer: Tokenizer
  private var results = ScoredRuns<Model.Context>()

  /// Lines of this many tokens are read together.
  private static var batchTokens: Int { 2048 }
  private static var batchLines: Int { 64 }

  /// A line that waits for its batch.
  private struct Line {
    var text: String
    var tokens: [Token?]
  }

  init(_ model: Model, _ tokenizer: Tokenizer) {
    self.model = model
    self.tokenizer = tokenizer
  }

  mutating func score(_ line: String) throws -> TextScorer.Score {
    try scores([Line(text: line, tokens: tokens(of: line))])[0]
  }

  private mutating func tokens(of line: String) -> [Token?] {
    let text = model.vocabulary.spacing == .joined ? line : NFC.of(line)
    return tokenizer.tokens(of: text, in: model.vocabulary)
  }

  private mutating func scores(_ lines: [Line]) throws -> [TextScorer.Score] {
    let unknown = model.vocabulary.unknown
    let start = try model.makeContext()
    try model.score(
      lines.map { line in
        // Parts without a token leave the context as it is.
        TokenRun(start, line.tokens.compactMap { $0 ?? unknown }, scoresEnd: countsEnd)
      }, into: &results)
    return lines.indices.map { run in
      score(lines[run].tokens, results.logProbabilities(ofRun: run))
    }
  }

  private func score(_ tokens: [Token?], _ answers: ArraySlice<Double>) -> TextScorer.Score {
    let unknown = model.vocabulary.unknown
    var logs = answers
    var score = TextScorer.Score()
    func add(_ token: Token?, _ log: Double) {
      score.logProbability += log
      score.tokenCount += 1
      if keepsTokens {
        score.tokens.append(
          TextScorer.TokenScore(token: token, logProbability: log, length: nil))
      }
    }
    for token in tokens {
      let log =
        token ?? unknown == nil
        ? TextScorer.logProbabilityOfUnlisted
        : logs.popFirst() ?? TextScorer.logProbabilityOfUnlisted
      add(token ?? unknown, log)
      if token == nil || token == unknown {
        score.unknownCount += 1
        score.logProbabilityOfUnknown += log
      }
    }
    if countsEnd, let log = logs.popFirst() { add(model.vocabulary.end, log) }
    return score
  }

  mutating func score(
    path: String, isLossy: Bool, isCancelled: @escaping @Sendable () -> Bool,
    _ body: (String, TextScorer.Score) throws -> Void
  ) throws {
    var scorer = self
    var waiting: [Line] = []
    var count = 0
    func read() throws {
      defer {
        waiting.removeAll()
        count = 0
      }
      guard !waiting.isEmpty else { return }
      for (line, score) in zip(waiting, try scorer.scores(waiting)) { try body(line.text, score) }
    }
    var number = 0
    try unsafe TextScorer.forEachLine(
      of: path, nil, isLossy: isLossy, isCancelled: isCancelled
    ) { text, _ in
      number += 1
      let tokens = scorer.tokens(of: text)
      guard tokens.count <= model.longestText else {
        throw LoadError(
          .badData, path: path, place: .line(number),
          "the line has \(tokens.count) tokens, but the model reads at most \(model.longestText)")
      }
      waiting.append(Line(text: text, tokens: tokens))
      count += tokens.count + 1
      if waiting.count >= Self.batchLines || count >= Self.batchTokens { try read() }
    }
    try read()
  }
}

/// Pseudo-log-likelihoods of lines under a masked network: each token given all others of its line.
///
/// Such a network does not say where a text ends, so ``countsEnd`` changes nothing.
public struct PseudoLineScorer: LineScorer {
  /// Has no effect: there is no end to score.
  public var countsEnd = false
  /// Whether each score lists its tokens.
  public var keepsTokens = false
  private let network: MaskedNetwork

  /// Creates a scorer of a network's lines.
  public init(_ network: MaskedNetwork) { self.network = network }

  /// The score of one line.
  ///
  /// - Throws: `LoadError` if the line is too long, or a part of it has no token.
  public mutating func score(_ line: String) throws -> TextScorer.Score {
    let text = try network.tokens(of: NFC.of(line))
    var score = TextScorer.Score()
    for (token, log) in zip(text, try network.pseudoLogProbabilities(of: text)) {
      let isKnown = log > -.infinity
      let log = isKnown ? log : TextScorer.logProbabilityOfUnlisted
      score.logProbability += log
      score.tokenCount += 1
      if !isKnown {
        score.unknownCount += 1
        score.logProbabilityOfUnknown += log
      }
      if keepsTokens {
        score.tokens.append(
          TextScorer.TokenScore(token: isKnown ? token : nil, logProbability: log, length: nil))
      }
    }
    return score
  }

  /// Scores all lines of a file and hands each over.
  public mutating func score(
    path: String, isLossy: Bool, isCancelled: @escaping @Sendable () -> Bool,
    _ body: (String, TextScorer.Score) throws -> Void
  ) throws {
    var scorer = self
    try unsafe TextScorer.forEachLine(
      of: path, network.vocabulary, isLossy: isLossy, isCancelled: isCancelled
    ) { text, _ in
      try body(text, scorer.score(text))
    }
  }
}

extension LoadedModel {
  /// Makes a scorer that divides texts as the model's training did.
  public func makeLineScorer() -> any LineScorer {
    if let model = chainModel as? NGramModel { return TextScorer(model) }
    func scorer(_ model: some LanguageModel) -> any LineScorer {
      RunScorer(model, makeTokenizer())
    }
    return scorer(chainModel)
  }
}
