// Licensed under the Apache License, Version 2.0.

import Foundation
import Testing

/// `gensample audit` from the outside.
@Suite struct AuditGoldenTests {
  /// ^{a .5, c .3, $ .2} a{a .5, b .3, $ .2} b{a .5, b .3, $ .2} c{$ .6, a .3, c .1} as a file.
  private func fourRows(_ folder: Folder) throws -> String {
    func row(_ word: String, _ entries: [(String, Double)]) -> String {
      entries.map { String(format: "%.9f\t%@ %@\n", log10($0.1), word, $0.0) }.joined()
    }
    let unigrams = ["</s>", "a", "b", "c"].map { "-0.602060\t\($0)\t-99\n" }.joined()
    let bigrams =
      row("<s>", [("a", 0.5), ("c", 0.3), ("</s>", 0.2)])
      + row("a", [("a", 0.5), ("b", 0.3), ("</s>", 0.2)])
      + row("b", [("a", 0.5), ("b", 0.3), ("</s>", 0.2)])
      + row("c", [("</s>", 0.6), ("a", 0.3), ("c", 0.1)])
    return try folder.write(
      "four.arpa",
      "\\data\\\nngram 1=5\nngram 2=12\n\n\\1-grams:\n-99\t<s>\t-99\n\(unigrams)\n"
        + "\\2-grams:\n\(bigrams)\n\\end\\\n")
  }

