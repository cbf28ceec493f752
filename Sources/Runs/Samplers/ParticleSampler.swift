// Licensed under the Apache License, Version 2.0.

package import LM
package import Sampling

/// `smc`: grows texts in parallel and resamples the good ones.
package struct ParticleSampler: Sampler {
  package static let name = "smc"
  package static let unit = "tokens"

  /// How tokens are drawn.
  package enum TokenDrawing: String, CaseIterable, Sendable {
    /// From all tokens, by weight.
    case guided
    /// From the model, and rejected by weight.
    case rejection
  }

  /// The number of particles of a run.
  package var particles = 1000
  package var runs = 4
  package var resampling = Resampling.systematic
  /// Particles are resampled if the effective size falls below this share.
  package var threshold = 0.5
  package var tokens = TokenDrawing.guided
  /// Texts to learn predictions from, before the runs.
  package var pilot = 200
  /// The most last tokens that are redrawn before each token.
  package var redraw = 0
  /// The steps of `mh` from each final text.
  package var steps = 0
  package var choice = WeightedChoice()
  package var lookAhead = LookAheadOptions()

  package init() {}

  package var needs: [(capability: Capability, what: String)] {
    [(.language, Self.name)]
      + (tokens == .guided ? [] : [(.finiteContext, "--tokens rejection")])
  }
  package var furtherModels: [FurtherModel] { lookAhead.furtherModels }
  package var areDraws: Bool { choice.areDraws }
  package var work: Int { 0 }
  package var figures: RunFigures {
    .particles(ParticleReport(particles: particles, runs: runs, choice: choice))
  }

  package func run(_ task: SamplingTask) throws -> RunReport {
    try run(task, task.target.model.chainModel)
  }

  @specialized(where Model == NGramModel)
  private func run<Model: ChainModel>(_ task: SamplingTask, _ model: Model) throws -> RunReport {
    let monitor = task.monitor
    let random = Philox(seed: task.seed)
    let (texts, finished) = try finishedRuns(task, model, random)
    var all = WeightedTexts()
    for result in finished {
      all.draws += result.texts.draws
      all.zeroCount += result.texts.zeroCount
    }
    if steps > 0 {
      all.draws = try rejuvenated(
        all.draws, texts, random: random.stream(UInt64(runs) + 1), threads: task.threads, monitor)
    }
    var choices = RandomChoices(random.stream(UInt64(runs)))
    var report = choice.report(all, texts, task, using: &choices)
    var figures = ParticleReport(particles: particles, runs: runs, choice: choice)
    figures.lookAhead = texts.report
    figures.weights = ParticleReport.ParticleWeights(
      count: all.count, zeroCount: all.zeroCount, effectiveSize: all.effectiveSize)
    figures.evidence = EvidenceReport(finished, isRedrawn: redraw > 0)
    report.figures = .particles(figures)
    if finished.count < runs {
      report.missing.append(
        MissingPart("other runs", "\(stoppedReason) after \(finished.count) of \(runs)"))
    }
    return report
  }

  /// The runs without a report, for a comparison.
  func finishedRuns(
    _ task: SamplingTask, random: Philox
  ) throws -> (finished: [ParticleSummary], notes: [String]) {
    func finish<Model: ChainModel>(_ model: Model) throws -> ([ParticleSummary], [String]) {
      let (texts, finished) = try finishedRuns(task, model, random)
      return (finished, texts.report.notes)
    }
    return try finish(task.target.model.chainModel)
  }

  /// Learns the predictions, then makes the independent runs.
  @specialized(where Model == NGramModel)
  private func finishedRuns<Model: ChainModel>(
    _ task: SamplingTask, _ model: Model, _ random: Philox
  ) throws -> (texts: LeftToRight<Model>, finished: [ParticleSummary]) {
    let (threads, monitor) = (task.threads, task.monitor)
    var texts = try LeftToRight<Model>(
      task.target.sentences(of: model), of: task.target.model, lookAhead, monitor,
      allowed: tokens == .guided ? [.bigrams, .words] : [.words])
    guard tokens == .guided || texts.target.fluency >= 1 else {
      throw RunError.usage("--tokens rejection needs a fluency of at least 1")
    }
    try texts.learn(
      from: pilot, random: random.stream(UInt64(runs) + 2), threads: threads, monitor)
    var finished: [ParticleSummary] = []
    for number in 0..<runs {
      let own = random.stream(UInt64(number))
      let result: ParticleSummary
      switch tokens {
      case .guided:
        let tokens = texts.guided.tokens
        result = try ParticleFilter(
          tokens, resampling: resampling, threshold: threshold,
          rejuvenation: redraw > 0 ? RedrawnTail(tokens, length: redraw) : nil
        ).run(count: particles, random: own, threads: threads, monitor: monitor).summary
      case .rejection:
        result = try rejecting(texts, of: task.target.model).run(
          count: particles, random: own, threads: threads, monitor: monitor
        ).summary
      }
      if !result.isStopped { finished.append(result) }
    }
    return (texts, finished)
  }

  /// A filter that draws tokens without reading the whole vocabulary.
  private func rejecting<Model: ChainModel>(
    _ texts: LeftToRight<Model>, of loaded: LoadedModel
  ) throws -> ParticleFilter<RejectedTokens<NGramTokens, AutomatonLookAhead>> {
    guard let texts = texts as? LeftToRight<NGramModel> else {
      throw loaded.lacks(.finiteContext, for: "--tokens rejection")
    }
    return ParticleFilter(
      RejectedTokens(texts.target, texts.lookAhead, source: texts.source),
      resampling: resampling, threshold: threshold)
  }

  /// Moves each text by a chain that keeps rho, within the lengths that were allowed.
  private func rejuvenated<Model: ChainModel>(
    _ draws: [WeightedText], _ texts: LeftToRight<Model>, random: Philox, threads: Int,
    _ monitor: RunMonitor
  ) throws -> [WeightedText] {
    let target = try texts.bounded()
    let kernel = MetropolisHastings(
      StandardMoves(for: target, left: texts.left, weights: target.model.unigramWeights))
    return try concurrently(draws.count, threads: threads) { i in
      var choices = RandomChoices(random.stream(UInt64(i)))
      var scorer = target.makeScorer(at: draws[i].text)
      var memory = kernel.start(at: scorer)
      for step in 0..<steps {
        if step % 1024 == 0, monitor.isStopping { break }
        _ = kernel.step(&scorer, memory: &memory, using: &choices)
      }
      if let failure = scorer.failure { throw failure }
      return WeightedText(scorer.state, logWeight: draws[i].logWeight)
    }
  }
}

/// The result of a run, whatever drew its tokens.
struct ParticleSummary {
  var texts: WeightedTexts
  var resamplings: Int
  var ancestorCount: Int
  var largestShape: Double?
  var rejuvenations: (tried: Int, made: Int)
  var isStopped: Bool
}

extension ParticleFilter.Result {
  fileprivate var summary: ParticleSummary {
    ParticleSummary(
      texts: texts, resamplings: resamplings, ancestorCount: ancestorCount,
      largestShape: largestShape, rejuvenations: rejuvenations, isStopped: isStopped)
  }
}

extension EvidenceReport {
  /// The evidence by finished runs.
  init(_ finished: [ParticleSummary], isRedrawn: Bool = false) {
    logEvidences = finished.map(\.texts.logEvidence)
    resamplings = finished.reduce(0) { $0 + $1.resamplings }
    fewestAncestors = finished.map(\.ancestorCount).min() ?? 0
    sharedShape = finished.compactMap(\.largestShape).min()
    guard isRedrawn else { return }
    redrawn = RedrawnTails(
      tried: finished.reduce(0) { $0 + $1.rejuvenations.tried },
      made: finished.reduce(0) { $0 + $1.rejuvenations.made })
  }
}
