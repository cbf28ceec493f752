// Licensed under the Apache License, Version 2.0.

import Foundation
import Testing

/// Model files of other kinds, and ARPA files whose words are characters.
@Suite struct ModelKindGoldenTests {
  @Test(
    arguments: [
      (
        [0x1F, 0x8B, 8, 0], "m.arpa",
        "is compressed with gzip, but its name does not say so; rename it to 'm.arpa.gz', or unpack it "
          + "with 'gzip -dc m.arpa'"
      ),
      (
        Array("BZh91AY&SY".utf8), "m.bz2",
        "is compressed with bzip2, which gensample does not read; unpack it with 'bzip2 -dc m.bz2'"
      ),
      (
        [0xFD, 0x37, 0x7A, 0x58, 0x5A, 0], "m.xz",
        "is compressed with xz, which gensample does not read; unpack it with 'xz -dc m.xz'"
      ),
      (
        [0x28, 0xB5, 0x2F, 0xFD], "m.arpa",
        "is compressed with zstd, which gensample does not read; unpack it with 'zstd -dc m.arpa'"
      ),
      (
        Array("mmap lm http://kheafield.com/code format version 5\n".utf8) + [0], "m.klm",
        "is a KenLM binary; KenLM cannot turn it back: give the ARPA file that it was built from"
      ),
      (
        Array("mmap lm http://kheafield.com/code format version 5\n".utf8) + [0], "m.gsm",
        "is a KenLM binary; KenLM cannot turn it back: give the ARPA file that it was built from"
      ),
      (Array("PK".utf8) + [3, 4], "m.arpa", "is a zip archive; unpack it with 'unzip'"),
      (
        Array("\\data\\\n".utf8), "m.gsm",
        "is an ARPA file; let its name end in .arpa and not in .gsm"
      ),
    ] as [([UInt8], String, String)])
  func otherKindsAreNamed(bytes: [UInt8], name: String, reason: String) throws {
    let folder = try Folder()
    try folder.write(name, Data(bytes))
    for arguments in [
      ["inspect", name], ["greedy", "--model", name], ["convert", name, "out.gsm"],
    ] {
      let outcome = try Program.run(arguments, in: folder.path)
      #expect(outcome.code == 65)
      #expect(outcome.errors == "gensample: \(name): \(reason)\n")
    }
  }

  /// Its bytes say what a model of gensample's is, whatever its name.
  @Test func ownModelsAreKnownByAnyName() throws {
    let folder = try Folder()
    try FileManager.default.copyItem(atPath: SmallModel.path, toPath: folder.path("model"))
    let outcome = try Program.run(["inspect", "model"], in: folder.path)
    #expect(outcome.output.hasPrefix("model: n-gram model (.gsm, fast layout), sound\n"))
  }

  /// A bigram model of four characters, as KenLM makes it of spaced texts.
  static let characters = """
    \\data\\
    ngram 1=6
    ngram 2=4

    \\1-grams:
    -1.3\t<unk>
    0\t<s>\t-0.3
    -0.6\t</s>
    -0.5\t春\t-0.3
    -0.5\t风
    -0.9\t▁

    \\2-grams:
    -0.2\t<s> 春
    -0.3\t春 风\t-0.25
    -0.4\t风 </s>\t0
    -0.5\t▁ 春

    \\end\\

    """

