// Licensed under the Apache License, Version 2.0.

import LM
import Sampling
import Testing

/// Whole messages for files that are not sound, and models that other tools wrote.
@Suite struct ARPAReaderGoldenTests {
  static func message(_ text: String) throws -> String {
    let file = try TemporaryFile("m.arpa", text)
    do {
      _ = try NGramTrie(arpa: file.path)
      return "read"
    } catch let error as LoadError {
      let place = error.place.map { "\($0)" } ?? "-"
      return "\(place) \(error.reason)"
    }
  }

  static let unigrams = "\\data\\\nngram 1=3\nngram 2=1\n\n\\1-grams:\n-1 <s>\n-1 </s>\n-1 a\n\n"

  @Test(arguments: [
    ("", "- is no ARPA file: no line is '\\data\\'"),
    ("\\data\\\nngram 1=x\n", "line(2) found 'ngram 1=x', expected a count such as 'ngram 1=5000'"),
    ("\\data\\\nngram 2=1\n", "line(2) found the count of order 2, expected that of order 1"),
    (
      "\\data\\\n\\1-grams:\n",
      "line(2) found '\\1-grams:', expected the counts, such as 'ngram 1=5000'"
    ),
    (
      "\\data\\\nngram 1=99999999999\n",
      "line(2) 99999999999 n-grams of one order are more than the 4294967295 supported"
    ),
    (unigrams + "\\3-grams:\n", "line(10) found '\\3-grams:', expected '\\2-grams:'"),
    (
      unigrams + "\\2-grams:\nnan a a\n",
      "line(11) found 'nan a a', expected a log10 probability at the line's beginning"
    ),
    (
      unigrams + "\\2-grams:\n0.5 a a\n",
      "line(11) the log10 probability 0.5 is not one: expected a finite number of at most 0"
    ),
    (
      unigrams + "\\2-grams:\n-0.5 a\n",
      "line(11) found 1 word, expected 2 in an n-gram of order 2"
    ),
    (unigrams + "\\2-grams:\n-0.5 a b\n", "line(11) the word 'b' is not among the 1-grams"),
    (
      unigrams + "\\2-grams:\n-0.5 a a x\n",
      "line(11) found 'x' after 2 words, expected a finite back-off weight"
    ),
    (
      unigrams + "\\2-grams:\n-0.5 a a\n-0.5 a a\n",
      "line(12) order 2 has more n-grams than the 1 that the header says"
    ),
    (
      unigrams + "\\2-grams:\n-0.5 a a\n",
      "line(11) the file ends in the n-grams of order 2 after 1 of 1, without '\\end\\'; "
        + "it is cut short"
    ),
    (
      "\\data\\\nngram 1=3\n\n\\1-grams:\n-1 <s>\n-1 </s>\n-1 <s>\n\\end\\\n",
      "line(7) the word '<s>' is listed twice"
    ),
    (
      "\\data\\\nngram 1=1\n\n\\1-grams:\n-1 a\n\\end\\\n",
      "line(6) the 1-grams lack <s>, which begins every text"
    ),
  ])
  func brokenFilesAreExplained(text: String, expected: String) throws {
    #expect(try Self.message(text) == expected)
  }

  @Test func anNGramListedTwiceIsNamed() throws {
    let text =
      Self.unigrams.replacing("ngram 2=1", with: "ngram 2=3")
      + "\\2-grams:\n-0.5 a a\n-1 a </s>\n-0.5 a a\n\\end\\\n"
    #expect(try Self.message(text) == "line(13) this n-gram is listed twice")
  }

  @Test(
    TestData.isNeeded,
    arguments: [
      ("kenlm/test.arpa", 5), ("kenlm/test_nounk.arpa", 5), ("kenlm/toy0.arpa", 3),
      ("kenlm/toy1.arpa", 3), ("moses/backward.arpa", 3), ("moses/cs-en-sample.lm.en.arpa", 3),
      ("pocketsphinx/100.lm", 3), ("pocketsphinx/102.lm", 3), ("pocketsphinx/104.lm", 2),
    ])
  func modelsOfOtherToolsAreRead(name: String, order: Int) throws {
    let trie = try NGramTrie(arpa: TestData.path("arpa/" + name))
    #expect(trie.order == order)
    let table = BackoffTable(arpa: try TestData.lines("arpa/" + name))
    // Inserted suffixes are rounded to floats, a few units of 6e-8 each.
    for layout in NGramLayout.allCases {
      let model = try NGramModel(trie, layout: layout)
      #expect(NGramModelExactTests.defect(of: model, from: table, seed: 2) < 2e-5)
    }
  }

  @Test(
    TestData.isNeeded,
    arguments: ["pocketsphinx/105.lm", "pocketsphinx/107.lm", "pocketsphinx/too-many-ngrams.arpa"])
  func brokenModelsOfOtherToolsAreRefused(name: String) throws {
    let error = #expect(throws: LoadError.self) {
      try NGramTrie(arpa: TestData.path("arpa/" + name))
    }
    #expect(error?.kind == .badData)
  }
}
