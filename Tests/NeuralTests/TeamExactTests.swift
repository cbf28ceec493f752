// Licensed under the Apache License, Version 2.0.

import Foundation
import Synchronization
import Testing

@testable import Neural

@Suite struct TeamExactTests {
  @Test(arguments: [1, 2, 3, 5])
  func eachPieceIsKeptOnce(size: Int) {
    let team = Team(size: size)
    for count in [0, 1, 2, 7, 64] {
      let buffer = NumberBuffer(count: max(1, count))
      let numbers = buffer.numbers
      team.run(
        count: count, scratchSize: 1,
        body: { piece in
          unsafe piece.scratch[0] = Float(piece.index + 1)
          if !piece.isShared { unsafe numbers.start[piece.index] += piece.scratch[0] }
        },
        keep: { piece in unsafe numbers.start[piece.index] += piece.scratch[0] })
      let found = (0..<count).map { unsafe numbers.start[$0] }
      #expect(found == (0..<count).map { Float($0 + 1) })
      withExtendedLifetime(buffer) {}
    }
  }

  /// A helper that loses its processor in the middle of a piece: the caller goes on without it, and
  /// what the helper finds later is thrown away.
  @Test func aLateHelperHoldsNobodyUp() {
    let team = Team(size: 2)
    let buffer = NumberBuffer(count: 8)
    let numbers = buffer.numbers
    withExtendedLifetime(buffer) {
      let catches = Shared()
      team.run(
        count: 8, scratchSize: 1,
        body: { piece in
          if piece.isShared {
            catches.isCaught.store(true, ordering: .sequentiallyConsistent)
            while !catches.mayGoOn.load(ordering: .sequentiallyConsistent) { sched_yield() }
          } else {
            // The helper shall get a piece.
            let deadline = ContinuousClock.now + .seconds(5)
            while !catches.isCaught.load(ordering: .sequentiallyConsistent),
              ContinuousClock.now < deadline
            {
              sched_yield()
            }
            unsafe numbers.start[piece.index] += 1
          }
        },
        keep: { piece in unsafe numbers.start[piece.index] += 100 })
      #expect((0..<8).allSatisfy { unsafe numbers.start[$0] == 1 })
      catches.mayGoOn.store(true, ordering: .sequentiallyConsistent)
      team.waitForStragglers()
      #expect((0..<8).allSatisfy { unsafe numbers.start[$0] == 1 })
    }
  }

  private final class Shared: Sendable {
    let isCaught = Atomic(false)
    let mayGoOn = Atomic(false)
  }
}
