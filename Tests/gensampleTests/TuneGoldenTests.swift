// Licensed under the Apache License, Version 2.0.

import Foundation
import Testing

/// `gensample tune` from the outside.
@Suite struct TuneGoldenTests {
  private static let soft = "fluency 1\nprefer \"sea\" 0\nlength ..8 tokens\n"

  private static func tune(_ options: String...) -> [String] {
    [
      "tune", "--model", SmallModel.path, "--constraints", "-", "--seed", "1", "--quiet",
      "--draws", "300", "--steps", "20",
    ] + options
  }

  /// The statements that are printed are a constraint file under which the goals are met.
  @Test func whatIsPrintedMeetsTheGoals() throws {
    let outcome = try Program.run(
      Self.tune("--goal", #"include "sea" = 0.6"#, "--goal", "tokens = 6"), input: Self.soft)
    #expect(outcome.code == 0 && outcome.errors == "")
    #expect(outcome.lines.count == 3 && outcome.lines.last == "length ..8 tokens")
    let check = try Program.run(
      [
        "exact", "--model", SmallModel.path, "--constraints", "-", "--samples", "0", "--quiet",
        "--probability", #"include "sea""#, "--marginals", "1", "--format", "jsonl",
      ], input: outcome.output)
    let summary = try #require(try check.objects().last)
    let probabilities = try #require(summary["probabilities"] as? [String: Double])
    #expect(abs(try #require(probabilities[#"include "sea""#]) - 0.6) <= 0.01)
    let length = try #require(summary["expected_length"] as? Double)
    #expect(abs(length / 6 - 1) <= 0.01)
  }

  /// Keywords that almost no text holds are found through draws of their own.
  @Test func rareStatementsAreMadeCommon() throws {
    let rare = "prefer \"moon\" -8\nlength ..8 tokens\n"
    let outcome = try Program.run(
      Self.tune("--goal", #"include "moon" = 0.5"#, "--format", "jsonl"), input: rare)
    let summary = try #require(try outcome.objects().last)
    #expect(summary["reached"] as? Bool == true)
    let goals = try #require(summary["goals"] as? [String: [String: Double]])
    #expect(abs(try #require(goals[#"include "moon""#]?["value"]) - 0.5) <= 0.01)
  }

  @Test func threadsChangeNothing() throws {
    let options = Self.tune("--goal", #"include "sea" = 0.6"#)
    let one = try Program.run(options + ["--threads", "1"], input: Self.soft)
    let two = try Program.run(options + ["--threads", "2"], input: Self.soft)
    #expect(one.code == 0 && one.lines == two.lines)
  }

  /// What no number reaches is said, with the nearest found.
  @Test func whatIsNotReachedIsSaid() throws {
    let outcome = try Program.run(
      Self.tune("--goal", "tokens = 7.9", "--rounds", "2"), input: Self.soft)
    #expect(outcome.code == 1)
    #expect(outcome.lines.count == 3)
    #expect(
      outcome.errors
        == "gensample: found no numbers that reach the goals within 0.01 in 2 rounds; the "
        + "output holds the nearest\n")
  }

  /// Goals that contradict each other: their best compromise is soon found.
  @Test func searchesThatComeNoNearerEnd() throws {
    let outcome = try Program.run(
      Self.tune("--goal", #"include "sea" = 0.9"#, "--goal", #"exclude "sea" = 0.9"#),
      input: Self.soft)
    #expect(outcome.code == 1)
    #expect(outcome.lines.count == 3)
    #expect(outcome.errors.contains("rounds made no progress; the output holds the nearest"))
  }

  @Test(
    arguments: [
      ([], soft, 64, "tune needs a goal, for example --goal 'include"),
      (["--goal", "tokens"], soft, 64, "--goal tokens: found no '='"),
      (["--goal", "tokens = many"], soft, 64, "--goal tokens = many: found 'many' after '='"),
      (["--goal", "tokens = -1"], soft, 64, "--goal tokens = -1: a mean number of tokens is"),
      (["--goal", "include \"sea\" = 1"], soft, 64, "--goal include \"sea\" = 1: a probability"),
      (["--goal", "fluency 2 = 0.5"], soft, 64, "--goal fluency 2 = 0.5: that is no statement"),
      (["--goal", "frob = 0.5"], soft, 65, "--goal:1:1: "),
      (
        ["--goal", "tokens = 3"], "length ..8 tokens\n", 64, "tune changes the numbers of 'fluency'"
      ),
      (["--goal", "tokens = 3"], "fluency 1\nfluency 2\n", 65, "standard input:2: a second"),
      (
        ["--goal", "tokens = 3"], "fluency 0.3\n", 65,
        "standard input:1: fluency 0.3: the sum over all lengths diverges"
      ),
      (
        ["--goal", "tokens = 30"], soft, 65,
        "--goal tokens = 30.0: allowed texts have 0 to 8 tokens, so no numbers reach that mean"
      ),
    ] as [([String], String, Int32, String)])
  func badInputIsNamed(
    options: [String], statements: String, code: Int32, message: String
  ) throws {
    let outcome = try Program.run(
      ["tune", "--model", SmallModel.path, "--constraints", "-", "--quiet"] + options,
      input: statements)
    #expect(outcome.code == code)
    #expect(outcome.output == "")
    #expect(outcome.errors.hasPrefix("gensample: " + message), "\(outcome.errors)")
  }
}
