// Licensed under the Apache License, Version 2.0.

import Sampling
import SamplingLaws
import Testing

@Suite struct ReplicaExchangeExactTests {
  private struct Pair: Hashable {
    var cold: TokenSequence
    var hot: TokenSequence
  }

  private static let half = 0.5

  /// How far an act on two replicas is from keeping the product of their targets.
  private func defect(
    _ space: Space, _ act: (Pair, inout EnumeratedChoices) -> Pair
  ) -> Double {
    let cold = space.space
    let hot = EnumeratedTarget(cold.target.tempered(Self.half), among: cold.states)
    var before: [Pair: Double] = [:]
    var after: [Pair: Double] = [:]
    for (x, p) in cold.probabilities {
      for (y, q) in hot.probabilities {
        let pair = Pair(cold: x, hot: y)
        before[pair] = p * q
        for (next, chance) in outcomes(of: { act(pair, &$0) }) {
          after[next, default: 0] += p * q * chance
        }
      }
    }
    return totalVariation(before, after)
  }

  private func exchange(
    _ space: Space
  ) -> ReplicaExchange<
    SentenceTarget<Toy, TokenAutomaton>, MetropolisHastings<ReplaceToken<UnigramTokens<ToyScorer>>>
  > {
    ReplicaExchange(space.space.target, ladder: Ladder([1, Self.half])) { _ in
      MetropolisHastings(ReplaceToken(NamedKernel.unigram))
    }
  }

  @Test(arguments: Space.allCases)
  func exchangesKeepTheProduct(space: Space) {
    let exchange = exchange(space)
    let defect = defect(space) { pair, choices in
      var state = exchange.start(at: [pair.cold, pair.hot])
      exchange.exchange(&state, using: &choices)
      return Pair(cold: state.scorers[0].state, hot: state.scorers[1].state)
    }
    #expect(defect < 1e-12)
  }

  @Test(arguments: [Space.fixedLength] + TestData.deep([.soft]))
  func roundsKeepTheProduct(space: Space) {
    let exchange = exchange(space)
    let defect = defect(space) { pair, choices in
      var state = exchange.start(at: [pair.cold, pair.hot])
      exchange.round(&state, steps: 1, using: &choices)
      return Pair(cold: state.scorers[0].state, hot: state.scorers[1].state)
    }
    #expect(defect < 1e-12)
  }

  /// Exchanged whenever the colder one gains, as if both targets were the same otherwise.
  @Test func forgottenDifferenceOfTemperatures() {
    let target = Space.lengths.space.target
    let defect = defect(.lengths) { pair, choices in
      let gain = target.logProbability(of: pair.hot) - target.logProbability(of: pair.cold)
      return choices.accepts { _ in gain } ? Pair(cold: pair.hot, hot: pair.cold) : pair
    }
    #expect(defect > 1e-3)
  }

