// Licensed under the Apache License, Version 2.0.

import Foundation
import Testing

/// `gensample greedy` and `gensample sample` from the outside.
@Suite struct DecodingGoldenTests {
  private func run(_ command: String, _ options: String...) throws -> Program.Outcome {
    try Program.run([command, "--model", SmallModel.path] + options)
  }

  @Test func greedyIsTheSameEveryTime() throws {
    let first = try run("greedy", "--format", "jsonl")
    let again = try run("greedy", "--format", "jsonl")
    #expect(first.code == 0 && first.errors == "")
    #expect(first.lines.first == again.lines.first)
    let objects = try first.objects()
    #expect(objects.count == 2)
    #expect(objects[0]["type"] as? String == "sample")
    #expect(objects[0]["log_drawn"] as? Double == 0)
    #expect(objects[1]["command"] as? String == "greedy")
    // Temperature 0 is greedy decoding with the seed left over.
    let cold = try run(
      "sample", "--temperature", "0", "--samples", "1", "--seed", "3", "--format", "jsonl")
    #expect(try cold.objects()[0]["text"] as? String == objects[0]["text"] as? String)
  }

  @Test func everyTextSaysWhatItIsWorth() throws {
    let plain = try run("sample", "--seed", "1", "--samples", "20", "--format", "jsonl").objects()
    #expect(plain.count == 21)
    for object in plain.dropLast() {
      let model = try #require(object["log_model"] as? Double)
      let drawn = try #require(object["log_drawn"] as? Double)
      #expect(try #require(object["finished"] as? Bool))
      // The unknown word is never drawn, so a text is a little more probable than in the model.
      #expect(drawn >= model - 1e-9)
    }
    #expect(plain.last?["texts"] as? Int == 20)
    #expect(plain.last?["seed"] as? Int == 1)
    let few = try run("sample", "--seed", "1", "--samples", "3", "--format", "jsonl")
    #expect(try few.objects()[2]["text"] as? String == plain[2]["text"] as? String)
  }

