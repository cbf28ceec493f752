// Licensed under the Apache License, Version 2.0.

import Foundation
import Testing

/// N-grams over a network's tokens, and what the network does with them, as users run it.
@Suite struct CompanionGoldenTests {
  private static let stories = TestData.path("models/llama-stories260K")

  /// A folder with n-grams over the tokens of the small network of stories.
  private static func companion() throws -> Folder {
    let folder = try Folder()
    try folder.write("corpus.txt", "Once upon a time there was a cat.\nThe cat was happy.\n")
    let made = try Program.run(
      ["train", "corpus.txt", "--tokenizer", stories, "-o", "small.gsm", "--quiet"],
      in: folder.path)
    #expect(made.errors == "")
    #expect(made.code == 0)
    return folder
  }

  @Test(TestData.isNeeded) func whatHelpsOneModelHelpsNoOther() throws {
    let folder = try Self.companion()
    let shown = try Program.run(["inspect", "small.gsm"], in: folder.path)
    #expect(shown.lines.contains { $0.hasPrefix("  tokens of   \(Self.stories)") })
    let scored = try Program.run(["score", "small.gsm", "corpus.txt"], in: folder.path)
    #expect(scored.code == 65)
    #expect(
      scored.errors
        == "gensample: 'small.gsm' has the tokens of '\(Self.stories)' and helps that model only: "
        + "give it to --screen, --draft or --look-ahead\n")
    let other = TestData.path("models/english-llama")
    let refused = try Program.run(
      ["mh", "--model", other, "--screen", "small.gsm", "--length", "1..2"], in: folder.path)
    #expect(refused.code == 65)
    #expect(
      refused.errors.hasPrefix(
        "gensample: --screen: 'small.gsm' has the tokens of '\(Self.stories)' (vocabulary "))
    let plain = try Program.run(
      ["train", "corpus.txt", "--tokenizer", Self.stories, "-o", "small.arpa"], in: folder.path)
    #expect(plain.code == 64)
    #expect(
      plain.errors
        == "gensample: --tokenizer makes a .gsm file, because ARPA files cannot hold its tokens, got "
        + "'small.arpa'\n")
  }

  @Test(
    TestData.isNeeded,
    arguments: [
      ["mh", "--screen", "small.gsm", "--warmup", "20", "--thin", "5", "--chains", "1"],
      ["smc", "--look-ahead", "small.gsm", "--particles", "4", "--runs", "1", "--pilot", "4"],
      ["importance", "--look-ahead", "small.gsm", "--particles", "8"],
    ])
  func samplersTakeIt(_ arguments: [String]) throws {
    let folder = try Self.companion()
    let outcome = try Program.run(
      arguments + [
        "--model", Self.stories, "--match", "The (cat|dog) was (happy|sad)\\.", "--samples", "2",
        "--seed", "1", "--format", "jsonl", "--quiet",
      ], in: folder.path)
    #expect(outcome.code == 0 && outcome.errors == "")
    let texts = try outcome.objects().filter { $0["type"] as? String == "sample" }
    #expect(texts.count == 2)
    #expect(texts.allSatisfy { $0["satisfied"] as? Bool == true })
  }

  @Test(TestData.isNeeded) func decodersTakeIt() throws {
    let folder = try Self.companion()
    func greedy(_ more: String...) throws -> String {
      let outcome = try Program.run(
        ["greedy", "--model", Self.stories, "--max-tokens", "12", "--quiet"] + more,
        in: folder.path)
      #expect(outcome.errors == "")
      return outcome.output
    }
    #expect(try greedy() == greedy("--draft", "small.gsm"))
  }

  /// Four texts, listed by a network: their probabilities add up to one.
  @Test(TestData.isNeeded) func aNetworksTextsAreListed() throws {
    let arguments = [
      "exact", "--model", Self.stories, "--match", "The (cat|dog) was (happy|sad)\\.",
    ]
    let outcome = try Program.run(
      arguments + ["--all", "--format", "jsonl", "--quiet", "--seed", "1"])
    #expect(outcome.code == 0 && outcome.errors == "")
    let objects = try outcome.objects()
    #expect(objects.count == 5)
    let shares = objects.prefix(4).compactMap { $0["probability"] as? Double }
    #expect(abs(shares.reduce(0, +) - 1) < 1e-12)
    #expect(shares == shares.sorted(by: >))
    #expect(objects[4]["texts"] as? Int == 4)
    let entropy = try #require(objects[4]["entropy"] as? Double)
    #expect(abs(entropy + shares.reduce(0) { $0 + $1 * log($1) }) < 1e-12)
    let refused = try Program.run(arguments + ["--limit", "3"])
    #expect(refused.code == 65)
    #expect(
      refused.errors
        == "gensample: --limit 3: the constraints allow more than 3 texts. Raise the limit, or "
        + "constrain more, for example by 'length ..6 tokens'\n")
  }

  /// Lines are read in batches; what is told of them is what is told of each alone.
  @Test(TestData.isNeeded) func linesAreScoredInBatches() throws {
    let lines = ["The cat was happy.", "", "Once upon a time", "a </s> b"]
    func score(_ input: String) throws -> [[String: Any]] {
      let outcome = try Program.run(
        ["score", Self.stories, "-", "--per-token", "--format", "jsonl"], input: input)
      #expect(outcome.code == 0 && outcome.errors == "")
      return try outcome.objects()
    }
    let together = try score(lines.joined(separator: "\n") + "\n")
    #expect(together.count == 5)
    var total = 0.0
    for (line, object) in zip(lines, together) {
      let alone = try score(line + "\n")[0]
      #expect(object["text"] as? String == line)
      #expect(object["log_probability"] as? Double == alone["log_probability"] as? Double)
      let parts = try #require(object["token_log_probabilities"] as? [Double])
      #expect(parts.count == object["token_count"] as? Int)
      total += try #require(object["log_probability"] as? Double)
    }
    let bytes = lines.reduce(0) { $0 + $1.utf8.count }
    let bits = try #require(together[4]["bits_per_byte"] as? Double)
    #expect(abs(bits + total / log(2) / Double(bytes)) < 1e-12)
    let empty = try Program.run(
      ["score", Self.stories, "-", "--no-end", "--summary"], input: "\na\n")
    #expect(empty.errors == "gensample: 1 line without tokens, of probability 1\n")
  }
}
