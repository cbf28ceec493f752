// Licensed under the Apache License, Version 2.0.

internal import Foundation
internal import Sampling

/// Trains n-gram models on text: interpolated modified Kneser-Ney, as KenLM's `lmplz` does.
///
/// ```swift
/// let (trie, report) = try NGramTrainer(.init(order: 3)).train(["poems.txt"])
/// let model = try NGramModel(trie)
/// ```
public struct NGramTrainer: Sendable {
  /// The figures of a training run.
  public struct Report: Sendable {
    /// The number of lines.
    public var sentenceCount: Int
    /// The number of tokens, without the ends of sentences.
    public var tokenCount: Int
    /// The number of tokens that are unknown.
    public var unknownCount: Int
    /// The number of pairs that were merged.
    public var mergedCount: Int
    /// The discounts of each order.
    public var discounts: [KneserNeyDiscounts]
  }

  /// The direction in the description of a model of reversed texts.
  public static let backward = "backward"

  /// The options of the trainer.
  public let options: TrainingOptions

  /// Creates a trainer.
  public init(_ options: TrainingOptions = TrainingOptions()) { self.options = options }

  /// Reads texts with one sentence per line and trains a model.
  ///
  /// - Parameter paths: files, plain or `.gz`; `-` is standard input.
  /// - Returns: the model and the figures of the run.
  /// - Throws: `LoadError` if an option is invalid, a file cannot be read or a text is invalid,
  ///   with its place.
  public func train(_ paths: [String]) throws -> (trie: NGramTrie, report: Report) {
    try check()
    let budget = MemoryBudget(
      bytes: options.workingMemory ?? options.memory - MemoryBudget.ground,
      folder: options.temporaryFolder)
    var corpus = try CorpusReader(options: options, budget: budget).read(paths)
    guard corpus.sentenceCount > 0 else {
      throw LoadError(
        .badData, path: paths.first, "the corpus is empty; give a text with one sentence per line")
    }
    var mergedCount = 0
    if let rebalance = options.rebalance {
      (corpus, mergedCount) = try Rebalancing(
        share: rebalance.share, leastCount: rebalance.leastCount,
        isCancelled: options.isCancelled, budget: budget
      ).encode(corpus)
    }
    let (vocabulary, numbers, unknownCount) = try number(corpus, budget)
    corpus.interners = []
    let (sentenceCount, tokenCount) = (corpus.sentenceCount, corpus.tokenCount)
    let bits = UInt32.bitWidth - UInt32(vocabulary.count + 1).leadingZeroBitCount
    let counted =
      if bits * options.order <= UInt64.width {
        try NGramCounter<UInt64>(
          options: options, budget: budget, bits: bits, vocabulary: vocabulary
        ).count(corpus, numbers: numbers)
      } else if bits * options.order <= UInt128.width {
        try NGramCounter<UInt128>(
          options: options, budget: budget, bits: bits, vocabulary: vocabulary
        ).count(corpus, numbers: numbers)
      } else {
        try NGramCounter<WideKey>(
          options: options, budget: budget, bits: bits, vocabulary: vocabulary
        ).count(corpus, numbers: numbers)
      }
    var (trie, discounts) = try KneserNey(
      options: options, budget: budget, vocabulary: vocabulary
    ).estimate(counted)
    let report = Report(
      sentenceCount: sentenceCount, tokenCount: tokenCount, unknownCount: unknownCount,
      mergedCount: mergedCount, discounts: discounts)
    trie.description = describe(report)
    return (trie, report)
  }

  private func check() throws(LoadError) {
    guard (1...NGramTrie.highestOrder).contains(options.order) else {
      throw LoadError(
        .badArgument,
        "order \(options.order) is not possible, expected 1 to "
          + "\(NGramTrie.highestOrder)")
    }
    guard options.threads > 0 else {
      throw LoadError(.badArgument, "training needs at least one thread")
    }
    guard options.memory >= MemoryBudget.least else {
      throw LoadError(
        .badArgument,
        "\(options.memory) bytes of memory are too few for counting, expected "
          + "\(MemoryBudget.least >> 20)M or more")
    }
    guard options.minimumCount >= 1 else {
      throw LoadError(
        .badArgument,
        "a minimum count of \(options.minimumCount) is not possible, expected 1 or more")
    }
    if options.subwords != nil {
      guard options.minimumCount == 1, options.vocabulary == nil, options.rebalance == nil else {
        throw LoadError(
          .badArgument,
          "a model over the tokens of another has all of them: it takes no minimum count, no "
            + "vocabulary and no rebalancing")
      }
      guard options.tokenization == .characters else {
        throw LoadError(.badArgument, "tokens of another model are joined as they are")
      }
    }
    if let rebalance = options.rebalance {
      guard !options.isReversed else {
        throw LoadError(
          .badArgument,
          "rebalancing does not work on reversed texts, because merged tokens would read backward"
        )
      }
      guard options.tokenization != .whitespace else {
        throw LoadError(
          .badArgument,
          "rebalancing needs tokens that are words or characters: with white space as the only "
            + "separator, merged tokens could not be told apart")
      }
      guard options.minimumCount == 1, options.vocabulary == nil else {
        throw LoadError(
          .badArgument,
          "rebalancing cannot be combined with a minimum count or a vocabulary")
      }
      guard rebalance.share > 0 && rebalance.share <= 1 else {
        throw LoadError(
          .badArgument, "a share of \(rebalance.share) is not possible, expected above 0 to 1")
      }
      guard rebalance.leastCount >= 2 else {
        throw LoadError(
          .badArgument,
          "a pair that occurs \(rebalance.leastCount) times is not frequent, expected 2 or more")
      }
    }
    guard options.prune.allSatisfy({ $0 >= 0 }), options.prune.first ?? 0 == 0,
      zip(options.prune, options.prune.dropFirst()).allSatisfy({ $0 <= $1 })
    else {
      throw LoadError(
        .badArgument,
        "pruning by \(options.prune.map(String.init).joined(separator: ",")) is not possible: the "
          + "numbers must begin with 0 and must not descend")
    }
    guard options.prune.count <= options.order else {
      throw LoadError(
        .badArgument,
        "\(options.prune.count) numbers for pruning are too many for order \(options.order)")
    }
  }

