// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Sampling
import Testing

/// Estimates of a few lines against dictionaries of counts, and what must hold of any estimate.
@Suite struct KneserNeyExactTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var corpus: String
    var order: Int
    var prune: [Int] = []
    var testDescription: String { "\(corpus) order \(order) prune \(prune)" }
  }

  static let corpora: [String: [[String]]] = [
    "few": ["a b a c", "a b", "", "c a b a", "a", "b b b"].map {
      $0.split(separator: " ").map(String.init)
    },
    "one": [["a"]],
    "empty sentences": [[], []],
    "drawn": drawn(sentences: 120, words: 9, seed: 1),
    "wide": drawn(sentences: 40, words: 300, seed: 2),
  ]

  static let cases: [Case] = [
    Case(corpus: "few", order: 1), Case(corpus: "few", order: 2), Case(corpus: "few", order: 3),
    Case(corpus: "few", order: 8), Case(corpus: "one", order: 1), Case(corpus: "one", order: 3),
    Case(corpus: "empty sentences", order: 2), Case(corpus: "drawn", order: 2),
    Case(corpus: "drawn", order: 3), Case(corpus: "drawn", order: 4, prune: [0, 0, 1]),
    Case(corpus: "drawn", order: 4, prune: [0, 1, 2, 3]),
    Case(corpus: "drawn", order: 3, prune: [0, 1000]), Case(corpus: "drawn", order: 8),
    Case(corpus: "wide", order: 5), Case(corpus: "wide", order: 7, prune: [0, 0, 0, 1]),
    Case(corpus: "wide", order: 8),
  ]

  /// Sentences whose words are drawn with weights 1, 1/2, 1/3 ...
  static func drawn(sentences: Int, words: Int, seed: UInt64) -> [[String]] {
    var choices = RandomChoices(seed: seed)
    let weights = (1...words).map { 1 / Double($0) }
    return (0..<sentences).map { _ in
      (0..<choices.index(below: 12)).map { _ in "w\(choices.index(weights: weights.span))" }
    }
  }

  static func train(
    _ sentences: [[String]], _ options: TrainingOptions
  ) throws -> (trie: NGramTrie, report: NGramTrainer.Report) {
    let file = try TemporaryFile(
      "text", sentences.map { $0.joined(separator: " ") + "\n" }.joined())
    return try NGramTrainer(options).train([file.path])
  }

  /// All n-grams of a model by their words.
  static func table(_ trie: NGramTrie) -> [[String]: (probability: Float, backoff: Float)] {
    var table: [[String]: (probability: Float, backoff: Float)] = [:]
    func visit(_ order: Int, _ range: Range<Int>, _ context: [String]) {
      let level = trie.levels[order - 1]
      for i in range {
        let gram = context + [trie.vocabulary.spelling(of: Token(rawValue: level.words[i]))]
        let isHighest = order == trie.order
        table[gram] = (level.logProbabilities[i], isHighest ? 0 : level.backoffs[i])
        if !isHighest {
          visit(order + 1, Int(level.firstChildren[i])..<Int(level.firstChildren[i + 1]), gram)
        }
      }
    }
    visit(1, 0..<trie.levels[0].count, [])
    return table
  }

  /// The largest difference of a log10 in either column; infinite where the sets differ.
  static func defect(_ trie: NGramTrie, from twin: CountedKneserNey) -> Double {
    let made = table(trie)
    guard Set(made.keys) == Set(twin.values.keys) else { return .infinity }
    return made.reduce(0) { worst, entry in
      let other = twin.values[entry.key] ?? (0, 0)
      return max(
        worst, abs(Double(entry.value.probability) - other.probability),
        abs(Double(entry.value.backoff) - other.backoff))
    }
  }

  /// Models hold floats: half a unit in the last place of a log10 between -8 and -4 is 2.4e-7.
  ///
  /// Weights of 10^-99 are exact.
  static let tolerance = 2.5e-7

  @Test(arguments: cases) func estimatesAreThoseOfCounts(given: Case) throws {
    let sentences = try #require(Self.corpora[given.corpus])
    let (trie, report) = try Self.train(sentences, .init(order: given.order, prune: given.prune))
    let twin = CountedKneserNey(sentences, order: given.order, prune: given.prune)
    #expect(Self.defect(trie, from: twin) < Self.tolerance)
    #expect(report.discounts.map(\.isFallback) == twin.discounts.map(\.isFallback))
    for (mine, other) in zip(report.discounts, twin.discounts) {
      #expect(zip(mine.amounts, other.amounts).allSatisfy { abs($0 - $1) < 1e-12 })
    }
    #expect(report.sentenceCount == sentences.count)
    #expect(report.tokenCount == sentences.reduce(0) { $0 + $1.count })
  }

  @Test(arguments: [
    CountedKneserNey.Mistake.rawCounts, .prunedSums, .countedBeginnings, .oneDiscount,
  ])
  func mistakesAreCaught(mistake: CountedKneserNey.Mistake) throws {
    let sentences = try #require(Self.corpora["drawn"])
    let (trie, _) = try Self.train(sentences, .init(order: 3, prune: [0, 0, 1]))
    let twin = CountedKneserNey(sentences, order: 3, prune: [0, 0, 1], mistake: mistake)
    #expect(Self.defect(trie, from: twin) > 1e-3)
  }
}
