// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Sampling
import Testing

/// What must hold of every training, whatever the text, the threads and the memory.
@Suite struct NGramTrainerExactTests {
  /// How far the probabilities after any context are from 1 in sum.
  private func defect(_ trie: NGramTrie) throws -> Double {
    let file = try TemporaryFile("m.arpa")
    try trie.write(arpa: file.path)
    let table = BackoffTable(
      arpa: try String(contentsOfFile: file.path, encoding: .utf8).components(separatedBy: "\n"))
    let words = table.words.filter { $0 != "<s>" }
    var contexts = Set(table.values.keys.filter { $0.count < table.order && $0.last != "</s>" })
    contexts.insert([])
    return contexts.reduce(0) { worst, context in
      let sum = words.reduce(0.0) { $0 + pow(10, table.log10($1, after: context)) }
      return max(worst, abs(sum - 1))
    }
  }

  // A sum of some 300 floats' tenth powers: each is off by at most 2.4e-7 x ln 10 x its own value,
  // and weights add as much at each of up to 5 levels.
  @Test(arguments: KneserNeyExactTests.cases.filter { $0.order <= 5 })
  func probabilitiesAddUpToOne(given: KneserNeyExactTests.Case) throws {
    let sentences = try #require(KneserNeyExactTests.corpora[given.corpus])
    let (trie, _) = try KneserNeyExactTests.train(
      sentences, .init(order: given.order, prune: given.prune))
    #expect(try defect(trie) < 3e-6)
  }

  @Test func rareWordsAreUnknownBeforeCounting() throws {
    let sentences = try #require(KneserNeyExactTests.corpora["wide"])
    var counts: [String: Int] = [:]
    for word in sentences.joined() { counts[word, default: 0] += 1 }
    let mapped = sentences.map { $0.map { (counts[$0] ?? 0) < 3 ? "<unk>" : $0 } }
    let (trie, report) = try KneserNeyExactTests.train(
      sentences, .init(order: 3, minimumCount: 3))
    let twin = CountedKneserNey(mapped, order: 3)
    #expect(KneserNeyExactTests.defect(trie, from: twin) < KneserNeyExactTests.tolerance)
    #expect(report.unknownCount == mapped.joined().count { $0 == "<unk>" })

    let kept = Set(counts.filter { $0.value >= 3 }.keys)
    let (listed, _) = try KneserNeyExactTests.train(
      sentences, .init(order: 3, vocabulary: kept.union(["never"])))
    #expect(KneserNeyExactTests.table(listed).keys == KneserNeyExactTests.table(trie).keys)
  }

  @Test func wordsAreNumberedFromTheMostFrequentOn() throws {
    let (trie, _) = try KneserNeyExactTests.train(
      [["b", "c", "a"], ["c", "a"], ["c"]], .init(order: 2))
    let words = (0..<trie.vocabulary.count).map { trie.vocabulary.spelling(of: Token($0)) }
    #expect(words == ["<unk>", "<s>", "</s>", "c", "a", "b"])
  }

  /// Every bit of a model.
  private func bits(_ trie: NGramTrie) -> [[UInt32]] {
    trie.levels.flatMap { level in
      [
        (0..<level.count).map { level.words[$0] },
        (0..<level.count).map { level.logProbabilities[$0].bitPattern },
        (0..<level.backoffs.count).map { level.backoffs[$0].bitPattern },
        (0..<level.firstChildren.count).map { level.firstChildren[$0] },
      ]
    } + [
      (0..<trie.vocabulary.count).flatMap { trie.vocabulary.bytes(of: Token($0)).map(UInt32.init) }
    ]
  }

  @Test(arguments: [2, 5], [[], [0, 0, 1]])
  func threadsAndMemoryChangeNoBit(order: Int, prune: [Int]) throws {
    let sentences = KneserNeyExactTests.drawn(
      sentences: TestData.isDeep ? 4000 : 1000, words: 400, seed: 3)
    let prune = Array(prune.prefix(order))
    let reference = bits(
      try KneserNeyExactTests.train(sentences, .init(order: order, prune: prune, threads: 1)).trie)
    for (threads, memory) in [(2, 1 << 30), (7, 1 << 30), (1, 1 << 20), (3, 1 << 20), (2, 700_000)]
    {
      var options = TrainingOptions(order: order, prune: prune, threads: threads)
      options.workingMemory = memory
      let (trie, _) = try KneserNeyExactTests.train(sentences, options)
      #expect(bits(trie) == reference, "\(threads) threads, \(memory) bytes")
    }
  }

  /// A model of reversed texts is that of texts that are written backward.
  @Test func reversedIsWrittenBackward() throws {
    let sentences = KneserNeyExactTests.drawn(sentences: 300, words: 40, seed: 5)
    var options = TrainingOptions(order: 3, threads: 2)
    let backward = try KneserNeyExactTests.train(sentences.map { $0.reversed() }, options).trie
    let forward = try KneserNeyExactTests.train(sentences, options).trie
    options.isReversed = true
    let reversed = try KneserNeyExactTests.train(sentences, options).trie
    #expect(bits(reversed) == bits(backward))
    #expect(bits(reversed) != bits(forward))
    #expect(reversed.description.contains { $0.key == "direction" && $0.value == "backward" })
    #expect(!forward.description.contains { $0.key == "direction" })
  }
}
