// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Sampling

enum Temper: Command {
  static let name = "temper"
  static let summary = "replica exchange: chains at rising temperatures that exchange their texts"
  static let usage = "[--constraints FILE] [options]"
  static let discussion = """
    Draws texts from rho like mh, for targets whose likely texts lie far apart, as under a fluency
    above 1. Each chain has --replicas copies, the first at rho, the others at rho^b with b going
    down to --hottest; neighbours exchange texts every --every steps. In the first half of the
    warm-up the b are moved until all neighbours exchange about alike often. The summary has them,
    how often each pair exchanged, and how often a text went to the hottest copy and back. Hard
    constraints hold in every copy. --steps, --thin and --warmup count steps of one copy.

        gensample temper --constraints examples/constraints/sea.txt --hottest 0.4
    """
  static let options =
    TargetOptions.all + [
      Option("start", "TEXT", "the text that every copy starts from (default: a random one each)")
    ] + PlanOptions.all + ResultOptions.all + [
      Option("replicas", "N", "copies of each chain (default 8)"),
      Option("hottest", "B", "the lowest power of rho, above 0, at most 1 (default 0.3)"),
      Option("every", "STEPS", "steps of each copy between exchanges (default 100)"),
    ] + OutputOptions.sampler

  /// How often the ladder is tuned in the first half of the warm-up.
  private static let tunings = 5

  static func run(_ arguments: Arguments) throws {
    let replicas = try arguments.integer("replicas", in: 1...1000) ?? 8
    let hottest =
      try arguments.number("hottest", in: 1e-6...1, expected: "a power from 1e-6 to 1") ?? 0.3
    let every = try arguments.integer("every", in: 1...1 << 30) ?? 100
    let choice = try ResultOptions(arguments)
    var plan = try PlanOptions.plan(arguments)
    plan.best = choice.best ?? 0
    let chains = try PlanOptions.chainRange(arguments, plan)
    for (name, steps) in [("warmup", plan.warmup), ("thin", plan.thin)] where steps % every != 0 {
      throw CommandFailure.usage(
        "--\(name) \(steps) is no multiple of --every \(every); chains are looked at after exchanges"
      )
    }
    let run = try SamplerRun(
      Self.self, arguments, seed: plan.seed, threads: try PlanOptions.threads(arguments))
    let model = run.model
    let start = try arguments.text("start").map {
      try CompiledTarget.tokens(of: $0, model: model, option: "--start")
    }
    let words = NGramLeftWords(model)
    let monitor = run.monitor
    let steps = chains.reduce(0) { $0 + plan.warmup + plan.steps(ofChain: $1) }
    try run.each(
      unit: "steps", total: steps * replicas * run.targetCount,
      head: { summary, seconds in
        summary.add("steps", .integer(monitor.steps))
        summary.add("steps_per_second", .number(Double(monitor.steps) / max(seconds, 1e-9)))
        summary.add("draws", .boolean(choice.areDraws))
      },
      lines: { seconds in
        [
          "\n\(chains.count) chain\(chains.count == 1 ? "" : "s") of \(replicas) copies, "
            + "\(monitor.steps) steps in "
            + String(format: "%.2f s", seconds) + ", seed \(plan.seed)"
        ]
      }
    ) { compiled, line, seed in
      try compiled.check(start: start)
      let own = plan.seeded(seed)
      let quantities = ChainResults.quantities(compiled)
      let runs = try concurrently(chains.count, threads: run.threads) { i in
        try temper(
          chains.lowerBound + i, own, compiled, quantities, words,
          ladder: Ladder(count: replicas, hottest: hottest), every: every, start: start, monitor)
      }.compactMap { $0 }
      let records = runs.map(\.record)
      let kinds = runs.first?.kinds ?? []
      let summaries =
        run.hasSets
        ? [] : try ChainResults.summaries(records, quantities, threads: run.threads)
      return SamplerOutcome(
        results: choice.chosen(ChainResults.draws(records), records).map { draw in
          (
            model.vocabulary.text(of: draw.state),
            ChainResults.object(draw, compiled, number: line)
          )
        },
        summarise: { summary in
          ChainResults.add(to: &summary, records, kinds: kinds, summaries: summaries)
          summary.add(
            "ladders",
            .objects(
              runs.map { one in
                var object = JSONObject()
                object.add("powers", .numbers(one.ladder.inverseTemperatures))
                object.add("exchange_rates", .numbers(one.exchangeRates))
                object.add("round_trips", .integer(one.roundTrips))
                return object
              }))
        },
        lines: [
          ChainResults.summary(
            records, kinds: kinds, quantities: quantities, summaries: summaries)
        ]
          + runs.map { one in
            "  chain \(one.record.chain): powers "
              + one.ladder.inverseTemperatures.map { String(format: "%.2f", $0) }
              .joined(separator: " ")
              + "; exchanged "
              + one.exchangeRates.map { String(format: "%.0f %%", $0 * 100) }
              .joined(separator: " ")
              + "; \(one.roundTrips) round trips"
          } + choice.lines)
    }
  }

