// Licensed under the Apache License, Version 2.0.

import Foundation
import Testing

/// `gensample train` on texts that are strange, broken or not there.
@Suite struct TrainGoldenTests {
  private static let few = [1, 2, 3].map {
    "gensample: there are too few n-grams of order \($0) to estimate discounts; using 0.5, 1 and 1.5 instead\n"
  }

  /// Bytes of a corpus, what is said of them and the exit code.
  @Test(arguments: [
    ("", "corpus.txt: the corpus is empty; give a text with one sentence per line"),
    (
      "a b\nc \u{0} d\n<s>\n",
      "corpus.txt:3:1: found '<s>', which stands for the model's own symbol; take it out of "
        + "the corpus"
    ),
    (
      "a b\nc </s>\n",
      "corpus.txt:2:3: found '</s>', which stands for the model's own symbol; take it out of "
        + "the corpus"
    ),
    (
      "<unk>",
      "corpus.txt:1:1: found '<unk>', which stands for the model's own symbol; take it out of "
        + "the corpus"
    ),
  ])
  func badCorpusIsRefused(text: String, message: String) throws {
    let folder = try Folder()
    try folder.write("corpus.txt", text)
    let outcome = try Program.run(["train", "corpus.txt", "-o", "m.gsm"], in: folder.path)
    #expect(outcome.errors == "gensample: \(message)\n")
    #expect(outcome.code == 65)
    #expect(outcome.output == "")
    #expect(try folder.names() == ["corpus.txt"])
  }

