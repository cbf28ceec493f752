// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Sampling

/// Tokens a second of a neural model on one thread and on two, beside llama.cpp on one.
enum NetworksBenchmark {
  static func run(_ setting: Setting) throws {
    guard let path = setting.model else {
      say("give a GGUF file with --model FILE")
      exit(64)
    }
    for threads in [1, 2] {
      var options = NeuralModel.Options()
      options.threads = threads
      options.allowsAnyTokens = true
      let opening = try fastest(of: 3) { _ = try NeuralModel(path: path, options: options) }
      say(
        "gensample, \(threads) \(threads == 1 ? "thread" : "threads"), opened in \(short(opening)) s"
      )
      var seed = 0
      // A model of its own: nothing is known of the texts of an earlier measurement.
      func measure(_ name: String, _ count: Int, _ work: (NeuralModel, Int) throws -> Double) throws
      {
        let model = try NeuralModel(path: path, options: options)
        var seconds: [Double] = []
        for _ in 0..<6 {
          seed += 1
          seconds.append(try work(model, seed))
        }
        // The first one reads the weights into memory.
        let sorted = seconds.dropFirst().sorted()
        say(line(name, Double(count) / sorted[2], Double(count) / sorted[0]))
      }
      for length in [16, 128] {
        try measure("score \(length)", length) { model, seed in
          try time(model, [text(length, seed, model)], rows: .none)
        }
      }
      try measure("16 x 16, score", 256) { model, seed in
        try time(model, (0..<16).map { text(16, 100 * seed + $0, model) }, rows: .none)
      }
      try measure("decode 64 after 32", 64) { model, seed in try decode(model, 1, 64, seed) }
      try measure("16 in step, 16 steps", 256) { model, seed in try decode(model, 16, 16, seed) }
    }
    try peers(setting, path)
  }

  private static func line(_ name: String, _ median: Double, _ best: Double) -> String {
    "  \(name.padding(toLength: 22, withPad: " ", startingAt: 0)) "
      + String(format: "%.1f tokens/s, at best %.1f", median, best)
  }

  /// Arbitrary tokens, the same for a seed.
  private static func text(_ length: Int, _ seed: Int, _ model: NeuralModel) -> [Token] {
    var choices = RandomChoices(seed: UInt64(seed))
    var tokens: [Token] = []
    while tokens.count < length {
      let token = Token(choices.index(below: model.vocabulary.count))
      if model.vocabulary.isDrawable(token) { tokens.append(token) }
    }
    return tokens
  }

  private static func time(
    _ model: NeuralModel, _ texts: [[Token]], rows: TokenRun<NeuralModel.Context>.Rows
  ) throws -> Double {
    let start = try model.makeContext()
    var results = ScoredRuns<NeuralModel.Context>()
    let began = ContinuousClock.now
    try model.score(
      texts.map { TokenRun(start, $0, scoresEnd: true, rows: rows) }, into: &results)
    return began.duration(to: .now) / .seconds(1)
  }

  /// Seconds for the likeliest token, `steps` times, of texts that grow side by side.
  private static func decode(
    _ model: NeuralModel, _ count: Int, _ steps: Int, _ seed: Int
  ) throws -> Double {
    let start = try model.makeContext()
    var results = ScoredRuns<NeuralModel.Context>()
    try model.score(
      (0..<count).map { TokenRun(start, text(32, 100 * seed + $0, model), rows: .last) },
      into: &results)
    let began = ContinuousClock.now
    for step in 0..<steps {
      var runs: [TokenRun<NeuralModel.Context>] = []
      for run in 0..<count {
        let row = results.row(0, ofRun: run)
        let best =
          row.indices.filter { model.vocabulary.isDrawable(Token($0 - row.startIndex)) }
          .max { row[$0] < row[$1] } ?? row.startIndex
        runs.append(
          TokenRun(
            results.context(ofRun: run, behind: step == 0 ? 32 : 1),
            [Token(best - row.startIndex)], rows: .last))
      }
      try model.score(runs, into: &results)
    }
    return began.duration(to: .now) / .seconds(1)
  }

  private static func peers(_ setting: Setting, _ path: String) throws {
    guard let peers = setting.peers else { return }
    let script = """
      import random, statistics, sys, time
      from llama_cpp import Llama
      model = Llama(sys.argv[1], n_ctx=1024, n_batch=512, n_threads=1, n_threads_batch=1,
          logits_all=True, verbose=False)
      random.seed(1)
      ids = [random.randrange(100, model.n_vocab() // 2) for _ in range(512)]
      def show(name, count, seconds):
          seconds = sorted(seconds[1:])
          print(f"  {name:22} {count / seconds[2]:.1f} tokens/s, at best {count / seconds[0]:.1f}")
      for length in (16, 128):
          times = []
          for _ in range(6):
              model.reset()
              began = time.perf_counter()
              model.eval(ids[:length])
              times.append(time.perf_counter() - began)
          show(f"score {length}", length, times)
      times = []
      for _ in range(6):
          model.reset()
          model.eval(ids[:32])
          began = time.perf_counter()
          for i in range(64):
              model.eval([ids[40 + i]])
          times.append(time.perf_counter() - began)
      show("decode 64 after 32", 64, times)
      """
    say("llama.cpp, one thread; its 8-bit activations are not exact")
    let process = Process()
    process.executableURL = URL(fileURLWithPath: peers + "/bin/python")
    process.arguments = ["-c", script, path]
    try process.run()
    process.waitUntilExit()
  }
}