  /// The final numbers: the three symbols, then the words from the most frequent on.
  private func number(
    _ corpus: TokenizedCorpus, _ budget: MemoryBudget
  ) throws -> (Vocabulary, numbers: [[UInt32]], unknownCount: Int) {
    let all = Interner()
    var totals: [Int] = []
    var numbers: [[UInt32]] = []
    for interner in corpus.interners {
      numbers.append(
        (0..<interner.count).map { i in
          let index = unsafe interner.withBytes(i) { unsafe all.intern($0) }
          if Int(index) == totals.count { totals.append(0) }
          totals[Int(index)] += Int(interner.counts[i])
          return index
        })
    }
    if let subwords = options.subwords {
      let ids = totals.indices.map { SubwordTokens.token(in: all.bytes($0)) }
      for i in numbers.indices {
        for k in numbers[i].indices { numbers[i][k] = ids[Int(numbers[i][k])] }
      }
      return (subwords.vocabulary, numbers, 0)
    }
    let allowed = options.vocabulary.map { words in Set(words.map { Array($0.utf8) }) }
    func isListed(_ index: Int) -> Bool {
      guard totals[index] >= options.minimumCount else { return false }
      guard let allowed else { return true }
      let bytes = Array(all.bytes(index))
      // The list contains words as people write them, which may have a leading space here.
      return allowed.contains(bytes)
        || options.tokenization == .words && bytes.first == 0x20
          && allowed.contains(Array(bytes.dropFirst()))
    }
    var listed = totals.indices.filter(isListed)
    listed.sort { a, b in
      totals[a] != totals[b]
        ? totals[a] > totals[b] : all.bytes(a).lexicographicallyPrecedes(all.bytes(b))
    }
    var blob = Array("<unk><s></s>".utf8)
    var offsets: [UInt32] = [0, 5, 8, 12]
    var final = [UInt32](repeating: 0, count: totals.count)
    for index in listed {
      final[index] = UInt32(offsets.count - 1)
      blob.append(contentsOf: all.bytes(index))
      offsets.append(UInt32(blob.count))
    }
    let unknownCount = totals.indices.reduce(0) { $0 + (final[$1] == 0 ? totals[$1] : 0) }
    for i in numbers.indices {
      for k in numbers[i].indices { numbers[i][k] = final[Int(numbers[i][k])] }
    }
    let vocabulary = Vocabulary(
      blob: blob, offsets: offsets, spacing: options.tokenization.spacing,
      start: Token(1), end: Token(2), unknown: Token(0))
    return (vocabulary, numbers, unknownCount)
  }

  private func describe(_ report: Report) -> [(key: String, value: String)] {
    var lines = [
      ("estimator", "interpolated modified Kneser-Ney"),
      ("tokens", options.subwords == nil ? options.tokenization.rawValue : "subwords"),
      ("training", "\(report.sentenceCount) sentences, \(report.tokenCount) tokens"),
    ]
    if let subwords = options.subwords { lines.insert(contentsOf: subwords.description, at: 2) }
    if report.unknownCount > 0 { lines.append(("unknown", "\(report.unknownCount) tokens")) }
    if let rebalance = options.rebalance {
      lines.append(
        (
          "rebalance",
          "\(rebalance.share),\(rebalance.leastCount): \(report.mergedCount) pairs are tokens"
        ))
    }
    if options.isReversed { lines.append(("direction", Self.backward)) }
    if !options.prune.isEmpty {
      lines.append(("prune", options.prune.map(String.init).joined(separator: ",")))
    }
    for discounts in report.discounts {
      let amounts = discounts.amounts.map { String(format: "%.6g", $0) }.joined(separator: " ")
      lines.append(
        ("discounts \(discounts.order)", amounts + (discounts.isFallback ? " (fallback)" : "")))
    }
    return lines
  }
}

extension NGramModel {
  /// Whether the model was trained on reversed texts, as its description says.
  public var readsBackward: Bool {
    description.contains { $0.key == "direction" && $0.value == NGramTrainer.backward }
  }
}
