// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Sampling

/// Effective samples of the log-probability a second, by kernel, on four real targets.
enum TargetsBenchmark {
  static let targets: [(name: String, model: BuiltInModel, statements: String)] = [
    ("keywords", .english, "include \"war\" \"river\"\nlength 6..14 words\nlength ..18 tokens"),
    (
      "template", .english,
      "template \"It was a {one of \\\"dark\\\" \\\"cold\\\" \\\"lovely\\\"} night, and {3..6 words} "
        + "the {1 words}.\"\nlength ..20 tokens"
    ),
    (
      "poem", .tang,
      "match /\\p{Han}{5}，\\p{Han}{5}。/\nat character 1 \"春\"\nat character 7 \"江\""
    ),
    (
      "correction", .english,
      "template \"The {one of \\\"see\\\" \\\"sea\\\" \\\"seat\\\"} {one of \\\"was\\\" \\\"has\\\"} "
        + "{one of \\\"calm\\\" \\\"came\\\"} and {one of \\\"the\\\" \\\"then\\\"} {0..2 words} "
        + "{one of \\\"wind\\\" \\\"window\\\"} was {one of \\\"cold\\\" \\\"could\\\" \\\"called\\\"}.\"\nlength ..20 tokens"
    ),
  ]

  static let chains = 4

  static func run(_ setting: Setting) throws {
    say("effective samples of the log-probability a second, one thread; R-hat in brackets where")
    say("above 1.05, and then no figure is to be trusted\n")
    say(
      "kernel           "
        + targets.map { $0.name.padding(toLength: 18, withPad: " ", startingAt: 0) }.joined())
    var rows: [(name: String, cells: [String])] = []
    for (column, one) in targets.enumerated() {
      let model = try one.model.load(layout: .fast)
      let target = try SentenceTarget(
        model: model, constraints: ConstraintFile.parse(one.statements, path: one.name))
      guard let automaton = target.constraint else { continue }
      let left = NGramLeftTokens<TokenAutomaton>(model)
      let full = NGramFullTokens<TokenAutomaton>(model)
      let unigram = UnigramTokens<NGramScorer>(model.vocabulary, weights: model.unigramWeights)
      let rewrite = MetropolisHastings(
        RewriteBlock<NGramScorer>(
          automaton: automaton, vocabulary: model.vocabulary, weights: model.unigramWeights))
      func measure<Target: Sampling.Target<TokenSequence>, Kernel: TransitionKernel>(
        _ name: String, on sampled: Target, _ kernel: @autoclosure () throws -> Kernel
      ) throws where Kernel.Scorer == Target.Scorer {
        guard setting.only.map({ name.contains($0) }) ?? true else { return }
        let cell = try effective(sampled, from: target, kernel())
        if column == 0 { rows.append((name, [])) }
        if let row = rows.firstIndex(where: { $0.name == name }) { rows[row].cells.append(cell) }
        say("  \(one.name), \(name): \(cell)")
      }
      func measure<Kernel: TransitionKernel<IncrementalScorer<NGramModel, TokenAutomaton>>>(
        _ name: String, _ kernel: @autoclosure () throws -> Kernel
      ) throws {
        // Every kernel reaches every text, through blocks where nothing else does.
        let kernel = try kernel()
        try measure(
          name, on: target,
          Mixture {
            Weighted(Int(rewriteRest * 1000), kernel)
            Weighted(1000 - Int(rewriteRest * 1000), rewrite)
          })
      }
      try measure("default mixture", NGramMoves(for: target, left: left))
      try measure("unigram words", StepsBenchmark.edits(unigram))
      try measure("left words", StepsBenchmark.edits(left))
      try measure("full words", StepsBenchmark.edits(full))
      try measure("gibbs", Gibbs(full, for: target))
      try measure("block of 2", ReplaceBlock(left: left, full: full, length: 2))
      try measure(
        "moved words",
        Mixture {
          Weighted(3, StepsBenchmark.edits(left))
          Weighted(1, MetropolisHastings(MoveToken<NGramScorer>()))
        })
      try measure(
        "copied words",
        Mixture {
          Weighted(3, StepsBenchmark.edits(left))
          Weighted(1, MetropolisHastings(CopyOrDeleteToken<NGramScorer>()))
        })
      try measure("8 tries", MultipleTry(ReplaceToken(left), trials: 8))
      try measure("informed words", LocallyInformed(.squareRoot, among: .onePlace))
      try measure("informed words, Barker", LocallyInformed(.barker, among: .onePlace))
      let cheap = try model.lowered(to: 2)
      let cheapWords = NGramLeftTokens<TokenAutomaton>(cheap)
      try measure(
        "left words, screened by bigrams",
        on: ScreenedTarget(
          target,
          screenedBy: SentenceTarget(model: cheap, constraint: automaton, fluency: target.fluency)),
        Mixture {
          Weighted(
            Int(rewriteRest * 1000),
            Mixture {
              Weighted(1, Screened(ReplaceToken(cheapWords)))
              Weighted(1, Screened(InsertOrDeleteToken(cheapWords)))
            })
          Weighted(
            1000 - Int(rewriteRest * 1000),
            Screened(
              RewriteBlock<NGramScorer>(
                automaton: automaton, vocabulary: cheap.vocabulary, weights: cheap.unigramWeights)))
        })
      let plain = AutomatonLookAhead(
        automaton, mostTokens: automaton.longestLength ?? 64, weights: model.unigramWeights,
        vocabulary: model.vocabulary)
      try measure(
        "suffixes", MetropolisHastings(ResampleSuffix<_, NGramScorer>(GuidedTokens(target, plain))))
      let tables = BigramLookAhead.Tables(model.makeBackoffAutomaton(fluency: target.fluency))
      try measure(
        "suffixes by bigrams",
        MetropolisHastings(
          ResampleSuffix<_, NGramScorer>(BigramGuidedTokens(target, BigramLookAhead(plain, tables)))
        ))
    }
    say("\n| kernel | \(targets.map(\.name).joined(separator: " | ")) |")
    say("| --- |" + targets.map { _ in " --- |" }.joined())
    for row in rows { say("| \(row.name) | \(row.cells.joined(separator: " | ")) |") }
  }

