// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Sampling
import SamplingLaws
import Testing

/// Each layout against the recursion of ``BackoffTable``.
@Suite struct NGramModelExactTests {
  enum Form: CaseIterable { case fast, small, fastFile, smallFile, arpa, gz }

  static func model(_ trie: NGramTrie, _ form: Form) throws -> NGramModel {
    switch form {
    case .fast: return try NGramModel(trie, layout: .fast)
    case .small: return try NGramModel(trie, layout: .small)
    case .fastFile, .smallFile:
      let file = try TemporaryFile("model.gsm")
      try trie.write(gsm: file.path, layout: form == .fastFile ? .fast : .small)
      return try NGramModel(path: file.path)
    case .arpa, .gz:
      let file = try TemporaryFile(form == .gz ? "model.arpa.gz" : "model.arpa")
      try trie.write(arpa: file.path)
      return try NGramModel(path: file.path)
    }
  }

  static func histories(_ words: [String], seed: UInt64) -> [[String]] {
    var choices = RandomChoices(seed: seed)
    return (0..<60).map { i in
      ["<s>"] + (0..<i % 9).map { _ in words[choices.index(below: words.count)] }
    }
  }

  /// The largest difference in log10 between a model and the recursion, vectors included.
  static func defect(of model: NGramModel, from table: BackoffTable, seed: UInt64) -> Double {
    var worst = 0.0
    let words = table.words.filter { $0 != "<s>" && $0 != "</s>" }
    for history in histories(words, seed: seed) {
      var context = model.makeContext()
      for word in history.dropFirst() {
        model.advance(&context, by: model.vocabulary.token(word) ?? model.vocabulary.end)
      }
      var logs = [Double](repeating: 0, count: model.vocabulary.count)
      var span = logs.mutableSpan
      model.logProbabilities(in: context, into: &span)
      for word in table.words where word != "<s>" {
        guard let token = model.vocabulary.token(word) else { return .infinity }
        let expected = table.log10(word, after: history) * log(10)
        worst = max(worst, abs(model.logProbability(of: token, in: context) - expected))
        worst = max(worst, abs(logs[token.index] - expected))
      }
    }
    return worst
  }

  @Test(arguments: [1, 2, 3, 4] + TestData.deep([5, 8]), Form.allCases)
  func everyFormIsTheRecursion(order: Int, form: Form) throws {
    let lines = BackoffTable.randomLines(order: order, vocabulary: 40, seed: UInt64(order))
    let file = try TemporaryFile("random.arpa", lines.joined(separator: "\n"))
    let trie = try NGramTrie(arpa: file.path)
    let model = try Self.model(trie, form)
    let table = BackoffTable(arpa: lines)
    // Sums of up to eight numbers below 100; inserted suffixes are rounded to floats.
    #expect(Self.defect(of: model, from: table, seed: 7) < 2e-5)
    #expect(model.order == order)
  }

