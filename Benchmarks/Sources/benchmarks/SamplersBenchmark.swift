// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Sampling

/// The same sums by every sampler: log evidences beside the exact one, and five marginals.
enum SamplersBenchmark {
  /// The three most frequent words of the corpus and three rare ones, in any order, up to 20 words.
  static let targets = [["the", "of", "and"], ["war", "river", "album"]]
  /// The number of words where Gibbs sampling keeps it.
  static let fixedLength = 12

  /// Estimates of one target.
  struct Estimate {
    var name: String
    var logEvidence: (value: Double, error: Double)?
    /// By marginal.
    var means: [(value: Double, error: Double)]
    var seconds: Double
  }

  static func run(_ setting: Setting) throws {
    let model = try wikiText(setting)
    let left = NGramLeftTokens<TokenAutomaton>(model)
    let full = NGramFullTokens<TokenAutomaton>(model)
    for keywords in targets {
      let first = words(model, keywords)
      let common: [@Sendable (TokenSequence) -> Double] = [
        { $0.firstIndex(of: first[0]) ?? 0 < $0.firstIndex(of: first[1]) ?? 0 ? 1 : 0 },
        { $0.first == model.vocabulary.token("The") ? 1 : 0 },
        { text in text.count { $0 == model.vocabulary.token("in") } > 0 ? 1 : 0 },
      ]
      try compare(
        keywords, try keywordTarget(model, keywords),
        common + [{ Double($0.count) }, { $0.count <= 12 ? 1 : 0 }], setting
      ) { target, quantities, seed in
        try estimates(target, left, quantities, seed: seed, rejects: keywords == targets[0])
      }
      try compare(
        keywords, try keywordTarget(model, keywords, length: "\(fixedLength)"),
        common + [
          { $0[0] == first[0] || $0[1] == first[0] || $0[2] == first[0] ? 1 : 0 },
          { $0.firstIndex(of: first[1]) ?? 0 < $0.firstIndex(of: first[2]) ?? 0 ? 1 : 0 },
        ], setting
      ) { target, quantities, seed in
        guard let automaton = target.constraint else { return [] }
        let rewrite = RewriteBlock<NGramScorer>(
          automaton: automaton, vocabulary: model.vocabulary, weights: model.unigramWeights)
        let moves = Mixture {
          Weighted(9, MetropolisHastings(SwapTokens<NGramScorer>()))
          Weighted(1, MetropolisHastings(rewrite))
        }
        return [
          try chains(
            "gibbs, with swaps", target,
            Mixture {
              Weighted(1, Gibbs(full, for: target))
              Weighted(1, moves)
            }, quantities,
            steps: 400_000, seed: seed),
          try chains(
            "mh", target, NGramMoves(for: target, left: left), quantities, steps: 2_000_000,
            seed: seed),
        ]
      }
    }
  }

