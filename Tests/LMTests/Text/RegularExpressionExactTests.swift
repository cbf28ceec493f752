// Licensed under the Apache License, Version 2.0.

import LM
import Sampling
import Testing

/// Expressions against Swift's own engine, on every short text.
@Suite struct RegularExpressionExactTests {
  // Digits are left out: Swift's simple boundaries do not count them among word characters.
  private static let twin = ExpressionTwin("abB- _\n")

  @Test(
    arguments: [
      "[a-z&&[aeiou]]", "[a-z--[b-z]]", "[[a-c][x-z]]", "[a-c~~b-d]", "[a-z&&a]*",
      "[a-c&&b-d~~x]", "[a---]*", "[^a-z&&[b]]", "[a-b-c]*", "[-a]*", "[a-]*", "[\\w-]*",
      "[a\\--b]+", "[a&b]", "[a^]", "[\\h\\v]", "[a-z[-_]&&[_a]]", "(?i)a", "(?i:a)b", "a(?i)b|c",
      "(a(?i)b)a", "(?i)[^a]", "(?i)[a-c]", "(?i)[A--b]", "(?-i)a", "(?s).", ".", "(?^i)a", "a^b",
      "a$b", "(|a)b", "a||b", "(a|a)*b", "\\bab\\b.*", "ab\\B.*", ".*\\bab\\b.*", "\\v", "\\h",
      "(a{1,2}){2,3}", "(a{2}){1,2}", "((ab?){1,2}b){,2}", "(a?){3}", "(a*)*", "(a{3}|b){1,2}",
      "(?:^|b)a(?:$|b)", "a(b|){2}a", "(a{2,3}){2}",
    ])
  func expressionsMeanWhatSwiftTakesThemFor(expression: String) throws {
    let differences = try Self.twin.differences(expression, Self.twin.texts(upTo: 3))
    #expect(differences.isEmpty, "\(differences.prefix(3))")
  }

  @Test func expressionsAtRandom() throws {
    var choices = RandomChoices(seed: 1)
    let texts = Array(Self.twin.texts(upTo: 3).prefix(150))
    for _ in 0..<(TestData.isDeep ? 150 : 40) {
      let expression = ExpressionTwin.expression(depth: 4, using: &choices)
      // What repeats an anchor is refused by both, or by this reader alone.
      guard (try? RegularExpression.parse(expression)) != nil else { continue }
      let differences = try Self.twin.differences(expression, texts)
      #expect(differences.isEmpty, "\(differences.prefix(3))")
    }
  }

  /// `\b` lies between `\w` and what isn't, for every sort of scalar.
  @Test(arguments: ["_", "1", "-", "\u{200D}", "\u{301}", "\u{203F}", "é", "春", "²", "\u{2019}"])
  func boundariesAgreeWithWordCharacters(scalar: String) throws {
    let twin = ExpressionTwin("a" + scalar)
    let isWord = try #require(try twin.automaton("\\w")).logWeight(of: [Token(4)]) == 0
    let behind = try #require(try twin.automaton("a\\b[^a]")).logWeight(of: [Token(3), Token(4)])
    let before = try #require(try twin.automaton("[^a]\\Ba")).logWeight(of: [Token(4), Token(3)])
    #expect((behind == 0) == !isWord)
    #expect((before == 0) == isWord)
  }

  /// Simple case folding, pairs from Unicode's CaseFolding.txt.
  @Test(
    arguments: [
      ("ß", "ẞ", true), ("k", "\u{212A}", true), ("s", "ſ", true), ("σ", "ς", true),
      ("µ", "μ", true), ("ǆ", "ǅ", true), ("Ꭰ", "ꭰ", true), ("\u{345}", "ι", true),
      ("\u{1F80}", "\u{1F88}", true), ("\u{FB05}", "\u{FB06}", true), ("é", "É", true),
      ("i", "İ", false), ("ı", "I", false), ("a", "b", false), ("ß", "s", false),
    ])
  func caseIsFoldedScalarByScalar(one: String, other: String, isAlike: Bool) throws {
    for (written, read) in [(one, other), (other, one)] {
      let twin = ExpressionTwin(read)
      for expression in [written, "[\(written)]"] {
        let automaton = try #require(try twin.automaton(expression, ignoringCase: true))
        #expect((automaton.logWeight(of: [Token(3)]) == 0) == isAlike)
      }
    }
  }

  @Test(
    arguments: [
      ("[]", 0, "found an empty class. Write \\] for the sign"),
      ("[]a]", 0, "found an empty class. Write \\] for the sign"),
      ("[--a]", 1, "found '--' with nothing before it. Write \\- for the sign"),
      ("[a--]", 2, "found a set operation with nothing behind it"),
      ("[&&a]", 1, "found '&&' with nothing before it. Write \\& for the sign"),
      ("[+--]", 2, "found a set operation with nothing behind it"),
      ("[\\w-x]", 1, "found a range that begins with a class. Write \\- for the sign"),
      ("[a-[c]]", 1, "found '-[', which takes nothing away. Write --["),
      ("[[a-c]-e]", 1, "found a range that begins with a class"),
      ("[:alpha:]", 0, "found a POSIX class '[:'; write \\p{...} instead"),
      ("[[a]", 0, "found '[' without its ']'"),
      ("a\\Z", 1, "found '\\Z', which is not supported. Write $ for the end of the text"),
      ("\\07", 0, "found an octal number. Write the hexadecimal \\x{...}"),
      ("x{1,2}{2}", 6, "found two quantifiers in a row. Put the first one into a group"),
      (
        "(?x)a", 0,
        "found the flag 'x' in '(?', which is not supported. There are i (ignore case) and s (a "
          + "dot matches line breaks)"
      ),
    ])
  func whatIsNotReadIsNamed(expression: String, offset: Int, reason: String) throws {
    let failure = #expect(throws: RegularExpression.Failure.self) {
      try RegularExpression.parse(expression)
    }
    #expect(failure?.offset == offset)
    #expect(failure?.reason == reason)
  }
}
