// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Sampling

/// Estimating, storing, opening and asking models of WikiText-2.
enum ModelsBenchmark {
  static func run(_ setting: Setting) throws {
    let train = setting.file("corpora/en/wikitext2/train.txt")
    let test = setting.file("corpora/en/wikitext2/test.txt")
    let folder = FileManager.default.temporaryDirectory.path + "/gensample-benchmark"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let program = CommandLine.arguments[0]

    say("estimating, all cores (lmplz cannot be installed here: our figures alone)\n")
    for (order, memory) in [(3, 1024), (3, 200), (5, 1024), (5, 200)] {
      var options = TrainingOptions()
      options.order = order
      options.memory = memory << 20
      let seconds = try fastest(of: 3) { _ = try NGramTrainer(options).train([train]) }
      let peak = try peakMemory(program, ["train-once", train, "\(order)", "\(memory)", folder])
      say(
        "order \(order), --memory \(memory)M: \(String(format: "%.2f", seconds)) s to estimate, "
          + "peak \(peak >> 20) MB with writing")
    }

    say("\nsizes and opening\n")
    var options = TrainingOptions()
    options.order = 3
    let (trie, _) = try NGramTrainer(options).train([train])
    for (name, layout, bits) in [
      ("small", NGramLayout.small, 0), ("small, 8 bits", .small, 8), ("fast", .fast, 0),
    ] {
      let path = folder + "/\(layout.rawValue)\(bits).gsm"
      try trie.write(gsm: path, layout: layout, quantizedBits: bits)
      let size = try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int ?? 0
      let seconds = try fastest { _ = try NGramModel(path: path) }
      say(
        "\(name): \(String(format: "%.2f", Double(size) / 1e6)) MB, opened and verified in "
          + "\(String(format: "%.4f", seconds)) s")
    }

    say("\nperplexity and scoring of the test text, one thread\n")
    for order in [3, 5] {
      let model = try order == 3 ? NGramModel(trie) : wikiText(setting, order: 5)
      var total = TextScorer.Score()
      let seconds = try fastest {
        var scorer = TextScorer(model)
        total = TextScorer.Score()
        for _ in 0..<4 { try scorer.score(path: test) { _, score in total.add(score) } }
      }
      let ids = try tokens(test, model)
      var sum = 0.0
      let idSeconds = fastest {
        for line in ids { sum += model.logProbability(of: line) }
      }
      let count = ids.reduce(0) { $0 + $1.count + 1 }
      say(
        "order \(order): perplexity \(total.perplexity ?? 0), "
          + "\(short(Double(total.tokenCount) / seconds)) text tokens/s, "
          + "\(short(Double(count) / idSeconds)) ids/s")
      if order == 3 {
        try peer(setting, trie, test, folder)
        draws(model)
      }
      if sum.isNaN { say("not a number") }
    }
  }

  /// Words drawn from the left conditional, one after another: whole texts by ancestral sampling.
  static func draws(_ model: NGramModel) {
    let words = NGramLeftTokens<TokenAutomaton>(model)
    var choices = RandomChoices(seed: 1)
    var context = model.makeContext()
    let count = 4_000_000
    let seconds = fastest(of: 3) {
      for i in 0..<count {
        _ = words.draw(advancing: &context, using: &choices)
        if i % 20 == 19 { context = model.makeContext() }
      }
    }
    say("         left-conditional words: \(short(Double(count) / seconds)) drawn/s in one chain")
  }

  /// KenLM's Python module on the same lines, in the same minute.
  static func peer(
    _ setting: Setting, _ trie: NGramTrie, _ test: String, _ folder: String
  ) throws {
    guard let peers = setting.peers else { return }
    let arpa = folder + "/model.arpa"
    try trie.write(arpa: arpa)
    let script = """
      import kenlm, sys, time
      model = kenlm.Model(sys.argv[1])
      lines = open(sys.argv[2], encoding="utf-8").read().split("\\n")[:-1]
      count = sum(len(line.split()) + 1 for line in lines)
      best = 1e9
      for _ in range(5):
          began = time.perf_counter()
          total = sum(model.score(line) for line in lines)
          best = min(best, time.perf_counter() - began)
      print("         KenLM probing through Python: %.2f M text tokens/s, perplexity %.4f"
            % (count / best / 1e6, 10 ** (-total / count)))
      """
    let process = Process()
    process.executableURL = URL(fileURLWithPath: peers + "/bin/python")
    process.arguments = ["-c", script, arpa, test]
    try process.run()
    process.waitUntilExit()
  }

  static func tokens(_ path: String, _ model: NGramModel) throws -> [TokenSequence] {
    let text = try String(contentsOfFile: path, encoding: .utf8)
    let unknown = model.vocabulary.unknown ?? model.vocabulary.end
    return text.split(separator: "\n").map { line in
      TokenSequence(
        line.split(whereSeparator: { $0 == " " || $0 == "\t" }).map {
          model.vocabulary.token(String($0)) ?? unknown
        })
    }
  }

  /// Peak resident bytes of a run of its own.
  static func peakMemory(_ program: String, _ arguments: [String]) throws -> Int {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [program] + arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return Int(
      String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines))
      ?? 0
  }

  /// Estimates and writes once, then prints the peak.
  static func trainOnce(_ arguments: [String]) throws {
    guard arguments.count == 4, let order = Int(arguments[1]), let memory = Int(arguments[2]) else {
      return
    }
    var options = TrainingOptions()
    options.order = order
    options.memory = memory << 20
    let (trie, _) = try NGramTrainer(options).train([arguments[0]])
    try trie.write(gsm: arguments[3] + "/once.gsm", layout: .fast, quantizedBits: 0)
    printPeakMemory()
  }
}

/// Prints the peak of this process's resident bytes.
func printPeakMemory() {
  var usage = rusage()
  getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
  say("\(usage.ru_maxrss * 1024)")
}
