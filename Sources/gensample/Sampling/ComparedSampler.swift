// Licensed under the Apache License, Version 2.0.

import LM
import Runs
import Sampling

/// Samplers that `exact` can run beside itself: their commands' defaults, but shorter runs.
enum ComparedSampler: String, CaseIterable {
  case mh, gibbs, temper, rejection, importance, smc

  /// Four chains of so many steps, half of them before the first draw.
  private static let plan = RunPlan(
    warmup: 200_000, thin: 200, extent: .steps(200_000), seed: 0)
  /// A step of Gibbs sampling looks at all words.
  private static let gibbsPlan = RunPlan(
    warmup: plan.warmup / 10, thin: 20, extent: .steps(plan.warmup / 10), seed: 0)
  /// Each copy takes its share of the steps.
  private static let replicas = Tempering().replicas
  private static let temperPlan = RunPlan(
    warmup: plan.warmup / replicas, thin: 100, extent: .steps(plan.warmup / replicas), seed: 0)
  private static let kept = 4000
  private static let weighted = 20_000
  /// Runs of particles are what has a spread: enough that it is known.
  private static let runs = 16

  private var chainPlan: RunPlan {
    switch self {
    case .gibbs: Self.gibbsPlan
    case .temper: Self.temperPlan
    default: Self.plan
    }
  }

  /// What the run's monitor counts, as far as it is known before.
  var work: Int {
    let plan = chainPlan
    let steps = (0..<plan.chains).reduce(0) { $0 + plan.warmup + plan.steps(ofChain: $1) }
    return switch self {
    case .mh, .gibbs: steps
    case .temper: steps * Self.replicas
    case .importance: Self.weighted
    case .rejection, .smc: 0
    }
  }

  /// Texts drawn for a target of known evidence.
  func draw(
    _ target: CompiledTarget, logEvidence: Double, random: Philox, run: SamplerRun
  ) throws -> ComparedDraws {
    switch self {
    case .mh, .gibbs, .temper: try chains(target, random, run)
    case .rejection: try rejection(target, logEvidence, random, run)
    case .importance, .smc: try weighted(target, random, run)
    }
  }

  /// The defaults of a command, but for some options, with what `exact` says of memory.
  private func arguments(
    _ command: any Command.Type, _ words: [String] = [], _ run: SamplerRun
  ) throws(CommandFailure) -> Arguments {
    let memory = run.arguments.text("memory").map { ["--memory=\($0)"] } ?? []
    return try Arguments(words + memory, options: command.options, command: command.name)
  }

  private func chains(
    _ compiled: CompiledTarget, _ random: Philox, _ run: SamplerRun
  ) throws -> ComparedDraws {
    var random = random
    var plan = chainPlan
    plan.seed = random.next()
    let left = NGramLeftTokens<TokenAutomaton>(run.model)
    let target = compiled.target
    let (monitor, model) = (run.monitor, run.model)
    let start: @Sendable (inout RandomChoices) throws -> TokenSequence? = { choices in
      try compiled.randomStart(model, monitor: monitor, using: &choices)
    }
    var records: [ChainResults.Record]
    switch self {
    case .gibbs:
      let kernel = GibbsMoves.kernel(
        for: target, left: left, full: NGramFullTokens<TokenAutomaton>(run.model),
        weights: run.model.unigramWeights
      )
      records = try runChains(
        of: plan, target: target, kernel: kernel, threads: run.threads, monitor: monitor,
        start: start)
    case .temper:
      let work = ChainWork(
        target: compiled, chains: 0...plan.chains - 1, plan: plan, quantities: [],
        threads: run.threads, monitor: monitor, start: start)
      records = try concurrently(plan.chains, threads: run.threads) { number in
        var chain = try TemperedChain(number, Tempering(), work, words: left, from: nil)
        chain?.run(leaving: nil)
        return chain?.report.record
      }.compactMap { $0 }
    default:
      records = try runChains(
        of: plan, target: target, kernel: NGramMoves(for: target, left: left),
        threads: run.threads, monitor: monitor, start: start)
    }
    records.sort { $0.chain < $1.chain }
    return ComparedDraws(
      texts: .chains(records.map { $0.draws.map(\.state) }),
      work: ("steps", records.reduce(0) { $0 + $1.steps }))
  }

  private func rejection(
    _ compiled: CompiledTarget, _ logEvidence: Double, _ random: Philox, _ run: SamplerRun
  ) throws -> ComparedDraws {
    var random = random
    let seed = random.next()
    let texts = try LeftToRight(
      compiled.target, LeftToRightModel(run.model), try arguments(RejectionCommand.self, [], run),
      run.monitor)
    // The model's own texts where one in a thousand is kept at least.
    let canBePlain =
      texts.target.fluency >= 1
      && texts.lookAhead.constraint.largestLogWeight.map { logEvidence - $0 > LogSpace.log(1e-3) }
        ?? false
    let proposal: RejectionCommand.Proposal = canBePlain ? .model : .guided
    let forecast = try RejectionCommand.Forecast(
      texts, proposal, bound: nil, pilot: RejectionCommand.pilot, seed: seed, run)
    let lanes = try RejectionCommand.keep(
      Self.kept, texts, proposal, forecast, seed: seed, run)
    let kept = try RejectionCommand.Kept(
      lanes, forecast, isStopped: run.monitor.isStopping)
    return ComparedDraws(
      texts: .chains(lanes.map(\.kept)), work: ("proposals", kept.proposals),
      logEvidence: kept.logEvidence.map { ($0, kept.estimate.relativeError) },
      notes: ["\(proposal.rawValue) proposals"] + texts.notes)
  }