  @Test func aNodeLeftOutIsCaught() throws {
    var lines = BackoffTable.randomLines(order: 3, vocabulary: 40, seed: 3)
    let table = BackoffTable(arpa: lines)
    let last = lines.count - 2
    lines[last] = lines[last].replacingOccurrences(of: "-", with: "-1")
    let file = try TemporaryFile("random.arpa", lines.joined(separator: "\n"))
    let gram = lines[last].split(separator: "\t")[1].split(separator: " ").map(String.init)
    let model = try NGramModel(NGramTrie(arpa: file.path))
    var context = model.makeEmptyContext()
    for word in gram.dropLast() {
      model.advance(&context, by: try #require(model.vocabulary.token(word)))
    }
    let token = try #require(model.vocabulary.token(gram[2]))
    let expected = table.log10(gram[2], after: Array(gram.dropLast())) * log(10)
    #expect(abs(model.logProbability(of: token, in: context) - expected) > 1e-3)
  }

  @Test(arguments: [NGramLayout.fast, .small])
  func theTrieComesBack(layout: NGramLayout) throws {
    let lines = BackoffTable.randomLines(order: 4, vocabulary: 50, seed: 11)
    let file = try TemporaryFile("random.arpa", lines.joined(separator: "\n"))
    let trie = try NGramTrie(arpa: file.path)
    let back = try NGramModel(trie, layout: layout).makeTrie()
    for (a, b) in zip(trie.levels, back.levels) {
      #expect(a.count == b.count)
      #expect((0..<a.count).allSatisfy { a.words[$0] == b.words[$0] })
      #expect((0..<a.count).allSatisfy { a.logProbabilities[$0] == b.logProbabilities[$0] })
      #expect((0..<a.backoffs.count).allSatisfy { a.backoffs[$0] == b.backoffs[$0] })
      #expect((0..<a.firstChildren.count).allSatisfy { a.firstChildren[$0] == b.firstChildren[$0] })
    }
  }

  @Test func quantisedValuesAreNear() throws {
    let lines = BackoffTable.randomLines(order: 3, vocabulary: 30, seed: 5)
    let file = try TemporaryFile("random.arpa", lines.joined(separator: "\n"))
    let trie = try NGramTrie(arpa: file.path)
    let table = BackoffTable(arpa: lines)
    // Fewer than 255 n-grams an order: each value has a bin of its own. 4 bits over 3 units of log10 leave
    // bins of equal counts, each far below a unit.
    let exact = try NGramModel(trie, layout: .small, quantizedBits: 8)
    #expect(Self.defect(of: exact, from: table, seed: 1) < 2e-5)
    let coarse = try NGramModel(trie, layout: .small, quantizedBits: 4)
    let defect = Self.defect(of: coarse, from: table, seed: 1)
    #expect(defect > 1e-3 && defect < 3 * log(10))
    #expect(throws: LoadError.self) { try NGramModel(trie, layout: .fast, quantizedBits: 8) }
    #expect(throws: LoadError.self) { try NGramModel(trie, layout: .small, quantizedBits: 17) }
  }

  /// Of all contexts of a word: how far their sums are from 1, at most, and how far the listed
  /// words' mass is from the exact model's, at most.
  static func sums(_ trie: NGramTrie, bits: Int) throws -> (defect: Double, moved: Double) {
    let exact = try NGramModel(trie, layout: .small)
    let model = try NGramModel(trie, layout: .small, quantizedBits: bits)
    var result = (defect: 0.0, moved: 0.0)
    for word in 0..<trie.vocabulary.count where trie.vocabulary.isDrawable(Token(word)) {
      func probabilities(_ model: NGramModel) -> [Double] {
        var context = model.makeContext()
        model.advance(&context, by: Token(word))
        var logs = [Double](repeating: 0, count: model.vocabulary.count)
        var span = logs.mutableSpan
        model.logProbabilities(in: context, into: &span)
        return logs.map(LogSpace.exp)
      }
      let children = trie.levels[0].firstChildren
      let listed = (children[word]..<children[word + 1]).map {
        Int(trie.levels[1].words[Int($0)])
      }
      let (rounded, plain) = (probabilities(model), probabilities(exact))
      result.defect = max(result.defect, abs(rounded.reduce(0, +) - 1))
      let moved = listed.reduce(0) { $0 + rounded[$1] - plain[$1] }
      result.moved = max(result.moved, abs(moved))
    }
    return result
  }

  @Test func quantisedContextsSumToOne() throws {
    let sentences = KneserNeyExactTests.drawn(sentences: 400, words: 60, seed: 11)
    let (trie, _) = try KneserNeyExactTests.train(sentences, .init(order: 2))
    // Weights of words are no rounded ones: what is left is that of floats, 6e-8 of a log10.
    let few = try Self.sums(trie, bits: 3)
    #expect(few.defect < 1e-6 && few.moved > 1e-3)
    let many = try Self.sums(trie, bits: 8)
    #expect(many.defect < 1e-6 && many.moved < few.moved)
  }

  @Test(arguments: [NGramLayout.fast, .small])
  func lawsOfModels(layout: NGramLayout) throws {
    // A proper distribution: a back-off model whose weights were made to sum to one.
    let file = try TemporaryFile("toy.arpa", properBigram)
    let model = try NGramModel(NGramTrie(arpa: file.path), layout: layout)
    let texts = [[], [2], [3], [2, 3], [3, 3, 2]].map { words in
      TokenSequence(words.map { Token($0) })
    }
    // Probabilities are floats of log10: 6e-8 of each, times the natural log of ten.
    #expect(modelDefect(of: model, after: texts) < 1e-6)
  }

  /// p(a) .5, p(b) .25, p(</s>) .25; after a: b .5, the rest backs off with weight .5 / .75.
  let properBigram = """
    \\data\\
    ngram 1=4
    ngram 2=1

    \\1-grams:
    -99 <s> 0
    -0.60205999 </s>
    -0.30103 a -0.17609126
    -0.60205999 b 0

    \\2-grams:
    -0.30103 a b

    \\end\\
    """
}