  @Test func withoutReplacement() throws {
    let outcome = try run(
      "sample", "--without-replacement", "--samples", "30", "--seed", "1", "--format", "jsonl")
    #expect(outcome.code == 0 && outcome.errors == "")
    let objects = try outcome.objects()
    #expect(objects.count == 31)
    let texts = objects.dropLast()
    #expect(Set(texts.map { "\($0["tokens"] ?? "") \($0["reason"] ?? "")" }).count == 30)
    var drawn = 0.0
    for text in texts {
      drawn += exp(try #require(text["log_drawn"] as? Double))
      #expect(try #require(text["log_inclusion"] as? Double) <= 0)
    }
    let remaining = try #require(objects[30]["remaining"] as? Double)
    #expect(abs(drawn + remaining - 1) < 1e-9)
    // All texts of one choice.
    let all = try run(
      "sample", "--without-replacement", "--max-tokens", "1", "--samples", "100000", "--format",
      "jsonl"
    ).objects()
    #expect(all.last?["remaining"] as? Double == 0)
    for text in all.dropLast() { #expect(text["log_inclusion"] as? Double == 0) }
    let told = try run(
      "sample", "--without-replacement", "--max-tokens", "1", "--samples", "100000")
    #expect(told.errors.contains("these are all texts there are"))
    for wrong in [
      ["--xtc", "0.5,0.1"], ["--samples", "1000001"], ["--draft", SmallModel.path],
    ] {
      let refused = try Program.run(
        ["sample", "--model", SmallModel.path, "--without-replacement"] + wrong)
      #expect(refused.code == 64 && refused.lines.isEmpty)
    }
  }

  @Test func drafts() throws {
    let greedy = try run("greedy", "--format", "jsonl").objects()
    for draft in [SmallModel.path, "english"] {
      let drafted = try run(
        "greedy", "--draft", draft, "--draft-length", "3", "--format", "jsonl"
      ).objects()
      #expect(drafted[0]["tokens"] as? [Int] == greedy[0]["tokens"] as? [Int])
      let proposed = try #require(drafted[1]["draft_proposed"] as? Int)
      let accepted = try #require(drafted[1]["draft_accepted"] as? Int)
      // What a model drafts for itself is always right.
      #expect(draft == "english" ? accepted <= proposed : accepted == proposed)
    }
    let sampled = try run(
      "sample", "--draft", "english", "--seed", "1", "--samples", "4", "--temperature", "0.8")
    #expect(sampled.code == 0 && sampled.lines.count == 4)
    #expect(sampled.errors.contains("the draft proposed"))
    #expect(try run("sample", "--draft-length", "3").code == 64)
    #expect(try run("sample", "--draft", "english", "--draft-length", "0").code == 64)
    #expect(try run("greedy", "--draft", "/no/such.gsm").code == 66)
  }

  /// One law, so one seed gives the same texts.
  @Test func stochasticBeam() throws {
    let beam = try run(
      "beam", "--stochastic", "--width", "6", "--seed", "3", "--format", "jsonl"
    ).objects()
    let sample = try run(
      "sample", "--without-replacement", "--samples", "6", "--seed", "3", "--format", "jsonl"
    ).objects()
    #expect(beam.count == 7)
    for (a, b) in zip(beam.dropLast(), sample) {
      #expect(a["tokens"] as? [Int] == b["tokens"] as? [Int])
      #expect(a["log_inclusion"] as? Double == b["log_inclusion"] as? Double)
    }
    for wrong in [
      ["--stochastic", "--length-penalty", "1"], ["--stochastic", "--best", "2"], ["--seed", "1"],
      ["--stochastic", "--alternatives", "2"],
    ] {
      #expect(try Program.run(["beam", "--model", SmallModel.path] + wrong).code == 64)
    }
  }

  /// Texts that a stop cuts short may read alike.
  @Test func textsThatReadAlikeAreCounted() throws {
    let all = try run(
      "sample", "--without-replacement", "--max-tokens", "2", "--samples", "1000", "--stop", "sea",
      "--format", "jsonl"
    ).objects()
    let texts = all.dropLast().compactMap { $0["text"] as? String }
    let alike = texts.count - Set(texts).count
    #expect(alike > 0 && all.last?["read_alike"] as? Int == alike)
  }

  @Test func keptEndsNeedATruncation() throws {
    for options in [["--keep-end"], ["--keep-end", "--top-k", "2", "--temperature", "0"]] {
      let outcome = try Program.run(["sample", "--model", SmallModel.path] + options)
      #expect(outcome.code == 64 && outcome.errors.contains("--keep-end"))
    }
    #expect(
      try run("sample", "--presence-penalty", "1", "--penalty-window", "0").errors
        .contains("makes the penalties do nothing"))
  }

  @Test func stopTokensAreNamed() throws {
    let objects = try run(
      "sample", "--stop-token", "sea", "--samples", "40", "--seed", "1", "--format", "jsonl"
    ).objects().dropLast()
    let stopped = objects.filter { $0["stop_token"] as? String == " sea" }
    #expect(!stopped.isEmpty && stopped.allSatisfy { $0["reason"] as? String == "end" })
    #expect(objects.contains { $0["reason"] as? String == "end" && $0["stop_token"] == nil })
  }

  /// What a sign begins reads as the model writes it.
  @Test func promptsMayBeginWithASign() throws {
    let outcome = try Program.run([
      "sample", "--prompt", ". The", "--samples", "1", "--seed", "1", "--quiet",
    ])
    #expect(outcome.code == 0 && outcome.lines.first?.hasPrefix(". The") == true)
  }

  /// What is written first acts first, but for what must not be drawn: that goes before anything is
  /// truncated, wherever it stands.
  @Test func theOrderIsTheUsers() throws {
    let one = try run(
      "sample", "--verbose", "--quiet", "--samples", "0", "--top-p", "0.5", "--keep-end",
      "--temperature", "2", "--min-tokens", "3")
    #expect(
      one.errors == "transforms: min-tokens 3, top-p 0.5 keep-end, temperature 2.0\n")
    let other = try run(
      "sample", "--verbose", "--quiet", "--samples", "0", "--temperature", "2", "--top-p", "0.5")
    #expect(other.errors == "transforms: temperature 2.0, top-p 0.5\n")
    #expect(
      try run("sample", "--verbose", "--quiet", "--samples", "0").errors == "transforms: none\n")
  }

  @Test func limits() throws {
    let cut = try run(
      "sample", "--seed", "1", "--samples", "9", "--max-tokens", "1", "--min-tokens", "1",
      "--format", "jsonl"
    ).objects()
    for object in cut.dropLast() {
      #expect((object["tokens"] as? [Int])?.count == 1)
      #expect(object["finished"] as? Bool == false)
    }
    let prompt = try run("sample", "--prompt", "the sea", "--samples", "3", "--quiet")
    #expect(prompt.code == 0)
    #expect(prompt.lines.count == 3 && prompt.lines.allSatisfy { $0.hasPrefix("the sea") })
  }

  @Test func everythingMaskedNamesTheTransform() throws {
    let outcome = try run(
      "greedy", "--min-tokens", "60", "--max-tokens", "1000000", "--no-repeat-ngram", "1",
      "--quiet")
    #expect(outcome.code == 1)
    #expect(
      outcome.errors.hasPrefix(
        "gensample: --no-repeat-ngram 1 removed the last possible token; use a weaker setting "
          + "(token 13, behind 'the sea "))
  }

  @Test func beamsRankByScore() throws {
    let objects = try run(
      "beam", "--width", "6", "--length-penalty", "1", "--best", "4", "--format", "jsonl"
    ).objects()
    #expect(objects.count == 5)
    let scores = objects.dropLast().compactMap { $0["score"] as? Double }
    #expect(scores.count == 4 && scores == scores.sorted(by: >))
    for object in objects.dropLast() {
      let tokens = try #require(object["tokens"] as? [Int])
      let log = try #require(object["log_probability"] as? Double)
      let score = try #require(object["score"] as? Double)
      #expect(abs(score * Double(tokens.count + 1) - log) < 1e-9)
      #expect(object["reason"] as? String == "end")
    }
    let one = try run("beam", "--width", "1", "--format", "jsonl").objects()
    let greedy = try run("greedy", "--format", "jsonl").objects()
    #expect(one[0]["text"] as? String == greedy[0]["text"] as? String)
  }

  @Test(arguments: ["greedy", "beam", "sample"])
  func constraintsHold(command: String) throws {
    let outcome = try run(
      command, "--include", "moon", "--include", "storm", "--length", "..9", "--format", "jsonl")
    #expect(outcome.code == 0)
    for object in try outcome.objects().dropLast() {
      let text = try #require(object["text"] as? String)
      #expect(text.contains("moon") && text.contains("storm"))
      #expect(object["satisfied"] as? Bool == true && object["finished"] as? Bool == true)
    }
    let short = try run(command, "--include", "moon", "--include", "storm", "--max-tokens", "2")
    #expect(short.code == 65)
    #expect(
      short.errors
        == "gensample: --max-tokens 2 leaves no room for what is asked: the shortest allowed text has "
        + "3 tokens, its end among them; give 3 or more\n")
    let violated = try run(command, "--exclude", "the", "--prompt", "the sea was")
    #expect(violated.code == 65)
    #expect(
      violated.errors
        == "gensample: --prompt: no text that begins with 'the sea was' meets --exclude: exclude "
        + "\"the\"\n")
  }

  @Test func stopTextsAndLoops() throws {
    let stopped = try run(
      "sample", "--seed", "1", "--stop", "e", "--samples", "4", "--format", "jsonl")
    for object in try stopped.objects().dropLast() {
      let text = try #require(object["text"] as? String)
      #expect(!text.contains("e"))
      #expect((object["reason"] as? String == "stop") == (object["stop"] as? String == "e"))
    }
    let looping = try run(
      "greedy", "--bias", "a=50", "--max-tokens", "1000", "--stop-loops", "--format", "jsonl")
    let object = try looping.objects()[0]
    #expect(object["reason"] as? String == "loop" && object["finished"] as? Bool == false)
    #expect(object["loop"] as? String == " a")
  }

  @Test func stepsAreExplained() throws {
    let objects = try run(
      "sample", "--seed", "1", "--top-k", "3", "--explain", "--samples", "1", "--format", "jsonl"
    ).objects()
    let steps = try #require(objects[0]["steps"] as? [[String: Any]])
    let drawn = try #require(objects[0]["log_drawn"] as? Double)
    let sum = steps.reduce(0.0) { $0 + ($1["log_probability"] as? Double ?? .nan) }
    #expect(abs(sum - drawn) < 1e-9)
    let removed = try #require(steps[0]["removed"] as? [[String: Any]])
    #expect(removed.count == 1 && removed[0]["by"] as? String == "top-k 3")
    let text = try run("sample", "--seed", "1", "--top-k", "3", "--explain", "--samples", "1")
    #expect(text.lines.count == 1 && text.errors.hasPrefix("1 \""))
  }

  @Test func aSafeguardInNameOnlyIsSaid() throws {
    let outcome = try run("sample", "--samples", "0", "--non-monotone", "1e-5")
    #expect(
      outcome.errors.hasPrefix(
        "non-monotone 1e-05: its epsilon alone makes the end more likely than not from token "
          + "69315 on, which is after --max-tokens 64\n"))
  }

  @Test func timeUpIsNoFailure() throws {
    let outcome = try run(
      "sample", "--max-seconds", "0", "--include", "moon", "--format", "jsonl")
    let objects = try outcome.objects()
    #expect(outcome.code == 0 && objects.count == 2)
    #expect(objects[0]["finished"] as? Bool == true && objects[1]["stopped"] as? Bool == true)
  }

  @Test func theBestOfSeveral() throws {
    func lengths(_ options: String...) throws -> [Int] {
      try run(
        "sample", "--seed", "1", "--samples", "6", "--format", "jsonl", "--best-of", "30",
        options[0], options[1]
      ).objects().dropLast().map { ($0["tokens"] as? [Int])?.count ?? -1 }
    }
    #expect(try lengths("--score", "length 3..4 tokens").allSatisfy { (3...4).contains($0) })
    let scored = try run(
      "sample", "--seed", "1", "--samples", "1", "--best-of", "9", "--score",
      "mean-log-probability", "--score", "prefer \"the\" 2", "--format", "jsonl"
    ).objects()[0]
    let text = try #require(scored["text"] as? String)
    let count = Double((scored["tokens"] as? [Int])?.count ?? 0)
    let log = try #require(scored["log_model"] as? Double)
    let wanted = log / (count + 1) + 2 * Double(text.split(separator: " ").count { $0 == "the" })
    #expect(abs((scored["score"] as? Double ?? 0) - wanted) < 1e-9)
    for (options, message) in [
      (["--score", "log-probability"], "--score needs --best-of N"),
      (["--best-of", "2", "--score", "fluency 2"], "the fluency belongs to a target"),
      (["--best-of", "2", "--score", "no statement"], "--score:1:1"),
      (["--best-of", "0"], "--best-of takes"),
    ] {
      let outcome = try Program.run(["sample", "--model", SmallModel.path] + options)
      #expect(outcome.code != 0 && outcome.errors.contains(message), "\(outcome.errors)")
    }
  }

  @Test func contrastiveSearch() throws {
    let plain = try run("greedy", "--quiet")
    #expect(try run("greedy", "--quiet", "--contrastive", "5,0").lines == plain.lines)
    #expect(try run("greedy", "--quiet", "--contrastive", "1,0.9").lines == plain.lines)
    let apart = try run("greedy", "--contrastive", "4,0.6", "--format", "jsonl")
    #expect(try apart.code == 0 && apart.objects().count == 2)
    for (value, message) in [
      ("5", "takes a whole number and a weight K,A"), ("0,0.5", "at least 1 candidate"),
      ("5,2", "a penalty lies in 0 ... 1"), ("5,nan", "a penalty lies in 0 ... 1"),
    ] {
      let outcome = try run("greedy", "--contrastive", value)
      #expect(outcome.code == 64 && outcome.errors.contains(message), "\(outcome.errors)")
    }
    #expect(try run("greedy", "--contrastive-window", "3").code == 64)
  }

  @Test func copiesOfASource() throws {
    let folder = try Folder()
    let source = try folder.write("source.txt", "the sea was a calm wind and the moon .\nthe sea\n")
    let objects = try run(
      "sample", "--source", source, "--copy", "2", "--sparse", "2", "--seed", "1", "--samples", "9",
      "--format", "jsonl"
    ).objects().dropLast()
    let words = ["the sea was a calm wind and the moon ."].map {
      $0.split(separator: " ").map(String.init)
    }[0]
    let pairs = Set(zip(words, words.dropFirst()).map { "\($0) \($1)" })
    for object in objects {
      let text = (object["text"] as? String ?? "").split(separator: " ").map(String.init)
      for (one, other) in zip(text, text.dropFirst()) where one != words.last {
        #expect(pairs.contains("\(one) \(other)"))
      }
    }
    for (options, message) in [
      (["--copy", "2"], "--copy needs --source FILE"),
      (["--source", source], "--source needs --copy or --coverage"),
      (["--source", source, "--copy", "0"], "a span has at least 1 token"),
      (["--source", "/nowhere", "--copy", "2"], "cannot be read"),
      (["--source", try folder.write("none.txt", "qwertz\n"), "--copy", "2"], "contains no word"),
    ] {
      let outcome = try Program.run(["sample", "--model", SmallModel.path] + options)
      #expect(outcome.code != 0 && outcome.errors.contains(message), "\(outcome.errors)")
    }
    let covered = try run(
      "beam", "--source", source, "--coverage", "5,0.01", "--width", "8", "--format", "jsonl"
    ).objects()[0]
    let plain = try run("beam", "--width", "8", "--format", "jsonl").objects()[0]
    #expect((covered["score"] as? Double ?? 0) < (plain["score"] as? Double ?? -.infinity))
    let wrong = try run("beam", "--source", source, "--coverage", "5")
    #expect(wrong.code == 64 && wrong.errors.contains("takes a weight and a floor B,F"))
  }

  @Test func alternativesAtAPlace() throws {
    let objects = try run(
      "beam", "--alternatives", "3", "--at", "2", "--format", "jsonl"
    ).objects().dropLast()
    #expect(objects.count == 3)
    let logs = objects.compactMap { $0["alternative_log_probability"] as? Double }
    #expect(logs.count == 3 && logs == logs.sorted(by: >))
    let best = try run("beam", "--format", "jsonl").objects()[0]
    let first = (best["tokens"] as? [Int])?.first
    for object in objects {
      let tokens = try #require(object["tokens"] as? [Int])
      #expect(tokens.first == first)
      #expect(tokens.count == 1 || tokens[1] == object["alternative"] as? Int)
    }
    let text = try run("beam", "--alternatives", "3", "--at", "2", "--quiet")
    #expect(text.lines.allSatisfy { $0.split(separator: "\t").count == 3 })
    let far = try run("beam", "--alternatives", "3", "--at", "1000")
    #expect(far.code == 64 && far.errors.contains("--at: the best text has places 1 to"))
    #expect(try run("beam", "--at", "2").code == 64)
  }

  @Test func dynamicTemperature() throws {
    let one = try run(
      "sample", "--seed", "1", "--quiet", "--dynamic-temperature", "1,1,2", "--verbose")
    #expect(one.errors == "transforms: dynamic-temperature 1.0,1.0,2.0\n")
    #expect(try run("sample", "--seed", "1", "--quiet").lines == one.lines)
    let wrong = try run("sample", "--dynamic-temperature", "2,1,1")
    #expect(wrong.code == 64 && wrong.errors.contains("a high temperature is not below 2.0"))
  }
}
