// Licensed under the Apache License, Version 2.0.

internal import Sampling

/// The n-grams of one order with their counts, sorted by their words from left to right.
struct CountedOrder {
  /// Last words; at order 1 the n-th word is word n.
  var words: Column<UInt32>
  /// Occurrences at the highest order and for what begins with the start symbol, else the number
  /// of different words to the left.
  var adjusted: Column<UInt32>
  /// Occurrences; kept only where pruning asks for them.
  var raw: Column<UInt32>?
  /// Where the n-gram without its first word stands in the order below; none at order 1.
  var suffixes: Column<UInt32>?
  /// Where the n-grams that go on from each of these begin in the order above, count + 1 numbers;
  /// none at the highest order.
  var firstChildren: Column<UInt32>?

  var count: Int { words.count }
}

/// Counts the n-grams of a numbered corpus: chunks are sorted on all threads, then merged; each
/// order below is the order above without first words, sorted again.
///
/// A key holds numbers of words plus one; 0 stands before the start symbol of a sentence, so that
/// the shorter n-grams of a sentence's beginning are counted with the others.
struct NGramCounter<Key: PackedKey> {
  let options: NGramTrainer.Options
  let budget: MemoryBudget
  /// Bits a word.
  let bits: Int
  let vocabulary: Vocabulary

  /// An order with its whole n-grams, as long as they are needed.
  struct Keyed {
    var keys: Column<Key>
    var adjusted: Column<UInt32>
    var raw: Column<UInt32>?
  }

  var needsRaw: Bool { options.prune.contains { $0 > 0 } }

  /// All orders, from 1 to the highest.
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
