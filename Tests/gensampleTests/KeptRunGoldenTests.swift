// Licensed under the Apache License, Version 2.0.

import Foundation
import Runs
import Testing

@testable import gensample

/// Folders of samplers without chains: what they hold, how they are made whole, what is said of them.
@Suite struct KeptRunGoldenTests {
  private static func arguments(_ command: [String]) -> [String] {
    [
      command[0], "--model", SmallModel.path, "--include", "sea", "--length", "3..6", "--seed", "1",
      "--quiet", "--run", "run",
    ] + command.dropFirst()
  }

  /// The texts follow the plan alone: a run that lost them makes the same ones anew.
  @Test(arguments: [
    ["importance", "--particles", "30", "--without-replacement"],
    ["exact", "--best", "3", "--marginals", "1"],
  ])
  func runsAreKeptAndMadeWhole(command: [String]) throws {
    let folder = try Folder()
    let outcome = try Program.run(Self.arguments(command), in: folder.path)
    #expect(outcome.code == 0 && outcome.errors == "")
    let names = ["checkpoint", "report.json", "run.json", "samples.jsonl"]
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folder.path("run")).sorted() == names)
    func results() throws -> [Substring] {
      try folder.read("run/samples.jsonl").split(separator: "\n")
    }
    let first = try results()
    #expect(first.last?.hasPrefix(#"{"type":"summary""#) == true)
    let again = try Program.run([command[0], "--run", "run", "--resume"], in: folder.path)
    #expect(
      again.code == 0
        && again.errors == "gensample: the run in 'run' is finished; it is left as it is\n")
    try FileManager.default.removeItem(atPath: folder.path("run/checkpoint"))
    try folder.write("run/samples.jsonl", "")
    let whole = try Program.run(
      [command[0], "--run", "run", "--resume", "--quiet"], in: folder.path)
    #expect(whole.code == 0 && whole.output == outcome.output, "\(whole.errors)")
    #expect(try results().dropLast() == first.dropLast())
    let other = try Program.run([command[0], "--run", "run", "--seed", "2"], in: folder.path)
    #expect(other.code == 64 && other.errors.contains("--resume goes on with the run in it"))
  }

  /// Of each what is true of it, and no figures of chains.
  @Test func whatIsSaidOfThem() throws {
    let folder = try Folder()
    func run(_ command: String...) throws -> [String: Any] {
      let arguments = Self.arguments(command).map { $0 == "run" ? command[0] : $0 }
      #expect(try Program.run(arguments, in: folder.path).code == 0)
      let outcome = try Program.run(
        ["diagnose", command[0], "--format", "jsonl"], in: folder.path)
      #expect(outcome.code == 0 && outcome.errors == "")
      return try #require(try outcome.objects().first)
    }
    let exact = try run("exact", "--samples", "20")
    #expect(exact["problems"] as? [String] == [] && exact["draws"] as? Bool == true)
    #expect(exact["log_evidence"] as? Double != nil && exact["quantities"] == nil)
    #expect((exact["texts"] as? [String: Any])?["count"] as? Int == 20)
    let text = try Program.run(["diagnose", "exact"], in: folder.path)
    #expect(text.output.hasSuffix("\nNo problems found.\n"))
    let anneal = try run("anneal", "--steps", "200", "--restarts", "2")
    #expect(
      (anneal["problems"] as? [String])?.first
        == "these texts are not draws from rho: annealing is an optimiser that searches for likely "
        + "texts")
    let smc = try run("smc", "--runs", "2", "--particles", "20", "--pilot", "20")
    #expect(
      (smc["problems"] as? [String])?.contains { $0.contains("times the spread") } == true)
    let both = try Program.run(["diagnose", "exact", "anneal"], in: folder.path)
    #expect(both.code == 64 && both.errors.contains("which cannot be merged with others"))
    let each = try Program.run(["exact", "--each", "-", "--run", "x"], in: folder.path)
    #expect(
      each.code == 64
        && each.errors == "gensample: --run keeps one target; give --each or --run\n")
  }
}
