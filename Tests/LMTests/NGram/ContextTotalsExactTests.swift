// Licensed under the Apache License, Version 2.0.

import LM
import Sampling
import Testing

@Suite struct ContextTotalsExactTests {
  /// Five words of probability .1995 were added to a sound model.
  static let added = """
    \\data\\
    ngram 1=6
    ngram 2=2

    \\1-grams:
    -99 <s> -0.30103
    -0.30103 </s>
    -0.60206 a -0.30103
    -0.60206 b
    -0.7 c
    -0.7 d

    \\2-grams:
    -0.30103 <s> a
    -0.1249387 a b

    \\end\\
    """

  @Test(arguments: [NGramLayout.fast, .small])
  func sumsAreThoseOfTheTokens(layout: NGramLayout) throws {
    let file = try TemporaryFile("m.arpa", Self.added)
    let model = try NGramModel(NGramTrie(arpa: file.path), layout: layout)
    let vocabulary = model.vocabulary
    var sums: [Double] = []
    for history in [[], [vocabulary.start]] + (0..<6).map({ [Token($0)] }) {
      if history == [vocabulary.end] { continue }
      var context = model.makeEmptyContext()
      for token in history { model.advance(&context, by: token) }
      sums.append(
        (0..<vocabulary.count).map { Token($0) }.filter { $0 != vocabulary.start }
          .reduce(0) { $0 + LogSpace.exp(model.logProbability(of: $1, in: context)) })
    }
    let totals = model.contextTotals { $0 != vocabulary.start }
    #expect(abs(totals.most - (sums.max() ?? 0)) < 1e-12)
    #expect(abs(totals.least - (sums.min() ?? 0)) < 1e-12)
    #expect(totals.isOverOne)
    let drawable = model.contextTotals { vocabulary.isDrawable($0) }
    #expect(drawable.most < totals.most)
  }

  @Test(arguments: [2, 3, 4])
  func trainedModelsAddUpToOne(order: Int) throws {
    let file = try TemporaryFile(
      "c.txt", "the sea was calm\nthe storm came\na calm sea\n\nthe storm was a calm storm\n")
    var options = TrainingOptions()
    options.order = order
    let model = try NGramModel(NGramTrainer(options).train([file.path]).0, layout: .fast)
    let totals = model.contextTotals { $0 != model.vocabulary.start }
    // Numbers of single precision, ten of them.
    #expect(abs(totals.most - 1) < 1e-6 && abs(totals.least - 1) < 1e-6)
    #expect(!totals.isOverOne)
  }
}