  @Test func charactersAreReadAsSuch() throws {
    let folder = try Folder()
    try folder.write("c.arpa", Self.characters)
    func run(_ arguments: String...) throws -> Program.Outcome {
      try Program.run(arguments, in: folder.path)
    }
    let converted = try run("convert", "c.arpa", "c.gsm", "--tokens", "characters")
    #expect(converted.code == 0)
    #expect(
      converted.errors
        == "gensample: c.arpa: dropped the back-off weights of 1 n-gram of the highest order, which no "
        + "longer n-gram can use\n")
    #expect(try run("convert", "c.arpa", "c.gsm", "--tokens", "characters", "--quiet").errors == "")
    #expect(try run("inspect", "c.gsm").output.contains("6 entries, characters"))
    for model in [["c.gsm"], ["c.arpa", "--tokens", "characters"]] {
      let greedy = try Program.run(["greedy", "--quiet", "--model"] + model, in: folder.path)
      #expect(greedy.output == "春风\n")
      let draws = try Program.run(
        [
          "exact", "--include", "风 春", "--length", "..9", "--samples", "1", "--seed", "1",
          "--quiet",
        ]
          + ["--model"] + model, in: folder.path)
      #expect(draws.code == 0 && draws.output.contains("风 春"))
    }
    let smc = try run(
      "smc", "--model", "c.arpa", "--tokens", "characters", "--tokens", "rejection", "--samples",
      "1",
      "--particles", "20", "--runs", "2", "--seed", "1", "--quiet", "--include", "春风")
    #expect(smc.code == 0 && smc.output.contains("春风"))
    let without = try run("exact", "--model", "c.arpa", "--include", "春风月", "--quiet")
    #expect(without.errors.contains("or give --tokens characters"))
    let wrong = try run("mh", "--model", SmallModel.path, "--tokens", "characters")
    #expect(wrong.code == 64 && wrong.errors.contains("its tokens are words"))
    try folder.write("w.arpa", TextInputGoldenTests.arpa)
    let words = try run("mh", "--model", "w.arpa", "--tokens", "characters")
    #expect(
      words.errors
        == "gensample: w.arpa:9: found the word 'sun', expected a single character: this is no model of "
        + "characters; leave --tokens characters out\n")
  }

  /// The character that is missing is named, not the text around it.
  @Test func theMissingCharacterIsNamed() throws {
    let outcome = try Program.run(["exact", "--model", "tang", "--include", "春€风"])
    #expect(outcome.code == 65)
    #expect(
      outcome.errors.hasPrefix(
        "gensample: --include: include \"春€风\": '€' is outside the model's vocabulary"))
  }

  /// Added words make every context say too much.
  @Test func modelsOverOneAreRefused() throws {
    let folder = try Folder()
    let added = """
      \\data\\
      ngram 1=5
      ngram 2=1

      \\1-grams:
      -99 <s> -0.1
      -0.30103 </s>
      -0.30103 a -0.1
      -0.30103 b
      -0.30103 c

      \\2-grams:
      -0.30103 <s> a

      \\end\\
      """
    try folder.write("added.arpa", added)
    let reason =
      "gensample: the model's probabilities with no context add up to 2.00, where 1 is expected: the "
      + "sum over all lengths diverges; give the most tokens that a text may have: add a statement to a constraint file, for example 'length ..30 tokens'\n"
    for command in ["mh", "gibbs", "temper", "importance", "smc", "anneal", "rejection", "exact"] {
      let outcome = try Program.run([command, "--model", "added.arpa"], in: folder.path)
      #expect(outcome.code == 65 && outcome.errors == reason, "\(command): \(outcome.errors)")
    }
    // Texts of a length have a sum.
    let bounded = try Program.run(
      [
        "mh", "--model", "added.arpa", "--length", "..4", "--samples", "1", "--warmup", "9",
        "--thin", "9",
      ],
      in: folder.path)
    #expect(bounded.code == 0)
    let inspected = try Program.run(["inspect", "added.arpa"], in: folder.path)
    #expect(
      inspected.output.contains(
        "  contexts    add up to 1.589 ... 2, expected 1: 2 with no context; the sum over all texts may "
          + "be infinite\n"), "\(inspected.output)")
    let sound = try Program.run(["inspect", SmallModel.path, "--format", "jsonl"]).objects()[0]
    #expect(abs((sound["largest_context_sum"] as? Double ?? 0) - 1) < 1e-6)
  }

  /// Numbers that are too small to be added up are no impossible texts.
  @Test func tinyProbabilitiesAreNamed() throws {
    let folder = try Folder()
    try folder.write(
      "tiny.arpa", "\\data\\\nngram 1=3\n\n\\1-grams:\n-99 <s>\n-0.5 a\n-4000 </s>\n\n\\end\\\n")
    let outcome = try Program.run(
      ["exact", "--model", "tiny.arpa", "--length", "..4"], in: folder.path)
    #expect(outcome.code == 1)
    #expect(
      outcome.errors
        == "gensample: the probabilities of the allowed texts are too small to be added up (below "
        + "1e-308): take mh, which needs ratios alone\n")
  }

  @Test func quotedHeadersAreRead() throws {
    let folder = try Folder()
    let rows = (0..<8).map { "\"\($0)\",-1.5,\(($0 * 3) % 7)" }.joined(separator: "\n")
    try folder.write("r.csv", "\"\",\"lp__\",\"x[1,\"\"2\"\"]\"\n\(rows)\n")
    let outcome = try Program.run(["diagnose", "r.csv", "--format", "jsonl"], in: folder.path)
    #expect(outcome.errors == "")
    let quantities = try #require(outcome.objects()[0]["quantities"] as? [String: [String: Any]])
    #expect(quantities.keys.sorted() == ["lp__", "x[1,\"2\"]"])
    #expect(quantities["lp__"]?["mean"] as? Double == -1.5)
  }
}
