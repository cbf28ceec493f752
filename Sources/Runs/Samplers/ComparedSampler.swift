// Licensed under the Apache License, Version 2.0.

import LM
import Sampling

/// Samplers that `exact` can run beside itself, with their defaults but shorter runs.
package enum ComparedSampler: String, CaseIterable, Sendable {
  case mh, gibbs, temper, rejection, importance, smc

  /// A step on a network takes as long as some hundred steps on n-grams.
  private static let neuralShare = 100
  private static let steps = 200_000
  private static let kept = 4000
  private static let weighted = 20_000
  /// The spread of the runs is the error: enough runs that it is known.
  private static let runs = 16

  /// Four chains of so many steps, half of them before the first draw.
  private static func plan(_ steps: Int, thin: Int) -> RunPlan {
    RunPlan(warmup: steps, thin: thin, extent: .steps(steps), seed: 0)
  }

  /// The sampler if it runs chains; `share` divides its steps.
  private func chainSampler(_ share: Int) -> (any ChainSampler)? {
    let (steps, thin) = (Self.steps / share, max(1, 200 / share))
    switch self {
    case .mh: return MetropolisHastingsSampler(ChainOptions(Self.plan(steps, thin: thin)))
    case .gibbs:
      // A step of Gibbs sampling looks at all words.
      return GibbsSampler(ChainOptions(Self.plan(steps / 10, thin: max(1, thin / 10))))
    case .temper:
      // Each copy takes its share of the steps.
      return TemperingSampler(
        ChainOptions(Self.plan(steps / Tempering().replicas, thin: max(1, thin / 2))))
    case .rejection, .importance, .smc: return nil
    }
  }

  private static func share(_ model: LoadedModel) -> Int { model.isNeural ? neuralShare : 1 }

  /// What the run's monitor counts, as far as it is known before.
  var work: Int { chainSampler(1)?.work ?? (self == .importance ? Self.weighted : 0) }

  /// Texts drawn for a target of known evidence.
  ///
  /// - Parameters:
  ///   - task: the target.
  ///   - logEvidence: the log of its evidence.
  ///   - random: the source of seeds.
  ///   - memory: the bytes that a look-ahead may take.
  /// - Returns: the texts, how much was done for them, and the sampler's own evidence.
  /// - Throws: what the sampler throws.
  func draw(
    _ task: SamplingTask, logEvidence: Double, random: Philox, memory: Int?
  ) throws -> ComparedDraws {
    var random = random
    let share = Self.share(task.target.model)
    var lookAhead = LookAheadOptions()
    if let memory { lookAhead.memory = memory }
    switch self {
    case .mh, .gibbs, .temper:
      guard let sampler = chainSampler(share) else { preconditionFailure("a sampler of chains") }
      return try chains(task, sampler, seed: random.next())
    case .rejection:
      return try rejection(task, logEvidence, lookAhead, seed: random.next())
    case .importance:
      var sampler = ImportanceSampler()
      sampler.particles = Self.weighted / share
      sampler.lookAhead = lookAhead
      let (drawn, notes) = try sampler.weightedTexts(task, random: random)
      return ComparedDraws(
        texts: .weighted(drawn), work: ("particles", drawn.count),
        logEvidence: drawn.draws.isEmpty ? nil : (drawn.logEvidence, drawn.logEvidenceError),
        notes: notes)
    case .smc:
      var sampler = ParticleSampler()
      sampler.runs = Self.runs
      sampler.particles /= min(share, 20)
      sampler.pilot /= min(share, 20)
      sampler.lookAhead = lookAhead
      let (finished, notes) = try sampler.finishedRuns(task, random: random)
      let evidence = EvidenceReport(finished)
      return ComparedDraws(
        texts: .runs(finished.map(\.texts)),
        work: ("particles", finished.count * sampler.particles),
        logEvidence: evidence.logEvidences.contains { $0 > -.infinity }
          ? (evidence.logEvidence, evidence.error) : nil,
        notes: notes + (evidence.warning.map { ["not to be trusted: \($0)"] } ?? []))
    }
  }

  private func chains(
    _ task: SamplingTask, _ sampler: any ChainSampler, seed: UInt64
  ) throws -> ComparedDraws {
    let done = try sampler.runChains(
      ChainWork(
        task.target, sampler.options, seed: seed, threads: task.threads, monitor: task.monitor),
      folder: nil)
    if let failure = done.failure { throw failure }
    let records = done.records.sorted { $0.chain < $1.chain }
    return ComparedDraws(
      texts: .chains(records.map { $0.draws.map(\.state) }),
      work: ("steps", records.reduce(0) { $0 + $1.steps }))
  }

  private func rejection(
    _ task: SamplingTask, _ logEvidence: Double, _ lookAhead: LookAheadOptions, seed: UInt64
  ) throws -> ComparedDraws {
    var sampler = RejectionSampler()
    sampler.samples = Self.kept / Self.share(task.target.model)
    sampler.tellsForecast = false
    sampler.lookAhead = lookAhead
    // The model's own texts if at least one in a thousand is kept.
    let compiled = task.target.compiled
    let most = compiled.automaton.map(\.largestLogWeight) ?? 0
    let canBePlain =
      compiled.fluency >= 1 && most.map { logEvidence - $0 > LogSpace.log(1e-3) } ?? false
    sampler.proposal = canBePlain ? .model : .guided
    var report = task.report
    report.seed = seed
    let (lanes, figures) = try sampler.lanes(
      SamplingTask(
        task.target, report: report, threads: task.threads, monitor: task.monitor,
        output: task.output))
    return ComparedDraws(
      texts: .chains(lanes), work: ("proposals", figures.kept?.proposals ?? 0),
      logEvidence: figures.kept.flatMap { kept in
        kept.logEvidence.map { ($0, kept.relativeError) }
      },
      notes: ["\(sampler.proposal.rawValue) proposals"] + (figures.lookAhead?.notes ?? []))
  }
}
