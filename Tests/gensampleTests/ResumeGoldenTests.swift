// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Runs
import Sampling
import Synchronization
import Testing

@testable import gensample

/// Runs that are stopped, killed and resumed: the folder in the end is that of an undisturbed run.
@Suite struct ResumeGoldenTests {
  /// Long enough that it can be killed many times.
  private static let plan = [
    "mh", "--model", SmallModel.path, "--include", "sea", "--length", "3..8", "--samples", "40",
    "--warmup", "3000", "--thin", "2000", "--trace-every", "50", "--threads", "2", "--seed", "1",
    "--quiet", "--checkpoint-every", "0",
  ]

  private static let thin = TestData.isDeep ? "2000" : "500"

  /// Every file's bytes, but for the seconds of the summary.
  private static func contents(_ folder: Folder, _ name: String) throws -> [String: String] {
    var files: [String: String] = [:]
    for file in try FileManager.default.contentsOfDirectory(atPath: folder.path(name)) {
      files[file] = try String(decoding: folder.bytes("\(name)/\(file)"), as: UTF8.self).replacing(
        #/"seconds":[^,]*,|"steps_per_second":[^,]*,/#, with: "")
    }
    return files
  }

  private static func begin(_ folder: Folder, _ name: String, _ options: String...) throws
    -> Program.Outcome
  {
    try Program.run(plan + ["--run", name] + options, in: folder.path)
  }

  @Test(arguments: [["mh"], ["temper", "--replicas", "3", "--every", "20"]])
  func killedAtManyMomentsItEndsAsIfUndisturbed(command: [String]) throws {
    let folder = try Folder()
    // By default a quarter of the steps between draws, and a quarter of the kills.
    let plan = command + Self.plan.dropFirst().map { $0 == "2000" ? Self.thin : $0 }
    let undisturbed = try Program.run(plan + ["--run", "whole"], in: folder.path)
    #expect(undisturbed.code == 0 && undisturbed.lines.count == 40)
    // The moments move on by 35 ms or 140 ms, over the reading of the model, the run and the last files.
    let killed = try Program.run(
      plan + ["--run", "killed"], in: folder.path,
      shell: """
        n=0; kills=0
        while [ $n -lt \(TestData.isDeep ? 40 : 10) ]; do
          if [ -e killed/run.json ]; then resume=--resume; else resume=; fi
          ms=$((100 + n * \(TestData.isDeep ? 35 : 140)))
          timeout -s KILL $((ms / 1000)).$(printf %03d $((ms % 1000))) "$@" $resume >/dev/null 2>&1
          [ $? -eq 0 ] && break
          [ -e killed/checkpoint ] && kills=$((kills + 1))
          n=$((n + 1))
        done
        echo $kills
        """, limit: 300)
    #expect((Int(killed.output.dropLast()) ?? 0) > 0, "killed after a checkpoint: \(killed.output)")
    // Whether the last of them had come to its end or not.
    let last = try Program.run(
      [command[0], "--run", "killed", "--resume", "--quiet"], in: folder.path)
    #expect(last.code == 0 && last.errors == "")
    #expect(last.output.isEmpty || last.output == undisturbed.output)
    #expect(try Self.contents(folder, "killed") == Self.contents(folder, "whole"))
  }

  @Test(
    arguments: [
      (SIGINT, ["mh"], "5000"),
      (SIGTERM, ["gibbs", "--scan", "systematic", "--block", "2"], "200"),
    ]
      + TestData.deep([
        (SIGTERM, ["mh"], "10000"),
        (SIGTERM, ["temper", "--replicas", "3", "--every", "20"], "4000"),
      ]))
  func stoppedItGoesOnWhereItWas(signal: Int32, command: [String], thin: String) throws {
    let folder = try Folder()
    let long =
      command
      + Self.plan.dropFirst().map {
        // Copies take as many times as long over their warm-up.
        $0 == "2000" ? thin : $0 == "3000" && command[0] == "temper" ? "100" : $0
      } + ["--run", "stopped"]
    let checkpoint = folder.path("stopped/checkpoint")
    let stopped = try Program.run(
      long, in: folder.path,
      interrupt: (signal, { _ in FileManager.default.fileExists(atPath: checkpoint) }))
    #expect(stopped.code == 128 + signal)
    let half = try Program.run(["diagnose", "stopped"], in: folder.path)
    #expect(half.output.contains("the run in 'stopped' was stopped early"))
    let resumed = try Program.run(
      [command[0], "--run", "stopped", "--resume", "--quiet", "--threads", "1"], in: folder.path,
      limit: 120)
    let undisturbed = try Program.run(
      long.dropLast(2) + ["--run", "whole"], in: folder.path, limit: 120)
    #expect(resumed.code == 0 && resumed.output == undisturbed.output)
    #expect(resumed.lines.count == 40)
    #expect(try Self.contents(folder, "stopped") == Self.contents(folder, "whole"))
  }

  /// The checkpoint decides what comes; one whose generator is a word further gives other texts.
  @Test func checkpointIsWhatIsResumed() throws {
    let folder = try Folder()
    #expect(try Self.begin(folder, "whole").code == 0)
    let description = try RunDescription(folder: folder.path("whole"))
    let model = try LoadedModel(opening: SmallModel.path).laidOutForChains()
    let ngrams = try model.ngrams(.language, for: "mh")
    let constraints = try ConstraintFile.parse(
      description.constraints.joined(separator: "\n"), path: "run.json")
    let target = try CompiledTarget(constraints, for: model)
    let quantities = ChainResults.quantities(target)
    let saved = Saved()
    let monitor = RunMonitor()
    let checkpoints = ChainCheckpoints<TokenSequence>(every: .zero) { chains in
      saved.chains = chains
      if chains.count == 2 { monitor.stop() }
    }
    _ = try runChains(
      of: try #require(description.plan), target: target.sentences(of: ngrams),
      kernel: NGramMoves(for: target.sentences(of: ngrams)),
      quantities: { ChainResults.row(quantities, $0) },
      threads: 1, monitor: monitor, checkpoints: checkpoints
    ) { try target.randomStart(ngrams, monitor: RunMonitor(), using: &$0) }
    try checkpoints.saveAll()
    #expect(saved.chains.contains { !$0.record.isComplete })
    var mutant = saved.chains
    for i in mutant.indices {
      mutant[i].random = Philox(key: mutant[i].random.key, position: mutant[i].random.position + 1)
    }
    for (name, chains, isTrue) in [("true", saved.chains, true), ("mutant", mutant, false)] {
      let run = try RunFolder(folder.path(name))
      try run.write(description)
      try run.write(CheckpointFile(run: description.checksum, chains: chains))
      // The folder is free for the program only when nobody else has it.
      _ = consume run
      let resumed = try Program.run(
        ["mh", "--run", name, "--resume", "--quiet"], in: folder.path)
      #expect(resumed.code == 0)
      let isSame = try Self.contents(folder, name) == Self.contents(folder, "whole")
      #expect(isSame == isTrue, "\(name)")
    }
  }

  private final class Saved: Sendable {
    private let stored = Mutex<[ChainCheckpoint<TokenSequence>]>([])

    var chains: [ChainCheckpoint<TokenSequence>] {
      get { stored.withLock { $0 } }
      set { stored.withLock { $0 = newValue } }
    }
  }

  @Test func lostFilesOfFinishedRunsComeAgain() throws {
    let folder = try Folder()
    #expect(try Self.begin(folder, "run").code == 0)
    let before = try folder.bytes("run/samples.jsonl")
    let trace = try folder.bytes("run/trace-1.csv")
    try FileManager.default.removeItem(atPath: folder.path("run/trace-1.csv"))
    let again = try Program.run(["mh", "--run", "run", "--resume"], in: folder.path)
    #expect(again.code == 0)
    #expect(
      again.errors.contains(
        "gensample: 'run' has lost its trace-1.csv; the run is made anew, from its seed\n"))
    #expect(try folder.bytes("run/trace-1.csv") == trace)
    // The time that it took is in the summary.
    func results(_ bytes: Data) -> [Substring] {
      String(decoding: bytes, as: UTF8.self).split(separator: "\n").dropLast()
    }
    #expect(try results(folder.bytes("run/samples.jsonl")) == results(before))
  }

