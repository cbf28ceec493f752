// Licensed under the Apache License, Version 2.0.

import Sampling
import SamplingLaws
import Synchronization
import Testing

/// Concurrent work of which one piece fails.
@Suite struct PartialFailureExactTests {
  private struct Broken: Error, Equatable { let piece: Int }

  /// The other piece would go on for ever.
  @Test func othersAreStoppedAndTheirResultsKept() throws {
    let isStopping = Atomic<Bool>(false)
    do {
      _ = try concurrently(
        3, threads: 2, stoppingBy: { isStopping.store(true, ordering: .relaxed) }
      ) { piece in
        if piece == 1 { throw Broken(piece: piece) }
        while !isStopping.load(ordering: .relaxed) {}
        return piece * 10
      }
      Issue.record("nothing was thrown")
    } catch let partial as PartialFailure<Int> {
      #expect(partial.results == [0, nil, nil])
      #expect(partial.failure as? Broken == Broken(piece: 1))
    }
  }

  /// Without results to keep, the failure itself is thrown, and nothing more is begun.
  @Test func noOtherPieceIsBegun() throws {
    let begun = Atomic<Int>(0)
    #expect(throws: Broken(piece: 0)) {
      try concurrently(1000, threads: 1) { piece in
        begun.add(1, ordering: .relaxed)
        if piece == 0 { throw Broken(piece: piece) }
      }
    }
    #expect(begun.load(ordering: .relaxed) == 1)
  }

  /// A chain that finds no start stops the others, which would take a million years.
  @Test func aFailedChainLeavesTheOthersDraws() throws {
    let toy = BigramTable.toy
    let target = SentenceTarget(model: toy)
    let plan = RunPlan(chains: 2, warmup: 0, thin: 1 << 20, extent: .steps(1 << 50), seed: 1)
    let begun = Atomic<Int>(0)
    let monitor = RunMonitor()
    do {
      _ = try runChains(
        of: plan, target: target, kernel: MetropolisHastings(ReplaceToken(LeftConditionalTokens())),
        threads: 2, monitor: monitor
      ) { _ in
        guard begun.add(1, ordering: .sequentiallyConsistent).oldValue == 1 else {
          return toy.text("ab")
        }
        while monitor.steps == 0 {}
        throw Broken(piece: 1)
      }
      Issue.record("nothing was thrown")
    } catch let partial as PartialFailure<ChainRecord<TokenSequence>> {
      #expect(partial.failure is Broken)
      let records = partial.results.compactMap { $0 }
      #expect(records.count == 1 && (records.first?.steps ?? 0) > 0)
      #expect(records.first?.isComplete == false)
    }
  }
}
