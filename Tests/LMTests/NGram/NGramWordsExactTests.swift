// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Sampling
import SamplingLaws
import Testing

/// Fast ways of choosing words against their slow twins, on models with all that ARPA files hold.
@Suite struct NGramWordsExactTests {
  static func model(order: Int, vocabulary: Int = 8) throws -> NGramModel {
    let lines = BackoffTable.randomLines(order: order, vocabulary: vocabulary, seed: UInt64(order))
    let file = try TemporaryFile("random.arpa", lines.joined(separator: "\n"))
    return try NGramModel(NGramTrie(arpa: file.path))
  }

  static func texts(_ model: NGramModel) -> [TokenSequence] {
    var choices = RandomChoices(seed: 5)
    let words = (0..<model.vocabulary.count).map { Token($0) }
      .filter(model.vocabulary.isDrawable)
    return (0..<4).map { count in
      TokenSequence((0..<count).map { _ in words[choices.index(below: words.count)] })
    }
  }

  /// Negative corrections are many here; with one attempt half of the law is the vector's.
  @Test(arguments: [1, 2, 3, 5], [1, 2])
  func leftWordsAreTheConditional(order: Int, attempts: Int) throws {
    let model = try Self.model(order: order)
    let defect = gapDefect(
      of: NGramLeftTokens<TokenAutomaton>(model, attempts: attempts),
      against: LeftConditionalTokens(),
      under: SentenceTarget(model: model), at: Self.texts(model))
    // Sums of some dozens of terms.
    #expect(defect < 1e-12)
  }

  @Test(arguments: [1, 2, 3, 5], [1, 2])
  func fullWordsAreTheConditional(order: Int, attempts: Int) throws {
    let model = try Self.model(order: order)
    let defect = gapDefect(
      of: NGramFullTokens<TokenAutomaton>(model, attempts: attempts),
      against: FullConditionalTokens(),
      under: SentenceTarget(model: model), at: Self.texts(model))
    // Differences of sums of some dozens of terms, the smallest a thousandth of the largest.
    #expect(defect < 1e-10)
  }

  /// Long lists are shared by maps of bits, others by a merge or a search: here all of them, with a
  /// vocabulary in which lists differ in length.
  @Test(arguments: [2, 3] + TestData.deep([4]), [1, 8, 1000])
  func listsAreSharedAlike(order: Int, longList: Int) throws {
    let model = try Self.model(order: order, vocabulary: TestData.isDeep ? 50 : 25)
    let texts = Self.texts(model).suffix(1) + [[Token(3), Token(7)], [Token(9)]]
    let defect = gapDefect(
      of: NGramFullTokens<TokenAutomaton>(model, attempts: 1, longList: longList),
      against: FullConditionalTokens(),
      under: SentenceTarget(model: model), at: Array(texts))
    #expect(defect < 1e-10)
  }

  /// A mutant: words that know what stands left alone.
  @Test func theRightSideLeftOutIsCaught() throws {
    let model = try Self.model(order: 3)
    let defect = gapDefect(
      of: NGramLeftTokens<TokenAutomaton>(model, attempts: 1), against: FullConditionalTokens(),
      under: SentenceTarget(model: model), at: Self.texts(model))
    #expect(defect > 1e-3)
  }

  /// A mutant: the words of the shortest context alone.
  @Test func aLevelLeftOutIsCaught() throws {
    let model = try Self.model(order: 2)
    let defect = gapDefect(
      of: UnigramTokens<NGramScorer>(model.vocabulary, weights: [Double](repeating: 1, count: 8)),
      against: LeftConditionalTokens(), under: SentenceTarget(model: model),
      at: Self.texts(model))
    #expect(defect > 1e-3)
  }

  /// All that is left for back-off is the unknown word's: 1e-9 of what is drawn there.
  @Test func aContextThatListsAllWords() throws {
    let lines = """
      \\data\\
      ngram 1=5
      ngram 2=2

      \\1-grams:
      -99 <s> 0
      -1 </s>
      -0.1 <unk>
      -1 a 1.5
      -1 b 0

      \\2-grams:
      -0.5 a a
      -3 a b

      \\end\\
      """
    let file = try TemporaryFile("all.arpa", lines)
    let model = try NGramModel(NGramTrie(arpa: file.path))
    let defect = gapDefect(
      of: NGramLeftTokens<TokenAutomaton>(model, attempts: 2), against: LeftConditionalTokens(),
      under: SentenceTarget(model: model),
      at: [[], [Token(3)], [Token(3), Token(4)], [Token(4), Token(3)]])
    #expect(defect < 1e-12)
  }
}