  private typealias Screened<P: Proposal<IncrementalScorer<NGramModel, TokenAutomaton>>> =
    DelayedAcceptance<
      P, IncrementalScorer<NGramModel, TokenAutomaton>
    >

  /// What blocks leave of the steps.
  private static let rewriteRest = 0.97

  private static func effective<Target: Sampling.Target<TokenSequence>, Kernel: TransitionKernel>(
    _ sampled: Target, from target: SentenceTarget<NGramModel, TokenAutomaton>, _ kernel: Kernel
  ) throws -> String where Kernel.Scorer == Target.Scorer {
    func chains(_ steps: Int) throws -> (rate: Double, hat: Double, seconds: Double) {
      let began = ContinuousClock.now
      let records = try runChains(
        of: RunPlan(
          chains: Self.chains, warmup: steps / 4, thin: steps, extent: .steps(steps),
          traceEvery: max(1, steps / 2_000), seed: 1),
        target: sampled, kernel: kernel, quantities: { [$0.logProbability] }, threads: 1
      ) { choices in
        guard let text = try target.randomStart(using: &choices) else { throw NoStart() }
        return text
      }
      let seconds = began.duration(to: .now) / .seconds(1)
      let traces = records.traces(ofQuantity: 0)
      return (
        (traces.bulkEffectiveSize.value ?? 0) / seconds, traces.rHat.value ?? .infinity, seconds
      )
    }
    // A fifth of the time says how many steps the rest has.
    let goal = 3.0
    var steps = 100
    var trial = try chains(steps)
    while trial.seconds < goal / 20 {
      steps *= 4
      trial = try chains(steps)
    }
    let run = try chains(max(2_000, Int(Double(steps) * goal / trial.seconds)))
    return run.hat > 1.05
      ? "\(short(run.rate)) (\(String(format: "%.2f", run.hat)))" : short(run.rate)
  }
}
