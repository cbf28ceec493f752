// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Sampling
import Testing

/// Every statement against ``NaiveText`` on every text of small vocabularies.
@Suite struct ConstraintExactTests {
  struct Words: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var vocabulary: Vocabulary
    var longest: Int

    init(_ name: String, _ spacing: Vocabulary.Spacing, _ words: [[UInt8]], longest: Int) {
      testDescription = name
      vocabulary = Vocabulary(
        spellings: [Array("<s>".utf8), Array("</s>".utf8), Array("<unk>".utf8)] + words,
        spacing: spacing, start: Token(0), end: Token(1), unknown: Token(2))
      self.longest = longest
    }

    init(_ name: String, _ spacing: Vocabulary.Spacing, _ words: [String], longest: Int) {
      self.init(name, spacing, words.map { Array($0.utf8) }, longest: longest)
    }

    var texts: [[Token]] {
      var all: [[Token]] = [[]]
      var layer: [[Token]] = [[]]
      for _ in 0..<longest {
        layer = layer.flatMap { text in (3..<vocabulary.count).map { text + [Token($0)] } }
        all += layer
      }
      return all
    }
  }

  /// Tokens of the longest text.
  private static let longest = TestData.isDeep ? 4 : 3

  static let vocabularies = [
    Words("joined", .joined, ["sea", "Sea", "the", ",", "."], longest: longest),
    Words("carried", .carried, [" sea", "sea", "side", " the", ","], longest: longest),
    Words("characters", .none, ["春", "风", "sea", "e", " ", "，"], longest: longest),
    Words(
      "pieces", .none,
      [[0xE6], [0x98, 0xA5], [0xE6, 0x98], [0xA5], Array("sea".utf8)], longest: longest),
  ]

  struct Statement: Sendable, CustomTestStringConvertible {
    var testDescription: String
    /// Nats; minus infinity where the text is not allowed.
    var naive: @Sendable (NaiveText, Int) -> Double

    init(_ text: String, _ holds: @escaping @Sendable (NaiveText) -> Bool) {
      testDescription = text
      naive = { naive, _ in holds(naive) ? 0 : -.infinity }
    }

    init(_ text: String, weight: @escaping @Sendable (NaiveText, Int) -> Double) {
      testDescription = text
      naive = weight
    }
  }

  static let statements: [Statement] = [
    Statement("include \"sea\"") { $0.count("sea") > 0 },
    Statement("include \"sea\" \"the\"") { $0.count("sea") > 0 && $0.count("the") > 0 },
    Statement("include \"春\"") { $0.count("春") > 0 },
    Statement("include \"seaside\"") { $0.count("seaside") > 0 },
    Statement("include \"the sea\"") { $0.count("the sea") > 0 },
    Statement("include~ \"SEA\"") { $0.count("sea", ignoringCase: true) > 0 },
    Statement("include-any \"sea\" \"春风\"") { $0.count("sea") + $0.count("春风") > 0 },
    Statement("exclude \"sea\" /风|the/") {
      $0.count("sea") == 0 && $0.count(expression: "风|the") == 0
    },
    Statement("include /s.?e/") { $0.count(expression: "s.?e") > 0 },
    Statement("order \"sea\" \"the\"") { $0.areInOrder(["sea", "the"]) },
    Statement("order \"sea\" \"sea\"") { $0.areInOrder(["sea", "sea"]) },
    Statement("order \"春\" \"风\" \"春\"") { $0.areInOrder(["春", "风", "春"]) },
    Statement("count \"sea\" 1..2") { (1...2).contains($0.count("sea")) },
    Statement("count \"sea\" ..1") { $0.count("sea") <= 1 },
    Statement("count \"春\" 2..") { $0.count("春") >= 2 },
    Statement("count \"春春\" 2") { $0.count("春春") == 2 },
    Statement("count /ea|e/ 1") { $0.count(expression: "ea|e") == 1 },
    Statement("begin \"sea\"") { $0.places("sea").contains(0) },
    Statement("begin~ \"Sea\"") { $0.places("sea", ignoringCase: true).contains(0) },
    Statement("end \"sea\"") { text in
      text.places("sea").contains { $0 + 3 == text.scalars.count }
    },
    Statement("end \".\"") { $0.string.hasSuffix(".") },
    Statement("length 2..3 words") { (2...3).contains($0.words.count) },
    Statement("length 2 characters") { $0.scalars.count == 2 },
    Statement("length 3..7 characters") { (3...7).contains($0.scalars.count) },
    Statement("length 3..7 bytes") { (3...7).contains($0.string.utf8.count) },
    Statement(
      "length 2..3 tokens", weight: { _, count in (2...3).contains(count) ? 0 : -.infinity }),
    Statement("length 3.. words") { $0.words.count >= 3 },
    Statement("at word 1 \"sea\"") { $0.cores.first == "sea" },
    Statement("at word 2 \"sea\"") { $0.cores.dropFirst().first == "sea" },
    Statement("at word -1 \"sea\"") { $0.cores.last == "sea" },
    Statement("at word -2 \"the\"") { $0.cores.dropLast().last == "the" },
    Statement("at word 2 \"春\"") { $0.cores.dropFirst().first == "春" },
    Statement("at~ word 1 \"SEA\"") { $0.cores.first?.lowercased() == "sea" },
    Statement("at word 1 \",\"") { $0.cores.first == "," },
    Statement("at character 1 \"春\"") { $0.scalars.first == "春" },
    Statement("at character -2 \"e\"") { $0.scalars.dropLast().last == "e" },
    Statement("match /sea( the)*/") { $0.matches("sea( the)*") },
    Statement("match /[^s]*/") { $0.matches("[^s]*") },
    Statement("match /(春|风){2,3}/") { $0.matches("(春|风){2,3}") },
    Statement("match /\\p{Han}+\\W?\\p{L}*/") { $0.matches("\\p{Han}+\\W?\\p{L}*") },
    Statement("match~ /SEA( the)*/") { $0.matches("(?i:SEA( the)*)") },
    Statement("exclude~ \"sea\" /TH./") {
      $0.count("sea", ignoringCase: true) == 0 && $0.count(expression: "(?i:TH.)") == 0
    },
    Statement("include~ /S[^E]A|[d-f]{2}/") { $0.count(expression: "(?i:S[^E]A|[d-f]{2})") > 0 },
    Statement("within /[aes]*/") { $0.cores.allSatisfy { NaiveText.matches($0, "[aes]*") } },
    Statement("within /sea|the|春/") {
      $0.cores.allSatisfy { NaiveText.matches($0, "sea|the|春") }
    },
    Statement("within~ /SEA.*|[,.]/") {
      $0.cores.allSatisfy { NaiveText.matches($0, "(?i:SEA.*|[,.])") }
    },
    Statement("within /\\bs.*|\\W+|^.$/") {
      $0.cores.allSatisfy { NaiveText.matches($0, "\\bs.*|\\W+|^.$") }
    },
    Statement("match /[\\w--s]*[[:s] ]?.?/") { $0.matches("[\\w--s]*[: s]?.?") },
    Statement("match /.{0,2}s.{2,12}/") { $0.matches(".{0,2}s.{2,12}") },
    Statement("exclude /s.{0,3}s/") { $0.count(expression: "s.{0,3}s") == 0 },
    Statement("template \"{any}sea{any}\"") { $0.string.contains("sea") },
    Statement("template \"sea {1..2 words}\"") { text in
      guard text.string.hasPrefix("sea ") else { return false }
      let rest = String(text.string.dropFirst(4))
      guard rest.first != " ", rest.last != " " else { return false }
      return (1...2).contains(NaiveText(rest).words.count)
    },
    Statement("template \"{one of \\\"sea\\\" \\\"春\\\"}{2 characters}\"") {
      $0.matches("(sea|春)[\\s\\S]{2}")
    },
    Statement("template \"{/s?e/}{any}\"") { $0.matches("s?e[\\s\\S]*") },
    Statement("prefer \"sea\" 1.5", weight: { text, _ in 1.5 * Double(text.count("sea")) }),
    Statement(
      "prefer /ea|e/ -2", weight: { text, _ in -2 * Double(text.count(expression: "ea|e")) }),
    Statement("prefer \"春春\" 0.5", weight: { text, _ in 0.5 * Double(text.count("春春")) }),
  ]

  /// The text of tokens, or nothing where it is no valid UTF-8.
  static func text(_ tokens: [Token], _ vocabulary: Vocabulary) -> NaiveText? {
    String(validating: vocabulary.bytes(of: tokens), as: UTF8.self).map { NaiveText($0) }
  }

  /// In how many texts an automaton and the scan differ, weights compared exactly but for rounding
  /// of a few sums.
  static func differences(
    _ automaton: TokenAutomaton, _ words: Words, _ naive: (NaiveText, Int) -> Double
  ) -> [String] {
    words.texts.compactMap { tokens in
      let expected =
        text(tokens, words.vocabulary).map { naive($0, tokens.count) } ?? -.infinity
      let found = automaton.logWeight(of: tokens)
      if found == expected || abs(found - expected) < 1e-12 { return nil }
      return "'\(words.vocabulary.text(of: tokens))': \(found), expected \(expected)"
    }
  }

  @Test(arguments: vocabularies, statements)
  func statementsMeanWhatTheySay(words: Words, statement: Statement) throws {
    // Numbers of tokens are judged without looking at their bytes.
    if words.testDescription == "pieces", statement.testDescription.contains("tokens") { return }
    let constraint = try #require(
      try ConstraintFile.parse(statement.testDescription, path: "test").first)
    let automaton = try #require(
      try constraint.automaton(for: VocabularyTree(words.vocabulary)))
    let differences = Self.differences(automaton, words, statement.naive)
    #expect(differences.isEmpty, "\(differences.prefix(5))")
  }

  @Test func mutantsAreCaught() throws {
    let words = Self.vocabularies[1]
    let tree = VocabularyTree(words.vocabulary)
    let kinds: [(Constraint.Kind, @Sendable (NaiveText, Int) -> Double)] = [
      // The boundary forgotten.
      (
        .include([.expression(.text("sea"))]),
        { text, _ in text.count("sea") > 0 ? 0 : -.infinity }
      ),
      // One more than asked for.
      (
        .count(.word("sea"), 1...2),
        { text, _ in (2...3).contains(text.count("sea")) ? 0 : -.infinity }
      ),
      // Overlaps that count.
      (
        .order([.expression(.text("seas")), .expression(.text("sea"))]),
        { text, _ in text.string.contains("seasea") ? 0 : -.infinity }
      ),
    ]
    for (kind, naive) in kinds {
      let automaton = try #require(
        try Constraint(kind, text: "mutant").automaton(for: tree))
      #expect(!Self.differences(automaton, words, naive).isEmpty)
    }
  }

  /// The promise: a state is dead exactly when nothing completes it; together, statements allow
  /// what each allows.
  @Test(arguments: vocabularies.dropLast())
  func deadMeansDead(words: Words) throws {
    let text =
      "include \"sea\"\nlength ..\(words.longest) tokens\nexclude \"the\"\nprefer \"sea\" 0.5"
    let constraints = try ConstraintFile.parse(text, path: "test")
    let tree = VocabularyTree(words.vocabulary)
    let compiled = try CompiledConstraints(constraints, for: tree)
    let automaton = try #require(compiled.automaton)
    let allowed = words.texts.filter { automaton.logWeight(of: $0) > -.infinity }
    #expect(!allowed.isEmpty)
    let beginnings = Set(allowed.flatMap { text in (0...text.count).map { Array(text[..<$0]) } })
    for text in words.texts {
      let sum = compiled.parts.reduce(0) { $0 + $1.automaton.logWeight(of: text) }
      #expect(automaton.logWeight(of: text) == sum)
      var state = automaton.start
      for token in text where state != TokenAutomaton.dead {
        state = automaton.following(state, token)
      }
      #expect((state != TokenAutomaton.dead) == beginnings.contains(text))
    }
  }

  /// No run of the corpus occurs, against scanning the words of both.
  @Test(arguments: vocabularies, [1, 2, 3])
  func novelTextsHoldNoRunOfTheCorpus(words: Words, count: Int) throws {
    let corpus = "the sea. Sea, the\nsea 春 sea side 春风 the sea"
    let path = FileManager.default.temporaryDirectory.path + "/novel-\(UUID().uuidString).txt"
    try corpus.write(toFile: path, atomically: true, encoding: .utf8)
    defer { try? FileManager.default.removeItem(atPath: path) }
    let constraint = try #require(
      try ConstraintFile.parse("novel \"\(path)\" \(count) words", path: "test").first)
    #expect(constraint.text == "novel \"\(path)\" \(count) words")
    let known = NaiveText(corpus.replacing("\n", with: " ")).cores
    #expect(WordRuns.words(of: corpus) == known)
    let automaton = try #require(try constraint.automaton(for: VocabularyTree(words.vocabulary)))
    func runs(_ words: [String]) -> Set<[String]> {
      words.count < count
        ? [] : Set((0...words.count - count).map { Array(words[$0..<$0 + count]) })
    }
    let differences = Self.differences(automaton, words) { text, _ in
      runs(text.cores).isDisjoint(with: runs(known)) ? 0 : -.infinity
    }
    #expect(differences.isEmpty, "\(differences.prefix(5))")
  }

  /// What says nothing of any text is refused, with the reason.
  @Test(
    arguments: [
      ("exclude /^$/", "its expression never occurs"),
      ("exclude \"sea\" /\\b/", "its expression never occurs"),
      ("prefer /(a{0})*/ 2", "its expression never occurs"),
      ("match /[\\s\\S]*/", "every text meets it"),
      ("template \"{any}\"", "every text meets it"),
      ("within /\\S+/", "every text meets it"),
      ("count \"sea\" 0..", "everything occurs 0 times or more"),
      ("length 0.. words", "every text has a length of 0 or more"),
      ("length 0.. tokens", "every text has a length of 0 or more"),
    ])
  func whatChangesNothingIsRefused(statement: String, reason: String) throws {
    let constraint = try #require(try ConstraintFile.parse(statement, path: "test").first)
    let tree = VocabularyTree(Self.vocabularies[0].vocabulary)
    let error = #expect(throws: ConstraintError.self) { try constraint.automaton(for: tree) }
    #expect(error?.description.contains(reason) == true, "\(error?.description ?? "")")
  }

  /// Counts are compiled as counters; what is too large is refused after bounded work.
  @Test(
    arguments: [
      ("match /.{1,300}/", true), ("match /(.{1,20}){1,20}/", true),
      ("match /((a|a)?){300}b/", true), ("exclude /x.{0,100}y/", true),
      ("match /(((){10000}){10000}){10000}a/", true), ("match /((ab?){1,10000}){1,10000}/", false),
    ])
  func largeCountsAreCompiledOrRefused(statement: String, isCompiled: Bool) throws {
    let constraint = try #require(try ConstraintFile.parse(statement, path: "test").first)
    let tree = VocabularyTree(Self.vocabularies[1].vocabulary)
    let automaton = try? constraint.automaton(for: tree)
    #expect((automaton != nil) == isCompiled)
  }

  @Test func clashesAndDivergence() throws {
    let tree = VocabularyTree(Self.vocabularies[0].vocabulary)
    func fault(_ text: String) throws -> String {
      do {
        _ = try CompiledConstraints(ConstraintFile.parse(text, path: "f"), for: tree)
        return "none"
      } catch let fault as CompiledConstraints.Fault {
        switch fault {
        case .clash(let parts): return "clash " + parts.map(\.text).joined(separator: " + ")
        case .impossible(let part, _): return "impossible \(part.text)"
        case .divergent(let part): return "divergent \(part.text)"
        case .tooLarge: return "too large"
        }
      }
    }
    #expect(
      try fault("include \"sea\"\nlength 2..4 words\nexclude \"sea\"\nend \".\"")
        == "clash include \"sea\" + exclude \"sea\"")
    #expect(
      try fault("include \"sea\" \"the\" \"Sea\"\nend \".\"\nlength 1..2 words")
        == "clash include \"sea\" \"the\" \"Sea\" + length 1..2 words")
    #expect(try fault("include \"storm\"") == "clash include \"storm\"")
    #expect(try fault("at word 1 \"two words\"") == "impossible at word 1 \"two words\"")
    #expect(try fault("fluency 0.5") == "divergent fluency 0.5")
    #expect(try fault("fluency 0.5\nlength ..4 words") == "none")
    #expect(try fault("prefer \"sea\" 1") == "divergent prefer \"sea\" 1")
    #expect(try fault("prefer \"sea\" 1\ncount \"sea\" ..3") == "none")
    #expect(try fault("prefer \"sea\" -1") == "none")
  }
}