  private struct TemperedChain: Sendable {
    var record: ChainResults.Record
    var kinds: [String]
    var ladder: Ladder
    var exchangeRates: [Double]
    var roundTrips: Int
  }

  private static func temper(
    _ chain: Int, _ plan: RunPlan, _ compiled: CompiledTarget,
    _ quantities: [ChainResults.Quantity], _ words: NGramLeftWords, ladder: Ladder, every: Int,
    start: TokenSequence?, _ monitor: RunMonitor
  ) throws -> TemperedChain? {
    let random = Philox(seed: plan.seed).stream(UInt64(chain))
    var startChoices = RandomChoices(random.stream(0))
    var choices = RandomChoices(random)
    func replicas(_ ladder: Ladder) -> ReplicaExchange<NGramModel, NGramMoves> {
      ReplicaExchange(compiled.target, ladder: ladder) { NGramMoves(for: $0, words: words) }
    }
    var exchange = replicas(ladder)
    let texts = try ladder.inverseTemperatures.compactMap { _ in
      try start ?? compiled.randomStart(monitor: monitor, using: &startChoices)
    }
    var record = ChainResults.Record(chain: chain, kinds: exchange.kernels[0].kinds.count)
    guard texts.count == ladder.inverseTemperatures.count else { return nil }
    var state = exchange.start(at: texts)
    func round() -> [(proposed: Int, accepted: Int)] {
      let counts = exchange.round(&state, steps: every, using: &choices)
      record.steps += every
      if plan.best > 0 {
        let scorer = state.scorers[0]
        record.keepIfBest(
          plan.best, step: record.steps, logProbability: scorer.logProbability, { scorer.state })
      }
      monitor.add(every * texts.count)
      return counts
    }
    // A ladder that goes on changing would leave no distribution as it is.
    for tuning in 1...tunings {
      while record.steps < plan.warmup / 2 * tuning / tunings, !monitor.isStopping { _ = round() }
      let refusals = zip(state.refused, state.tried).map { $1 > 0 ? Double($0) / Double($1) : 0 }
      exchange = replicas(exchange.ladder.tuned(refusals: refusals))
      state = exchange.start(at: state.scorers.map(\.state))
    }
    while record.steps < plan.warmup, !monitor.isStopping { _ = round() }
    state.tried = state.tried.map { _ in 0 }
    state.refused = state.tried
    state.roundTrips = 0
    let total = plan.warmup + plan.steps(ofChain: chain)
    let interval = plan.traceInterval
    while record.steps < total, !monitor.isStopping {
      let before = record.steps - plan.warmup
      for (kind, counts) in round().enumerated() {
        record.proposed[kind] += counts.proposed
        record.accepted[kind] += counts.accepted
      }
      let done = record.steps - plan.warmup
      if done / interval > before / interval {
        record.trace.append(ChainResults.row(quantities, state.scorers[0]))
      }
      if done % plan.thin == 0 {
        record.draws.append(
          Draw(
            chain: chain, step: record.steps, state: state.scorers[0].state,
            logProbability: state.scorers[0].logProbability))
      }
    }
    record.isComplete = record.steps >= total
    return TemperedChain(
      record: record, kinds: exchange.kernels[0].kinds, ladder: exchange.ladder,
      exchangeRates: zip(state.refused, state.tried).map {
        $1 > 0 ? 1 - Double($0) / Double($1) : 0
      },
      roundTrips: state.roundTrips)
  }
}
