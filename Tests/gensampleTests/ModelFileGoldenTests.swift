// Licensed under the Apache License, Version 2.0.

import Foundation
import Testing

/// `score`, `convert`, `inspect`, `models` and `check`.
@Suite struct ModelFileGoldenTests {
  @Test func scoreIsOneLineEachAndASum() throws {
    let outcome = try Program.run(
      ["score", SmallModel.path, "-", "--format", "jsonl"],
      input: "the sea was calm .\n\nthe zebra .\n")
    #expect(outcome.code == 0 && outcome.errors == "")
    let objects = try outcome.objects()
    #expect(objects.compactMap { $0["type"] as? String } == ["score", "score", "score", "summary"])
    #expect(
      objects.compactMap { $0["text"] as? String } == ["the sea was calm .", "", "the zebra ."])
    #expect(objects.compactMap { $0["token_count"] as? Int } == [6, 1, 4, 11])
    #expect(objects.compactMap { $0["unknown"] as? Int } == [0, 0, 1, 1])
    let sums = objects.compactMap { $0["log_probability"] as? Double }
    #expect(sums.count == 4 && abs(sums[0] + sums[1] + sums[2] - sums[3]) < 1e-9)
    let perplexity = try #require(objects[3]["perplexity"] as? Double)
    #expect(abs(perplexity - exp(-sums[3] / 11)) < 1e-9)
    let known = try #require(objects[3]["perplexity_known"] as? Double)
    #expect(known < perplexity)
  }

  @Test func scoreAsText() throws {
    let outcome = try Program.run(["score", SmallModel.path, "-"], input: "the sea\n")
    #expect(outcome.lines.first == "log-probability\ttokens\tunknown\ttext")
    #expect(outcome.lines.dropFirst().first?.hasSuffix("\t3\t0\tthe sea") == true)
    #expect(outcome.lines.dropFirst(2).first == "lines: 1  tokens: 3  unknown: 0")
    let summary = try Program.run(["score", SmallModel.path, "-", "--summary"], input: "the sea\n")
    #expect(summary.lines == Array(outcome.lines.dropFirst(2)))
  }

  @Test func scoreOfNothingIsUndefined() throws {
    let outcome = try Program.run(["score", SmallModel.path, "-", "--format", "jsonl"])
    let summary = try #require(try outcome.objects().first)
    #expect(summary["perplexity"] is NSNull)
    #expect(summary["reason"] as? String == "the input has no lines")
  }

  @Test(
    arguments: [
      (
        ["score", "small.gsm", "bad.txt"], 65,
        "bad.txt:2: found the byte 0xFF at byte 5, which is no UTF-8 there; convert the text, or "
          + "give --lossy to put U+FFFD in its place"
      ),
      (
        ["score", "small.gsm", "nowhere.txt"], 66,
        "nowhere.txt: cannot be read: No such file or directory"
      ),
      (["score", "small.gsm", "-", "-"], 64, "standard input can be read only once"),
      (
        ["convert", "nowhere.gsm", "out.gsm"], 66,
        "nowhere.gsm: cannot be read: No such file or directory"
      ),
      (
        ["convert", "small.gsm", "/nowhere/out.gsm"], 73,
        "cannot write '/nowhere/out.gsm': No such file or directory"
      ),
      (
        ["convert", "small.gsm", "out.bin"], 64,
        "'out.bin' has no known suffix; use .gsm, .arpa or .arpa.gz"
      ),
      (
        ["convert", "small.gsm", "out.gsm", "--layout", "fast", "--quantize", "8"], 64,
        "--quantize needs --layout small; the fast layout would not get smaller"
      ),
      (
        ["convert", "cut.arpa.gz", "out.gsm"], 65,
        "cut.arpa.gz: is not a valid gzip file"
      ),
      (["check", "nowhere.txt"], 66, "nowhere.txt: cannot be read: No such file or directory"),
    ] as [([String], Int32, String)])
  func whatCannotBeDoneIsSaid(arguments: [String], code: Int32, message: String) throws {
    let folder = try Folder()
    try FileManager.default.copyItem(atPath: SmallModel.path, toPath: folder.path("small.gsm"))
    try folder.write("bad.txt", Data([0x61, 0x20, 0x62, 0x0A, 0x63, 0xFF, 0x0A]))
    try folder.write("cut.arpa.gz", Data([0x1F, 0x8B, 8, 0, 0]))
    let outcome = try Program.run(arguments, in: folder.path)
    #expect(outcome.errors == "gensample: \(message)\n")
    #expect(outcome.code == code)
    #expect(try folder.names() == ["bad.txt", "cut.arpa.gz", "small.gsm"])
  }

  @Test func scoreStopsAtASignalWithWhatItHas() throws {
    let folder = try Folder()
    let outcome = try Program.run(
      ["score", SmallModel.path, "-", "--format", "jsonl"], in: folder.path,
      shell: #"mkfifo text; exec 3<>text; echo the sea >&3; exec "$@" <text"#,
      interrupt: (SIGINT, { $0.contains("the sea") }))
    #expect(outcome.code == 130)
    #expect(outcome.errors == "gensample: stopped\n")
    #expect(try outcome.objects().compactMap { $0["type"] as? String } == ["score", "summary"])
  }

  /// A model that cannot be kept in part is given up at the first signal.
  @Test(arguments: [(SIGINT, 130), (SIGTERM, 143)] as [(Int32, Int32)])
  func convertStoppedLeavesNothing(signal: Int32, code: Int32) throws {
    let folder = try Folder()
    let outcome = try Program.run(
      ["convert", "in.arpa", "out.gsm"], in: folder.path,
      shell: #"mkfifo in.arpa; exec 3<>in.arpa; exec "$@""#, interrupt: (signal, { _ in true }))
    #expect(outcome.code == code)
    #expect(outcome.errors == "gensample: stopped; nothing was written\n")
    #expect(try folder.names() == ["in.arpa"])
  }

  /// Numbers, vocabulary and how texts are put together survive a way around.
  @Test func formsHoldTheSame() throws {
    let folder = try Folder()
    for (from, to) in [
      (SmallModel.path, "a.arpa.gz"), ("a.arpa.gz", "b.gsm"), ("b.gsm", "c.arpa"),
      (SmallModel.path, "d.arpa"),
    ] {
      let outcome = try Program.run(["convert", from, to], in: folder.path)
      #expect(outcome.code == 0 && outcome.errors == "" && outcome.output == "", "\(to)")
    }
    #expect(
      try folder.bytes("b.gsm") == Data(contentsOf: URL(fileURLWithPath: SmallModel.path)))
    #expect(try folder.bytes("c.arpa") == folder.bytes("d.arpa"))
    #expect(try folder.names() == ["a.arpa.gz", "b.gsm", "c.arpa", "d.arpa"])
  }

  @Test func inspectTellsForms() throws {
    let folder = try Folder()
    #expect(
      try Program.run(
        ["convert", SmallModel.path, "q.gsm", "--quantize", "4"], in: folder.path
      ).code == 0)
    let outcome = try Program.run(
      ["inspect", "q.gsm", SmallModel.path, "--format", "jsonl"], in: folder.path)
    #expect(outcome.code == 0 && outcome.errors == "")
    let objects = try outcome.objects()
    #expect(objects.compactMap { $0["layout"] as? String } == ["small", "fast"])
    #expect(objects.compactMap { $0["quantized_bits"] as? Int } == [4, 0])
    #expect(objects.allSatisfy { $0["counts"] as? [Int] == [15, 32, 42] })
    #expect(objects.allSatisfy { $0["sound"] as? Bool == true })
    #expect(objects[0]["bytes"] as? Int == (try folder.bytes("q.gsm").count))
  }

  /// What is wrong is said of each file, and the sound ones are shown all the same.
  @Test func inspectGoesOnBehindADamagedFile() throws {
    let folder = try Folder()
    let sound = try Data(contentsOf: URL(fileURLWithPath: SmallModel.path))
    var flipped = sound
    flipped[sound.count / 2] ^= 1
    try folder.write("cut.gsm", sound.dropLast())
    try folder.write("flipped.gsm", flipped)
    try folder.write("empty.gsm", Data())
    try folder.write("sound.gsm", sound)
    let outcome = try Program.run(
      ["inspect", "cut.gsm", "flipped.gsm", "sound.gsm", "empty.gsm"], in: folder.path)
    #expect(outcome.code == 65)
    #expect(
      outcome.errors == """
        gensample: cut.gsm at byte 16: the header says \(sound.count) bytes, but the file has \
        \(sound.count - 1)
        gensample: flipped.gsm at byte \(sound.count - 8): the checksum does not match the contents, \
        so the file is damaged; create it again
        gensample: empty.gsm at byte 0: the file is empty

        """)
    #expect(outcome.lines.first == "sound.gsm: n-gram model (.gsm, fast layout), sound")
  }

  @Test(arguments: [
    ("no model at all\n", "m.arpa: is no ARPA file: no line is '\\data\\'"),
    (
      "\\data\\\nngram 1=3\n\n\\1-grams:\n-1\t<s>\n-1\ta\n-1\t</s>\n",
      "m.arpa:7: the file ends in the n-grams of order 1 after 3 of 3, without '\\end\\'; it is "
        + "cut short"
    ),
    (
      "\\data\\\nngram 1=3\n\n\\1-grams:\n-1\t<s>\nnan\ta\n-1\t</s>\n\n\\end\\\n",
      "m.arpa:6: found 'nan\ta', expected a log10 probability at the line's beginning"
    ),
    (
      "\\data\\\nngram 1=3\n\n\\1-grams:\n-1\t<s>\n0.5\ta\n-1\t</s>\n\n\\end\\\n",
      "m.arpa:6: the log10 probability 0.5 is not one: expected a finite number of at most 0"
    ),
  ])
  func brokenARPAIsNamedWithItsLine(text: String, message: String) throws {
    let folder = try Folder()
    try folder.write("m.arpa", text)
    for arguments in [["inspect", "m.arpa"], ["convert", "m.arpa", "m.gsm"]] {
      let outcome = try Program.run(arguments, in: folder.path)
      #expect(outcome.errors == "gensample: \(message)\n")
      #expect(outcome.code == 65)
      #expect(try folder.names() == ["m.arpa"])
    }
  }

  /// Files that other programs got wrong; the sound ones among them are read.
  @Test(
    TestData.isNeeded,
    arguments: [
      ("100.lm", nil), ("102.lm", nil), ("104.lm", nil),
      (
        "105.lm",
        ":18: the file ends in the n-grams of order 1 after 7 of 9, without '\\end\\'; it is cut "
          + "short"
      ),
      ("107.lm", ":29: found 1 word, expected 2 in an n-gram of order 2"),
      (
        "too-many-ngrams.arpa",
        ":12: the file ends in the n-grams of order 1 after 1 of 91, without '\\end\\'; it is cut "
          + "short"
      ),
    ] as [(String, String?)])
  func filesOfPocketSphinx(name: String, fault: String?) throws {
    let path = TestData.path("arpa/pocketsphinx/\(name)")
    let outcome = try Program.run(["inspect", path])
    #expect(outcome.code == (fault == nil ? 0 : 65))
    #expect(outcome.errors == (fault.map { "gensample: \(path)\($0)\n" } ?? ""))
  }

  @Test func modelsAreListedWithCards() throws {
    let names = ["english", "tang", "english-llama", "tang-gpt"]
    let list = try Program.run(["models"])
    #expect(list.code == 0)
    #expect(list.lines.map { String($0.prefix { $0 != " " }) } == names)
    for name in names {
      let card = try Program.run(["models", name])
      #expect(card.code == 0)
      let object = try #require(
        try Program.run(["models", name, "--format", "jsonl"]).objects().first)
      #expect(object["card"] as? String == String(card.output.dropLast()))
    }
  }

  @Test func checkSaysWhichStatementFailsWhere() throws {
    let folder = try Folder()
    try folder.write("lines.txt", "include \"sea\"\nexclude \"moon\"\nlength 2..6 words\n")
    let texts = "the sea was calm .\r\nthe sea and the moon .\nthe wind .\n\nsea\na zebra\n"
    let arguments = ["check", "lines.txt", "-", "--model", SmallModel.path]
    let outcome = try Program.run(arguments, input: texts, in: folder.path)
    #expect(outcome.code == 1)
    #expect(outcome.errors == "gensample: 5 lines do not meet the statements\n")
    #expect(
      outcome.lines == [
        "met\tthe sea was calm .",
        "unmet\tthe sea and the moon .\texclude \"moon\": can no longer be met from character 17 on",
        "unmet\tthe wind .\tinclude \"sea\": the whole text does not meet it",
        "unmet\t\tinclude \"sea\": the whole text does not meet it",
        "unmet\tsea\tlength 2..6 words: the whole text does not meet it",
        "unmet\ta zebra\t'zebra' is outside the model's vocabulary from character 3 on",
      ])
    let objects = try Program.run(
      arguments + ["--format", "jsonl"], input: texts, in: folder.path
    ).objects()
    #expect(
      objects.compactMap { $0["satisfied"] as? Bool } == [true] + [Bool](repeating: false, count: 5)
    )
    #expect(objects[1]["statement"] as? String == "exclude \"moon\"")
    #expect(objects[1]["character"] as? Int == 17)
  }

  @Test func checkShowsATextThatMeetsAll() throws {
    let outcome = try Program.run(
      ["check", "-", "--model", SmallModel.path, "--format", "jsonl"],
      input: "include \"sea\" \"moon\"\nlength ..6 words\n")
    #expect(outcome.code == 0 && outcome.errors == "")
    let object = try #require(try outcome.objects().first)
    let example = try #require(object["example"] as? String)
    #expect(example.contains("sea") && example.contains("moon"))
    #expect(object["satisfiable"] as? Bool == true)
    #expect(object["shortest"] as? Int == 2)
    #expect(object["statements"] as? Int == 2)
  }
}