  /// Prints estimates by five seeds in errors from the exact figures.
  private static func compare(
    _ keywords: [String], _ target: SentenceTarget<NGramModel, TokenAutomaton>,
    _ quantities: [@Sendable (TokenSequence) -> Double], _ setting: Setting,
    _ estimates: (
      SentenceTarget<NGramModel, TokenAutomaton>, [@Sendable (TokenSequence) -> Double], UInt64
    ) throws -> [Estimate]
  ) throws {
    let exact = try NGramInference(target: target, threads: 2)
    let truths = quantities.map { quantity -> (value: Double, error: Double) in
      let draws = exact.draws(0..<100_000, random: Philox(seed: 99), threads: 2).map(quantity)
      let mean = draws.reduce(0, +) / Double(draws.count)
      let squares = draws.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
      return (mean, squares.squareRoot() / Double(draws.count))
    }
    let lengths = target.constraint?.fixedLength.map { "\($0) words" } ?? "up to 20 words"
    say("\n\(keywords.joined(separator: ", ")), \(lengths): log evidence \(exact.logEvidence)")
    say(
      "marginals of 100,000 exact draws: "
        + truths.map { String(format: "%.4f", $0.value) }.joined(separator: " "))
    say(
      "\nsampler, seed         log evidence      errors off   marginals, errors off        seconds")
    var offs: [(name: String, offs: [Double])] = []
    for seed in 1...(setting.steps ?? 5) {
      for estimate in try estimates(target, quantities, UInt64(seed))
      where setting.only.map({ estimate.name.contains($0) }) ?? true {
        let evidence = estimate.logEvidence.map { ($0.value - exact.logEvidence) / $0.error }
        let means = zip(estimate.means, truths).map { mean, truth in
          (mean.value - truth.value)
            / (mean.error * mean.error + truth.error * truth.error).squareRoot()
        }
        if !offs.contains(where: { $0.name == estimate.name }) { offs.append((estimate.name, [])) }
        for i in offs.indices where offs[i].name == estimate.name {
          offs[i].offs += means + [evidence].compactMap { $0 }
        }
        var line = "\(estimate.name), \(seed)".padding(toLength: 22, withPad: " ", startingAt: 0)
        line +=
          (estimate.logEvidence.map { z in
            String(format: "%.3f ± %.3f   %+.1f", z.value, z.error, evidence ?? 0)
          } ?? "").padding(toLength: 31, withPad: " ", startingAt: 0)
        line += means.map { String(format: "%+.1f", $0) }.joined(separator: " ")
          .padding(toLength: 29, withPad: " ", startingAt: 0)
        say(line + String(format: "%.1f", estimate.seconds))
      }
    }
    // Of n figures with known normal errors .0027 n lie beyond three.
    for (name, all) in offs {
      let most = all.map { abs($0) }.max() ?? 0
      say(
        "\(name): \(all.count { abs($0) > 3 }) of \(all.count) beyond three errors, the farthest "
          + String(format: "%.1f", most))
    }
  }

  private static func words(_ model: NGramModel, _ keywords: [String]) -> [Token] {
    keywords.compactMap { model.vocabulary.token($0) }
  }

