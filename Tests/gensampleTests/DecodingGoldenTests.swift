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

  /// What is written first acts first.
  @Test func theOrderIsTheUsers() throws {
    let one = try run(
      "sample", "--verbose", "--quiet", "--samples", "0", "--top-p", "0.5", "--keep-end",
      "--temperature", "2", "--min-tokens", "3")
    #expect(
      one.errors == "transforms: top-p 0.5 keep-end, temperature 2.0, min-tokens 3\n")
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
      outcome.errors
        == "gensample: no-repeat-ngram 1 removed the last token that could come next; loosen it\n")
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
        == "gensample: an allowed text has at least 3 tokens behind the prompt, its end among "
        + "them, and max-tokens is 2\n")
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
        "non-monotone 1e-05: its epsilon alone makes the end more probable than not from token "
          + "69315 on; with --max-tokens 64 that is no safeguard\n"))
  }

  @Test func timeUpIsNoFailure() throws {
    let outcome = try run(
      "sample", "--max-seconds", "0", "--include", "moon", "--format", "jsonl")
    let objects = try outcome.objects()
    #expect(outcome.code == 0 && objects.count == 2)
    #expect(objects[0]["finished"] as? Bool == true && objects[1]["stopped"] as? Bool == true)
  }
}