  @Test func auditsAreExact() throws {
    let folder = try Folder()
    let model = try fourRows(folder)
    let picture = folder.path("survival.svg")
    let outcome = try Program.run([
      "audit", "--model", model, "--top-k", "2", "--picture", picture, "--format", "jsonl",
    ])
    #expect(outcome.code == 0 && outcome.errors == "")
    let audit = try outcome.objects()[0]
    #expect(audit["type"] as? String == "audit" && audit["exact"] as? Bool == true)
    // The file's digits.
    #expect(abs((audit["never_ends"] as? Double ?? 0) - 0.75) < 1e-8)
    #expect(audit["expected_tokens"] is NSNull)
    let loops = try #require(audit["loops"] as? [[String: Any]])
    #expect(loops.count == 1 && loops[0]["witness"] as? String == "a")
    #expect(loops[0]["text"] as? String == " a")
    #expect(abs((loops[0]["probability"] as? Double ?? 0) - 0.75) < 1e-8)
    let cures = try #require(audit["cures"] as? [[String: Any]])
    #expect(cures.first { $0["option"] as? String == "top-k" }?["value"] as? Double == 3)
    #expect(try folder.read("survival.svg").contains("never ends: 0.7500"))
    let cured = try Program.run([
      "audit", "--model", model, "--top-k", "2", "--keep-end", "--format", "jsonl",
    ]).objects()[0]
    #expect(cured["never_ends"] as? Double == 0)
    let mass = try Program.run([
      "audit", "--model", model, "--top-p", "0.6", "--format", "jsonl",
    ]).objects()[0]
    let cure = (mass["cures"] as? [[String: Any]])?.first { $0["option"] as? String == "top-p" }
    #expect(abs((cure?["value"] as? Double ?? 0) - 0.8) < 1e-6)
    // Of two truncations each is changed while the other stays.
    let both = try Program.run([
      "audit", "--model", model, "--top-k", "3", "--top-p", "0.6", "--format", "jsonl",
    ]).objects()[0]
    let ways = try #require(both["cures"] as? [[String: Any]])
    #expect(
      ways.map { $0["option"] as? String } == ["top-p", "keep-end", "non-monotone"])
    #expect(abs((ways[0]["value"] as? Double ?? 0) - 0.8) < 1e-6)
    let table = try Program.run(["audit", "--model", model, "--top-k", "2"])
    #expect(table.lines.contains { $0.hasPrefix("never ends") && $0.contains("0.75 (exact") })
  }

  @Test func auditsOfPromptsAndRuns() throws {
    let folder = try Folder()
    let model = try fourRows(folder)
    let prompts = try folder.write("prompts.txt", "a\nc\nb a\n")
    let audit = try Program.run([
      "audit", "--model", model, "--strategy", "greedy", "--prompts", prompts, "--format", "jsonl",
    ]).objects()[0]
    let counts = try #require(audit["prompts"] as? [String: Any])
    #expect(counts["count"] as? Int == 3 && counts["may_loop"] as? Int == 2)
    let runs = try Program.run([
      "audit", "--model", model, "--top-k", "2", "--no-repeat-ngram", "9", "--runs", "200",
      "--max-tokens", "8", "--seed", "1", "--format", "jsonl",
    ]).objects()[0]
    #expect(runs["exact"] as? Bool == false && runs["never_ends"] is NSNull)
    let interval = try #require(runs["interval"] as? [Double])
    #expect(interval[0] == 0 && interval[1] >= runs["cut_at_max_tokens"] as? Double ?? 2)
    let proven = try Program.run([
      "audit", "--model", model, "--top-k", "2", "--self-terminating", "0.1", "--runs", "9",
      "--format", "jsonl",
    ]).objects()[0]
    #expect(proven["never_ends"] as? Double == 0)
    #expect(proven["proof"] as? String == "self-terminating 0.1")
    // An end that is all but certain is the first that --xtc 1,0 drops.
    let dropped = try Program.run([
      "audit", "--model", model, "--self-terminating", "0.1", "--xtc", "1,0", "--runs", "9",
      "--format", "jsonl",
    ]).objects()[0]
    #expect(dropped["exact"] as? Bool == false && dropped["proof"] == nil)
    // Without its first part this one reads all tokens, and by no change of that does it end.
    let composed = try Program.run([
      "audit", "--model", model, "--top-p", "0.5", "--typical", "0.3", "--format", "jsonl",
    ]).objects()[0]
    let cures = composed["cures"] as? [[String: Any]] ?? []
    #expect(cures.compactMap { $0["option"] as? String } == ["keep-end", "non-monotone"])
    let part = try Program.run([
      "audit", "--model", model, "--top-k", "2", "--max-transitions", "1", "--format", "jsonl",
    ]).objects()[0]
    #expect(part["exact"] as? Bool == false)
    #expect((part["interval"] as? [Double])?.first == 0)
    // What is cut is known from above only.
    #expect(part["cut_at_max_tokens"] == nil && part["cut_at_most"] as? Double ?? 0 > 0)
    // An end in each context needs no exploring.
    let kept = try Program.run([
      "audit", "--model", model, "--max-transitions", "1", "--format", "jsonl",
    ]).objects()[0]
    #expect(kept["exact"] as? Bool == true && kept["never_ends"] as? Double == 0)
    #expect((kept["proof"] as? String)?.hasPrefix("every context can end") == true)
  }

  /// Decoders that remember more than the context.
  @Test func auditsOfOtherDecoders() throws {
    let folder = try Folder()
    let model = try fourRows(folder)
    func audit(_ options: String...) throws -> [String: Any] {
      try Program.run(["audit", "--model", model, "--runs", "20", "--format", "jsonl"] + options)
        .objects()[0]
    }
    let stopped = try audit("--top-k", "2", "--stop-loops")
    #expect(stopped["never_ends"] as? Double == 0)
    #expect((stopped["proof"] as? String)?.hasPrefix("--stop-loops") == true)
    #expect((stopped["cures"] as? [Any])?.isEmpty == true)
    let constrained = try audit("--top-k", "2", "--length", "1..3")
    #expect(constrained["never_ends"] as? Double == 0)
    #expect((constrained["proof"] as? String)?.hasPrefix("the constraints") == true)
    let contrastive = try audit("--strategy", "greedy", "--contrastive", "2,0.6")
    #expect(contrastive["search"] as? [String] == ["contrastive 2,0.6"])
    #expect(contrastive["runs"] as? Int == 1)
    #expect(try audit("--stop", "b")["stops"] as? [String] == ["stop \"b\""])
    let refused = try Program.run(["audit", "--model", model, "--contrastive", "2,0.6"])
    #expect(refused.code == 64 && refused.errors.contains("--strategy greedy"))
  }

  /// The prompts of one word are those that a file would name.
  @Test func auditsOfAllPromptsOfOneWord() throws {
    let folder = try Folder()
    let model = try fourRows(folder)
    let prompts = try folder.write("prompts.txt", "a\nb\nc\n")
    let named = try Program.run([
      "audit", "--model", model, "--top-k", "2", "--prompts", prompts, "--format", "jsonl",
    ])
    let all = try Program.run([
      "audit", "--model", model, "--top-k", "2", "--one-word-prompts", "--format", "jsonl",
    ])
    #expect(named.code == 0 && named.lines == all.lines)
    let shares = try #require(try all.objects()[0]["prompts"] as? [String: Any])
    // a and b loop, and c does once in three times before it ends: .3 / (.3 + .6).
    #expect(abs((shares["mean_never_ends"] as? Double ?? 0) - (1 + 1 + 1.0 / 3) / 3) < 1e-8)
    let beam = try Program.run([
      "audit", "--model", model, "--strategy", "beam", "--one-word-prompts",
    ])
    #expect(beam.code == 64 && beam.errors.contains("--one-word-prompts needs a decoder"))
  }

  /// The shares are one partition, however they are known.
  @Test(arguments: [
    ["--top-k", "2"], ["--top-k", "2", "--stop-loops"], ["--strategy", "greedy", "--stop-loops"],
    ["--strategy", "beam", "--stop-loops"], ["--top-k", "2", "--no-repeat-ngram", "9"],
    ["--top-k", "2", "--presence-penalty", "0.1", "--stop-loops"],
  ])
  func sharesAddUp(options: [String]) throws {
    let folder = try Folder()
    let model = try fourRows(folder)
    let audit = try Program.run(
      ["audit", "--model", model, "--max-tokens", "20", "--runs", "100", "--seed", "1"] + options
        + ["--format", "jsonl"]
    ).objects()[0]
    let ended = try #require(audit["ended_by_max_tokens"] as? Double)
    let cut = try #require(audit["cut_at_max_tokens"] as? Double)
    let stopped = audit["stopped_by_max_tokens"] as? Double
    #expect((stopped != nil) == options.contains("--stop-loops"))
    #expect(abs(ended + cut + (stopped ?? 0) - 1) < 1e-12)
  }

  /// A loop of one token is stopped once it stands there 12 times.
  @Test func whatIsStoppedIsNotCut() throws {
    let folder = try Folder()
    let model = try fourRows(folder)
    func texts(_ limit: String) throws -> String? {
      try Program.run([
        "audit", "--model", model, "--strategy", "greedy", "--stop-loops", "--max-tokens", limit,
      ]).lines.first { $0.hasPrefix("texts") }
    }
    #expect(
      try texts("12")?.hasSuffix(
        "  0 end, 1 are stopped in a loop, 0 are cut at --max-tokens 12 (one text)") == true)
    #expect(
      try texts("11")?.hasSuffix(
        "  0 end, 0 are stopped in a loop, 1 are cut at --max-tokens 11 (one text)") == true)
    let picture = folder.path("survival.svg")
    let drawn = try Program.run([
      "audit", "--model", model, "--strategy", "greedy", "--stop-loops", "--picture", picture,
    ])
    #expect(drawn.code == 0)
    #expect(try folder.read("survival.svg").contains("<polyline"))
  }

  /// An end too improbable for a number still comes, and is told by its logarithm.
  @Test func endsOfHardlyAnyProbability() throws {
    let folder = try Folder()
    let model = try fourRows(folder)
    let audit = try Program.run([
      "audit", "--model", model, "--bias", "</s>=-2000", "--format", "jsonl",
    ]).objects()[0]
    #expect(audit["never_ends"] as? Double == 0 && audit["exact"] as? Bool == true)
    #expect(audit["expected_tokens"] is NSNull)
    let loops = try #require(audit["loops"] as? [[String: Any]])
    // Each letter leads to each, some hardly ever; c ends most often: .6 e^-2000 / (.3 + .1), to the
    // file's digits.
    let leaving = try #require(loops.first?["log_leaving"] as? Double)
    #expect(loops.count == 1 && abs(leaving - (log(0.6 / 0.4) - 2000)) < 1e-6)
    let tokens = try #require(audit["log_expected_tokens_at_least"] as? Double)
    #expect(abs(tokens + leaving) < 1e-6)
    let told = try Program.run(["audit", "--model", model, "--bias", "</s>=-2000"])
    #expect(
      told.output.contains("never ends       0 (exact), but texts hardly ever end in practice"))
    #expect(told.output.contains("expected tokens  at least e^1999.59"))
    #expect(told.output.contains(", left with probability e^-1999.59 per token"))
    // Neither another k nor a kept end makes it more probable.
    let cut = try Program.run(
      ["audit", "--model", model, "--bias", "</s>=-2000", "--top-k", "2", "--format", "jsonl"]
    ).objects()[0]
    let cures = cut["cures"] as? [[String: Any]] ?? []
    #expect(cures.compactMap { $0["option"] as? String } == ["non-monotone"])
    // Where what is left out may lead is not known.
    let cold = try Program.run([
      "audit", "--model", model, "--temperature", "0.0001", "--format", "jsonl",
    ]).objects()[0]
    #expect(cold["exact"] as? Bool == false && cold["interval"] as? [Double] == [0, 1])
  }

  /// A model's own end may be as improbable, where leading tokens alone would be read, too.
  @Test(arguments: [["--top-k", "3"], [], ["--top-p", "1"]])
  func modelsThatHardlyEnd(options: [String]) throws {
    let folder = try Folder()
    let model = try folder.write(
      "rare.arpa",
      "\\data\\\nngram 1=4\n\n\\1-grams:\n-99\t<s>\n-900\t</s>\n-0.30103\ta\n-0.30103\tb\n\n\\end\\\n"
    )
    let audit = try Program.run(["audit", "--model", model, "--format", "jsonl"] + options)
      .objects()[0]
    #expect(audit["never_ends"] as? Double == 0 && audit["exact"] as? Bool == true)
    let tokens = try #require(audit["log_expected_tokens_at_least"] as? Double)
    // The file's numbers are read in single precision.
    #expect(abs(tokens - 900 * log(10)) < 1e-3)
  }

  /// All but one token vanish, and nothing takes long.
  @Test func peakedDistributions() throws {
    for options in [["--temperature", "0.01", "--top-k", "4"], ["--temperature", "0.001"]] {
      let outcome = try Program.run(
        ["audit", "--model", SmallModel.path] + options + ["--format", "jsonl"], limit: 20)
      let audit = try #require(try outcome.objects().first)
      #expect(outcome.code == 0 && audit["contexts"] as? Int ?? 0 > 0)
      #expect(!(audit["expected_tokens"] is NSNull) || audit["exact"] as? Bool == false)
    }
  }

  @Test func effectiveTransformsAreTold() throws {
    let outcome = try Program.run([
      "audit", "--model", SmallModel.path, "--bias", "sea=2", "--top-k", "3", "--forbid",
      "the moon",
      "--verbose", "--runs", "9", "--seed", "1",
    ])
    #expect(
      outcome.errors == #"transforms: forbid "the moon", bias "sea"=2.0, top-k 3"# + "\n")
    #expect(
      outcome.lines.first?.hasSuffix(
        #"sample, forbid "the moon", bias "sea"=2.0, top-k 3 of \#(SmallModel.path)"#) == true)
  }

  @Test func noPromptsAreAnError() throws {
    let outcome = try Program.run(
      ["audit", "--model", SmallModel.path, "--prompts", "-"], input: "")
    #expect(outcome.code == 65 && outcome.output == "")
    #expect(
      outcome.errors
        == "gensample: --prompts: standard input is empty; expected one prompt per line\n")
  }
}
