// Licensed under the Apache License, Version 2.0.

import Foundation
import Testing

/// What the decoders say where they cannot do what is asked, or do less.
@Suite struct DecodingMessageGoldenTests {
  private func run(_ command: String, _ options: String...) throws -> Program.Outcome {
    try Program.run([command, "--model", SmallModel.path] + options)
  }

  @Test func groupsThatFindTheSameAreOneResult() throws {
    let outcome = try run("beam", "--width", "4", "--groups", "2", "--best", "4")
    #expect(outcome.code == 0 && Set(outcome.lines).count == outcome.lines.count)
    #expect(
      outcome.errors.contains(
        "  \(outcome.lines.count) of the 4 results asked for: without --diversity all groups find the "
          + "same texts\n"))
    #expect(!outcome.errors.contains("like another"))
    let summary = try #require(
      try run("beam", "--width", "2", "--best", "9", "--format", "jsonl").objects().last)
    #expect(summary["results"] as? Int == 2 && summary["asked_for"] as? Int == 9)
    #expect(summary["missing_because"] as? String == "a beam of --width 2 finds no more texts")
    #expect(try run("beam").errors.contains("results asked for") == false)
  }

  @Test func noTextOfTheBestMeetsTheScore() throws {
    let wanted = ["--best-of", "3", "--score", "include \"storm\"", "--score", "exclude \"storm\""]
    let arguments =
      ["sample", "--model", SmallModel.path, "--samples", "2", "--seed", "1"] + wanted
    let reason = "none of the 3 texts meets include \"storm\" and exclude \"storm\""
    let objects = try Program.run(arguments + ["--format", "jsonl"]).objects()
    for object in objects.dropLast() {
      #expect(object["score"] is NSNull && object["satisfied"] as? Bool == false)
      #expect(object["score_reason"] as? String == reason)
    }
    #expect(objects.count == 3 && objects[2]["unmet"] as? Int == 2)
    let told = try Program.run(arguments)
    #expect(told.errors.hasPrefix("text 1: \(reason)\ntext 2: \(reason)\n"))
    let met = try run(
      "sample", "--samples", "2", "--seed", "1", "--best-of", "20", "--score", "include \"storm\"",
      "--format", "jsonl"
    ).objects()
    #expect(met[0]["satisfied"] as? Bool == true && met[0]["score_reason"] == nil)
    #expect(met[2]["unmet"] == nil)
  }

  @Test(arguments: ["prompt", "forbid", "stop-token", "penalty-exempt", "dry-breaker"])
  func nearWordsAreOffered(option: String) throws {
    let outcome = try run(
      "greedy", "--\(option)", "stormm", "--presence-penalty", "1", "--dry", "1,2,2")
    #expect(outcome.code == 65)
    #expect(
      outcome.errors
        == "gensample: --\(option): 'stormm' is outside the model's vocabulary; did you mean "
        + "'storm'?\n")
  }

  /// A word is one with its space, and a sign one without.
  @Test func spacesThatAreMissedAreTold() throws {
    let outcome = try Program.run(["greedy", "--prompt", "It was . not"])
    #expect(outcome.code == 65)
    #expect(
      outcome.errors
        == "gensample: --prompt: the vocabulary has '.' only without a space before it; "
        + "write 'It was. not'\n")
    let missing = try run("greedy", "--prompt", "the sea.")
    #expect(
      missing.errors.hasSuffix(
        "the vocabulary has '.' only with a space before it; write 'the sea .'\n"))
  }

  @Test(arguments: ["greedy", "beam"])
  func keptEndsAreNoMistakeWhereNothingDropsThem(command: String) throws {
    let plain = try run(command, "--quiet")
    let kept = try run(command, "--keep-end")
    #expect(kept.code == 0 && kept.lines == plain.lines)
    #expect(
      kept.errors.hasPrefix(
        "--keep-end has no effect: this decoder has no truncation that could drop the end\n"))
    #expect(try run(command, "--keep-end", "--quiet").errors == "")
  }

  @Test func modelsThatAreNoNGramsAreNamed() throws {
    let folder = try Folder()
    func message(_ model: String) throws -> (Int32, String) {
      let outcome = try Program.run(["greedy", "--model", model])
      return (outcome.code, outcome.errors)
    }
    var (code, text) = try message(folder.path)
    #expect(code == 65 && text.contains("\(folder.path): the folder has no config.json"))
    try folder.write("config.json", "{}")
    (code, text) = try message(folder.path)
    #expect(code == 65 && text.contains("config.json: the model_type '' is not supported"))
    (code, text) = try message(folder.write("model.gguf", "GGUF"))
    #expect(code == 65 && text.contains("model.gguf: "))
    (code, text) = try message("http://localhost:8080")
    #expect(code == 64 && text.contains("gensample cannot use a server as a model yet"))
  }

  /// A stop text may lie within a token or across two; what stands before it is kept, whole tokens or
  /// not, and what the prompt holds ends nothing.
  @Test(arguments: [("ea", "the s"), ("ea .", "the s"), ("e sea .", "th"), (" ", "the")])
  func stopTextsNeedNotBeTokens(stop: String, kept: String) throws {
    // Without it the text is "the sea .".
    let object = try run("greedy", "--stop", stop, "--format", "jsonl").objects()[0]
    #expect(object["text"] as? String == kept && object["finished"] as? Bool == true)
    #expect(object["reason"] as? String == "stop" && object["stop"] as? String == stop)
    let prompted = try run(
      "greedy", "--prompt", "the sea .", "--stop", stop, "--max-tokens", "1", "--quiet")
    #expect(prompted.lines.first?.hasPrefix("the sea .") == true)
  }

  /// A model of order 3 sees the last two tokens, whatever stands before.
  @Test func promptsMayBeLongerThanTheModelSees() throws {
    let long = String(repeating: "the sea was calm . ", count: 2000) + "the storm"
    let after = try run("greedy", "--prompt", long, "--quiet", "--max-tokens", "9")
    let short = try run("greedy", "--prompt", "calm . the storm", "--quiet", "--max-tokens", "9")
    #expect(after.code == 0 && after.lines.count == 1)
    #expect(
      after.lines.first?.dropFirst(long.count)
        == short.lines.first?.dropFirst("calm . the storm".count))
  }

  /// The smallest and the largest temperature leave one token and all tokens.
  @Test func temperaturesAtBothEnds() throws {
    let cold = try run("sample", "--temperature", "0", "--samples", "1", "--quiet")
    #expect(try cold.lines == run("greedy", "--quiet").lines)
    let hot = try run(
      "sample", "--temperature", "inf", "--max-tokens", "1", "--explain", "--samples", "9",
      "--format", "jsonl"
    ).objects().dropLast()
    let logs = try hot.map { try #require($0["log_drawn"] as? Double) }
    #expect(Set(logs).count == 1 && logs[0] < 0)
  }

  /// Biases that add up to no number are told, with the one that did it.
  @Test func logitsThatAreNoNumbersAreTold() throws {
    let outcome = try run("sample", "--bias", "sea=1e308", "--bias", "sea=1.7e308")
    #expect(outcome.code == 1 && outcome.output == "")
    #expect(outcome.errors.hasPrefix(#"gensample: --bias "sea"=1.7e+308 gave token "#))
    #expect(outcome.errors.contains("the logit inf, expected a number or minus infinity"))
  }

  @Test func everyTokenForbiddenNamesTheLastOption() throws {
    let words = ["the", "sea", "was", "calm", ".", "storm", "came", "over", "a", "wind", "and"]
    let options = words.flatMap { ["--forbid", $0] } + ["--min-tokens", "2", "--forbid", "moon"]
    let outcome = try Program.run(["sample", "--model", SmallModel.path] + options)
    #expect(outcome.code == 1 && outcome.output == "")
    #expect(
      outcome.errors
        == #"gensample: --forbid "moon" removed the last possible token; use a weaker setting "#
        + "(token 1, behind no text)\n")
  }

  @Test(arguments: ["greedy", "beam", "sample"])
  func progressIsNoResult(command: String) throws {
    let outcome = try run(command, "--progress", "always", "--quiet")
    #expect(outcome.code == 0 && !outcome.lines.isEmpty && outcome.errors == "")
  }

  /// What contrastive search chose is the best of what it compared.
  @Test func contrastiveSearchIsExplained() throws {
    let object = try run(
      "greedy", "--contrastive", "3,0.6", "--explain", "--format", "jsonl"
    ).objects()[0]
    let steps = try #require(object["steps"] as? [[String: Any]])
    for step in steps {
      let compared = try #require(step["compared"] as? [[String: Any]])
      let scores = compared.compactMap { $0["score"] as? Double }
      #expect(scores.count == 3)
      let best = scores.indices.first { scores[$0] == scores.max() } ?? 0
      #expect(compared[best]["token"] as? Int == step["token"] as? Int)
      for one in compared {
        let p = exp(try #require(one["log_probability"] as? Double))
        let resemblance = try #require(one["resemblance"] as? Double)
        #expect(abs(0.4 * p - 0.6 * resemblance - (one["score"] as? Double ?? .nan)) < 1e-12)
      }
    }
    let told = try run("greedy", "--contrastive", "3,0.6", "--explain", "--max-tokens", "1")
    #expect(told.errors.contains("; scores: ") && told.errors.contains("1 token in"))
  }

  /// A certain text's log-probability is zero without a sign.
  @Test func zeroHasNoSign() throws {
    let all = try run(
      "sample", "--without-replacement", "--max-tokens", "1", "--samples", "1000", "--format",
      "jsonl")
    #expect(all.output.contains("\"log_inclusion\":0.0") && !all.output.contains("-0.0,"))
  }
}
