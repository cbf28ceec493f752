// Licensed under the Apache License, Version 2.0.

internal import Foundation

/// The options of a training run.
public struct TrainingOptions: Sendable {
  /// The highest order, 1 to 8.
  public var order: Int
  /// How lines are split into tokens.
  public var tokenization: Tokenization
  /// The tokens of a neural model, which then take the place of the tokenization.
  public var subwords: SubwordTokens?
  /// For each order from 1, n-grams with at most this count are dropped; missing numbers repeat
  /// the last.
  public var prune: [Int]
  /// Words that occur less often are treated as unknown.
  public var minimumCount: Int
  /// Words outside this set are treated as unknown.
  public var vocabulary: Set<String>?
  /// Which pairs of tokens are merged into one; `nil` for none.
  public var rebalance: RebalancingRule?
  /// Whether each sentence is read from its end.
  public var isReversed = false
  /// Whether invalid UTF-8 is replaced with U+FFFD instead of reported.
  public var isLossy: Bool
  /// The bytes of memory for counting; what does not fit is sorted on disk.
  public var memory: Int
  /// The part of the memory for counting itself; tests use it to make small texts go to disk.
  package var workingMemory: Int?
  /// The number of threads.
  public var threads: Int
  /// The folder for temporary files.
  public var temporaryFolder: String
  /// Called now and then; `true` cancels the training.
  public var isCancelled: @Sendable () -> Bool
  /// Called now and then with an estimate of the share of the work that is done, from 0 to 1.
  public var progress: @Sendable (Double) -> Void = { _ in }

  /// Creates options; the defaults use all cores and the system's temporary folder.
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

/// Which pairs of tokens are merged, so that what follows them is less certain.
///
/// A pair is merged if it occurs at least `leastCount` times and in at least `share` of the
/// places of its first token. The texts are then split again, and so on until no such pair is
/// left.
///
/// Reference: Fu, Lam, So and Shi 2021, "A theoretical analysis of the repetition problem in text
/// generation", rebalanced encoding.
public struct RebalancingRule: Hashable, Sendable {
  /// The smallest share of the first token's places, above 0 and at most 1.
  public var share: Double
  /// The smallest number of occurrences, at least 2.
  public var leastCount: Int

  /// Creates a rule with a share and a number of occurrences.
  public init(share: Double, leastCount: Int) {
    self.share = share
    self.leastCount = leastCount
  }
}

/// The discounts of one order, subtracted from counts of 1, 2, and 3 or more.
public struct KneserNeyDiscounts: Hashable, Sendable {
  /// The order of the n-grams.
  public var order: Int
  /// The discounts for counts of 1, 2, and 3 or more.
  public var amounts: [Double]
  /// Whether the counts of counts gave none, so that 0.5, 1 and 1.5 are used.
  public var isFallback: Bool

  var table: [Double] { [0] + amounts }
}
