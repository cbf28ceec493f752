// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Sampling
import Testing

/// Scores of KenLM's `query` on its own models.
@Suite struct KenLMGoldenTests {
  @Test(
    TestData.isNeeded, arguments: ["shk-o3", "shk-o4p", "tiny-o3"], [NGramLayout.fast, .small])
  func scoresAreThoseOfQuery(name: String, layout: NGramLayout) throws {
    let folder = "reference/kenlm/"
    let trie = try NGramTrie(arpa: TestData.path(folder + name + ".arpa.gz"))
    let model = try NGramModel(trie, layout: layout)
    let texts = try TestData.lines(folder + "shakespeare.test.txt")
    let totals = try TestData.lines(folder + name + ".query.txt.gz")
      .filter { $0.hasPrefix("Total:") }
    var compared = 0
    for (text, total) in zip(texts, totals) {
      let fields = total.split(separator: " ")
      let expected = try #require(Double(fields[1]))
      var tokens: [Token] = []
      var unknown = 0
      for word in text.split(separator: " ") {
        if let token = model.vocabulary.token(String(word)) {
          tokens.append(token)
        } else {
          tokens.append(try #require(model.vocabulary.unknown))
          unknown += 1
        }
      }
      // `query` adds floats and prints eight digits: 1e-7 of a total below 1000.
      let got = model.logProbability(of: tokens) / log(10)
      #expect(abs(got - expected) < 1e-4, "\(text)")
      #expect(unknown == Int(fields[3]))
      compared += 1
    }
    #expect(compared == totals.count && compared > 100)
  }
}
