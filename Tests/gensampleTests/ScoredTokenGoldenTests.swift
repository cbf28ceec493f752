// Licensed under the Apache License, Version 2.0.

import Foundation
import Testing

/// What `score` tells of tokens, what `check` tells of a text, and what misspelled options suggest.
@Suite struct ScoredTokenGoldenTests {
  private static func folder() throws -> Folder {
    let folder = try Folder()
    try folder.write("m.arpa", TextInputGoldenTests.arpa)
    return folder
  }

  @Test func tokensAreScored() throws {
    let folder = try Self.folder()
    let text = try Program.run(
      ["score", "m.arpa", "-", "--per-token"], input: "sun stars moon\n", in: folder.path)
    #expect(
      text.lines.prefix(5) == [
        "log-probability\ttokens\tunknown\ttext",
        "-5.526204\t4\t1\tsun stars moon",
        "  -0.690776\t2-gram\tsun",
        "  -2.763102\t1-gram\t<unk>",
        "  -1.611810\t1-gram\tmoon",
      ])
    #expect(text.lines[5] == "  -0.460517\t2-gram\t</s>")
    let object = try Program.run(
      ["score", "m.arpa", "-", "--per-token", "--format", "jsonl"], input: "sun stars moon\n",
      in: folder.path
    ).objects()[0]
    #expect(object["tokens"] as? [Int] == [3, 0, 4, 2])
    #expect(object["ngram_lengths"] as? [Int] == [2, 1, 1, 2])
    let logs = try #require(object["token_log_probabilities"] as? [Double])
    #expect(abs(logs.reduce(0, +) - (object["log_probability"] as? Double ?? 0)) < 1e-12)
    let both = try Program.run(
      ["score", "m.arpa", "-", "--per-token", "--summary"], in: folder.path)
    #expect(both.code == 64)
  }

  @Test func theEndIsLeftOut() throws {
    let folder = try Self.folder()
    let objects = try ["", "--no-end"].map { option in
      try Program.run(
        ["score", "m.arpa", "-", "--per-token", "--format", "jsonl"]
          + (option.isEmpty ? [] : [option]),
        input: "sun\n\n", in: folder.path
      ).objects()
    }
    #expect(
      objects[1][0]["tokens"] as? [Int] == [3] && objects[0][0]["tokens"] as? [Int] == [3, 2])
    #expect(objects[1][1]["token_count"] as? Int == 0)
    #expect(objects[1][1]["log_probability"] as? Double == 0)
    #expect(objects[1][2]["token_count"] as? Int == 1)
  }

  @Test func textsAreCheckedOnTheCommandLine() throws {
    let folder = try Self.folder()
    try folder.write("c", "include \"moon\"\n")
    let check = ["check", "c", "--model", "m.arpa"]
    let texts = try Program.run(check + ["--text", "sun moon", "--text", "sun"], in: folder.path)
    #expect(texts.code == 1)
    #expect(
      texts.lines
        == ["met\tsun moon", "unmet\tsun\tinclude \"moon\": the whole text does not meet it"])
    let missing = try Program.run(check + ["sun moon"], in: folder.path)
    #expect(missing.code == 66)
    #expect(
      missing.errors
        == "gensample: there is no file 'sun moon'; to check a text itself, write --text 'sun moon'\n"
    )
    let unknown = try Program.run(check + ["--text", "sun stars"], in: folder.path)
    #expect(
      unknown.output
        == "unmet\tsun stars\t'stars' is outside the model's vocabulary from character 5 on\n")
  }

  @Test(arguments: [
    (["sample", "--temp", "1"], "'sample' has no option --temp, did you mean --temperature?"),
    (["mh", "--sam", "1"], "'mh' has no option --sam, did you mean --samples?"),
    (
      ["sample", "--top", "1"],
      "'sample' has no option --top, did you mean --top-a, --top-h, --top-k or --top-n-sigma?"
    ),
    (["insp"], "there is no command 'insp', did you mean 'inspect'?"),
  ])
  func beginningsAreSuggested(arguments: [String], message: String) throws {
    let outcome = try Program.run(arguments)
    #expect(outcome.code == 64 && outcome.errors.hasPrefix("gensample: \(message) (see "))
  }
}
