// Licensed under the Apache License, Version 2.0.

import Foundation
import Testing

/// `gensample mh` from the outside: what it prints, keeps and refuses.
@Suite struct MHGoldenTests {
  /// The seconds differ from run to run; nothing else may.
  private func withoutTimes(_ line: String) -> String {
    line.replacing(#/"seconds":[^,]*,|"steps_per_second":[^,]*,/#, with: "")
  }

  @Test(arguments: ["text", "jsonl"])
  func threadsChangeNothing(format: String) throws {
    let options = SmallModel.mh("--length", "3..8", "--samples", "9", "--format", format)
    let one = try Program.run(options + ["--threads", "1"])
    let three = try Program.run(options + ["--threads", "3"])
    #expect(one.code == 0 && one.errors == "")
    #expect(one.lines.count == (format == "text" ? 9 : 10))
    #expect(one.lines.map(withoutTimes) == three.lines.map(withoutTimes))
  }

  @Test func seedsDiffer() throws {
    let plan = ["--length", "3..8", "--samples", "9", "--warmup", "50", "--thin", "10", "--quiet"]
    let runs = try ["1", "2"].map {
      try Program.run(["mh", "--model", SmallModel.path, "--seed", $0] + plan).output
    }
    #expect(runs[0] != runs[1])
  }

  @Test func seedIsPrintedWhenNotGiven() throws {
    let arguments = ["mh", "--model", SmallModel.path, "--length", "3..8", "--warmup", "50"]
    let first = try Program.run(arguments + ["--thin", "10"])
    let seed = try #require(first.errors.firstMatch(of: #/, seed (\d+)\n/#)).1
    let again = try Program.run(arguments + ["--thin", "10", "--seed", String(seed)])
    #expect(first.lines.count == 5)
    #expect(again.output == first.output)
  }

  /// Parts of a plan, together, are the plan.
  @Test(arguments: [["0..3"], ["0..1", "2..3"], ["0..0", "1..2", "3..3"]])
  func partsOfThePlanAreTheWhole(ranges: [String]) throws {
    let options = SmallModel.mh("--length", "3..8", "--samples", "10", "--format", "jsonl")
    let whole = try Program.run(options).lines.dropLast()
    let parts = try ranges.flatMap {
      try Program.run(options + ["--chain-range", $0]).lines.dropLast()
    }
    #expect(whole.count == 10)
    #expect(parts.sorted() == whole.sorted())
  }

  @Test func chainsWithoutADrawAreNotRun() throws {
    let outcome = try Program.run(
      SmallModel.mh("--length", "3..8", "--samples", "2", "--format", "jsonl"))
    let objects = try outcome.objects()
    #expect(objects.compactMap { $0["chain"] as? Int } == [0, 1])
    #expect(objects.last?["steps"] as? Int == 2 * (50 + 10))
  }

  @Test func jsonHasTheFieldsOfTheContract() throws {
    let outcome = try Program.run(
      SmallModel.mh(
        "--include", "sea", "--length", "3..8", "--samples", "40", "--format", "jsonl"))
    #expect(outcome.code == 0)
    let objects = try outcome.objects()
    #expect(objects.count == 41)
    for object in objects.dropLast() {
      #expect(object["type"] as? String == "sample")
      let text = try #require(object["text"] as? String)
      #expect(text.contains("sea"))
      #expect((object["tokens"] as? [Int])?.isEmpty == false)
      let logProbability = try #require(object["log_probability"] as? Double)
      let logModel = try #require(object["log_model"] as? Double)
      #expect(abs(logProbability - logModel) < 1e-9)
      #expect(object["satisfied"] as? Bool == true)
      #expect((0..<4).contains(try #require(object["chain"] as? Int)))
      #expect(try #require(object["step"] as? Int) > 50)
    }
    let summary = try #require(objects.last)
    #expect(summary["type"] as? String == "summary")
    #expect(summary["command"] as? String == "mh")
    #expect(summary["model"] as? String == SmallModel.path)
    #expect(summary["seed"] as? Int == 1)
    #expect(summary["steps"] as? Int == 4 * (50 + 100))
    #expect(summary["draws"] as? Bool == true)
    for name in ["seconds", "steps_per_second", "acceptance_rate"] {
      #expect(summary[name] as? Double != nil, "\(name)")
    }
    let moves = try #require(summary["moves"] as? [String: Any])
    for kind in ["tries", "move", "copy", "block"] { #expect(moves[kind] != nil) }
    #expect(try outcome.objects().dropLast().allSatisfy { $0["satisfied"] as? Bool == true })
  }

  @Test(arguments: ["", "walk", "move,move", "move,"])
  func unknownMovesAreRefused(moves: String) throws {
    let outcome = try Program.run(["mh", "--model", SmallModel.path, "--moves", moves])
    #expect(outcome.code == 64)
    #expect(
      outcome.errors
        == "gensample: --moves takes some of move, copy, tries, block, each once, with commas between; "
        + "got '\(moves)'\n")
  }
}
