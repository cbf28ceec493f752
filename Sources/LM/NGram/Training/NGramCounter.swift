// Licensed under the Apache License, Version 2.0.

internal import Sampling

/// The n-grams of one order with their counts, sorted by their tokens from left to right.
struct CountedOrder {
  /// The last tokens; at order 1 the n-th token is token n.
  var words: Column<UInt32>
  /// The number of distinct tokens to the left; at the highest order, and for n-grams that begin
  /// with the start symbol, the number of occurrences.
  var adjusted: Column<UInt32>
  /// The number of occurrences; kept only if pruning needs it.
  var raw: Column<UInt32>?
  /// The place of each n-gram's suffix in the order below; `nil` at order 1.
  var suffixes: Column<UInt32>?
  /// The first longer n-gram of each n-gram in the order above, count + 1 numbers; `nil` at the
  /// highest order.
  var firstChildren: Column<UInt32>?

  var count: Int { words.count }
}

/// Counts the n-grams of a numbered corpus.
///
/// Chunks are sorted on all threads, then merged. Each lower order is the order above without first
/// tokens, sorted again. A key holds token numbers plus one. 0 stands before the start symbol of a
/// sentence, so that the shorter n-grams at its beginning are counted with the others.
struct NGramCounter<Key: PackedKey> {
  let options: TrainingOptions
  let budget: MemoryBudget
  /// The bits per token.
  let bits: Int
  let vocabulary: Vocabulary

  /// An order with its complete n-grams, as long as they are needed.
  struct Keyed {
    var keys: Column<Key>
    var adjusted: Column<UInt32>
    var raw: Column<UInt32>?
  }

  var needsRaw: Bool { options.prune.contains { $0 > 0 } }

  /// Counts all orders, from 1 to the highest.
  func count(
    _ corpus: consuming TokenizedCorpus, numbers: consuming [[UInt32]]
  ) throws -> [CountedOrder] {
    let sentences = corpus.sentenceCount
    let runs = try makeRuns(corpus.pieces, numbers: numbers)
    corpus.pieces = []
    numbers = []
    options.progress(0.55)
    var (keyed, beginnings) = try mergeTop(runs, sentences: sentences)
    var orders: [CountedOrder] = []
    var firstChildren: Column<UInt32>?
    for m in stride(from: options.order, to: 2, by: -1) {
      let (below, suffixes) = try shorten(keyed, of: m, beginnings: beginnings.removeLast())
      orders.append(
        CountedOrder(
          words: try lastWords(keyed.keys), adjusted: keyed.adjusted, raw: keyed.raw,
          suffixes: suffixes, firstChildren: firstChildren))
      firstChildren = try self.firstChildren(of: below.keys, in: keyed.keys)
      keyed = below
      options.progress(0.55 + 0.2 * Double(options.order - m + 1) / Double(options.order))
    }
    let words = try budget.column(of: UInt32.self, vocabulary.count)
    let adjusted = try budget.column(of: UInt32.self, vocabulary.count)
    for i in 0..<vocabulary.count { unsafe words.pointer[i] = UInt32(i) }
    if options.order == 1 {
      for i in 0..<keyed.keys.count {
        unsafe adjusted.pointer[Int(keyed.keys.pointer[i].low) - 1] = keyed.adjusted.pointer[i]
      }
    } else {
      let last = try lastWords(keyed.keys)
      let (from, to) = unsafe (last.pointer, adjusted.pointer)
      for range in steps(last.count) {
        for i in range { unsafe to[Int(from[i])] &+= 1 }
        last.release(range)
      }
      orders.append(
        CountedOrder(
          words: last, adjusted: keyed.adjusted, raw: keyed.raw, suffixes: last,
          firstChildren: firstChildren))
      firstChildren = try self.firstChildren(of: nil, in: keyed.keys)
    }
    orders.append(
      CountedOrder(
        words: words, adjusted: adjusted, raw: nil, suffixes: nil, firstChildren: firstChildren))
    return orders.reversed()
  }
}
