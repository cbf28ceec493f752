// Licensed under the Apache License, Version 2.0.

import LM
package import Sampling

/// `anneal`: searches for the texts that are likeliest under the target.
package struct AnnealingSampler: Sampler {
  package static let name = "anneal"
  package static let unit = "steps"

  package var restarts = 8
  /// Steps of each restart.
  package var steps = 500_000
  package var schedule = AnnealingSchedule.geometric
  /// The first and the last power of rho.
  package var bounds = 0.3...20.0
  /// The number of different powers.
  package var stages = 100
  /// How many texts to print; `nil` for as many as there are restarts.
  package var best: Int?
  /// The text that every restart starts from; `nil` for a random one each.
  package var start: TokenSequence?

  package init() {}

  package var areDraws: Bool { false }
  package var work: Int { CheckedNumbers.product(restarts, steps) ?? .max }
  package var figures: RunFigures {
    .annealing(AnnealingReport(restarts: restarts, schedule: schedule.rawValue))
  }

  /// What a restart found.
  private struct Found: Sendable {
    var draw: Draw<TokenSequence>
    var power: Double
  }

  package func run(_ task: SamplingTask) throws -> RunReport {
    let (target, monitor) = (task.target, task.monitor)
    try target.check(start: start)
    var report = task.report
    var runs: [Found?] = []
    do {
      runs = try run(task, target.model.chainModel)
    } catch let partial as PartialFailure<Found?> {
      runs = partial.results.compactMap { $0 }
      report.failure = partial.failure as? RunError
      guard report.failure != nil, runs.contains(where: { $0 != nil }) else {
        throw partial.failure
      }
    }
    let found = runs.compactMap { $0 }
    report.best = ChainResults.best(found.map(\.draw), best ?? restarts).map {
      ChainResults.text($0, of: target)
    }
    var figures = AnnealingReport(restarts: restarts, schedule: schedule.rawValue)
    figures.logProbabilities = found.map(\.draw.logProbability)
    figures.lastPowers = found.map(\.power)
    figures.isKnown = true
    report.figures = .annealing(figures)
    report.isStopped = monitor.isStopping
    // It is normal for restarts to end at the same text, unless more texts were asked for.
    if !report.isStopped, let best {
      report.shortfall = Shortfall(
        of: report.best.count, asked: best,
        "\(counted(found.count, "restart")) found no more different texts; try more --restarts")
    }
    if found.count < restarts {
      report.missing = [
        MissingPart(
          "other restarts", "\(stoppedReason) before \(restarts - found.count) of them began")
      ]
    }
    return report
  }

  @specialized(where Model == NGramModel)
  private func run<Model: ChainModel>(_ task: SamplingTask, _ model: Model) throws -> [Found?] {
    let (compiled, monitor) = (task.target, task.monitor)
    let annealing = Annealing(
      compiled.sentences(of: model), schedule: schedule, bounds: bounds, stages: stages)
    let left = compiled.leftTokens(of: model)
    let weights = model.unigramWeights
    let random = Philox(seed: task.seed)
    return try concurrently(
      restarts, threads: task.threads, stoppingBy: { monitor.stop() }
    ) { number in
      var choices = RandomChoices(random.stream(UInt64(number)))
      guard
        let text = try start ?? compiled.randomStart(model, monitor: monitor, using: &choices)
      else { return nil as Found? }
      let result = try annealing.run(
        from: text, steps: steps,
        kernel: { MetropolisHastings(StandardMoves(for: $0, left: left, weights: weights)) },
        monitor: monitor, using: &choices)
      return Found(
        draw: Draw(
          chain: number, step: result.step, state: result.best,
          logProbability: result.logProbability),
        power: result.inverseTemperature)
    }
  }
}
