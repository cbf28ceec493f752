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
    let moves = try #require(summary["moves"] as? [String: [String: Double]])
    #expect(moves.values.reduce(0) { $0 + ($1["proposed"] ?? 0) } == 4 * 100)
    let quantities = try #require(summary["quantities"] as? [String: [String: Any]])
    #expect(
      quantities.keys.sorted()
        == ["include \"sea\"", "length", "length 3..8 words", "log_probability"])
    for name in ["mean", "mcse", "ess_bulk", "ess_tail", "r_hat"] {
      #expect(quantities["log_probability"]?[name] as? Double != nil, "\(name)")
    }
    let constant = try #require(quantities["include \"sea\""])
    #expect(constant["mean"] as? Double == 1)
    #expect(constant["r_hat"] is NSNull)
    #expect(constant["reason"] as? String == "all draws are the same")
  }

  @Test func statementMadeTwiceIsOneField() throws {
    let outcome = try Program.run(
      SmallModel.mh("--include", "sea", "--include", "sea", "--length", "3", "--format", "jsonl"))
    let summary = try #require(outcome.lines.last)
    #expect(summary.components(separatedBy: #""include \"sea\"":"#).count == 2)
  }

  @Test func bestAreTheMostProbableAndUniqueAreUnique() throws {
    let options = SmallModel.mh("--length", "3", "--samples", "60", "--format", "jsonl")
    func texts(_ more: String...) throws -> [(text: String, logProbability: Double)] {
      let objects = try Program.run(options + more).objects()
      #expect(objects.last?["draws"] as? Bool == more.isEmpty)
      return objects.dropLast().compactMap { object in
        guard let text = object["text"] as? String,
          let logProbability = object["log_probability"] as? Double
        else { return nil }
        return (text, logProbability)
      }
    }
    let all = try texts()
    #expect(all.count == 60)
    let unique = try texts("--unique").map(\.text)
    #expect(Set(unique) == Set(all.map(\.text)))
    #expect(Set(unique).count == unique.count)
    #expect(unique.count < 60)
    let best = try texts("--best", "3")
    #expect(best.count == 3)
    #expect(best.map(\.logProbability) == best.map(\.logProbability).sorted(by: >))
    // Chains see more texts than they print.
    let printed = try #require(all.map(\.logProbability).max())
    #expect(try #require(best.first).logProbability >= printed)
  }

  @Test func textSaysThatBestAreNoDraws() throws {
    let outcome = try Program.run(
      SmallModel.mh("--length", "3", "--best", "1").filter { $0 != "--quiet" })
    #expect(outcome.lines.count == 1)
    #expect(
      outcome.errors.hasSuffix("  these are the most probable texts seen, no draws from rho\n"))
  }

  @Test func startAndPromptAreTaken() throws {
    let outcome = try Program.run([
      "mh", "--model", SmallModel.path, "--prompt", "the storm", "--length", "3..8",
      "--start", "the storm was calm", "--warmup", "0", "--thin", "1", "--samples", "8",
      "--seed", "1", "--quiet",
    ])
    #expect(outcome.code == 0 && outcome.errors == "")
    #expect(outcome.lines.count == 8)
    #expect(outcome.lines.allSatisfy { $0.hasPrefix("the storm") })
    // A step edits once, so the first state of some chain is still the start.
    #expect(outcome.lines.contains("the storm was calm"))
  }

  @Test(arguments: ["text", "jsonl"])
  func badLineOfASetSpoilsNoOther(format: String) throws {
    let folder = try Folder()
    try folder.write("each.txt", "sea\r\n\nzebra moon\nstorm wind\n")
    let outcome = try Program.run(
      SmallModel.mh(
        "--length", "3..8", "--samples", "2", "--format", format, "--each", "each.txt"),
      in: folder.path)
    #expect(outcome.code == 65)
    #expect(
      outcome.errors == """
        gensample: each.txt:3: include "zebra" "moon": 'zebra' is outside the model's vocabulary; \
        use another word or a --model that knows it
        gensample: 1 of 3 lines could not be sampled for

        """)
    guard format == "jsonl" else {
      #expect(outcome.lines.count == 4)
      #expect(outcome.lines[..<2].allSatisfy { $0.hasPrefix("1\t") && $0.contains("sea") })
      #expect(
        outcome.lines[2...].allSatisfy {
          $0.hasPrefix("4\t") && $0.contains("storm") && $0.contains("wind")
        })
      return
    }
    let objects = try outcome.objects()
    #expect(objects.compactMap { $0["target"] as? Int } == [1, 1, 1, 3, 4, 4, 4])
    #expect(
      objects.compactMap { $0["type"] as? String } == [
        "sample", "sample", "summary", "error", "sample", "sample", "summary", "summary",
      ])
    #expect(objects.last?["targets"] as? Int == 3)
    #expect(objects.last?["failed_targets"] as? Int == 1)
  }

  /// A target's results do not depend on what stands on other lines.
  @Test func linesAreTargetsOfTheirOwn() throws {
    let options = SmallModel.mh("--length", "3..8", "--samples", "3", "--each", "-")
    let both = try Program.run(options, input: "sea\nwind\n")
    let second = try Program.run(options, input: "\nwind\n")
    #expect(both.lines.count == 6)
    #expect(Array(both.lines[3...]) == second.lines)
  }

  @Test func runIsKeptWhole() throws {
    let folder = try Folder()
    let options = SmallModel.mh("--length", "3..8", "--samples", "8", "--run", "run")
    let outcome = try Program.run(options, in: folder.path)
    #expect(outcome.code == 0 && outcome.errors == "")
    let run = folder.path("run")
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: run).sorted() == [
        "checkpoint", "report.json", "run.json", "samples.jsonl", "trace-0.csv", "trace-1.csv",
        "trace-2.csv", "trace-3.csv",
      ])
    let plan = try #require(
      try JSONSerialization.jsonObject(with: folder.bytes("run/run.json")) as? [String: Any])
    #expect(plan["type"] as? String == "run")
    #expect(plan["seed"] as? Int == 1)
    #expect(plan["samples"] as? Int == 8)
    #expect(plan["chain_range"] as? [Int] == [0, 3])
    #expect(plan["constraints"] as? [String] == ["length 3..8 words"])
    let samples = try folder.read("run/samples.jsonl").split(separator: "\n")
    #expect(samples.count == 9)
    #expect(samples.last?.hasPrefix(#"{"type":"summary""#) == true)
    let trace = try folder.read("run/trace-3.csv").split(separator: "\n").filter {
      !$0.hasPrefix("#")
    }
    #expect(trace.first == "lp__,length,constraint_1")
    #expect(trace.count == 1 + 20)
    #expect(
      trace.dropFirst().allSatisfy { $0.split(separator: ",").compactMap { Double($0) }.count == 3 }
    )

    let again = try Program.run(options, in: folder.path)
    #expect(again.code == 64)
    #expect(
      again.errors
        == "gensample: 'run' is not empty; a run takes a folder of its own, so that nothing is "
        + "overwritten; --resume goes on with the run in it\n")
  }

  @Test func runFolderThatCannotBeMade() throws {
    let outcome = try Program.run(
      SmallModel.mh("--length", "3", "--run", "/dev/null/run"))
    #expect(outcome.code == 73)
    #expect(
      outcome.errors == "gensample: cannot make the folder '/dev/null/run': Not a directory\n")
  }

  @Test func outputIsAFileThatAppearsWhole() throws {
    let folder = try Folder()
    try folder.write("real.txt", "old")
    try FileManager.default.createSymbolicLink(
      atPath: folder.path("link.txt"), withDestinationPath: "real.txt")
    let options = SmallModel.mh("--length", "3..8")
    let direct = try Program.run(options)
    for name in ["new.txt", "real.txt", "link.txt"] {
      let outcome = try Program.run(options + ["--output", name], in: folder.path)
      #expect(outcome.code == 0 && outcome.output == "", "\(name)")
      #expect(try folder.read(name) == direct.output, "\(name)")
    }
    #expect(try folder.names() == ["link.txt", "new.txt", "real.txt"])
    #expect(
      try FileManager.default.destinationOfSymbolicLink(atPath: folder.path("link.txt"))
        == "real.txt")
  }

  /// A device or a pipe keeps what it is and is written to.
  @Test func outputMayBeADevice() throws {
    let folder = try Folder()
    let options = SmallModel.mh("--length", "3..8", "--output", "/dev/stdout")
    let outcome = try Program.run(options, shell: #""$@" | cat"#)
    #expect(outcome.errors == "")
    #expect(outcome.lines.count == 5)
    let full = try Program.run(SmallModel.mh("--length", "3", "--output", "/dev/full"))
    #expect(full.code == 73)
    #expect(full.errors == "gensample: cannot write '/dev/full': No space left on device\n")
    let attributes = try FileManager.default.attributesOfItem(atPath: "/dev/full")
    #expect(attributes[.type] as? FileAttributeType == .typeCharacterSpecial)
    #expect(try folder.names() == [])
  }

  @Test(arguments: [
    ("/nowhere/out.txt", "cannot write '/nowhere/out.txt': No such file or directory"),
    ("/tmp", "cannot write '/tmp': it is a folder"),
  ])
  func outputThatCannotBeWritten(path: String, message: String) throws {
    let outcome = try Program.run(SmallModel.mh("--length", "3", "--output", path))
    #expect(outcome.code == 73)
    #expect(outcome.errors == "gensample: \(message)\n")
  }

  @Test func fullStandardOutputIsSaid() throws {
    let outcome = try Program.run(SmallModel.mh("--length", "3"), shell: #""$@" >/dev/full"#)
    #expect(outcome.code == 73)
    #expect(
      outcome.errors == "gensample: cannot write standard output: No space left on device\n")
  }

  @Test func closedPipeEndsQuietly() throws {
    let folder = try Folder()
    let outcome = try Program.run(
      SmallModel.mh("--length", "3..8", "--samples", "2000"), in: folder.path,
      shell: #"{ "$@"; echo $? >code; } | head -n 1"#)
    #expect(outcome.lines.count == 1)
    #expect(outcome.errors == "")
    #expect(try folder.read("code") == "0\n")
  }

  /// Stopped runs print and keep what they drew.
  @Test(arguments: [(SIGINT, 130), (SIGTERM, 143)] as [(Int32, Int32)])
  func signalStopsWithWhatThereIs(signal: Int32, code: Int32) throws {
    let folder = try Folder()
    let json = folder.path("run/run.json")
    let outcome = try Program.run(
      [
        "mh", "--model", SmallModel.path, "--length", "3..8", "--steps", "1000000000000",
        "--warmup", "0", "--thin", "1000", "--format", "jsonl", "--run", "run", "--output",
        "out.jsonl",
      ], in: folder.path,
      interrupt: (signal, { _ in FileManager.default.fileExists(atPath: json) }))
    #expect(outcome.code == code)
    #expect(outcome.errors == "gensample: stopped; what was drawn so far is printed\n")
    #expect(outcome.output == "")
    let lines = try folder.read("out.jsonl").split(separator: "\n")
    #expect(lines.count > 4)
    let summary = try #require(
      try JSONSerialization.jsonObject(with: Data(lines[lines.count - 1].utf8)) as? [String: Any])
    #expect(summary["type"] as? String == "summary")
    #expect(summary["stopped"] as? Bool == true)
    #expect(try folder.names() == ["out.jsonl", "run"])
    #expect(try folder.read("run/samples.jsonl").split(separator: "\n").count == lines.count)
  }

  /// Weights as large as the file takes add up to finite numbers.
  @Test(arguments: ["prefer \"sea\" 1e100", "prefer \"sea\" -1e100", "fluency 1e100"])
  func largestWeightsStayFinite(statement: String) throws {
    let outcome = try Program.run(
      SmallModel.mh("--constraints", "-", "--format", "jsonl"),
      input: "count \"sea\" 2\nlength ..5 words\n\(statement)\n")
    #expect(outcome.code == 0 && outcome.errors == "")
    let objects = try outcome.objects().dropLast()
    #expect(objects.count == 5)
    #expect(objects.allSatisfy { ($0["log_probability"] as? Double)?.isFinite == true })
  }

  /// One run of the model that needs no file; the others take a small one, as laying it out takes
  /// seconds in debug.
  @Test func builtInModelAnswersWithoutAFile() throws {
    let folder = try Folder()
    try folder.write("sea.txt", "include \"sea\"\nlength 4..9 words\nend \".\"\n")
    let outcome = try Program.run(
      [
        "mh", "--constraints", "sea.txt", "--warmup", "50", "--thin", "10", "--seed", "1",
        "--samples", "4", "--quiet",
      ], in: folder.path)
    #expect(outcome.code == 0 && outcome.errors == "")
    #expect(outcome.lines.count == 4)
    #expect(outcome.lines.allSatisfy { $0.contains("sea") && $0.hasSuffix(".") })
  }

  @Test(arguments: [
    (
      "englsh",
      "there is no model 'englsh'; did you mean 'english'? Give a file, or a built-in model: "
        + "english, tang, english-llama or tang-gpt"
    ),
    ("nowhere.gsm", "nowhere.gsm: cannot be read: No such file or directory"),
  ])
  func modelThatIsNotThere(name: String, message: String) throws {
    let outcome = try Program.run(["mh", "--model", name])
    #expect(outcome.code == 66)
    #expect(outcome.errors == "gensample: \(message)\n")
  }

  @Test func progressIsShownOnDemand() throws {
    let outcome = try Program.run([
      "mh", "--model", SmallModel.path, "--length", "3..8", "--warmup", "60000", "--thin", "10",
      "--progress", "always",
    ])
    #expect(outcome.errors.contains("steps/s"))
    #expect(outcome.lines.count == 5)
  }

  /// Further kinds of move are counted by name, and texts are still allowed ones.
  @Test func furtherMovesAreTaken() throws {
    let outcome = try Program.run([
      "mh", "--model", SmallModel.path, "--include", "sea", "--length", "3..7", "--moves",
      "tries,move,copy,block,suffix,informed", "--steps", "4000", "--warmup", "500", "--seed", "1",
      "--quiet",
      "--format", "jsonl",
    ])
    #expect(outcome.code == 0, "\(outcome.errors)")
    let summary = try #require(try outcome.objects().last)
    let moves = try #require(summary["moves"] as? [String: Any])
    for kind in ["tries", "move", "copy", "block", "suffix", "informed"] {
      #expect(moves[kind] != nil)
    }
    #expect(try outcome.objects().dropLast().allSatisfy { $0["satisfied"] as? Bool == true })
  }

  @Test(arguments: ["", "walk", "move,move", "move,"])
  func unknownMovesAreRefused(moves: String) throws {
    let outcome = try Program.run(["mh", "--model", SmallModel.path, "--moves", moves])
    #expect(outcome.code == 64)
    #expect(
      outcome.errors
        == "gensample: --moves takes a list of move, copy, tries, block, suffix, informed, each at "
        + "most once and separated by commas, got '\(moves)'\n")
  }

  @Test(arguments: [
    (["--balancing", "barker"], "--balancing needs --moves informed"),
    (["--moves", "copy", "--balancing", "barker"], "--balancing needs --moves informed"),
    (["--moves", "informed", "--balancing", "x"], "--balancing takes one of square-root, barker"),
    (["--screen", "1", "--moves", "copy"], "--moves cannot be screened"),
    (["--screen", "9"], "--screen takes a whole number from 1 to 8, got '9'"),
    (["--screen", "8"], "must be below the model's order"),
  ])
  func movesThatMeanNothingAreRefused(options: [String], message: String) throws {
    let folder = try Folder()
    let outcome = try Program.run(
      ["mh", "--model", SmallModel.path, "--run", folder.path("run")] + options)
    #expect(outcome.code == 64)
    #expect(outcome.errors.hasPrefix("gensample: ") && outcome.errors.contains(message))
    // What was refused leaves nothing that the next attempt would trip over.
    #expect(!FileManager.default.fileExists(atPath: folder.path("run")))
  }
}