  @Test func finishedRunIsLeftAsItIs() throws {
    let folder = try Folder()
    #expect(try Self.begin(folder, "run").code == 0)
    let before = try folder.bytes("run/samples.jsonl")
    let again = try Program.run(["mh", "--run", "run", "--resume"], in: folder.path)
    #expect(again.code == 0 && again.output == "")
    #expect(again.errors == "gensample: the run in 'run' is finished; it is left as it is\n")
    #expect(try Self.begin(folder, "run", "--resume").errors == "")
    #expect(try folder.bytes("run/samples.jsonl") == before)
    let anew = try Self.begin(folder, "run")
    #expect(anew.code == 64)
    #expect(
      anew.errors
        == "gensample: 'run' is not empty; a run takes a folder of its own, so that nothing is "
        + "overwritten; --resume goes on with the run in it\n")
  }

  /// A run that has written its plan and nothing else.
  private static func unfinished(_ folder: Folder) throws {
    #expect(try begin(folder, "run").code == 0)
    for name in try FileManager.default.contentsOfDirectory(atPath: folder.path("run"))
    where name != "run.json" {
      try FileManager.default.removeItem(atPath: folder.path("run/" + name))
    }
  }

  @Test func otherWordsThanItsOwnAreRefused() throws {
    let folder = try Folder()
    try Self.unfinished(folder)
    func check(_ message: String, _ code: Int32, _ words: String...) throws {
      let outcome = try Program.run(words, in: folder.path)
      #expect(outcome.errors == "gensample: \(message)\n")
      #expect(outcome.code == code && outcome.output == "")
    }
    let goesOn = ", and goes on as it was begun; leave the option out, or begin another run"
    try check(
      "--warmup 60: the run in 'run' was begun with 3000" + goesOn, 64, "mh", "--run", "run",
      "--resume", "--warmup", "60")
    try check(
      "--chains 5: the run in 'run' was begun without it" + goesOn, 64, "mh", "--run", "run",
      "--resume", "--chains", "5")
    try check(
      "--chain-range 0..1: the run in 'run' was begun with 0..3" + goesOn, 64, "mh", "--run", "run",
      "--resume", "--chain-range", "0..1")
    try check(
      "the statements about texts are not those that the run in 'run' was begun with; it goes on "
        + "with its own: leave them out, or begin another run", 64, "mh", "--run", "run",
      "--resume", "--include", "storm")
    try check(
      "--resume needs --run DIR, the folder of the run that goes on", 64, "mh", "--resume")
    try check(
      "there is no folder 'nowhere' to resume; leave --resume out to begin a run", 66, "mh",
      "--run", "nowhere", "--resume")
    try check(
      "'.' holds no run.json; a folder that --run made is expected", 65, "mh", "--run", ".",
      "--resume")
    try check(
      "--checkpoint-every takes seconds such as 5, got '-1'", 64, "mh", "--run", "new",
      "--checkpoint-every", "-1")
    try check(
      "--checkpoint-every keeps a run to be resumed, in a folder; give --run DIR with it", 64, "mh",
      "--checkpoint-every", "1")
  }

  @Test func otherModelsVersionsAndPlansAreRefused() throws {
    let folder = try Folder()
    try Self.unfinished(folder)
    let json = try folder.read("run/run.json")
    func check(_ message: String, _ code: Int32 = 65, _ options: String...) throws {
      let outcome = try Program.run(
        ["mh", "--run", "run", "--resume"] + options, in: folder.path)
      #expect(outcome.errors == "gensample: \(message)\n")
      #expect(outcome.code == code && outcome.output == "")
    }
    try folder.write("corpus.txt", "the sea is deep .\nthe sea is wide .\n")
    #expect(
      try Program.run(
        ["train", "corpus.txt", "-o", "other.gsm", "--tokens", "words", "--quiet"],
        in: folder.path
      ).code == 0)
    let mine = String(
      try LoadedModel(opening: SmallModel.path).laidOutForChains().checksum, radix: 16)
    let other = String(
      try LoadedModel(opening: folder.path("other.gsm")).laidOutForChains().checksum, radix: 16)
    try check(
      "'other.gsm' is another model than that of the run in 'run': its checksum is \(other), and "
        + "the run has \(mine); give the model that it was begun with by --model", 65, "--model",
      "other.gsm")
    try folder.write(
      "run/run.json", json.replacing("\"version\":\"", with: "\"version\":\"9."))
    try check(
      "the run in 'run' was begun by version 9.\(programVersion), and this is \(programVersion); "
        + "go on with the version that began it")
    try folder.write("run/run.json", json.replacing("\"thin\":2000", with: "\"thin\":3000"))
    try check(
      "'run/run.json' was changed: its thin is 2000, there it is 3000; put the file back that the "
        + "run began with")
    try folder.write("run/run.json", json.replacing("\"mh\"", with: "\"gibbs\""))
    try check(
      "the run in 'run' is one of 'gibbs'; go on with gensample gibbs --run run --resume", 64)
    try folder.write("run/run.json", json)
    let run = try RunDescription(folder: folder.path("run"))
    let fine = CheckpointFile(run: run.checksum).bytes
    try folder.write(
      "run/checkpoint", Data(CheckpointFile(run: run.checksum &+ 1).bytes))
    try check(
      "run/checkpoint: belongs to another plan than run/run.json, which was changed or exchanged; "
        + "put the file back that the run began with")
    try folder.write("run/checkpoint", Data([1] + fine.dropFirst()))
    try check(
      "run/checkpoint: is no checkpoint that this version, \(programVersion), reads; go on with "
        + "the version that wrote it")
  }

  /// A changed bit of any byte, and any end, is found out.
  @Test func damagedCheckpointsAreRefused() throws {
    var record = ChainRecord<TokenSequence>(chain: 0, kinds: 2)
    record.steps = 10
    record.trace = [[1, 2], [3, .infinity]]
    record.draws = [
      Draw(chain: 0, step: 10, state: TokenSequence([Token(3), Token(4)]), logProbability: -1.5)
    ]
    let chain = ChainCheckpoint(
      record: record, state: TokenSequence([Token(3)]), random: Philox(seed: 5),
      memory: [7, .max])
    let bytes = CheckpointFile(run: 7, seconds: 1.5, chains: [chain]).bytes
    let read = try CheckpointFile(bytes, path: "x")
    #expect(read.bytes == bytes && read.run == 7 && read.seconds == 1.5)
    #expect(read.chains[0].record.draws[0].state == record.draws[0].state)
    #expect(read.chains[0].memory == [7, .max])
    for i in bytes.indices {
      var damaged = bytes
      damaged[i] ^= 1 << (i % 8)
      #expect(throws: LoadError.self, "byte \(i)") { try CheckpointFile(damaged, path: "x") }
      #expect(throws: LoadError.self, "end at \(i)") {
        try CheckpointFile(Array(bytes.prefix(i)), path: "x")
      }
    }
    // Numbers beyond all bounds under a checksum that fits.
    for i in stride(from: 8, to: bytes.count - 8, by: 8) {
      for value: UInt64 in [.max, 1 << 40, 1 << 62] {
        var forged = Array(bytes.dropLast(8))
        for k in 0..<8 { forged[i + k] = UInt8(truncatingIfNeeded: value >> (8 * k)) }
        let sum = checksum(of: forged)
        forged += (0..<8).map { UInt8(truncatingIfNeeded: sum >> (8 * $0)) }
        _ = try? CheckpointFile(forged, path: "x")
      }
    }
  }

  /// What copies of a chain remember is checked, whatever a checkpoint holds.
  @Test func memoriesThatDoNotFitAreRefused() throws {
    let folder = try Folder()
    let begun = try Program.run(
      [
        "temper", "--model", SmallModel.path, "--include", "sea", "--length", "3..8", "--replicas",
        "2", "--warmup", "200", "--thin", "100", "--seed", "1", "--quiet", "--run", "run",
      ], in: folder.path)
    #expect(begun.code == 0, "\(begun.errors)")
    let description = try RunDescription(folder: folder.path("run"))
    let model = try LoadedModel(opening: SmallModel.path).laidOutForChains()
      .ngrams(.language, for: "mh")
    let kinds = NGramMoves(
      for: SentenceTarget(model: model, constraint: TokenAutomaton(every: model.vocabulary))
    ).kinds.count
    let one = (1.0).bitPattern
    // Two powers, no tunings, two empty texts, which are not allowed here, then the exchanges.
    let forms: [[UInt64]] = [
      [], [one], [one, one, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0], [one, one, 0, .max],
      [UInt64](repeating: .max, count: 20), [one, (0.5).bitPattern, 9, 1 << 40],
    ]
    for memory in forms {
      let chain = ChainCheckpoint<TokenSequence>(
        record: ChainRecord(chain: 0, kinds: kinds), state: [], random: Philox(seed: 1),
        memory: memory)
      try folder.write(
        "run/checkpoint",
        Data(CheckpointFile(run: description.checksum, chains: [chain]).bytes))
      let outcome = try Program.run(["temper", "--run", "run", "--resume"], in: folder.path)
      #expect(outcome.code == 65)
      #expect(
        outcome.errors
          == "gensample: the checkpoint does not fit the run; begin it anew, in another folder\n")
    }
  }

  @Test func twoProgramsDoNotShareAFolder() throws {
    let folder = try Folder()
    try Self.unfinished(folder)
    let run = try RunFolder(resuming: folder.path("run"))
    let outcome = try Program.run(["mh", "--run", "run", "--resume"], in: folder.path)
    #expect(outcome.code == 1)
    #expect(
      outcome.errors
        == "gensample: another program is at work in 'run'; wait for its end, or stop it\n")
    _ = run.path
  }

  /// Constraint files may be gone: the run keeps what they said.
  @Test func statementsAreThoseOfTheRun() throws {
    let folder = try Folder()
    let statements = """
      include "sea" # a comment
      include-any~ "STORM" "calm"
      exclude "no\\"quote" /x+/
      order "the" "sea"
      count "the" 1..
      end "."
      length 2..12 tokens
      at word 1 "the"
      prefer /s[a-z]+/ -0.5
      match /[a-z. ]+/
      fluency 0.9
      """
    try folder.write("c.txt", statements)
    let arguments = [
      "mh", "--model", SmallModel.path, "--constraints", "c.txt", "--prompt", "the", "--match",
      ".*", "--warmup", "50", "--thin", "10", "--seed", "1", "--quiet", "--run",
    ]
    let whole = try Program.run(arguments + ["whole"], in: folder.path)
    #expect(whole.code == 0, "\(whole.errors)")
    try FileManager.default.createDirectory(
      atPath: folder.path("run"), withIntermediateDirectories: true)
    try folder.write("run/run.json", folder.read("whole/run.json"))
    try FileManager.default.removeItem(atPath: folder.path("c.txt"))
    let resumed = try Program.run(["mh", "--run", "run", "--resume", "--quiet"], in: folder.path)
    #expect(resumed.code == 0 && resumed.errors == "" && resumed.output == whole.output)
    #expect(try Self.contents(folder, "run") == Self.contents(folder, "whole"))
  }

  @Test func folderThatTakesNothingIsSaid() throws {
    let folder = try Folder()
    try folder.write("file", "")
    let outcome = try Self.begin(folder, "file/run")
    #expect(outcome.code == 73)
    #expect(outcome.errors.hasPrefix("gensample: cannot make the folder 'file/run': "))
  }
}
