// Licensed under the Apache License, Version 2.0.

import Foundation
package import LM
import Sampling

/// `tune`: searches for the numbers of soft statements that reach goals.
package struct TuningSampler: Sampler {
  package static let name = "tune"
  package static let unit = "parts"

  /// The search gives up after this many rounds without progress.
  private static let patience = 6

  package let goals: [TuningGoal]
  package let parameters: TunedParameters
  /// How far from a goal counts as reached.
  package var within = 0.01
  /// The most rounds.
  package var rounds = 20
  /// The texts that are drawn for each goal in a round.
  package var draws = 4000
  /// The search steps in a round.
  package var steps = 100
  package var memory = MemoryLimit(4 << 30)

  package init(_ goals: [TuningGoal], _ parameters: TunedParameters) {
    self.goals = goals
    self.parameters = parameters
  }

  package var needs: [(capability: Capability, what: String)] { [(.exact, Self.name)] }
  package var areDraws: Bool { false }
  package var work: Int { CheckedNumbers.product(rounds, 1 + goals.count, ExactSums.parts) ?? .max }
  package var figures: RunFigures { .tuning(TuningReport()) }

  package func run(_ task: SamplingTask) throws -> RunReport {
    for goal in goals { try goal.check(task.target, within: within) }
    let tuning = TuningRun(sampler: self, task: task, random: Philox(seed: task.seed))
    var point = parameters.rounded(parameters.start)
    var best: (point: [Double], round: TuningRun.Round)?
    var taken = 0
    var idle = 0
    while taken < rounds, idle < Self.patience {
      guard let round = try tuning.round(taken, at: point, from: best?.point) else { break }
      taken += 1
      // The draws' noise alone can lower the loss by a hundredth, so that is no progress.
      idle = round.loss < 0.99 * (best?.round.loss ?? .infinity) ? 0 : idle + 1
      if round.loss < best?.round.loss ?? .infinity { best = (round.point, round) }
      if round.isReached { break }
      point = tuning.search(taken, from: round)
    }
    var report = task.report
    report.isStopped = task.monitor.isStopping
    guard let best else {
      report.missing = [MissingPart("parameters", stoppedReason)]
      return report
    }
    var figures = TuningReport()
    figures.rounds = taken
    figures.found = TuningReport.Found(
      isReached: best.round.isReached,
      statements: parameters.statements(best.point).map(\.text),
      parameters: parameters.report(best.point),
      goals: zip(goals, best.round.values).map {
        TuningReport.Goal(name: $0.text, wanted: $0.wanted, value: $1)
      },
      logEvidence: best.round.logEvidence)
    report.figures = .tuning(figures)
    if !best.round.isReached, !report.isStopped {
      report.failure = RunError(
        .failed,
        "found no numbers that reach the goals within \(within) in "
          + counted(taken, "round")
          + (idle >= Self.patience
            ? "; the last \(Self.patience) rounds made no progress" : "")
          + "; the output holds the nearest")
    }
    return report
  }
}

/// The rounds of a search for parameters.
private struct TuningRun {
  let sampler: TuningSampler
  let task: SamplingTask
  let random: Philox

  private var goals: [TuningGoal] { sampler.goals }
  private var parameters: TunedParameters { sampler.parameters }

  /// The exact values at a point, and the texts drawn there.
  struct Round {
    let point: [Double]
    let logEvidence: Double
    /// The exact value of each goal.
    let values: [Double]
    /// The sum of the squared distances from the goals.
    let loss: Double
    let isReached: Bool
    let texts: TiltedMeans
  }

  /// Sums over all texts and draws some; `nil` if the run was stopped.
  ///
  /// Where the sum diverges, the point moves half-way to `good`, repeatedly.
  func round(_ number: Int, at first: [Double], from good: [Double]?) throws -> Round? {
    var point = first
    while true {
      do {
        guard let made = try sums(number, at: point) else { return nil }
        return made
      } catch let failure as RunError {
        guard let good, point != good else { throw failure }
        let half = parameters.rounded(zip(point, good).map { ($0 + $1) / 2 })
        guard half != point else { throw failure }
        point = half
      }
    }
  }

  private func sums(_ number: Int, at point: [Double]) throws -> Round? {
    let statements = parameters.statements(point)
    func exact(_ more: [Constraint]) throws -> ExactSums? {
      let target = try CompiledTarget(
        statements + more, for: task.target.model, refusingDivergence: false)
      return try ExactSums(
        target, for: TuningSampler.name, memory: sampler.memory, tolerance: 1e-12,
        threads: task.threads, task.monitor)
    }
    func texts(_ exact: ExactSums, _ part: Int) -> [TokenSequence] {
      exact.inference.draws(
        0..<sampler.draws, random: random.stream(UInt64(number * (goals.count + 1) + part)),
        threads: task.threads)
    }
    guard let all = try exact([]) else { return nil }
    let logEvidence = all.logEvidence
    var drawn = texts(all, 0)
    var values: [Double] = []
    // Each goal's statement also gets its own draws, so that rare statements can be estimated.
    var parts: [(goal: Int, logEvidence: Double)] = []
    for (i, goal) in goals.enumerated() {
      switch goal.kind {
      case .tokens:
        guard let law = all.marginals() else { return nil }
        values.append(law.expectedLength)
      case .statement(let constraint, _):
        guard let some = try exact([constraint]) else { return nil }
        parts.append((i, some.logEvidence))
        values.append(min(1, LogSpace.exp(some.logEvidence - logEvidence)))
        drawn += texts(some, i + 1)
      }
    }
    let model = all.inference.target.model
    let reached = drawn.map { text in goals.map { $0.value(of: text) } }
    let tilted = TiltedMeans(
      features: drawn.map { parameters.features(of: $0, model) }, values: reached,
      // Weights relative to the mixture that the texts were drawn from.
      logWeights: reached.map { values in
        -LogSpace.sum(
          [-logEvidence] + parts.filter { values[$0.goal] > 0 }.map { -$0.logEvidence })
      })
    let distances = zip(goals, values).map { $0.distance($1, within: sampler.within) }
    return Round(
      point: point, logEvidence: logEvidence, values: values,
      loss: distances.reduce(0) { $0 + $1 * $1 }, isReached: distances.allSatisfy { abs($0) <= 1 },
      texts: tilted)
  }

  /// The best point near a round's point, by reweighting the round's texts.
  func search(_ number: Int, from round: Round) -> [Double] {
    let here = parameters.coefficients(round.point)
    let (estimates, size) = round.texts.means(changing: here.map { _ in 0 })
    func loss(_ point: [Double]) -> Double {
      let change = zip(parameters.coefficients(point), here).map { $0 - $1 }
      let (means, effective) = round.texts.means(changing: change)
      // Farther away, too few of the texts carry the weight.
      guard effective > size / 10 else { return .infinity }
      return goals.indices.reduce(0) { sum, i in
        // The error of the estimate at this point is assumed to be the same nearby.
        let distance = goals[i].distance(
          means[i] + round.values[i] - estimates[i], within: sampler.within)
        return sum + distance * distance
      }
    }
    var choices = RandomChoices(random.stream(UInt64.max - UInt64(number)))
    let found = ParameterSearch(units: parameters.units).run(
      from: round.point, steps: sampler.steps, loss: loss, using: &choices)
    return parameters.rounded(found.best)
  }
}
