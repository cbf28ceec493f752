// Licensed under the Apache License, Version 2.0.

import Sampling
import SamplingLaws
import Synchronization
import Testing

@Suite struct ChainRunExactTests {
  private var kernel: some TransitionKernel<IncrementalScorer<Toy, TokenAutomaton>> {
    NamedKernel.edits(NamedKernel.unigram)
  }

  private func run(_ plan: RunPlan, threads: Int) throws -> [ChainRecord<TokenSequence>] {
    let space = Space.lengths.space
    let kernel = kernel
    return try concurrently(plan.chains, threads: threads) { chain in
      try runChain(
        chain, of: plan, target: space.target,
        start: { choices in space.states[choices.index(below: space.states.count)] },
        kernel: kernel, monitor: RunMonitor())
    }
  }

  @Test(arguments: [RunPlan.Extent.draws(7), .steps(95)])
  func threadsDoNotMatter(extent: RunPlan.Extent) throws {
    let plan = RunPlan(chains: 3, warmup: 20, thin: 10, extent: extent, traceEvery: 3, seed: 5)
    let one = try run(plan, threads: 1)
    let four = try run(plan, threads: 4)
    for (a, b) in zip(one, four) {
      #expect(a.draws.map(\.state) == b.draws.map(\.state))
      #expect(a.trace == b.trace)
      #expect(a.isComplete)
      #expect(a.draws.count == plan.draws(ofChain: a.chain))
      #expect(a.draws.map(\.step) == a.draws.indices.map { 20 + 10 * ($0 + 1) })
      #expect(a.trace.count == plan.steps(ofChain: a.chain) / 3)
      #expect(a.proposed.reduce(0, +) == plan.steps(ofChain: a.chain))
    }
    #expect(one[0].draws.map(\.state) != one[1].draws.map(\.state))
  }

  /// From each checkpoint on, the chain is the one that never stopped; a generator begun anew, or a
  /// state of before, is another chain.
  @Test func chainsGoOnFromTheirCheckpoints() throws {
    let space = Space.lengths.space
    let plan = RunPlan(chains: 2, warmup: 300, thin: 40, extent: .draws(60), traceEvery: 7, seed: 5)
    let saved = Mutex<[[ChainCheckpoint<TokenSequence>]]>([])
    func run(_ checkpoints: ChainCheckpoints<TokenSequence>?) throws
      -> [ChainRecord<TokenSequence>]
    {
      try runChains(
        of: plan, target: space.target, kernel: kernel, threads: 1, checkpoints: checkpoints
      ) { choices in space.states[choices.index(below: space.states.count)] }
    }
    let whole = try run(nil)
    let kept = ChainCheckpoints<TokenSequence>(every: .zero) { chains in
      saved.withLock { $0.append(chains) }
    }
    func isSame(_ a: [ChainRecord<TokenSequence>]) -> Bool {
      zip(a, whole).allSatisfy { a, b in
        a.draws.map(\.state) == b.draws.map(\.state) && a.draws.map(\.step) == b.draws.map(\.step)
          && a.trace == b.trace && a.proposed == b.proposed && a.accepted == b.accepted
          && a.isComplete
      }
    }
    #expect(try isSame(run(kept)))
    let all = saved.withLock { $0 }
    #expect(all.contains { $0.count == 1 && $0[0].record.steps == plan.warmup })
    #expect(all.contains { $0.count == 2 && !$0[1].record.isComplete })
    func resumed(
      _ chains: [ChainCheckpoint<TokenSequence>],
      _ change: (inout ChainCheckpoint<TokenSequence>) -> Void = { _ in }
    ) throws -> Bool {
      var chains = chains
      for i in chains.indices { change(&chains[i]) }
      return try isSame(run(ChainCheckpoints(resumed: chains, every: .seconds(1000)) { _ in }))
    }
    for chains in all { #expect(try resumed(chains)) }
    let early = try #require(all.first)
    #expect(try !resumed(early) { $0.random = Philox(seed: plan.seed).stream(0) })
    let other = try #require(space.states.first { $0 != early[0].state })
    #expect(try !resumed(early) { $0.state = other })
    #expect(try !resumed(early) { $0.record.steps += 1 })
  }

  @Test func checkpointsThatCannotBeSavedEndTheRun() throws {
    struct Full: Error {}
    let space = Space.lengths.space
    let plan = RunPlan(chains: 2, warmup: 0, thin: 1000, extent: .draws(50), seed: 5)
    let monitor = RunMonitor()
    let checkpoints = ChainCheckpoints<TokenSequence>(every: .zero) { _ in throw Full() }
    let records = try runChains(
      of: plan, target: space.target, kernel: kernel, threads: 1, monitor: monitor,
      checkpoints: checkpoints
    ) { _ in space.states[0] }
    // What was drawn is not lost.
    #expect(checkpoints.failure is Full && records.count == 2 && records[0].steps > 0)
    #expect(monitor.isStopping && monitor.steps < 50_000)
  }

  @Test func drawsAreShared() {
    let plan = RunPlan(chains: 3, extent: .draws(7), seed: 1)
    #expect((0..<3).map { plan.draws(ofChain: $0) } == [3, 2, 2])
  }

  @Test func aStoppedRunKeepsWhatItHas() throws {
    let space = Space.lengths.space
    let monitor = RunMonitor()
    monitor.stop()
    let record = try runChain(
      0, of: RunPlan(seed: 1), target: space.target, start: { _ in space.states[0] },
      kernel: kernel, monitor: monitor)
    #expect(!record.isComplete && record.draws.isEmpty && record.steps == 0)
  }
}

@Suite struct ChainRunStatisticalTests {
  /// Replicates are independent: each starts from an exact draw, which five steps keep exact.
  ///
  /// 29 degrees of freedom, false-alarm rate 1e-6:
  /// 80.3. A rejected step that is not recorded (the last accepted state taken instead) is found.
  @Test(arguments: [201] + TestData.deep([202, 203]) as [UInt64])
  func fiveStepsKeepTheTarget(seed: UInt64) {
    let space = Space.lengths.space
    let kernel = NamedKernel.edits(NamedKernel.unigram)
    let weights = space.states.map { space.probabilities[$0] ?? 0 }
    var choices = RandomChoices(seed: seed)
    var all: [TokenSequence: Double] = [:]
    var acceptedOnly: [TokenSequence: Double] = [:]
    let replicates = 20_000.0
    for _ in 0..<Int(replicates) {
      var scorer = space.target.makeScorer(at: space.states[choices.index(weights: weights)])
      for _ in 0..<4 { _ = kernel.step(&scorer, using: &choices) }
      let report = kernel.step(&scorer, using: &choices)
      all[scorer.state, default: 0] += 1
      if report.isAccepted { acceptedOnly[scorer.state, default: 0] += 1 }
    }
    func chiSquare(_ counts: [TokenSequence: Double]) -> Double {
      let total = counts.values.reduce(0, +)
      return zip(space.states, weights).reduce(0) { sum, pair in
        let expected = total * pair.1
        let difference = counts[pair.0, default: 0] - expected
        return sum + difference * difference / expected
      }
    }
    #expect(chiSquare(all) < 80.3)
    #expect(chiSquare(acceptedOnly) > 80.3)
  }
}
