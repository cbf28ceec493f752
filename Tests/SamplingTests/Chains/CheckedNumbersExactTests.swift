// Licensed under the Apache License, Version 2.0.

import Sampling
import Testing

@Suite struct CheckedNumbersExactTests {
  @Test func whatIsTooLargeIsTold() {
    #expect(CheckedNumbers.product(1 << 31, 1 << 31) == 1 << 62)
    #expect(CheckedNumbers.product(1 << 31, 1 << 32) == nil)
    #expect(CheckedNumbers.product(0, Int.max, Int.max) == 0)
    #expect(CheckedNumbers.sum(Int.max, 0) == Int.max && CheckedNumbers.sum(Int.max, 1) == nil)
    #expect(CheckedNumbers.sum(of: [Int.max, -1, 1]) == Int.max)
    #expect(CheckedNumbers.whole(1e300) == Int.max && CheckedNumbers.whole(-1e300) == Int.min)
    #expect(CheckedNumbers.whole(.nan) == 0 && CheckedNumbers.whole(2.5) == 3)
  }

  @Test(arguments: [
    (RunPlan(chains: 4, warmup: 10, thin: 3, extent: .draws(5), seed: 0), 1, 4 * 10 + 5 * 3),
    (RunPlan(chains: 2, warmup: 1, extent: .steps(7), seed: 0), 3, 48),
    (RunPlan(chains: 1, thin: 1 << 40, extent: .draws(1_000_000_000), seed: 0), 1, nil),
    (RunPlan(chains: 1_000_000, extent: .steps(1 << 50), seed: 0), 1, nil),
    (RunPlan(chains: 1000, warmup: 0, extent: .steps(1 << 50), seed: 0), 1, 1000 << 50),
    (RunPlan(chains: 1000, warmup: 0, extent: .steps(1 << 50), seed: 0), 8, nil),
    (RunPlan(chains: 1, warmup: Int.max, extent: .steps(1), seed: 0), 1, nil),
  ])
  func plansThatCannotBeCounted(plan: RunPlan, copies: Int, steps: Int?) {
    #expect(plan.totalSteps(copies: copies) == steps)
  }
}
