// Licensed under the Apache License, Version 2.0.

import LM
import Sampling
import Testing

/// Models whose frequent pairs are tokens.
@Suite struct RebalancingExactTests {
  private static let corpora: [Tokenization: [String]] = [
    .words: [
      "the end of the day, the end of the road.", "the end of the world, and of the day.",
      "at the end of a long day, he slept.", "The day of the end; the end of the day.",
      "of course, of course, of course.", "a day at the sea, a day of the sea.",
    ],
    .characters: [
      "春江花月夜，春江花月明。", "春江潮水连海平，海上明月共潮生。", "明月何时有，明月照春江。",
      "江上明月，江上春江花月。",
    ],
  ]

  private func train(
    _ lines: [String], _ tokenization: Tokenization, _ rebalance: RebalancingRule?,
    minimumCount: Int = 1
  ) throws -> (trie: NGramTrie, report: NGramTrainer.Report) {
    let file = try TemporaryFile("corpus.txt", lines.joined(separator: "\n") + "\n")
    var options = TrainingOptions(
      order: 3, tokenization: tokenization, minimumCount: minimumCount, threads: 2)
    options.rebalance = rebalance
    return try NGramTrainer(options).train([file.path])
  }

  /// The largest share of a token's places that one other token follows in, of pairs that occur so
  /// often.
  private func largestShare(_ texts: [[Token]], leastCount: Int) -> Double {
    var totals: [Token: Int] = [:]
    var pairs: [[Token]: Int] = [:]
    for text in texts {
      for token in text { totals[token, default: 0] += 1 }
      for (a, b) in zip(text, text.dropFirst()) { pairs[[a, b], default: 0] += 1 }
    }
    return pairs.filter { $0.value >= leastCount }
      .map { Double($0.value) / Double(totals[$0.key[0]] ?? 1) }.max() ?? 0
  }

  @Test(arguments: [Tokenization.words, .characters], [(0.5, 2), (0.7, 3), (0.34, 2), (0.9, 4)])
  func noPairIsLeft(tokenization: Tokenization, rebalance: (share: Double, count: Int)) throws {
    let lines = try #require(Self.corpora[tokenization])
    let (trie, report) = try train(
      lines, tokenization, .init(share: rebalance.share, leastCount: rebalance.count))
    let texts = lines.map { Tokenizer.tokens(of: $0, in: trie.vocabulary).compactMap { $0 } }
    // Texts are cut as they were in training, and read as before.
    #expect(texts.reduce(0) { $0 + $1.count } == report.tokenCount)
    #expect(texts.map { trie.vocabulary.text(of: $0) } == lines)
    #expect(largestShare(texts, leastCount: rebalance.count) < rebalance.share)
    // Each entry stands in some text.
    let used = Set(texts.joined())
    for i in 3..<trie.vocabulary.count { #expect(used.contains(Token(i))) }
    // Mutant: the corpus as it is.
    let (plain, plainReport) = try train(lines, tokenization, nil)
    let words = lines.map { Tokenizer.tokens(of: $0, in: plain.vocabulary).compactMap { $0 } }
    let isNeeded = largestShare(words, leastCount: rebalance.count) >= rebalance.share
    #expect(isNeeded == (report.mergedCount > 0))
    #expect(report.tokenCount <= plainReport.tokenCount)
  }

  /// A scorer cuts as training did.
  @Test func textsAreScoredByTheirTokens() throws {
    let lines = try #require(Self.corpora[.words])
    let model = try NGramModel(train(lines, .words, .init(share: 0.5, leastCount: 2)).trie)
    var scorer = TextScorer(model)
    for line in lines {
      let tokens = Tokenizer.tokens(of: line, in: model.vocabulary).compactMap { $0 }
      let score = scorer.score(line)
      #expect(score.tokenCount == tokens.count + 1 && score.unknownCount == 0)
      #expect(abs(score.logProbability - model.logProbability(of: tokens)) < 1e-12)
    }
    // A file keeps the tokens that hold spaces.
    let file = try TemporaryFile("m.arpa")
    try model.makeTrie().write(arpa: file.path)
    let again = try NGramModel(path: file.path)
    #expect(
      lines.map { Tokenizer.tokens(of: $0, in: again.vocabulary) }
        == lines.map { Tokenizer.tokens(of: $0, in: model.vocabulary) })
  }

  @Test func whatIsRefused() throws {
    let lines = try #require(Self.corpora[.words])
    #expect(throws: LoadError.self) {
      try train(lines, .whitespace, .init(share: 0.5, leastCount: 2))
    }
    #expect(throws: LoadError.self) {
      try train(lines, .words, .init(share: 0.5, leastCount: 2), minimumCount: 2)
    }
    for share in [0, 1.5, .nan, -1] {
      #expect(throws: LoadError.self) {
        try train(lines, .words, .init(share: share, leastCount: 2))
      }
    }
    #expect(throws: LoadError.self) { try train(lines, .words, .init(share: 0.5, leastCount: 1)) }
  }
}
