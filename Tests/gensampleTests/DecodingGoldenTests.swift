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
}
