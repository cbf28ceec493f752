// Licensed under the Apache License, Version 2.0.

import LM
import Sampling

/// A chain by replica exchange: its record, its copies, and how it goes on after a stop.
struct TemperedChain<Model: ChainModel> {
  typealias Exchange = ReplicaExchange<
    Model.Target, MetropolisHastings<StandardMoves<Model.Left>>
  >
  /// How often the ladder is tuned in the first half of the warm-up.
  private static var tunings: Int { 5 }

  private var record: ChainResults.Record
  private let tempering: Tempering
  private let work: ChainWork
  private let target: Model.Target
  private let left: Model.Left
  private let weights: [Double]
  private var exchange: Exchange
  private var state: Exchange.State
  private var choices: RandomChoices
  /// How often the ladder was tuned.
  private var tuned = 0

  /// A chain that begins, or goes on from a checkpoint; `nil` where it was stopped before it began.
  ///
  /// - Throws: where there is no text to begin with, or the checkpoint is of another run.
  init?(
    _ chain: Int, _ tempering: Tempering, _ work: ChainWork, _ model: Model,
    from checkpoint: ChainCheckpoint<TokenSequence>?
  ) throws {
    self.tempering = tempering
    self.work = work
    target = work.target.sentences(of: model)
    left = work.target.leftTokens(of: model)
    weights = model.unigramWeights
    let random = Philox(seed: work.plan.seed).stream(UInt64(chain))
    choices = RandomChoices(checkpoint?.random ?? random)
    if let checkpoint {
      let memory = try TemperedMemory<Model>(
        checkpoint.memory, of: tempering, target: target, tunings: Self.tunings)
      record = checkpoint.record
      tuned = memory.tuned
      exchange = Self.exchange(memory.ladder, target, left, weights)
      state = exchange.start(from: memory.replicas)
      return
    }
    exchange = Self.exchange(
      Ladder(count: tempering.replicas, hottest: tempering.hottest), target, left, weights)
    record = ChainResults.Record(chain: chain, kinds: exchange.kernels[0].kinds.count)
    // The starts take a stream of their own, so that another way of starting moves no later step.
    var startChoices = RandomChoices(random.stream(0))
    let texts = try (0..<tempering.replicas).compactMap { _ in
      try work.firstText(model, using: &startChoices)
    }
    guard texts.count == tempering.replicas else { return nil }
    state = exchange.start(at: texts)
  }

  private static func exchange(
    _ ladder: Ladder, _ target: Model.Target, _ left: Model.Left, _ weights: [Double]
  ) -> Exchange {
    ReplicaExchange(target, ladder: ladder) {
      MetropolisHastings(StandardMoves(for: $0, left: left, weights: weights))
    }
  }

  /// What is reported of it so far.
  var report: TemperedReport {
    TemperedReport(
      record: record,
      ladder: LadderReport(
        chain: record.chain, powers: exchange.ladder.inverseTemperatures,
        exchangeRates: zip(state.refused, state.tried).map {
          $1 > 0 ? 1 - Double($0) / Double($1) : 0
        },
        roundTrips: state.roundTrips))
  }

  /// What the chain needs to go on.
  var checkpoint: ChainCheckpoint<TokenSequence> {
    ChainCheckpoint(
      record: record, state: state.scorers[0].state, random: choices.random,
      memory: TemperedMemory<Model>(
        ladder: exchange.ladder, tuned: tuned, replicas: exchange.memory(of: state)
      ).words)
  }

  /// Carries out the plan, or as much of it as there is time for.
  mutating func run(leaving checkpoints: ChainCheckpoints<TokenSequence>?) {
    let plan = work.plan
    let monitor = work.monitor
    var nextCheckpoint = checkpoints?.nextTime()
    var unseen = 0
    func leaveIfDue(_ chain: TemperedChain) {
      guard let checkpoints, let due = nextCheckpoint else { return }
      // A look at the clock costs as much as a step or two.
      unseen += tempering.every * tempering.replicas
      guard unseen >= 256, ContinuousClock.now >= due else { return }
      unseen = 0
      checkpoints.leave(chain.checkpoint)
      if checkpoints.failure != nil { monitor.stop() }
      nextCheckpoint = checkpoints.nextTime()
    }
    // A ladder that goes on changing would leave no distribution as it is.
    while tuned < Self.tunings, !monitor.isStopping {
      let goal = plan.warmup / 2 * (tuned + 1) / Self.tunings
      while record.steps < goal, !monitor.isStopping {
        _ = round()
        leaveIfDue(self)
      }
      if monitor.isStopping { break }
      let refusals = zip(state.refused, state.tried).map { $1 > 0 ? Double($0) / Double($1) : 0 }
      exchange = Self.exchange(
        exchange.ladder.tuned(refusals: refusals), target, left, weights)
      state = exchange.start(at: state.scorers.map(\.state))
      tuned += 1
    }
    while tuned == Self.tunings, record.steps < plan.warmup, !monitor.isStopping {
      _ = round()
      leaveIfDue(self)
    }
    if tuned == Self.tunings, record.steps == plan.warmup {
      state.tried = state.tried.map { _ in 0 }
      state.refused = state.tried
      state.roundTrips = 0
    }
    let total = plan.warmup + plan.steps(ofChain: record.chain)
    while tuned == Self.tunings, record.steps < total, !monitor.isStopping {
      draw()
      leaveIfDue(self)
    }
    record.isComplete = record.steps >= total
    checkpoints?.leave(checkpoint)
  }

