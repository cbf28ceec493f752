// Licensed under the Apache License, Version 2.0.

import Foundation
import Testing

/// Numbers that are in range one by one, but whose products are too large.
@Suite struct HugeNumberGoldenTests {
  @Test(
    arguments: [
      (
        ["anneal", "--restarts", "1000000", "--steps", "1125899906842624"],
        "--restarts 1000000 with "
          + "--steps 1125899906842624"
      ),
      (
        ["mh", "--chains", "1", "--samples", "1000000000", "--thin", "1099511627776"],
        "--chains 1 with --samples 1000000000 with --thin 1099511627776"
      ),
      (
        ["mh", "--chains", "1000000", "--steps", "1125899906842624"],
        "--chains 1000000 with --steps 1125899906842624"
      ),
      (
        ["gibbs", "--chains", "1000000", "--warmup", "1125899906842624"],
        "--chains 1000000 with --warmup 1125899906842624"
      ),
      (
        ["temper", "--steps", "1125899906842600", "--replicas", "1000", "--chains", "10"],
        "--chains 10 with --steps 1125899906842600"
      ),
    ] as [([String], String)])
  func productsAreRefused(arguments: [String], options: String) throws {
    let outcome = try Program.run(arguments + ["--model", SmallModel.path])
    #expect(outcome.code == 64)
    #expect(
      outcome.errors
        == "gensample: \(options): these are more steps than can be counted; ask for fewer\n")
  }

  @Test(arguments: [
    ("\"chains\":2", "\"chains\":9223372036854775807"),
    ("\"chain_range\":[0,1]", "\"chain_range\":[0,9223372036854775806]"),
    ("\"warmup\":50", "\"warmup\":9223372036854775807"),
    ("\"thin\":10", "\"thin\":9223372036854775807"),
    ("\"samples\":2", "\"samples\":9223372036854775807"),
    ("\"trace_every\":1", "\"trace_every\":9223372036854775807"),
    ("\"warmup\":50", "\"warmup\":99999999999999999999999"),
    ("--samples=2", "--samples=99999999999"), ("--thin=10", "--thin=1099511627777"),
  ])
  func runsByHandAreRefused(written: String, changed: String) throws {
    let folder = try Folder()
    _ = try Program.run(
      SmallModel.mh("--chains", "2", "--samples", "2", "--run", folder.path("run")))
    let plan = try folder.read("run/run.json")
    #expect(plan.contains(written), "\(plan)")
    try folder.write("run/run.json", plan.replacing(written, with: changed))
    try FileManager.default.removeItem(atPath: folder.path("run/checkpoint"))
    for arguments in [["diagnose", "run"], ["mh", "--run", "run", "--resume", "--quiet"]] {
      let outcome = try Program.run(arguments, in: folder.path, limit: 20)
      // Refused with a message, or harmless; never a trap.
      #expect([0, 64, 65].contains(outcome.code), "\(arguments): \(outcome.code)")
      #expect(outcome.code == 0 || outcome.errors.hasPrefix("gensample: "))
    }
  }

  @Test func stanFilesPromiseHugeNumbers() throws {
    let folder = try Folder()
    try folder.write(
      "0.csv",
      "# num_samples = 9223372036854775807\n# num_warmup = 9223372036854775807\n# save_warmup = 1\nx\n1\n"
    )
    let outcome = try Program.run(["diagnose", "0.csv"], in: folder.path)
    #expect(outcome.code == 65 && outcome.errors.contains("announce 9223372036854775807"))
  }
}
