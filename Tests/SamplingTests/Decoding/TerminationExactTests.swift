// Licensed under the Apache License, Version 2.0.

import Sampling
import SamplingLaws
import Testing

@Suite struct TerminationExactTests {
  /// The end's probability at each step where the model gives it e_t, and the worst deviation of
  /// the other tokens from their proportion.
  private func ends(
    _ transform: any NextTokenTransform, _ own: [Double]
  ) throws -> (ends: [Double], defect: Double) {
    var chain = TransformChain([transform])
    var choices = RandomChoices(seed: 1)
    var next = NextTokens(count: 3, ends: [Token(0)])
    var ends: [Double] = []
    var defect = 0.0
    for e in own {
      try next.begin([e, (1 - e) * 0.75, (1 - e) * 0.25].map { LogSpace.log($0) })
      try chain.apply(to: &next, using: &choices)
      let law = next.logits.map { LogSpace.exp($0) }
      ends.append(law[0])
      defect = max(defect, abs(law[1] - 3 * law[2]), abs(law.reduce(0, +) - 1))
      chain.accept(Token(1), logProbability: LogSpace.log(law[1]))
    }
    return (ends, defect)
  }

  private func distance(_ a: [Double], _ b: [Double]) -> Double {
    zip(a, b).map { abs($0 - $1) }.max() ?? .infinity
  }

  /// Figures of the reference sheet: a chain whose end has probability .4 at each step.
  @Test func sheet() throws {
    let monotone = try ends(SelfTerminating(0), [0.4, 0.4, 0.4, 0.4])
    #expect(distance(monotone.ends, [0.4, 0.64, 0.784, 0.8704]) < 1e-12)
    #expect(monotone.defect < 1e-12)
    // The first step at which greedy decoding takes the end.
    #expect(monotone.ends.firstIndex { $0 > 0.5 } == 1)
    let free = try ends(NonMonotoneTermination(0.1), [0.4, 0.4, 0.4, 0.4])
    #expect(distance(free.ends, [0.46, 0.514, 0.5626, 0.60634]) < 1e-12)
    #expect(free.defect < 1e-12)
    // Epsilon counted from step 0 is another form.
    #expect(distance(free.ends, [0.4, 0.46, 0.514, 0.5626]) > 1e-3)
  }

  @Test(arguments: [(0.1, 7), (0.01, 69), (0.001, 693), (1e-4, 6932), (1e-5, 69315), (0.5, 2)])
  func stepBeyondHalf(epsilon: Double, step: Int) {
    #expect(SelfTerminating.stepBeyondHalf(epsilon) == step)
    #expect(SelfTerminating.stepBeyondHalf(0) == nil)
  }

  @Test func definitions() throws {
    let own = [0.1, 0.5, 0, 0.02, 0.3]
    var survival = 1.0
    let monotone = own.map { e -> Double in
      survival *= 0.8 * (1 - e)
      return 1 - survival
    }
    let found = try ends(SelfTerminating(0.2), own)
    #expect(distance(found.ends, monotone) < 1e-12 && found.defect < 1e-12)
    var floor = 1.0
    let free = own.map { e -> Double in
      floor *= 0.8
      return e + (1 - e) * (1 - floor)
    }
    let other = try ends(NonMonotoneTermination(0.2), own)
    #expect(distance(other.ends, free) < 1e-12 && other.defect < 1e-12)
    // Each is the other's mutant.
    #expect(distance(found.ends, free) > 1e-3)
  }

  /// e_t is the model's own, whatever stands before the wrapper.
  @Test(arguments: [false, true])
  func theModelsOwnEnd(isMonotone: Bool) throws {
    let own = [0.3, 0.2, 0.25]
    let wrapper: any NextTokenTransform =
      isMonotone ? try SelfTerminating(0.1) : try NonMonotoneTermination(0.1)
    var chain = TransformChain([try TopK(1), wrapper])
    var choices = RandomChoices(seed: 1)
    var next = NextTokens(count: 3, ends: [Token(0)])
    var alone: [Double] = []
    for e in own {
      try next.begin([e, (1 - e) * 0.75, (1 - e) * 0.25].map { LogSpace.log($0) })
      try chain.apply(to: &next, using: &choices)
      alone.append(LogSpace.exp(next[Token(0)]))
      #expect(next[Token(2)] == -.infinity)
      chain.accept(Token(1), logProbability: next[Token(1)])
    }
    #expect(distance(alone, try ends(wrapper, own).ends) < 1e-12)
    // Mutant: the end as it arrives, which top-k has removed.
    #expect(distance(alone, try ends(wrapper, [0, 0, 0]).ends) > 1e-3)
  }

  @Test func edges() throws {
    // Certain ends and impossible ones.
    #expect(try ends(SelfTerminating(0), [0, 0]).ends == [0, 0])
    #expect(distance(try ends(SelfTerminating(0.1), [0, 0]).ends, [0.1, 0.19]) < 1e-12)
    #expect(try ends(NonMonotoneTermination(0.1), [1]).ends == [1])
    #expect(try ends(SelfTerminating(0.1), [1, 0.5]).ends == [1, 1])
  }
}
