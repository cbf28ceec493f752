// Licensed under the Apache License, Version 2.0.

internal import Foundation
internal import Sampling

/// Estimates n-gram models from text: interpolated modified Kneser-Ney, as KenLM's `lmplz` does it.
///
/// ```swift
/// let (trie, report) = try NGramTrainer(.init(order: 3)).train(["poems.txt"])
/// let model = try NGramModel(trie)
/// ```
public struct NGramTrainer: Sendable {
  /// What is estimated, and with what.
  public struct Options: Sendable {
    /// The highest order, 1 to 8.
    public var order: Int
    /// How lines are cut.
    public var tokenization: Tokenization
    /// For each order from 1: n-grams that occur at most so often are left out; missing numbers
    /// repeat the last.
    public var prune: [Int]
    /// Words that occur less often are the unknown word.
    public var minimumCount: Int
    /// Words that are not among these are the unknown word.
    public var vocabulary: Set<String>?
    /// Which pairs of words become one token; `nil` for none.
    public var rebalance: Rebalance?
    /// Whether each sentence is counted from its end to its beginning.
    public var isReversed = false
    /// Whether bytes that are no UTF-8 become U+FFFD rather than an error.
    public var isLossy: Bool
    /// Bytes that counting may take; what does not fit is sorted on disk.
    public var memory: Int
    /// What of it is for counting itself, so that tests see small texts go to disk.
    package var workingMemory: Int?
    /// How many threads count.
    public var threads: Int
    /// Where temporary files lie.
    public var temporaryFolder: String
    /// Asked now and then whether to stop.
    public var isCancelled: @Sendable () -> Bool
    /// Told now and then what share of the work is done, from 0 to 1: an estimate.
    public var progress: @Sendable (Double) -> Void = { _ in }

    /// Options of a training; all cores and the system's temporary folder unless given.
    public init(
      order: Int = 3, tokenization: Tokenization = .whitespace, prune: [Int] = [],
      minimumCount: Int = 1, vocabulary: Set<String>? = nil, isLossy: Bool = false,
      memory: Int = 1 << 30, threads: Int? = nil, temporaryFolder: String? = nil,
      isCancelled: @escaping @Sendable () -> Bool = { false }
    ) {
      self.order = order
      self.tokenization = tokenization
      self.prune = prune
      self.minimumCount = minimumCount
      self.vocabulary = vocabulary
      self.isLossy = isLossy
      self.memory = memory
      self.threads = threads ?? ProcessInfo.processInfo.activeProcessorCount
      self.temporaryFolder = temporaryFolder ?? FileManager.default.temporaryDirectory.path
      self.isCancelled = isCancelled
    }

    func threshold(ofOrder order: Int) -> Int {
      prune.isEmpty ? 0 : prune[min(order, prune.count) - 1]
    }
  }

  /// Pairs of words that become one token, so that what follows them is less certain.
  ///
  /// A pair does that occurs at least `leastCount` times and in at least `share` of the places of
  /// its first word. Texts are then cut anew, and so on until no such pair is left.
  ///
  /// Reference: Fu, Lam, So and Shi 2021, "A theoretical analysis of the repetition problem in text
  /// generation", rebalanced encoding.
  public struct Rebalance: Hashable, Sendable {
    /// The least share of the first word's places, above 0 and at most 1.
    public var share: Double
    /// The least number of times, 2 or more.
    public var leastCount: Int

    /// Pairs of such a share and number.
    public init(share: Double, leastCount: Int) {
      self.share = share
      self.leastCount = leastCount
    }
  }

  /// What is taken from counts of 1, 2, and 3 or more.
  public struct Discounts: Hashable, Sendable {
    /// Of n-grams of this order.
    public var order: Int
    /// For counts of 1, 2, and 3 or more.
    public var amounts: [Double]
    /// Whether the counts of counts gave none, so that .5, 1 and 1.5 were taken.
    public var isFallback: Bool

    var table: [Double] { [0] + amounts }
  }

  /// What a training found.
  public struct Report: Sendable {
    /// Lines.
    public var sentenceCount: Int
    /// Words, without the ends of sentences.
    public var tokenCount: Int
    /// Words that are the unknown word.
    public var unknownCount: Int
    /// Pairs that became one token.
    public var mergedCount: Int
    /// By order.
    public var discounts: [Discounts]
  }

  /// What the description of a model of reversed texts says of its direction.
  public static let backward = "backward"

  /// What is estimated, and with what.
  public let options: Options

  /// A trainer.
  public init(_ options: Options = Options()) { self.options = options }

  /// Reads texts, one sentence a line, and estimates a model.
  ///
  /// - Parameter paths: files, plain or `.gz`; `-` is standard input.
  /// - Returns: the model and what was found.
  /// - Throws: `LoadError` where an option is not possible, a file cannot be read or a text is not
  ///   sound, with its place.
  public func train(_ paths: [String]) throws -> (trie: NGramTrie, report: Report) {
    try check()
    let budget = MemoryBudget(
      bytes: options.workingMemory ?? options.memory - MemoryBudget.ground,
      folder: options.temporaryFolder)
    var corpus = try CorpusReader(options: options, budget: budget).read(paths)
    guard corpus.sentenceCount > 0 else {
      throw LoadError(
        .badData, path: paths.first, "the corpus is empty; give a text with one sentence a line")
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
    guard options.threads > 0 else { throw LoadError(.badArgument, "training needs a thread") }
    guard options.memory >= MemoryBudget.least else {
      throw LoadError(
        .badArgument,
        "\(options.memory) bytes of memory are too few to count with, expected "
          + "\(MemoryBudget.least >> 20)M or more")
    }
    guard options.minimumCount >= 1 else {
      throw LoadError(.badArgument, "a least count of \(options.minimumCount) means nothing")
    }
    if let rebalance = options.rebalance {
      guard !options.isReversed else {
        throw LoadError(
          .badArgument,
          "of reversed texts rebalancing would make tokens that read backward; leave one of them out"
        )
      }
      guard options.tokenization != .whitespace else {
        throw LoadError(
          .badArgument,
          "tokens that hold spaces cannot be told apart where spaces are all that divides tokens; "
            + "rebalance words or characters")
      }
      guard options.minimumCount == 1, options.vocabulary == nil else {
        throw LoadError(
          .badArgument,
          "rebalancing makes tokens of all words; a least count or a vocabulary would undo them")
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
          + "numbers begin with 0, as words are limited by a least count, and do not descend")
    }
    guard options.prune.count <= options.order else {
      throw LoadError(
        .badArgument,
        "\(options.prune.count) numbers to prune by are more than order \(options.order) has")
    }
  }

  /// Final numbers: the three symbols, then words from the most frequent on.
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
    let allowed = options.vocabulary.map { words in Set(words.map { Array($0.utf8) }) }
    func isListed(_ index: Int) -> Bool {
      guard totals[index] >= options.minimumCount else { return false }
      guard let allowed else { return true }
      let bytes = Array(all.bytes(index))
      // Lists hold words as they are read, which may carry a space here.
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
      ("tokens", options.tokenization.rawValue),
      ("training", "\(report.sentenceCount) sentences, \(report.tokenCount) tokens"),
    ]
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
  /// Whether it was estimated from reversed texts, as its description says.
  public var readsBackward: Bool {
    description.contains { $0.key == "direction" && $0.value == NGramTrainer.backward }
  }
}