  /// Steps of every copy and their exchanges.
  private mutating func round() -> [(proposed: Int, accepted: Int)] {
    let counts = exchange.round(&state, steps: tempering.every, using: &choices)
    record.steps += tempering.every
    if work.plan.best > 0 {
      let scorer = state.scorers[0]
      record.keepIfBest(
        work.plan.best, step: record.steps, logProbability: scorer.logProbability, { scorer.state })
    }
    work.monitor.add(tempering.every * tempering.replicas)
    return counts
  }

  /// A round after the warm-up, and what is kept of it.
  private mutating func draw() {
    let plan = work.plan
    let before = record.steps - plan.warmup
    for (kind, counts) in round().enumerated() {
      record.proposed[kind] += counts.proposed
      record.accepted[kind] += counts.accepted
    }
    let done = record.steps - plan.warmup
    if done / plan.traceInterval > before / plan.traceInterval {
      record.trace.append(ChainResults.row(work.quantities, state.scorers[0]))
    }
    if done % plan.thin == 0 {
      record.draws.append(
        Draw(
          chain: record.chain, step: record.steps, state: state.scorers[0].state,
          logProbability: state.scorers[0].logProbability))
    }
  }
}

/// What is reported of a tempered chain.
struct TemperedReport: Sendable {
  var record: ChainResults.Record
  var ladder: LadderReport
}

/// What a tempered chain keeps beside its text, as words of a checkpoint.
private struct TemperedMemory<Model: ChainModel> {
  var ladder: Ladder
  var tuned: Int
  var replicas: TemperedChain<Model>.Exchange.Memory

  init(ladder: Ladder, tuned: Int, replicas: TemperedChain<Model>.Exchange.Memory) {
    self.ladder = ladder
    self.tuned = tuned
    self.replicas = replicas
  }

  /// The ladder, the tunings, and for each copy its text; then what became of the exchanges.
  var words: [UInt64] {
    var words = ladder.inverseTemperatures.map(\.bitPattern)
    words.append(UInt64(tuned))
    for text in replicas.texts {
      words.append(UInt64(text.count))
      words += text.map { UInt64($0.rawValue) }
    }
    for numbers in [replicas.labels, replicas.tried, replicas.refused, replicas.headings] {
      words += numbers.map { UInt64(bitPattern: Int64($0)) }
    }
    return words + [UInt64(replicas.roundTrips), replicas.isOdd ? 1 : 0]
  }

  /// Reads them, whatever they are.
  ///
  /// - Throws: where they are no memory of such chains.
  init(
    _ words: [UInt64], of tempering: Tempering, target: Model.Target, tunings: Int
  ) throws(RunError) {
    let unfit = RunError(
      .data, "the checkpoint does not fit the run; begin it anew, in another folder")
    let count = tempering.replicas
    var rest = words[...]
    func take(_ number: Int) throws(RunError) -> ArraySlice<UInt64> {
      guard number <= rest.count else { throw unfit }
      defer { rest = rest.dropFirst(number) }
      return rest.prefix(number)
    }
    func integers(_ number: Int) throws(RunError) -> [Int] {
      try take(number).map { Int(truncatingIfNeeded: $0) }
    }
    let powers = try take(count).map { Double(bitPattern: $0) }
    guard powers.first == 1, powers.allSatisfy({ $0 > 0 && $0 <= 1 }) else { throw unfit }
    ladder = Ladder(powers)
    tuned = try integers(1)[0]
    var texts: [TokenSequence] = []
    for _ in 0..<count {
      let length = try integers(1)[0]
      guard length >= 0 else { throw unfit }
      let tokens = try take(length)
      guard tokens.allSatisfy({ $0 < UInt64(target.model.vocabulary.count) }) else { throw unfit }
      let text = TokenSequence(tokens.map { Token(Int($0)) })
      guard target.logProbability(of: text) > -.infinity else { throw unfit }
      texts.append(text)
    }
    let labels = try integers(count)
    let tried = try integers(count - 1)
    let refused = try integers(count - 1)
    let headings = try integers(count)
    let last = try integers(2)
    replicas = TemperedChain<Model>.Exchange.Memory(
      texts: texts, labels: labels, tried: tried, refused: refused, roundTrips: last[0],
      headings: headings, isOdd: last[1] != 0)
    guard rest.isEmpty, replicas.fits(count), (0...tunings).contains(tuned) else {
      throw unfit
    }
  }
}
