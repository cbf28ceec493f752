// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Sampling

/// Steps on the WikiText-2 trigram under three keywords, one thread.
enum StepsBenchmark {
  static func run(_ setting: Setting) throws {
    let model = try wikiText(setting)
    let target = try keywordTarget(model, ["war", "river", "album"])
    let weights = model.unigramWeights
    let unigram = UnigramTokens<NGramScorer>(model.vocabulary, weights: weights)
    let left = NGramLeftTokens<TokenAutomaton>(model)
    say("WikiText-2 trigram, keywords war, river, album, up to 20 words; one thread\n")
    let wanted = setting.only
    func measure<Kernel: TransitionKernel>(
      _ name: String, _ kernel: @autoclosure () -> Kernel,
      _ target: SentenceTarget<NGramModel, TokenAutomaton>, _ steps: Int
    ) where Kernel.Scorer == IncrementalScorer<NGramModel, TokenAutomaton> {
      guard wanted == nil || name.contains(wanted ?? "") else { return }
      Self.measure(name, kernel(), target, steps)
    }
    measure("unigram words", edits(unigram), target, setting.steps ?? 4_000_000)
    measure("left-conditional words", edits(left), target, setting.steps ?? 2_000_000)
    measure("replace, left", MetropolisHastings(ReplaceToken(left)), target, 1_000_000)
    measure(
      "insert or delete, left", MetropolisHastings(InsertOrDeleteToken(left)), target, 1_000_000)
    let full = NGramFullTokens<TokenAutomaton>(model)
    measure("full-conditional words", edits(full), target, setting.steps ?? 100_000)
    measure("swap", MetropolisHastings(SwapTokens()), target, 1_000_000)
    if let automaton = target.constraint {
      measure(
        "rewrite blocks",
        MetropolisHastings(
          RewriteBlock(automaton: automaton, vocabulary: model.vocabulary, weights: weights)),
        target, 50_000)
    }
    if let peers = setting.peers, wanted == nil || "unigram words" == wanted {
      try peer(peers, model)
    }
    measure("default mixture", NGramMoves(for: target, left: left), target, 1_000_000)
  }

  /// The same chain in Python on KenLM's probing tables, which score each edit's window.
  static func peer(_ peers: String, _ model: NGramModel) throws {
    let folder = FileManager.default.temporaryDirectory.path + "/gensample-steps"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try model.makeTrie().write(arpa: folder + "/model.arpa")
    let script = """
      import bisect, itertools, kenlm, math, random, sys, time
      model = kenlm.Model(sys.argv[1])
      words, logs = [], []
      for line in open(sys.argv[1], encoding="utf-8"):
          if line.startswith("\\\\2-grams"): break
          parts = line.rstrip().split("\\t")
          if len(parts) > 1 and parts[1] not in ("<s>", "</s>", "<unk>"):
              words.append(parts[1]); logs.append(float(parts[0]))
      sums = list(itertools.accumulate(10 ** x for x in logs))
      index = {w: i for i, w in enumerate(words)}
      keys = {"war", "river", "album"}
      def window(text, low, high):
          state = kenlm.State()
          start = max(0, low - 2)
          if start == 0: model.BeginSentenceWrite(state)
          else: model.NullContextWrite(state)
          total, out = 0.0, kenlm.State()
          for i in range(start, min(len(text) + 1, high + 2)):
              score = model.BaseScore(state, text[i] if i < len(text) else "</s>", out)
              if i >= low: total += score
              state, out = out, state
          return total
      def draw(): return words[bisect.bisect(sums, random.random() * sums[-1])]
      text, steps = ["the", "war", "river", "album", "."], 100000
      random.seed(1)
      began = time.perf_counter()
      for step in range(steps):
          kind, n = random.randrange(3), len(text)
          if kind == 0:
              i = random.randrange(n); w = draw()
              new = text[:i] + [w] + text[i + 1:]
              ratio = window(new, i, i + 1) - window(text, i, i + 1) + logs[index[text[i]]] - logs[index[w]]
          elif kind == 1:
              i = random.randrange(n + 1); w = draw()
              new = text[:i] + [w] + text[i:]
              ratio = window(new, i, i + 1) - window(text, i, i) - logs[index[w]]
          else:
              if n == 0: continue
              i = random.randrange(n)
              new = text[:i] + text[i + 1:]
              ratio = window(new, i, i) - window(text, i, i + 1) + logs[index[text[i]]]
          if len(new) <= 20 and keys <= set(new) and math.log10(1 - random.random()) < ratio:
              text = new
      seconds = time.perf_counter() - began
      print("Python on KenLM, unigram  %.1f k steps/s" % (steps / seconds / 1e3))
      """
    let process = Process()
    process.executableURL = URL(fileURLWithPath: peers + "/bin/python")
    process.arguments = ["-c", script, folder + "/model.arpa"]
    try process.run()
    process.waitUntilExit()
  }

  /// Replacement, insertion and deletion, a third each.
  static func edits<Tokens: GapTokens<NGramScorer>>(
    _ words: Tokens
  ) -> Mixture<
    WeightedPair<
      Weighted<MetropolisHastings<ReplaceToken<Tokens>>>,
      Weighted<MetropolisHastings<InsertOrDeleteToken<Tokens>>>
    >
  > {
    Mixture {
      Weighted(1, MetropolisHastings(ReplaceToken(words)))
      Weighted(2, MetropolisHastings(InsertOrDeleteToken(words)))
    }
  }

  static func measure<Kernel: TransitionKernel>(
    _ name: String, _ kernel: Kernel, _ target: SentenceTarget<NGramModel, TokenAutomaton>,
    _ steps: Int
  ) where Kernel.Scorer == NGramScorer {
    var choices = RandomChoices(seed: 1)
    guard let start = try? target.randomStart(using: &choices) else { return }
    var scorer = target.makeScorer(at: start)
    var memory = kernel.start(at: scorer)
    for _ in 0..<steps / 4 { _ = kernel.step(&scorer, memory: &memory, using: &choices) }
    var accepted = 0
    let seconds = fastest {
      for _ in 0..<steps
      where kernel.step(&scorer, memory: &memory, using: &choices).isAccepted { accepted += 1 }
    }
    let share = Double(accepted) / Double(steps * 5) * 100
    say(
      name.padding(toLength: 26, withPad: " ", startingAt: 0)
        + "\(short(Double(steps) / seconds)) steps/s, \(String(format: "%.1f", share)) % accepted")
  }
}

/// The trigram of the WikiText-2 training text, in the fast layout.
func wikiText(_ setting: Setting, order: Int = 3) throws -> NGramModel {
  var options = TrainingOptions()
  options.order = order
  let (trie, _) = try NGramTrainer(options).train([
    setting.file("corpora/en/wikitext2/train.txt")
  ])
  return try NGramModel(trie, layout: .fast)
}

/// Texts of up to 20 words that hold some keywords in any order.
func keywordTarget(
  _ model: NGramModel, _ words: [String], length: String = "..20"
) throws -> SentenceTarget<NGramModel, TokenAutomaton> {
  let statement =
    "include " + words.map { "\"\($0)\"" }.joined(separator: " ") + "\nlength \(length) tokens"
  let compiled = try CompiledConstraints(
    ConstraintFile.parse(statement, path: "benchmark"), for: VocabularyTree(model.vocabulary))
  return SentenceTarget(model: model, constraint: compiled.automaton)
}