  private func weighted(
    _ compiled: CompiledTarget, _ random: Philox, _ run: SamplerRun
  ) throws -> ComparedDraws {
    let shared = LeftToRightModel(run.model)
    guard self == .smc else {
      let texts = try LeftToRight(
        compiled.target, shared, try arguments(Importance.self, [], run), run.monitor)
      let drawn = try Importance.draw(
        Self.weighted, texts.guided, random, threads: run.threads, run.monitor)
      return ComparedDraws(
        texts: .weighted(drawn), work: ("particles", drawn.count),
        logEvidence: drawn.draws.isEmpty ? nil : (drawn.logEvidence, drawn.logEvidenceError),
        notes: texts.notes)
    }
    let arguments = try arguments(SMC.self, ["--runs=\(Self.runs)"], run)
    let plan = try SMC.Plan(arguments)
    var texts = try plan.texts(compiled, shared, arguments, run.monitor)
    let finished = try plan.results(&texts, random, threads: run.threads, run.monitor)
      .filter { !$0.isStopped }
    let evidence = EvidenceOfRuns(finished)
    return ComparedDraws(
      texts: .runs(finished.map(\.texts)), work: ("particles", finished.count * plan.particles),
      logEvidence: evidence.logEvidences.contains { $0 > -.infinity }
        ? (evidence.logEvidence, evidence.error) : nil,
      notes: texts.notes + (evidence.warning.map { ["not to be trusted: \($0)"] } ?? []))
  }
}

/// What a compared sampler drew.
struct ComparedDraws {
  enum Texts {
    /// Equally weighted ones, in order, by chain.
    case chains([[TokenSequence]])
    /// Independent ones.
    case weighted(WeightedTexts)
    /// Those of independent runs, whose own draws are related.
    case runs([WeightedTexts])
  }

  var texts: Texts
  /// How much of what was done.
  var work: (unit: String, count: Int)
  /// The log of the evidence, where the sampler has one, and its error.
  var logEvidence: (value: Double, error: Estimate)?
  /// What else is to be said of it, for people.
  var notes: [String] = []

  /// How many independent draws of equal weight tell as much of a number of the texts.
  func effectiveCount(_ quantity: (TokenSequence) -> Double) -> Double {
    switch texts {
    case .chains(let chains):
      let traces = ChainTraces(chains.map { $0.map(quantity) })
      return traces.meanEffectiveSize.value ?? Double(traces.chains.count * traces.count)
    case .weighted(let drawn): return drawn.effectiveSize
    case .runs(let runs): return WeightedTexts(runs.flatMap(\.draws), zeroCount: 0).effectiveSize
    }
  }

  /// The mean of a number of the texts, and its standard error.
  func mean(_ quantity: (TokenSequence) -> Double) -> (mean: Estimate, error: Estimate) {
    switch texts {
    case .chains(let chains):
      let traces = ChainTraces(chains.map { $0.map(quantity) })
      return (traces.mean, traces.meanError)
    case .weighted(let drawn):
      guard let mean = drawn.mean(quantity) else { return Self.nothing }
      return (.value(mean.value), .value(mean.error))
    case .runs(let runs):
      return Self.mean(
        runs.compactMap { run in run.mean(quantity).map { (run.logEvidence, $0.value) } })
    }
  }

  private static let nothing: (mean: Estimate, error: Estimate) = (
    .undefined("nothing was drawn"), .undefined("nothing was drawn")
  )

  /// The mean of runs' means by their evidences, with its error by the delta method over runs.
  private static func mean(
    _ runs: [(logEvidence: Double, mean: Double)]
  ) -> (mean: Estimate, error: Estimate) {
    let total = LogSpace.sum(runs.map(\.logEvidence))
    guard total > -.infinity else { return nothing }
    let shares = runs.map { LogSpace.exp($0.logEvidence - total) }
    let mean = zip(shares, runs).reduce(0) { $0 + $1.0 * $1.1.mean }
    guard runs.count > 1 else { return (.value(mean), .undefined("one run has no spread")) }
    let squares = zip(shares, runs).reduce(0) { sum, run in
      let part = run.0 * (run.1.mean - mean)
      return sum + part * part
    }
    let count = Double(runs.count)
    return (.value(mean), .value((squares * count / (count - 1)).squareRoot()))
  }
}