  /// Each of these bytes is no UTF-8 where it stands, behind so many good ones.
  @Test(
    arguments: [
      ([0xFF], 0, 0xFF), ([0x61, 0x20, 0x80], 2, 0x80), ([0x61, 0x0A, 0xC3, 0x28], 2, 0xC3),
      ([0x61, 0x0A, 0xED, 0xA0, 0x80], 2, 0xED), ([0xE4, 0xBD, 0xA0, 0xE4, 0xBD], 3, 0xE4),
    ] as [([UInt8], Int, UInt8)])
  func invalidUTF8IsRefusedWithItsPlace(bytes: [UInt8], offset: Int, byte: UInt8) throws {
    let folder = try Folder()
    try folder.write("corpus.txt", Data(bytes))
    let arguments = ["train", "corpus.txt", "-o", "m.gsm"]
    let outcome = try Program.run(arguments, in: folder.path)
    #expect(
      outcome.errors
        == "gensample: corpus.txt at byte \(offset): found the byte 0x"
        + String(byte, radix: 16, uppercase: true)
        + ", which is not valid UTF-8 here; convert the file, or use --lossy to replace it with "
        + "U+FFFD\n")
    #expect(outcome.code == 65)
    #expect(try folder.names() == ["corpus.txt"])
    let lossy = try Program.run(arguments + ["--lossy"], in: folder.path)
    #expect(lossy.code == 0)
    #expect(try folder.names() == ["corpus.txt", "m.gsm"])
  }

  @Test func oneWordIsACorpus() throws {
    let folder = try Folder()
    try folder.write("corpus.txt", "hello")
    let outcome = try Program.run(["train", "corpus.txt", "-o", "m.arpa"], in: folder.path)
    #expect(outcome.code == 0)
    #expect(outcome.errors == Self.few.joined())
    #expect(
      outcome.output.hasPrefix("m.arpa: order 3, 4 / 2 / 1 n-grams\nfrom 1 sentences, 1 tokens, "))
    let drawn = try Program.run(
      ["mh", "--model", "m.arpa", "--length", "2", "--samples", "1", "--warmup", "9", "--quiet"],
      in: folder.path)
    #expect(drawn.output == "hello hello\n")
  }

  @Test func quietSaysNothingOfDiscounts() throws {
    let folder = try Folder()
    let outcome = try Program.run(
      ["train", "-", "-o", "m.gsm", "--quiet"], input: "hello", in: folder.path)
    #expect(outcome.code == 0)
    #expect(outcome.errors == "")
  }

  @Test func lineOfTenMegabytes() throws {
    let folder = try Folder()
    try folder.write("one.txt", Data(repeating: 0x61, count: 10_000_000))
    let outcome = try Program.run(["train", "one.txt", "-o", "m.gsm", "--quiet"], in: folder.path)
    #expect(outcome.code == 0)
    #expect(outcome.errors == "")
    #expect(outcome.output.contains("from 1 sentences, 1 tokens"))
    let score = try Program.run(["score", "m.gsm", "one.txt", "--summary"], in: folder.path)
    #expect(score.code == 0)
    #expect(score.lines.first == "lines: 1  tokens: 2  unknown: 0")
  }

  @Test func summaryAsJSON() throws {
    let folder = try Folder()
    let outcome = try Program.run(
      ["train", "-", "-o", "m.gsm", "--format", "jsonl", "--tokens", "words", "--min-count", "3"],
      input: SmallModel.corpus, in: folder.path)
    #expect(outcome.code == 0)
    let object = try #require(try outcome.objects().first)
    #expect(object["type"] as? String == "summary")
    #expect(object["command"] as? String == "train")
    #expect(object["model"] as? String == "m.gsm")
    #expect(object["order"] as? Int == 3)
    #expect((object["counts"] as? [Int])?.count == 3)
    #expect(object["sentences"] as? Int == 6)
    #expect(object["tokens"] as? Int == 44)
    #expect(object["unknown"] as? Int == 5)
  }

  @Test(
    arguments: [
      (
        ["nowhere.txt", "-o", "m.gsm"], 66, "nowhere.txt: cannot be read: No such file or directory"
      ),
      (["/tmp", "-o", "m.gsm"], 66, "/tmp: is a folder, but a file was expected"),
      (
        ["corpus.txt", "-o", "m.gsm", "--vocabulary", "nowhere.txt"], 66,
        "nowhere.txt: cannot be read: No such file or directory"
      ),
      (
        ["corpus.txt", "-o", "/nowhere/m.gsm"], 73,
        "cannot write '/nowhere/m.gsm': No such file or directory"
      ),
      (["corpus.txt", "-o", "folder.gsm"], 73, "cannot write 'folder.gsm': it is a folder"),
      (
        ["cut.txt.gz", "-o", "m.gsm"], 65, "cut.txt.gz: is not a valid gzip file"
      ),
      (["-", "-", "-o", "m.gsm"], 64, "standard input can be read only once"),
      (
        ["corpus.txt", "-o", "m.gsm", "--prune", "0,2,1"], 64,
        "pruning by 0,2,1 is not possible: the numbers must begin with 0 and must not descend"
      ),
      (
        ["corpus.txt", "-o", "m.gsm", "--memory", "1K"], 64,
        "1024 bytes of memory are too few for counting, expected 40M or more"
      ),
    ] as [([String], Int32, String)])
  func whatCannotBeDoneIsSaid(arguments: [String], code: Int32, message: String) throws {
    let folder = try Folder()
    try folder.write("corpus.txt", SmallModel.corpus)
    try folder.write("cut.txt.gz", Data([0x1F, 0x8B, 8, 0, 0]))
    try FileManager.default.createDirectory(
      atPath: folder.path("folder.gsm"), withIntermediateDirectories: false)
    let outcome = try Program.run(["train"] + arguments, in: folder.path)
    #expect(outcome.errors == "gensample: \(message)\n")
    #expect(outcome.code == code)
    #expect(try folder.names() == ["corpus.txt", "cut.txt.gz", "folder.gsm"])
  }

  /// A limit on file size stands for a full disk: both end a write early.
  @Test(arguments: ["m.gsm", "m.arpa"])
  func fullDiskLeavesTheOldModel(name: String) throws {
    let folder = try Folder()
    try folder.write("corpus.txt", SmallModel.corpus)
    try folder.write(name, "the old one")
    let outcome = try Program.run(
      ["train", "corpus.txt", "-o", name, "--quiet"], in: folder.path,
      shell: #"trap '' XFSZ; ulimit -f 1; "$@""#)
    #expect(outcome.code == 73)
    #expect(outcome.errors == "gensample: \(name): cannot be written: File too large\n")
    #expect(try folder.read(name) == "the old one")
    #expect(try folder.names() == ["corpus.txt", name].sorted())
  }

  /// A first signal ends the wait for a text that does not come.
  @Test(arguments: [(SIGINT, 130), (SIGTERM, 143)] as [(Int32, Int32)])
  func signalLeavesNothing(signal: Int32, code: Int32) throws {
    let folder = try Folder()
    let outcome = try Program.run(
      ["train", "-", "-o", "m.gsm"], in: folder.path,
      shell: #"mkfifo text; exec 3<>text; exec "$@" <text"#, interrupt: (signal, { _ in true }))
    #expect(outcome.code == code)
    #expect(outcome.errors == "gensample: stopped; nothing was written\n")
    #expect(try folder.names() == ["text"])
  }

  /// A pair that nothing but itself follows is one token, and texts read as before.
  @Test func frequentPairsBecomeTokens() throws {
    let folder = try Folder()
    try folder.write(
      "corpus.txt", "of course, of course he is\nof course it is the sea\nit is he, of course\n")
    func train(_ options: String...) throws -> Program.Outcome {
      try Program.run(
        ["train", "corpus.txt", "-o", "m.gsm", "--order", "2", "--format", "jsonl", "--quiet"]
          + options, in: folder.path)
    }
    let summary = try train("--tokens", "words", "--rebalance", "0.9,3").objects()[0]
    // "of course" is one token, and so are no others: "is" follows two words.
    #expect(summary["merged"] as? Int == 1 && summary["tokens"] as? Int == 15)
    let score = try Program.run(
      ["score", "m.gsm", "corpus.txt", "--format", "jsonl"], in: folder.path
    ).objects()
    #expect(score[0]["token_count"] as? Int == 6 && score[0]["unknown"] as? Int == 0)
    let exact = try Program.run(
      ["greedy", "--model", "m.gsm", "--prompt", "of course, of course", "--max-tokens", "1"],
      in: folder.path)
    #expect(exact.code == 0 && exact.output.hasPrefix("of course, of course"))
    for (options, message) in [
      (["--rebalance", "0.9"], "takes a share and a count"),
      (["--rebalance", "2,3", "--tokens", "words"], "a share of 2.0 is not possible"),
      (["--rebalance", "0.5,1", "--tokens", "words"], "is not frequent, expected 2 or more"),
      (["--rebalance", "0.5,3"], "tokens that are words or characters"),
      (
        ["--rebalance", "0.5,3", "--tokens", "words", "--min-count", "2"],
        "cannot be combined with a minimum count"
      ),
    ] {
      let outcome = try Program.run(
        ["train", "corpus.txt", "-o", "n.gsm"] + options, in: folder.path)
      #expect(outcome.code == 64 || outcome.code == 65)
      #expect(outcome.errors.contains(message), "\(outcome.errors)")
    }
  }
}
