// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Runs
import Sampling

enum Tune: Command {
  static let name = "tune"
  static let summary = "find the numbers of fluency and prefer that reach a goal"
  static let usage = "--constraints FILE --goal GOAL [options]"
  static let discussion = """
    Searches for numbers in the soft statements ('fluency', 'prefer') that reach a goal: how
    probable a statement is, or how many tokens texts have on average. It tries to reach several
    goals together. It prints all statements with the numbers found, as a constraint file.

    Each round sums over all texts exactly (as 'exact' does), draws texts, and reweights them to
    search nearby numbers. The values printed as reached are exact. A mean that no allowed text
    reaches is refused. The search gives up when some rounds in a row make no progress.

        gensample tune --constraints soft.txt --goal 'include "storm" = 0.5' > tuned.txt
        gensample tune --constraints soft.txt --goal 'tokens = 12' --goal 'include "sea" = 0.3'
    """
  static let options =
    TargetOptions.all.filter { $0.name != "each" } + [
      Option(
        "goal", "GOAL", isRepeatable: true,
        "STATEMENT = PROBABILITY, or tokens = MEAN, such as 'include \"sea\" = 0.5'"),
      Option(
        "within", "SHARE",
        "tolerance: absolute for a probability, relative for a mean (default 0.01)"),
      Option("rounds", "N", "give up after this many rounds (default 20)"),
      Option("draws", "N", "texts drawn for each goal in a round (default 4000)"),
      Option("steps", "N", "search steps in a round (default 100)"),
      Option("memory", "SIZE", "memory for the sums, such as 800M (default 4G)"),
      ParticleOptions.seed, ParticleOptions.threads,
    ] + OutputOptions.sampler

  /// The search gives up after this many rounds without progress.
  private static let patience = 6

  static func run(_ arguments: Arguments) throws {
    let within =
      try arguments.number("within", in: 1e-6...0.5, expected: "a share from 1e-6 to 0.5") ?? 0.01
    let rounds = try arguments.integer("rounds", in: 1...100_000) ?? 20
    let draws = try arguments.integer("draws", in: 100...10_000_000) ?? 4000
    let steps = try arguments.integer("steps", in: 1...1_000_000) ?? 100
    let memory = try ExactMemory(arguments, otherwise: 4 << 30)
    let run = try SamplerRun(
      Self.self, arguments, seed: try ParticleOptions.seed(arguments),
      threads: try PlanOptions.threads(arguments), refusingDivergence: false)
    let goals = try TuningGoal.all(arguments, run.loaded.tree)
    let parameters = try TunedParameters(run.constraints, run.loaded.tree)
    let sums = 1 + goals.count
    try run.each(
      unit: "parts", total: CheckedNumbers.product(rounds, sums, ExactRun.parts) ?? .max,
      head: { _, _ in },
      lines: { [String(format: "in %.2f s", $0.seconds) + ", seed \($0.seed)"] }
    ) { target, _, seed in
      for goal in goals { try goal.check(target, within: within) }
      let tuning = TuningRun(
        run: run, goals: goals, parameters: parameters, within: within, draws: draws, steps: steps,
        memory: memory, random: Philox(seed: seed))
      var point = parameters.rounded(parameters.start)
      var best: (point: [Double], round: TuningRun.Round)?
      var taken = 0
      var idle = 0
      while taken < rounds, idle < patience {
        guard let round = try tuning.round(taken, at: point, from: best?.point) else { break }
        taken += 1
        // The draws' noise alone can lower the loss by a hundredth, so that is no progress.
        idle = round.loss < 0.99 * (best?.round.loss ?? .infinity) ? 0 : idle + 1
        if round.loss < best?.round.loss ?? .infinity { best = (round.point, round) }
        if round.isReached { break }
        point = tuning.search(taken, from: round)
      }
      guard let best else {
        return SamplerOutcome(missing: [MissingPart("parameters", stoppedReason)])
      }
      for statement in parameters.statements(best.point) where run.format == .text {
        try run.stream.writeLine(statement.text)
      }
      return SamplerOutcome(
        summarise: { summary in
          summary.add("rounds", .integer(taken))
          summary.add("reached", .boolean(best.round.isReached))
          summary.add("parameters", .object(parameters.object(best.point)))
          var all = JSONObject()
          for (goal, value) in zip(goals, best.round.values) {
            var one = JSONObject()
            one.add("wanted", .number(goal.wanted))
            one.add("value", .number(value))
            all.add(goal.text, .object(one))
          }
          summary.add("goals", .object(all))
          summary.add("log_evidence", .number(best.round.logEvidence))
        },
        lines: zip(goals, best.round.values).map { goal, value in
          "  \(goal.text): \(String(format: "%.5g", value)), goal \(goal.wanted)"
        },
        failure: best.round.isReached || run.monitor.isStopping
          ? nil
          : CommandFailure(
            .failed,
            "found no numbers that reach the goals within \(within) in "
              + counted(taken, "round")
              + (idle >= patience ? "; the last \(patience) rounds made no progress" : "")
              + "; the output holds the nearest"))
    }
  }
}

/// The rounds of a search for parameters.
struct TuningRun {
  let run: SamplerRun
  let goals: [TuningGoal]
  let parameters: TunedParameters
  let within: Double
  let draws: Int
  let steps: Int
  let memory: ExactMemory
  let random: Philox

  /// The exact values at a point, and the texts drawn there.
  struct Round {
    let point: [Double]
    let logEvidence: Double
    /// The exact value of each goal.
    let values: [Double]
    /// The sum of the squared distances from the goals.
    let loss: Double
    let isReached: Bool
    fileprivate let texts: TiltedMeans
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
      } catch let failure as CommandFailure {
        guard let good, point != good else { throw failure }
        let half = parameters.rounded(zip(point, good).map { ($0 + $1) / 2 })
        guard half != point else { throw failure }
        point = half
      }
    }
  }

  private func sums(_ number: Int, at point: [Double]) throws -> Round? {
    let statements = parameters.statements(point)
    func exact(_ more: [Constraint]) throws -> ExactRun? {
      let target = try CompiledTarget(
        statements + more, for: run.loaded, refusingDivergence: false)
      return try ExactRun(target, line: nil, run: run, memory: memory, tolerance: 1e-12)
    }
    func texts(_ exact: ExactRun, _ part: Int) -> [TokenSequence] {
      exact.inference.draws(
        0..<draws, random: random.stream(UInt64(number * (goals.count + 1) + part)),
        threads: run.threads)
    }
    guard let all = try exact([]) else { return nil }
    let logEvidence = all.inference.logEvidence
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
        parts.append((i, some.inference.logEvidence))
        values.append(min(1, LogSpace.exp(some.inference.logEvidence - logEvidence)))
        drawn += texts(some, i + 1)
      }
    }
    let model = run.model
    let reached = drawn.map { text in goals.map { $0.value(of: text) } }
    let tilted = TiltedMeans(
      features: drawn.map { parameters.features(of: $0, model) }, values: reached,
      // Weights relative to the mixture that the texts were drawn from.
      logWeights: reached.map { values in
        -LogSpace.sum(
          [-logEvidence] + parts.filter { values[$0.goal] > 0 }.map { -$0.logEvidence })
      })
    let distances = zip(goals, values).map { $0.distance($1, within: within) }
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
          means[i] + round.values[i] - estimates[i], within: within)
        return sum + distance * distance
      }
    }
    var choices = RandomChoices(random.stream(UInt64.max - UInt64(number)))
    let found = ParameterSearch(units: parameters.units).run(
      from: round.point, steps: steps, loss: loss, using: &choices)
    return parameters.rounded(found.best)
  }
}
