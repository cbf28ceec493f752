// Licensed under the Apache License, Version 2.0.

internal import Sampling

/// Merges pairs of tokens whose second token follows the first so often that texts run in circles.
///
/// A pair that occurs often enough, and in at least a share of the first token's places, becomes
/// one token. The texts are then split again, with the longest token at each place, and so on until
/// no such pair is left. The texts read as before.
///
/// Reference: Fu, Lam, So and Shi 2021, "A theoretical analysis of the repetition problem in text
/// generation", rebalanced encoding.
struct Rebalancing {
  let share: Double
  let leastCount: Int
  let isCancelled: @Sendable () -> Bool
  let budget: MemoryBudget

  /// A tree of all word sequences that begin a token; a single word is its own number.
  private struct Tree {
    var parents: [UInt32]
    /// The last word of each sequence.
    var words: [UInt32]
    var isToken: [Bool]
    private var children: [UInt64: UInt32] = [:]

    init(wordCount: Int) {
      parents = [UInt32](repeating: .max, count: wordCount)
      words = (0..<UInt32(wordCount)).map { $0 }
      isToken = [Bool](repeating: true, count: wordCount)
    }

    func child(_ node: UInt32, _ word: UInt32) -> UInt32? {
      children[UInt64(node) << 32 | UInt64(word)]
    }

    func sequence(_ node: UInt32) -> [UInt32] {
      var sequence: [UInt32] = []
      var here = node
      while here != .max {
        sequence.append(words[Int(here)])
        here = parents[Int(here)]
      }
      return sequence.reversed()
    }

    /// Merges two tokens into one.
    mutating func merge(_ first: UInt32, _ second: UInt32) {
      var here = first
      for word in sequence(second) {
        if let next = child(here, word) {
          here = next
          continue
        }
        let new = UInt32(words.count)
        children[UInt64(here) << 32 | UInt64(word)] = new
        parents.append(here)
        words.append(word)
        isToken.append(false)
        here = new
      }
      isToken[Int(here)] = true
    }

    /// Visits the tokens of a run of word numbers; numbers start at 1, and 0 ends a sentence.
    func cut(_ run: UnsafeBufferPointer<UInt32>, _ emit: (UInt32?) -> Void) {
      var place = 0
      while place < run.count {
        guard unsafe run[place] > 0 else {
          emit(nil)
          place += 1
          continue
        }
        var here = unsafe run[place] - 1
        var (token, end) = (here, place + 1)
        var next = place + 1
        while next < run.count, unsafe run[next] > 0,
          let longer = unsafe child(here, run[next] - 1)
        {
          here = longer
          next += 1
          if isToken[Int(here)] { (token, end) = (here, next) }
        }
        emit(token)
        place = end
      }
    }
  }

  /// Checks that so many distinct pairs fit into memory.
  private func check(_ count: Int) throws(LoadError) {
    // A dictionary entry takes a little over 16 bytes, and a copy of twice the size may be needed.
    let bytes = 3 * 17 * count
    guard bytes > budget.left else { return }
    throw LoadError(
      .badArgument,
      "the distinct pairs of words do not fit into memory; use --memory "
        + "\((2 * bytes + MemoryBudget.ground) >> 20 + 1)M or more, or do not rebalance")
  }

  /// Splits the corpus again and returns it with the number of merged pairs.
  ///
  /// - Complexity: O(words x rounds), with at most as many rounds as there are frequent pairs; one
  ///   dictionary entry per distinct pair in memory.
  func encode(_ corpus: TokenizedCorpus) throws -> (corpus: TokenizedCorpus, merged: Int) {
    let all = Interner()
    let numbers = corpus.interners.map { interner in
      (0..<interner.count).map { unsafe interner.withBytes($0) { unsafe all.intern($0) } }
    }
    for piece in corpus.pieces {
      for i in 0..<piece.tokens.count where unsafe piece.tokens.pointer[i] > 0 {
        unsafe piece.tokens.pointer[i] =
          numbers[piece.interner][Int(piece.tokens.pointer[i]) - 1] + 1
      }
    }
    var tree = Tree(wordCount: all.count)
    func forEachToken(_ piece: TokenizedCorpus.Piece, _ body: (UInt32?) -> Void) throws {
      if isCancelled() { throw LoadError(.cancelled, "stopped") }
      unsafe tree.cut(
        UnsafeBufferPointer(start: piece.tokens.pointer, count: piece.tokens.count), body)
    }
    var merged = 0
    while true {
      var pairs: [UInt64: Int] = [:]
      var totals = [Int](repeating: 0, count: tree.words.count)
      for piece in corpus.pieces {
        var last: UInt32?
        try forEachToken(piece) { token in
          if let token {
            totals[Int(token)] += 1
            if let last { pairs[UInt64(last) << 32 | UInt64(token), default: 0] += 1 }
          }
          last = token
        }
        try check(pairs.capacity)
      }
      let found = pairs.filter { pair, count in
        count >= leastCount && Double(count) >= share * Double(totals[Int(pair >> 32)])
      }
      if found.isEmpty { break }
      merged += found.count
      // A fixed order, so that the same texts give the same numbers.
      for pair in found.keys.sorted() {
        tree.merge(UInt32(pair >> 32), UInt32(truncatingIfNeeded: pair))
      }
    }
    let interner = Interner()
    var spellings: [UInt32: [UInt8]] = [:]
    var encoded = TokenizedCorpus(
      interners: [interner], pieces: [], sentenceCount: corpus.sentenceCount, tokenCount: 0)
    for piece in corpus.pieces {
      var tokens: [UInt32] = []
      try forEachToken(piece) { token in
        guard let token else { return tokens.append(0) }
        let bytes = spellings[token] ?? tree.sequence(token).flatMap { all.bytes(Int($0)) }
        spellings[token] = bytes
        tokens.append(unsafe bytes.withUnsafeBytes { unsafe interner.intern($0) } + 1)
        encoded.tokenCount += 1
      }
      let column = try budget.column(of: UInt32.self, tokens.count)
      for i in tokens.indices { unsafe column.pointer[i] = tokens[i] }
      column.release(0..<tokens.count)
      encoded.pieces.append(.init(interner: 0, tokens: column))
    }
    budget.take(interner.byteCount)
    return (encoded, merged)
  }
}
