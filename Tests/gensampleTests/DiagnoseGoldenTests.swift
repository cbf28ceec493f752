// Licensed under the Apache License, Version 2.0.

import Foundation
import Runs
import Sampling
import Testing

@testable import gensample

/// `gensample diagnose` from the outside: run folders, files of Stan, and what is wrong with them.
@Suite struct DiagnoseGoldenTests {
  private static func run(_ folder: Folder, _ name: String, _ options: String...) throws {
    let outcome = try Program.run(
      SmallModel.mh("--include", "sea", "--length", "3..8", "--samples", "40", "--run", name)
        + options, in: folder.path)
    #expect(outcome.code == 0 && outcome.errors == "")
  }

  private static func object(_ outcome: Program.Outcome) throws -> [String: Any] {
    #expect(outcome.code == 0 && outcome.errors == "")
    #expect(outcome.lines.count == 1)
    return try #require(try outcome.objects().first)
  }

  @Test func summaryOfTheRunAndDiagnosisAgree() throws {
    let folder = try Folder()
    try Self.run(folder, "run")
    let object = try Self.object(
      Program.run(["diagnose", "run", "--format", "jsonl"], in: folder.path))
    #expect(object["type"] as? String == "diagnosis")
    #expect(object["command"] as? String == "mh")
    #expect(object["chains"] as? [Int] == [0, 1, 2, 3])
    #expect(object["rows"] as? Int == 100)
    let last = try folder.read("run/samples.jsonl").split(separator: "\n").last ?? ""
    let summary = try #require(
      try JSONSerialization.jsonObject(with: Data(last.utf8)) as? [String: Any])
    let told = try #require(summary["quantities"] as? [String: [String: Any]])
    let found = try #require(object["quantities"] as? [String: [String: Any]])
    #expect(told.keys.sorted() == found.keys.sorted())
    for (name, fields) in told {
      for field in ["mean", "mcse", "ess_bulk", "ess_tail", "r_hat"] {
        #expect(
          fields[field] as? Double == found[name]?[field] as? Double, "\(name) \(field)")
      }
    }
    let length = try #require(found["length"])
    for field in [
      "sd", "sd_mcse", "q5", "q5_mcse", "median", "median_mcse", "q95", "q95_mcse",
      "autocorrelation_time", "r_hat_bulk", "homogeneity_p",
    ] {
      #expect(length[field] as? Double != nil, "\(field)")
    }
    #expect(found["include \"sea\""]?["reason"] as? String == "all draws are the same")
    let texts = try #require(object["texts"] as? [String: Double])
    #expect(texts["count"] == 40)
    for field in ["distinct_texts", "distinct_1", "distinct_2", "self_bleu_4", "repeated_2"] {
      #expect((0...1).contains(texts[field] ?? -1), "\(field)")
    }
    let moves = try #require(object["moves"] as? [String: [String: Double]])
    #expect(moves.values.reduce(0) { $0 + ($1["proposed"] ?? 0) } == 4 * 100)
  }

  /// A chain that is given twice agrees with itself, which says nothing.
  @Test func sameChainTwice() throws {
    let folder = try Folder()
    let rows = (0..<20).map { "\($0 % 7),\($0 % 3)" }.joined(separator: "\n")
    try folder.write("a.csv", "lp__,length\n\(rows)\n")
    try folder.write("b.csv", "lp__,length\n\(rows)\n")
    try folder.write("still.csv", "lp__,length\n" + String(repeating: "1,2\n", count: 20))
    let object = try Self.object(
      Program.run(["diagnose", "a.csv", "b.csv", "--format", "jsonl"], in: folder.path))
    let problems = object["problems"] as? [String] ?? []
    #expect(problems.contains { $0.hasPrefix("chains 0 and 1 have the same numbers") })
    let still = try Self.object(
      Program.run(["diagnose", "still.csv", "still.csv", "--format", "jsonl"], in: folder.path))
    #expect(!(still["problems"] as? [String] ?? []).contains { $0.contains("the same numbers") })
  }

  /// Chains of which nothing is known are not approved of.
  @Test func tooFewRows() throws {
    let folder = try Folder()
    try folder.write("one.csv", "lp__\n-3\n")
    try folder.write("other.csv", "lp__\n-3\n")
    try folder.write("none.csv", "lp__\n")
    func problems(_ files: String...) throws -> [String] {
      let object = try Self.object(
        Program.run(["diagnose"] + files + ["--format", "jsonl"], in: folder.path))
      return object["problems"] as? [String] ?? []
    }
    #expect(
      try problems("one.csv", "other.csv").contains { $0.contains("1 row per chain is too few") })
    #expect(try problems("none.csv").contains { $0.hasPrefix("no chain has rows yet") })
    #expect(
      try problems("one.csv", "other.csv", "none.csv").contains {
        $0.hasPrefix("1 of 3 chains have no rows yet (2)")
      })
  }

  /// Parts of a run, in any order, are the run to the last digit.
  @Test(arguments: ["text", "jsonl"])
  func partsAreTheWhole(format: String) throws {
    let folder = try Folder()
    try Self.run(folder, "whole")
    try Self.run(folder, "a", "--chain-range", "0..0")
    try Self.run(folder, "b", "--chain-range", "1..2")
    try Self.run(folder, "c", "--chain-range", "3..3")
    let whole = try Program.run(["diagnose", "whole", "--format", format], in: folder.path)
    for parts in [["a", "b", "c"], ["c", "a", "b"]] {
      let found = try Program.run(
        ["diagnose"] + parts + ["--format", format, "--threads", "2"], in: folder.path)
      #expect(found.output == whole.output && found.code == 0 && !found.output.isEmpty)
    }
    let some = try Program.run(["diagnose", "a", "c"], in: folder.path)
    #expect(
      some.output.contains(
        "the run has 4 chains, but 2 of them are missing (the first is chain 1)"))
    let twice = try Program.run(["diagnose", "whole", "b"], in: folder.path)
    #expect(
      twice.errors
        == "gensample: chain 1 is in both 'whole' and 'b'; give each chain once\n"
        && twice.code == 65)
  }

  /// Patterns are counted in each row and change nothing of what is drawn.
  @Test func patternsAreTraced() throws {
    let folder = try Folder()
    try Self.run(folder, "plain")
    try Self.run(folder, "run", "--trace", "sea|storm", "--trace", "[,/]")
    #expect(
      try folder.read("plain/samples.jsonl").split(separator: "\n").dropLast()
        == folder.read("run/samples.jsonl").split(separator: "\n").dropLast())
    let object = try Self.object(
      Program.run(["diagnose", "run", "--format", "jsonl"], in: folder.path))
    let quantities = try #require(object["quantities"] as? [String: [String: Any]])
    let mean = try #require(quantities["trace /sea|storm/"]?["mean"] as? Double)
    #expect(mean >= 1 && mean < 3)
    #expect(quantities[#"trace /[,\/]/"#]?["mean"] as? Double == 0)
    let bad = try Program.run(["mh", "--trace", "(a"], in: folder.path)
    #expect(
      bad.code == 64
        && bad.errors == "gensample: --trace '(a': at character 1 found '(' without its ')'\n")
  }

  @Test func runsOfOtherPlansAreNotMerged() throws {
    let folder = try Folder()
    try Self.run(folder, "a", "--chain-range", "0..1")
    try Self.run(folder, "b", "--chain-range", "2..3", "--chains", "5")
    let outcome = try Program.run(["diagnose", "a", "b"], in: folder.path)
    #expect(outcome.code == 65)
    #expect(
      outcome.errors
        == "gensample: 'b' is not a part of the run in 'a': its chains is 5, there it is 4; only "
        + "runs that differ in nothing but --chain-range can be merged\n")
  }

  /// Chains by hand, and the sentences that they deserve.
  @Test(arguments: [
    (["1\n1\n1\n1\n1\n1", "2\n2\n2\n2\n2\n2"], "x: R-hat is infinite, above 1.01"),
    (["1\n1\n1\n1\n1\n1", "1\n2\n1\n2\n1\n3"], "x: chain 0 is stuck at 1.00 while others move"),
    (["1\n2\n1\n2", "1"], "the chains have different lengths, up to 4 rows; chain 1 has 1"),
    (["1", "2"], "x: no R-hat: a chain has 1 draw, but 4 are needed"),
    (["", ""], "x: no R-hat: a chain has 0 draws, but 4 are needed"),
    (["1\nnan\n2\n3", "1\n2\n3\n4"], "x: a row has a value that is not a number"),
    (["1\n2\n3\n4"], "there is only one chain, so R-hat cannot compare chains"),
    (["1\n2\ninf\n4\n3\n2", "1\n2\n3\n4\n2\n1"], "x: the effective sample size is"),
  ])
  func problemsAreNamed(chains: [String], sentence: String) throws {
    let folder = try Folder()
    let names = chains.indices.map { "\($0).csv" }
    for (name, rows) in zip(names, chains) { try folder.write(name, "x\n\(rows)\n") }
    let outcome = try Program.run(["diagnose"] + names, in: folder.path)
    #expect(outcome.code == 0 && outcome.errors == "")
    #expect(outcome.output.contains("  - \(sentence)"), "\(outcome.output)")
    let json = try Self.object(
      Program.run(["diagnose"] + names + ["--format", "jsonl"], in: folder.path))
    let problems = try #require(json["problems"] as? [String])
    #expect(problems.contains { $0.hasPrefix(sentence) })
  }

  /// All-constant chains are no problem, and nothing is made up about them.
  @Test func constantChainsHaveReasonsOnly() throws {
    let folder = try Folder()
    for name in ["0.csv", "1.csv"] { try folder.write(name, "x\n5\n5\n5\n5\n5\n") }
    let object = try Self.object(
      Program.run(["diagnose", "0.csv", "1.csv", "--format", "jsonl"], in: folder.path))
    let x = try #require((object["quantities"] as? [String: [String: Any]])?["x"])
    #expect(x["mean"] as? Double == 5 && x["reason"] as? String == "all draws are the same")
    #expect(x["r_hat"] is NSNull && x["ess_bulk"] is NSNull)
    #expect(object["problems"] as? [String] == [])
  }

  @Test func warmupOfStanIsLeftOut() throws {
    let folder = try Folder()
    try folder.write(
      "0.csv",
      "# num_samples = 4\n# num_warmup = 3\n# save_warmup = 1\n# thin = 2\nx,y__\n9,9\n9,9\n1,9\n3,9\n"
    )
    let object = try Self.object(
      Program.run(["diagnose", "0.csv", "--format", "jsonl"], in: folder.path))
    let quantities = try #require(object["quantities"] as? [String: [String: Any]])
    #expect(quantities.keys.sorted() == ["x"])
    #expect(quantities["x"]?["mean"] as? Double == 2)
  }

  @Test(arguments: [
    ("x\n1\n2,3\n", "0.csv:3: found too many numbers, expected 1 column"),
    (
      "x,y\n1,2\n3\n",
      "0.csv:3: found 1 number, expected 2; the file may be incomplete"
    ),
    ("x,y\n1,2\n3,4q\n", "0.csv:3:3: found '4q', expected a number"),
    ("x,x\n", "0.csv:1: the column 'x' is repeated"),
    (
      "1,2\n",
      "0.csv:1: found the number 1, expected the names of the columns, such as 'lp__,length'"
    ),
    (
      "# nothing\n",
      "0.csv: has no line of column names; expected the trace of a run or a Stan sample file"
    ),
    (
      "# num_samples = 9\nx\n1\n",
      "0.csv: found 1 row, but its comments announce 9; the file or its chain is "
        + "incomplete"
    ),
  ])
  func badFilesAreNamed(text: String, message: String) throws {
    let folder = try Folder()
    try folder.write("0.csv", text)
    let outcome = try Program.run(["diagnose", "0.csv"], in: folder.path)
    #expect(outcome.code == 65)
    #expect(outcome.errors == "gensample: \(message)\n")
    #expect(outcome.output == "")
  }

  /// `report.json` holds what the summary of the run says, and a folder without one is still read.
  @Test func reportIsThatOfTheRun() throws {
    let folder = try Folder()
    try Self.run(folder, "run")
    let report = try RunReport.decoder.decode(
      RunReport.self, from: Data(folder.bytes("run/report.json")))
    let results = try RunResults(folder: folder.path("run"))
    #expect(report.command == "mh" && report.seed == 1 && !report.isStopped && report.areDraws)
    #expect(report.steps == results.summary["steps"] as? Int)
    #expect(report.seconds == results.summary["seconds"] as? Double)
    #expect(report.texts.map(\.tokens) == results.texts.map(\.tokens))
    let chains = try #require(report.chains)
    #expect(
      chains.moves.sorted { $0.kind < $1.kind } == results.moves.sorted { $0.kind < $1.kind })
    let told = try #require(results.summary["quantities"] as? [String: [String: Any]])
    #expect(chains.quantities.count == told.count)
    for quantity in chains.quantities {
      for (field, value) in [
        ("mean", quantity.estimate("mean").value), ("r_hat", quantity.estimate("r_hat").value),
      ] {
        let said = told[quantity.name]?[field] as? Double
        guard let value, let said else {
          #expect(value == nil && said == nil)
          continue
        }
        // A JSON reader may be off by some units in the last place.
        #expect(abs(value - said) < 1e-12 * abs(value))
      }
    }
    let typed = try Program.run(["diagnose", "run"], in: folder.path)
    try folder.write("run/report.json", "{}")
    let damaged = try Program.run(["diagnose", "run"], in: folder.path)
    #expect(
      damaged.errors
        == "gensample: run/report.json: found no report of a run; the file was changed or is "
        + "damaged. Delete it: the folder is then read as one of an earlier version\n")
    #expect(damaged.code == 65)
    try FileManager.default.removeItem(atPath: folder.path("run/report.json"))
    let earlier = try Program.run(["diagnose", "run"], in: folder.path)
    #expect(typed.code == 0 && typed.output == earlier.output)
  }

  @Test func badFoldersAreNamed() throws {
    let folder = try Folder()
    try Self.run(folder, "run")
    func check(_ message: String, _ code: Int32 = 65, _ paths: String...) throws {
      let outcome = try Program.run(["diagnose"] + paths, in: folder.path)
      #expect(outcome.errors == "gensample: \(message)\n" && outcome.code == code)
      #expect(outcome.output == "")
    }
    func remove(_ name: String) throws {
      try FileManager.default.removeItem(atPath: folder.path(name))
    }
    let goesOn =
      "; the command that began it goes on, or makes it anew, with --run run --resume"
    let anew = "; delete it, then run the run's command again with --resume"
    try check("nowhere: cannot be read: No such file or directory", 66, "nowhere")
    try check(
      "'.' holds no run.json; a folder that --run made is expected", 65, ".")
    try folder.write("a.csv", "x\n1\n")
    try check(
      "diagnose takes run folders or Stan sample files, but not both", 64, "run",
      "a.csv")
    let samples = try folder.read("run/samples.jsonl")
    try folder.write("run/samples.jsonl", String(samples.prefix(300)))
    try check(
      "run/samples.jsonl:2: found no JSON object, expected a result; the file may be "
        + "incomplete" + anew, 65, "run")
    try folder.write(
      "run/samples.jsonl", samples.split(separator: "\n")[0] + "\n")
    try check(
      "run/samples.jsonl: has no summary line at its end; the file is incomplete" + anew, 65,
      "run")
    try remove("run/samples.jsonl")
    try check(
      "'run' holds no samples.jsonl: its run is still going on, was killed before its end, or lost "
        + "the file" + goesOn, 65, "run")
    try remove("run/trace-2.csv")
    try check(
      "'run' holds no trace-2.csv: its run is still going on, was killed before its end, or lost "
        + "the file" + goesOn, 65, "run")
    let json = try folder.read("run/run.json")
    try folder.write("run/run.json", json.replacing("\"chains\":4", with: "\"chains\":2"))
    try check(
      "run/run.json: describes a plan that no run has; it was changed or is damaged", 65, "run")
    try folder.write("run/run.json", json.replacing("\"thin\":10,", with: ""))
    try check(
      "run/run.json: is no description of a run: it lacks 'thin'; it is damaged, or not from --run",
      65, "run")
    try folder.write("run/run.json", json.replacing("\"format\":1", with: "\"format\":99"))
    try check(
      "run/run.json: has the layout 99 of version \(programVersion); this program, "
        + "\(programVersion), reads 1", 65, "run")
  }

  /// Many short chains in superchains of ten, and a plan of superchains that does not fit.
  @Test func superchains() throws {
    let folder = try Folder()
    let names = (0..<40).map { "\($0).csv" }
    for (i, name) in names.enumerated() { try folder.write(name, "x\n\(i * 7 % 13)\n") }
    let object = try Self.object(
      Program.run(
        ["diagnose", "--superchain", "10", "--format", "jsonl"] + names, in: folder.path))
    let x = try #require((object["quantities"] as? [String: [String: Any]])?["x"])
    #expect(x["r_hat_nested"] as? Double != nil)
    let outcome = try Program.run(["diagnose", "--superchain", "7"] + names, in: folder.path)
    #expect(outcome.code == 64)
    #expect(
      outcome.errors
        == "gensample: --superchain 7 does not divide 40 chains into two or more superchains\n")
  }
}