  /// Soft weights and fluency go to the power, hard constraints stay.
  @Test(arguments: Space.allCases)
  func powersOfTargets(space: Space) {
    let target = space.space.target
    let hot = target.tempered(0.3)
    for text in space.space.states {
      #expect(
        abs(hot.logProbability(of: text) - 0.3 * target.logProbability(of: text)) < 1e-12)
    }
    let forbidden = Toy.toy.texts(ofLengths: 0...4).filter {
      space.space.probabilities[$0] == nil
    }
    #expect(forbidden.allSatisfy { hot.logProbability(of: $0) == -.infinity })
  }

  /// Replicas that go on from what they remember do what they would have done; a memory without its
  /// turn or its labels does not.
  @Test func memoriesGoOn() {
    let exchange = exchange(.lengths)
    let ab = Toy.toy.text("ab")
    var choices = RandomChoices(seed: 1)
    var state = exchange.start(at: [ab, ab])
    for _ in 0..<7 { exchange.round(&state, steps: 1, using: &choices) }
    let middle = exchange.memory(of: state)
    #expect(middle.fits(2) && !middle.fits(3))
    func end(
      _ memory: ReplicaExchange<
        SentenceTarget<Toy, TokenAutomaton>,
        MetropolisHastings<ReplaceToken<UnigramTokens<ToyScorer>>>
      >.Memory
    )
      -> ReplicaExchange<
        SentenceTarget<Toy, TokenAutomaton>,
        MetropolisHastings<ReplaceToken<UnigramTokens<ToyScorer>>>
      >.Memory
    {
      var choices = choices
      var state = exchange.start(from: memory)
      for _ in 0..<50 { exchange.round(&state, steps: 1, using: &choices) }
      return exchange.memory(of: state)
    }
    let expected = end(middle)
    for _ in 0..<50 { exchange.round(&state, steps: 1, using: &choices) }
    #expect(exchange.memory(of: state) == expected)
    var mutant = middle
    mutant.isOdd.toggle()
    choices = RandomChoices(seed: 2)
    #expect(end(mutant) != end(middle))
    mutant = middle
    mutant.labels.reverse()
    #expect(end(mutant) != end(middle))
    mutant.labels = [0, 0]
    #expect(!mutant.fits(2))
  }

  /// By hand: refusals .2 and .6 make a barrier of .8; half of it lies a third into the second pair.
  @Test func laddersAreTuned() {
    let tuned = Ladder([1, 0.7, 0.1]).tuned(refusals: [0.2, 0.6])
    #expect(abs(tuned.inverseTemperatures[1] - 0.5) < 1e-12)
    #expect(tuned.inverseTemperatures[2] == 0.1)
    #expect(Ladder([1, 0.5]).tuned(refusals: [0]) == Ladder([1, 0.5]))
    let ladder = Ladder(count: 3, hottest: 0.25).inverseTemperatures
    #expect(zip(ladder, [1, 0.5, 0.25]).allSatisfy { abs($0 - $1) < 1e-12 })
  }
}

@Suite struct AnnealingExactTests {
  @Test(arguments: AnnealingSchedule.allCases)
  func schedulesRise(schedule: AnnealingSchedule) {
    var now = 0.5
    var all = [now]
    for stage in 0..<9 {
      now = schedule.inverseTemperature(
        after: stage, of: 10, within: 0.5...8, now: now, deviation: 0.5)
      all.append(now)
    }
    #expect(zip(all, all.dropFirst()).allSatisfy { $0 <= $1 })
    #expect(all.allSatisfy { $0 <= 8 })
    if schedule != .adaptive { #expect(abs(now - 8) < 1e-9) }
  }

  @Test func schedulesByHand() {
    func next(_ schedule: AnnealingSchedule) -> Double {
      schedule.inverseTemperature(after: 0, of: 3, within: 1...16, now: 1, deviation: 0.7)
    }
    #expect(abs(next(.geometric) - 4) < 1e-12)
    #expect(abs(next(.linear) - 8.5) < 1e-12)
    // A third of the way in logarithms of 1, 2, 3.
    #expect(abs(next(.logarithmic) - (1 + 15 * LogSpace.log(2) / LogSpace.log(3))) < 1e-12)
    #expect(abs(next(.adaptive) - LogSpace.exp(1)) < 1e-12)
  }

  /// On thirty texts, 200 steps from anywhere find the likeliest; what is told of it is true.
  @Test(arguments: AnnealingSchedule.allCases)
  func likeliestTextIsFound(schedule: AnnealingSchedule) throws {
    let space = Space.lengths.space
    let annealing = Annealing(space.target, schedule: schedule, bounds: 0.5...10, stages: 10)
    let likeliest = space.probabilities.max { $0.value < $1.value }?.key
    for (number, start) in space.states.enumerated() {
      var choices = RandomChoices(seed: UInt64(number))
      let result = try annealing.run(
        from: start, steps: 2000, kernel: { _ in NamedKernel.edits(NamedKernel.unigram) },
        using: &choices)
      #expect(result.best == likeliest)
      #expect(
        abs(result.logProbability - space.target.logProbability(of: result.best)) < 1e-12)
      #expect(result.steps == 2000)
    }
  }
}
