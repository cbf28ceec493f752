// Licensed under the Apache License, Version 2.0.

import Foundation
import Testing

/// What stands at the beginning of a file, and symbols that no text spells out.
@Suite struct TextInputGoldenTests {
  /// Two bigrams over the words sun and moon.
  static let arpa = """
    \\data\\
    ngram 1=5
    ngram 2=5

    \\1-grams:
    -1.0\t<unk>
    -99\t<s>\t-0.3
    -0.6\t</s>
    -0.5\tsun\t-0.2
    -0.7\tmoon\t-0.1

    \\2-grams:
    -0.3\t<s> sun
    -0.4\tsun moon
    -0.9\tsun </s>
    -0.2\tmoon </s>
    -0.8\tmoon sun

    \\end\\

    """

  private static let mark = "\u{FEFF}"

  /// The same with and without a byte-order mark, whatever the option.
  @Test func byteOrderMarksAreDropped() throws {
    let folder = try Folder()
    try folder.write("m.arpa", Self.arpa)
    try folder.write("marked.arpa", Self.mark + Self.arpa)
    func output(_ arguments: [String], _ input: String) throws -> String {
      let outcome = try Program.run(arguments, input: input, in: folder.path)
      #expect(outcome.code == 0, "\(arguments): \(outcome.errors)")
      return outcome.output
    }
    let text = "sun moon\r\nsun\n"
    for model in ["m.arpa", "marked.arpa"] {
      #expect(
        try output(["score", model, "-"], Self.mark + text)
          == output(["score", "m.arpa", "-"], text))
    }
    for tokens in ["words", "whitespace", "characters"] {
      let train = ["train", "-", "-o", "t.arpa", "--order", "2", "--tokens", tokens]
      _ = try output(train, text)
      let plain = try folder.read("t.arpa")
      _ = try output(train, Self.mark + text)
      #expect(try folder.read("t.arpa") == plain)
    }
    for (name, content) in [("v", "sun\r\n"), ("each", "moon\r\n"), ("c", "include \"moon\"\n")] {
      try folder.write(name, content)
      try folder.write("marked-" + name, Self.mark + content)
    }
    let mh = [
      "mh", "--model", "m.arpa", "--samples", "2", "--seed", "1", "--warmup", "9", "--thin", "9",
      "--quiet",
    ]
    let exact = ["exact", "--model", "m.arpa", "--samples", "2", "--seed", "1", "--quiet"]
    for (arguments, name) in [
      (["train", "-", "-o", "t.arpa", "--vocabulary"], "v"), (mh + ["--each"], "each"),
      (exact + ["--constraints"], "c"), (["check", "--model", "m.arpa"], "c"),
    ] {
      let pair = try ["", "marked-"].map { mark in
        try output(arguments + [mark + name], text)
          .replacing("marked-", with: "").replacing(#/in [0-9.]+ s/#, with: "")
      }
      #expect(pair[0] == pair[1])
    }
    for option in ["prompt", "stop", "forbid"] {
      let pair = try ["", Self.mark].map { mark in
        try output(["greedy", "--model", "m.arpa", "--quiet", "--\(option)", mark + "moon"], "")
      }
      #expect(pair[0] == pair[1])
    }
  }

  /// Other encodings and compressed files are named, wherever text is expected.
  @Test(
    arguments: [
      ([0xFF, 0xFE, 0x73, 0, 0x0A, 0], "UTF-16"), ([0xFE, 0xFF, 0, 0x73, 0, 0x0A], "UTF-16"),
      ([0x73, 0, 0x75, 0, 0x6E, 0], "UTF-16LE"), ([0, 0x73, 0, 0x75, 0, 0x6E], "UTF-16BE"),
      ([0xFF, 0xFE, 0, 0, 0x73, 0, 0, 0], "UTF-32"),
    ] as [([UInt8], String)])
  func otherEncodingsAreNamed(bytes: [UInt8], name: String) throws {
    let folder = try Folder()
    try folder.write("m.arpa", Self.arpa)
    try folder.write("t", Data(bytes))
    let reason =
      "is \(name) text; make UTF-8 of it, for example with 'iconv -f \(name) -t UTF-8'\n"
    for arguments in [
      ["score", "m.arpa", "t"], ["train", "t", "-o", "x.gsm"], ["inspect", "t"],
      ["check", "t", "--model", "m.arpa"], ["mh", "--model", "m.arpa", "--each", "t"],
      ["train", "m.arpa", "--vocabulary", "t", "-o", "x.gsm"], ["diagnose", "t"],
    ] {
      let outcome = try Program.run(arguments, in: folder.path)
      #expect(outcome.code == 65, "\(arguments)")
      #expect(outcome.errors == "gensample: t: \(reason)", "\(arguments)")
    }
  }

  @Test func symbolsInTextsAreBadInput() throws {
    let folder = try Folder()
    try folder.write("m.arpa", Self.arpa)
    func errors(_ arguments: [String], _ input: String) throws -> String {
      let outcome = try Program.run(arguments, input: input, in: folder.path)
      #expect(outcome.code == 65, "\(arguments): \(outcome.output)")
      return outcome.errors
    }
    for (symbol, column) in [("<s>", 5), ("</s>", 5), ("<unk>", 5)] {
      let line = "sun\nsun \(symbol) moon\n"
      #expect(
        try errors(["score", "m.arpa", "-"], line)
          == "gensample: standard input:2:\(column): found '\(symbol)', which stands for the model's "
          + "own symbol; take it out of the text\n")
      #expect(
        try errors(["train", "-", "-o", "x.gsm"], line)
          == "gensample: standard input:2:\(column): found '\(symbol)', which stands for the model's "
          + "own symbol; take it out of the corpus\n")
      for (command, option) in [("mh", "start"), ("greedy", "prompt"), ("sample", "prompt")] {
        #expect(
          try errors([command, "--model", "m.arpa", "--\(option)", "sun \(symbol)"], "")
            == "gensample: --\(option): found '\(symbol)', which stands for the model's own symbol; "
            + "take it out of the text\n")
      }
    }
    try folder.write("c", "include \"sun\"\n")
    let judged = try Program.run(
      ["check", "c", "--model", "m.arpa", "--text", "sun <unk>"], in: folder.path)
    #expect(judged.code == 1)
    #expect(
      judged.output
        == "unmet\tsun <unk>\t'<unk>' stands for the model's own symbol from character 5 on\n")
  }
}
