// Licensed under the Apache License, Version 2.0.

import Foundation
import Runs
import Testing

@testable import gensample

/// Many targets in one command, and what commands say where little is known or they are stopped.
@Suite struct TargetsGoldenTests {
  private static let samplers: [[String]] = [
    ["mh", "--warmup", "50", "--thin", "10"],
    ["importance", "--particles", "100"],
    ["anneal", "--steps", "500", "--restarts", "2"],
    ["exact", "--marginals", "1", "--probability", #"include "moon""#],
  ]

  /// Lines without what differs from run to run, and without what tells targets apart.
  private static func objects(_ outcome: Program.Outcome) throws -> [NSDictionary] {
    try outcome.objects().map { object in
      var object = object
      for name in [
        "seconds", "steps_per_second", "samples_per_second", "target", "statement",
      ] { object[name] = nil }
      return object as NSDictionary
    }
  }

  /// Of each target all is said that would be said of it alone, under its own seed.
  ///
  /// The commands differ in what they hand over, and in whether they print it themselves.
  @Test(arguments: samplers)
  func eachTargetIsAsAlone(command: [String]) throws {
    let options =
      [command[0], "--model", SmallModel.path, "--length", "3..6", "--quiet", "--format", "jsonl"]
      + command.dropFirst()
    let together = try Program.run(
      options + ["--each", "-", "--seed", "1"], input: "sea moon\nstorm\n")
    #expect(together.code == 0, "\(together.errors)")
    let lines = try together.objects()
    for (line, statement) in [(2, #"include "storm""#)] {
      let own = lines.indices.filter { lines[$0]["target"] as? Int == line }
      let summary = lines[try #require(own.last)]
      #expect(summary["type"] as? String == "summary")
      #expect(summary["statement"] as? String == statement)
      let seed = try #require(summary["seed"] as? NSNumber)
      let alone = try Program.run(
        options + ["--constraints", "-", "--seed", "\(seed)"], input: statement + "\n")
      let all = try Self.objects(together)
      #expect(own.map { all[$0] } == (try Self.objects(alone)), "line \(line)")
    }
    let last = try #require(lines.last)
    #expect(last["type"] as? String == "summary" && last["target"] == nil)
    #expect(last["targets"] as? Int == 2 && last["begun_targets"] as? Int == 2)
  }

  /// For people each line of a result names its target, and each summary has a heading.
  @Test(arguments: [samplers[0], samplers[3]])
  func textNamesItsTarget(command: [String]) throws {
    let outcome = try Program.run(
      [command[0], "--model", SmallModel.path, "--length", "3..6", "--seed", "1", "--each", "-"]
        + command.dropFirst(), input: "sea\nstorm\n")
    #expect(outcome.code == 0)
    #expect(outcome.lines.count >= 2)
    let labels = outcome.lines.map { $0.split(separator: "\t")[0] }
    #expect(labels == labels.sorted() && Set(labels) == ["1", "2"])
    #expect(outcome.errors.contains("\nline 1, include \"sea\":\n"))
    #expect(outcome.errors.contains("\nline 2, include \"storm\":\n"))
    #expect(outcome.errors.contains("\n2 of 2 targets begun, in "))
  }

  static let little: [([String], [String])] = [
    (
      ["rejection", "--samples", "2"],
      [", log evidence (", ", no standard error: two successes have no spread"]
    ),
    (
      ["importance", "--particles", "1", "--samples", "1", "--max-tokens", "1"],
      [
        ", no error: one draw has no spread", "\n1 text in ",
        "texts of more than 1 token are left out",
      ]
    ),
    (
      ["smc", "--runs", "2", "--particles", "20", "--pilot", "20"],
      [
        "  ± is 79 times the spread of the runs, as Student's t has it for 2 runs: take more --runs\n"
      ]
    ),
    (["anneal", "--restarts", "1", "--steps", "1"], ["\n1 restart, 1 step in "]),
  ]

  /// Where little is known it is said why.
  @Test(arguments: little)
  func littleIsSaidToBeLittle(arguments: [String], messages: [String]) throws {
    let outcome = try Program.run(
      [arguments[0], "--model", SmallModel.path, "--include", "sea", "--seed", "1"]
        + arguments.dropFirst())
    #expect(outcome.code == 0)
    for message in messages {
      #expect(outcome.errors.contains(message), "\(outcome.errors)")
    }
  }

  @Test func distancesThatAreNothingHaveNoSign() {
    #expect(standardErrors(-0.04) == "0.0" && standardErrors(0.04) == "0.0")
    #expect(standardErrors(-0.06) == "-0.1" && standardErrors(1.25) == "+1.2")
    #expect(counted(1, "text") == "1 text" && counted(0, "text") == "0 texts")
    #expect(size(ofAtLeast: 12_032) == "12K" && size(ofAtLeast: 6016) == "6016")
  }

  /// A text on its way over very many bridges is given up, and what is missing is named.
  @Test func stoppedRunsSayWhatIsMissing() throws {
    let outcome = try Program.run(
      [
        "importance", "--model", SmallModel.path, "--include", "sea", "--max-tokens", "6",
        "--anneal", "1000000000", "--upper", "5", "--progress", "always", "--format", "jsonl",
      ], interrupt: (SIGINT, { $0.contains("texts/s") }))
    #expect(outcome.code == 130)
    let summary = try #require(try outcome.objects().last)
    #expect(summary["stopped"] as? Bool == true)
    let missing = try #require(summary["missing"] as? [String: String])
    #expect(missing["upper_bound"] == "the run was stopped")
    #expect(missing["other texts"] == "the run was stopped after 0 of 1000")
    #expect(summary["asked_for"] as? Int == 5 && summary["results"] as? Int == 0)
    #expect(
      summary["reason"] as? String == "nothing was drawn; 0 weights are too few for a tail of 5")
  }

  /// Chains that were not begun do not take away what is known of the others.
  @Test func quantitiesAreThoseOfTheChainsThatBegan() throws {
    let outcome = try Program.run(
      [
        "mh", "--model", SmallModel.path, "--include", "sea", "--length", "3..6", "--steps",
        "1000000000000", "--warmup", "10", "--trace-every", "10", "--threads", "1",
        "--progress", "always", "--format", "jsonl",
      ], interrupt: (SIGINT, { $0.contains("steps/s") }))
    #expect(outcome.code == 130)
    let summary = try #require(try outcome.objects().last)
    let quantities = try #require(summary["quantities"] as? [String: [String: Any]])
    #expect(quantities["length"]?["mean"] as? Double != nil)
    let missing = try #require(summary["missing"] as? [String: String])
    #expect(
      missing["quantities of chains 1, 2, 3"] == "the run was stopped before they had a row")
  }

  /// While there is nothing to keep, a signal ends the program with a word.
  @Test(arguments: [(SIGINT, 130), (SIGTERM, 143)] as [(Int32, Int32)])
  func signalBeforeTheBeginningIsHeard(signal: Int32, code: Int32) throws {
    let folder = try Folder()
    let outcome = try Program.run(
      ["mh", "--model", "in.arpa", "--output", "out.txt"], in: folder.path,
      shell: #"mkfifo in.arpa; exec 3<>in.arpa; exec "$@""#, interrupt: (signal, { _ in true }))
    #expect(outcome.code == code)
    #expect(outcome.errors == "gensample: stopped; nothing was written\n")
    #expect(try folder.names() == ["in.arpa"])
  }
}