  private static func estimates(
    _ target: SentenceTarget<NGramModel, TokenAutomaton>, _ left: NGramLeftTokens<TokenAutomaton>,
    _ quantities: [@Sendable (TokenSequence) -> Double], seed: UInt64, rejects: Bool
  ) throws -> [Estimate] {
    guard let automaton = target.constraint, let most = automaton.longestLength else { return [] }
    let model = target.model
    let random = Philox(seed: seed)
    var all: [Estimate] = []
    func weighted(_ name: String, _ texts: WeightedTexts, _ seconds: Double) {
      all.append(
        Estimate(
          name: name, logEvidence: (texts.logEvidence, texts.logEvidenceError.value ?? .nan),
          means: quantities.map { texts.mean($0) ?? (.nan, .nan) }, seconds: seconds))
    }
    let plain = AutomatonLookAhead(
      automaton, mostTokens: most, weights: model.unigramWeights, vocabulary: model.vocabulary)
    if rejects {
      let texts = ModelTexts(target, plain, source: NGramTokens(left))
      let (drawn, seconds) = try timed {
        var drawn = WeightedTexts()
        var choices = RandomChoices(random)
        for _ in 0..<1_000_000 { drawn.append(try texts.draw(using: &choices)) }
        return drawn
      }
      // With hard constraints every kept text weighs 1: rejection from the model.
      weighted("rejection", drawn, seconds)
    }
    let guide = BigramLookAhead(plain, BigramLookAhead.Tables(model.makeBackoffAutomaton()))
    let tokens = BigramGuidedTokens(target, guide)
    let (importance, seconds) = try timed {
      try draw(GuidedTexts(tokens), 20_000, random)
    }
    weighted("importance", importance, seconds)
    let (runs, smcSeconds) = try timed {
      try (0..<10).map { run in
        try ParticleFilter(tokens).run(count: 2_000, random: random.stream(run), threads: 2).texts
      }
    }
    let evidences = WeightedTexts(
      runs.map { WeightedText([], logWeight: $0.logEvidence) }, zeroCount: 0)
    // Whole runs are independent, particles of one are not.
    let factor = studentQuantile(0.998_650_101_968_369_9, degrees: Double(runs.count - 1)) / 3
    let shares = evidences.relativeWeights
    let total = shares.reduce(0, +)
    all.append(
      Estimate(
        name: "smc",
        logEvidence: (
          evidences.logEvidence, factor * (evidences.logEvidenceError.value ?? .nan)
        ),
        means: quantities.map { quantity in
          let means = runs.map { $0.mean(quantity)?.value ?? .nan }
          let mean = zip(shares, means).reduce(0) { $0 + $1.0 * $1.1 } / total
          let squares = zip(shares, means).reduce(0) {
            $0 + $1.0 * $1.0 * ($1.1 - mean) * ($1.1 - mean)
          }
          return (mean, factor * squares.squareRoot() / total)
        }, seconds: smcSeconds))
    let lowered = try model.lowered(to: 2)
    let easy = SentenceTarget(model: lowered, constraint: automaton)
    let base = GuidedTexts(
      BigramGuidedTokens(
        easy,
        BigramLookAhead(
          AutomatonLookAhead(
            automaton, mostTokens: most, weights: lowered.unigramWeights,
            vocabulary: lowered.vocabulary),
          BigramLookAhead.Tables(lowered.makeBackoffAutomaton()))))
    typealias Replace = MetropolisHastings<
      BridgedProposal<
        ReplaceToken<NGramLeftTokens<TokenAutomaton>>, IncrementalScorer<NGramModel, TokenAutomaton>
      >
    >
    typealias Insert = MetropolisHastings<
      BridgedProposal<
        InsertOrDeleteToken<NGramLeftTokens<TokenAutomaton>>,
        IncrementalScorer<NGramModel, TokenAutomaton>
      >
    >
    typealias Swap = MetropolisHastings<
      BridgedProposal<SwapTokens<NGramScorer>, IncrementalScorer<NGramModel, TokenAutomaton>>
    >
    let moves = Mixture {
      Weighted(
        3,
        Mixture {
          Weighted(2, Replace(BridgedProposal(ReplaceToken(left))))
          Weighted(3, Insert(BridgedProposal(InsertOrDeleteToken(left))))
        })
      Weighted(1, Swap(BridgedProposal(SwapTokens())))
    }
    let (annealed, annealedSeconds) = try timed {
      try draw(
        AnnealedImportance(from: base, to: target, kernel: moves, stages: 3_000), 1_000, random)
    }
    weighted("annealed", annealed, annealedSeconds)
    all.append(
      try chains(
        "mh", target, NGramMoves(for: target, left: left), quantities, steps: 2_000_000, seed: seed
      ))
    return all
  }

  private static func timed<Value>(_ work: () throws -> Value) rethrows -> (Value, Double) {
    let began = ContinuousClock.now
    let value = try work()
    return (value, began.duration(to: .now) / .seconds(1))
  }

  /// Means by four chains.
  private static func chains<
    Kernel: TransitionKernel<IncrementalScorer<NGramModel, TokenAutomaton>>
  >(
    _ name: String, _ target: SentenceTarget<NGramModel, TokenAutomaton>, _ kernel: Kernel,
    _ quantities: [@Sendable (TokenSequence) -> Double], steps: Int, seed: UInt64
  ) throws -> Estimate {
    let (records, seconds) = try timed {
      try runChains(
        of: RunPlan(
          warmup: steps / 4, thin: steps, extent: .steps(steps),
          traceEvery: max(1, steps / 2_000), seed: seed),
        target: target, kernel: kernel,
        quantities: { scorer in
          let text = scorer.state
          return quantities.map { $0(text) }
        }, threads: 2)
    }
    return Estimate(
      name: name, logEvidence: nil,
      means: quantities.indices.map { i in
        let traces = records.traces(ofQuantity: i)
        return (traces.mean.value ?? .nan, traces.meanError.value ?? .nan)
      }, seconds: seconds)
  }

  /// Each text by a stream of its own.
  private static func draw(
    _ texts: some TextProposal, _ count: Int, _ random: Philox
  ) throws -> WeightedTexts {
    let drawn = try concurrently(count, threads: 2) { number in
      var choices = RandomChoices(random.stream(UInt64(number)))
      return try texts.draw(using: &choices)
    }
    var all = WeightedTexts()
    for draw in drawn { all.append(draw) }
    return all
  }
}
