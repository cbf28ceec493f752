// Licensed under the Apache License, Version 2.0.

import Foundation
import Testing

/// What is said of each fault that a constraint file can have: place, find, expectation, remedy.
@Suite struct ConstraintMessageGoldenTests {
  private static let names =
    "include, include-any, exclude, order, count, begin, end, length, at, template, match, "
    + "within, novel, prefer, fluency"

  /// Statements with the column and the message.
  static let faults: [(String, Int, String)] = [
    (#"inclde "sea""#, 1, "found 'inclde', which is no statement; did you mean 'include'?"),
    (#"ordre "sea" "moon""#, 1, "found 'ordre', which is no statement; did you mean 'order'?"),
    (#"  verse 3"#, 3, "found 'verse', which is no statement; expected one of \(names)"),
    (#""sea""#, 1, #"found '"sea"', which is no statement; expected one of \#(names)"#),
    (#"include"sea""#, 8, #"found '"sea"' right behind 'include', expected a space"#),
    (
      "length~ 3 words", 1, "'length~' does not exist: 'length' compares no text. Leave out the '~'"
    ),
    ("include", 8, "found the end of the line, expected a text in double quotes behind 'include'"),
    (
      "include # the sea", 9,
      "found the end of the statement, expected a text in double quotes behind 'include'"
    ),
    ("include sea", 9, "found 'sea', expected a text in double quotes behind 'include'"),
    (#"include "sea"#, 9, #"found '"' without its end"#),
    (#"include "sea\"#, 9, #"found '"' without its end"#),
    (#"include """#, 9, "found an empty text, expected a word"),
    (
      #"include "s\ea""#, 11,
      #"found the escape '\e'; there are \" \\ \/ \b \f \n \r \t \uXXXX"#
    ),
    (#"include "\u00g1""#, 10, #"found '\u' without four hexadecimal digits"#),
    (#"include "\uD800""#, 9, "found half of a surrogate pair"),
    (#"order "sea""#, 6, "'order' needs two words or more"),
    (#"count "sea""#, 12, "found the end of the line, expected a count such as 1..2"),
    (
      #"count "sea" 2..1"#, 13,
      "found '2..1', expected a count such as 1..2; its lower bound is above its upper bound"
    ),
    (
      #"count "sea" .."#, 13,
      "found '..', expected a count such as 1..2; '..' alone bounds nothing"
    ),
    (
      "length 1-2 words", 8,
      "found '1-2', expected a length such as 6..14; bounds are whole numbers up to 1000000"
    ),
    (
      "length 1..2000000 words", 8,
      "found '1..2000000', expected a length such as 6..14; bounds are whole numbers up to 1000000"
    ),
    ("length 3", 9, "found the end of the line, expected a unit"),
    ("length 3 lines", 10, "found 'lines', expected tokens, words, characters or bytes"),
    ("length 3 words long", 16, "found 'long', expected the end of the statement"),
    (#"at line 3 "sea""#, 4, "found 'line', expected 'word' or 'character'"),
    (
      #"at word 0 "sea""#, 9,
      "found '0', expected a place from 1 to 10000, or from -1 backwards"
    ),
    (#"at word "sea""#, 9, #"found '"sea"', expected a place such as 3, or -1 for the last"#),
    (#"begin "the" "sea""#, 13, #"found '"sea"', expected the end of the statement"#),
    (#"template "the {two} sea""#, 15, Self.hole("two")),
    (
      #"template "the {0..200 words} sea""#, 15,
      "found '{0..200 words}', expected at most 100 words; use {any}"
    ),
    (
      #"template "{1..20000 characters}""#, 11,
      "found '{1..20000 characters}', expected at most 10000 characters"
    ),
    (#"template "the {any sea""#, 15, "found '{' without its '}'"),
    (#"template "the any} sea""#, 18, "found '}' without its '{'"),
    (#"template "the {one of} sea""#, 15, "found '{one of}' without words in double quotes"),
    (
      #"template "the {one of sea}""#, 15,
      "in the template's choice: found 'sea', expected a text in double quotes behind 'one of'"
    ),
    (
      #"template "the {/(a/}""#, 15, "in the template's expression: found '(' without its ')'"
    ),
    ("match sea", 7, "found 'sea', expected an expression between slashes behind 'match'"),
    ("match /sea", 7, "found '/' without its end"),
    ("match /a(b/", 9, "found '(' without its ')'"),
    ("match /ab)/", 10, "found ')' without its '('"),
    (#"match /\/[a/"#, 10, "found '[' without its ']'"),
    ("match /[b-a]/", 9, "found the range 'b-a', whose first scalar comes later"),
    (#"match /[a-\d]/"#, 9, "found a range that ends in a class"),
    ("match /[[:alpha:]]/", 9, #"found a POSIX class '[:'; write \p{...} instead"#),
    ("match /*a/", 8, "found '*' with nothing before it to repeat"),
    ("match /{2}/", 8, #"found '{' with nothing before it to repeat; \{ is the sign"#),
    ("match /a**/", 10, "found two quantifiers in a row. Put the first one into a group"),
    (
      "match /a*+/", 10,
      "found a possessive quantifier, which an automaton cannot follow. Leave out the second '+'"
    ),
    ("match /a{3,2}/", 9, "found {3,2}, whose first count is the larger one"),
    ("match /a{99999}/", 9, "found the count 99999, expected at most 10000"),
    (#"match /(a)\1/"#, 11, Self.unsupported(#"the back-reference '\1'"#)),
    (#"match /(a)\k<x>/"#, 11, Self.unsupported(#"the back-reference '\k'"#)),
    ("match /a(?=b)/", 9, Self.unsupported("look-ahead '(?='")),
    ("match /a(?!b)/", 9, Self.unsupported("negative look-ahead '(?!'")),
    ("match /(?<=a)b/", 8, Self.unsupported("look-behind '(?<='")),
    ("match /(?<!a)b/", 8, Self.unsupported("negative look-behind '(?<!'")),
    ("match /(?>a)b/", 8, Self.unsupported("an atomic group '(?>'")),
    (
      "match /(?m)a/", 8,
      "found the flag 'm' in '(?', which is not supported. There are i (ignore case) and s (a dot "
        + "matches line breaks)"
    ),
    (
      #"match /\p{Klingon}/"#, 8,
      #"found \p{Klingon}, expected a general category such as L or Lu, or a script such as Han"#
    ),
    (#"match /\p{L/"#, 8, #"found '\p{' without its '}'"#),
    (#"match /\q/"#, 8, #"found '\q', which means nothing here; \\ is a backslash"#),
    (
      #"match /\u{41/"#, 8, #"found '\' without the hexadecimal number of a scalar"#
    ),
    (
      "match /a*?/", 10,
      "found a lazy quantifier. Whether a text matches does not depend on it: leave out the '?'"
    ),
    ("match /^*/", 9, "found a quantifier behind an anchor, which repeats nothing"),
    (#"match /\b+/"#, 10, "found a quantifier behind an anchor, which repeats nothing"),
    (
      #"match /a{x}/"#, 9,
      #"found '{', expected counts such as {2,5} behind it, or \{ for the sign"#
    ),
    ("match /(?<name/", 8, "found a group's name without its '>'"),
    (#"match /\xg1/"#, 8, #"found '\' without the hexadecimal number of a scalar"#),
    ("novel 5 words", 7, "found '5', expected a text in double quotes behind 'novel'"),
    (
      #"novel "lines.txt" 0 words"#, 19,
      "found '0', expected a number of words from 1 to 50"
    ),
    (#"novel "lines.txt" 5 lines"#, 21, "found 'lines', expected 'words'"),
    (
      #"novel "lines.txt" 40 words"#, 19,
      "'lines.txt' has fewer than 40 words, so the statement changes nothing. Take a longer text "
        + "or shorter runs"
    ),
    (#"prefer "sea""#, 13, "found the end of the line, expected a weight in nats such as 1.5"),
    (#"prefer "sea" inf"#, 14, Self.nats("inf")),
    (#"prefer "sea" nan"#, 14, Self.nats("nan")),
    (#"prefer "sea" much"#, 14, Self.nats("much")),
    (#"prefer "sea" -1e308"#, 14, Self.nats("-1e308")),
    ("fluency 0", 9, Self.exponent("0")),
    ("fluency -1", 9, Self.exponent("-1")),
    ("fluency nan", 9, Self.exponent("nan")),
    ("fluency inf", 9, Self.exponent("inf")),
    ("fluency 1e308", 9, Self.exponent("1e308")),
    ("fluency", 8, "found the end of the line, expected an exponent such as 0.8"),
  ]

  private static func hole(_ text: String) -> String {
    "found '{\(text)}', expected any, 2 words, 1..2 words, 3 characters, one of \"a\" \"b\" or "
      + "/an expression/"
  }

  private static func nats(_ text: String) -> String {
    "found '\(text)', expected a number of nats from -1e100 to 1e100"
  }

  private static func exponent(_ text: String) -> String {
    "found '\(text)', expected an exponent above 0 and up to 1e100"
  }

  private static func unsupported(_ what: String) -> String {
    "found \(what), which is not supported: expressions are compiled to automata"
  }

  @Test(arguments: faults)
  func faultIsNamedWithItsPlace(statement: String, column: Int, message: String) throws {
    let folder = try Folder()
    try folder.write("lines.txt", "# one\ninclude \"sea\"\n\(statement)\nlength 3 words\n")
    let outcome = try Program.run(
      ["check", "lines.txt", "--model", SmallModel.path], in: folder.path)
    #expect(outcome.errors == "gensample: lines.txt:3:\(column): \(message)\n")
    #expect(outcome.code == 65)
    #expect(outcome.output == "")
  }

  @Test(arguments: ["check", "mh"])
  func standardInputIsCalledThat(command: String) throws {
    let files = command == "check" ? ["-"] : ["--constraints", "-"]
    let outcome = try Program.run(
      [command] + files + ["--model", SmallModel.path], input: "include \"sea\"\nlength 3")
    #expect(
      outcome.errors
        == "gensample: standard input:2:9: found the end of the line, expected a unit\n")
    #expect(outcome.code == 65)
  }

  @Test(arguments: ["\n", "\r\n"])
  func linesEndAsOnAnySystem(end: String) throws {
    let outcome = try Program.run(
      ["check", "-", "--model", SmallModel.path],
      input: ["\u{FEFF}include \"sea\"", "", "length 3..5 words # short", ""].joined(separator: end)
    )
    #expect(outcome.errors == "")
    #expect(outcome.code == 0)
    #expect(outcome.output.contains("statements: 2 "))
  }

  @Test func bytesThatAreNoUTF8AreNamed() throws {
    let folder = try Folder()
    var bytes = Data("include \"é".utf8)
    bytes += [0xC3, 0x28]
    try folder.write("bad.txt", bytes)
    let outcome = try Program.run(["mh", "--constraints", "bad.txt"], in: folder.path)
    #expect(
      outcome.errors
        == "gensample: bad.txt at byte 11: found the byte 0xC3, which is not valid UTF-8 here; convert "
        + "the file to UTF-8\n")
    #expect(outcome.code == 65)
  }

  @Test func fileThatIsNotThere() throws {
    let outcome = try Program.run(["mh", "--constraints", "/nowhere/at/all"])
    #expect(
      outcome.errors
        == "gensample: /nowhere/at/all: cannot be read: No such file or directory\n")
    #expect(outcome.code == 66)
  }

  @Test func folderIsNoFile() throws {
    let folder = try Folder()
    let outcome = try Program.run(["mh", "--constraints", folder.path])
    #expect(
      outcome.errors == "gensample: \(folder.path): is a folder, but a file was expected\n")
    #expect(outcome.code == 66)
  }

  @Test func pipeIsReadLikeAFile() throws {
    let outcome = try Program.run(
      ["check", "--model", SmallModel.path],
      shell: #"printf 'include "sea"\n' | "$@" /dev/stdin"#)
    #expect(outcome.code == 0)
    #expect(outcome.output.hasPrefix("/dev/stdin can be met, for example by: "))
  }

  /// What no text can meet, and what is said of it.
  @Test(
    arguments: [
      (
        ["--include", "sea", "--exclude", "sea", "--length", "3..5"],
        """
        no text of this model meets all of these statements, but without one of them it could:
          --include: include "sea"
          --exclude: exclude "sea"
        """
      ),
      (
        ["--include", "storm", "--include", "sea", "--include", "moon", "--length", "2"],
        """
        no text of this model meets all of these statements, but without one of them it could:
          --include: include "storm"
          --include: include "sea"
          --include: include "moon"
          --length: length 2 words
        """
      ),
      (
        ["--include", "see"],
        "--include: include \"see\": 'see' is outside the model's vocabulary; did you mean "
          + "'sea'?"
      ),
      (
        ["--include", "zeppelin"],
        "--include: include \"zeppelin\": 'zeppelin' is outside the model's vocabulary; use another "
          + "word or a --model that knows it"
      ),
      (
        ["--prompt", "the see was"],
        "--prompt: begin \"the see was\": 'see' is outside the model's vocabulary; did you mean "
          + "'sea'?"
      ),
      (
        ["--start", "the see was"],
        "--start: 'see' is outside the model's vocabulary; did you mean 'sea'?"
      ),
      (
        ["--start", "the sea was", "--include", "moon"],
        "--start: 'the sea was' does not meet --include: include \"moon\"; a chain begins at an "
          + "allowed text"
      ),
    ] as [([String], String)])
  func impossibleIsRefused(options: [String], message: String) throws {
    let outcome = try Program.run(SmallModel.mh() + options)
    #expect(outcome.errors == "gensample: \(message)\n")
    #expect(outcome.code == 65)
    #expect(outcome.output == "")
  }

  @Test func exponentsMultiplyWithinBounds() throws {
    let outcome = try Program.run(
      SmallModel.mh("--constraints", "-"),
      input: String(repeating: "fluency 1e100\n", count: 4) + "length 3 words\n")
    #expect(
      outcome.errors
        == "gensample: the 'fluency' statements multiply to inf, expected 1e-100 to 1e100\n")
    #expect(outcome.code == 65)
  }

  /// Counted lengths are compiled in time that grows with the length and not with its square,
  /// which would take minutes here.
  @Test(arguments: ["length 5000 words", "length ..5000 words", "length 5000 bytes"])
  func longLengthsAreCompiledInLinearTime(statement: String) throws {
    let outcome = try Program.run(
      ["check", "-", "--model", SmallModel.path], input: statement, limit: 20)
    #expect(outcome.code == 0 && outcome.errors == "")
    #expect(outcome.output.contains("  states: "))
  }

  @Test(arguments: ["fluency 0.5", #"prefer "sea" 2"#])
  func divergentTargetIsRefusedWithAdvice(statement: String) throws {
    let outcome = try Program.run(SmallModel.mh("--constraints", "-"), input: statement)
    #expect(
      outcome.errors
        == "gensample: standard input:1: \(statement): the sum over all lengths diverges; "
        + "limit the length, for example with 'length ..40 tokens' ('words' does not limit marks)\n"
    )
    #expect(outcome.code == 65)
    let bounded = try Program.run(
      SmallModel.mh("--constraints", "-"), input: statement + "\nlength ..8 words")
    #expect(bounded.errors == "")
    #expect(bounded.code == 0)
  }
}
