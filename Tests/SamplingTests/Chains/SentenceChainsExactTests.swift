// Licensed under the Apache License, Version 2.0.

import Sampling
import SamplingLaws
import Testing

@Suite struct SentenceChainsExactTests {
  private func statement(_ kind: Constraint.Kind) -> Constraint { Constraint(kind, text: "") }

  @Test func targetOfStatements() throws {
    let toy = Toy.toy
    let target = try SentenceTarget(
      model: toy,
      constraints: [
        statement(.length(1...3, .characters)), statement(.fluency(2)), statement(.fluency(0.75)),
      ])
    #expect(target.fluency == 1.5)
    for text in toy.texts(ofLengths: 0...4) {
      let expected = (1...3).contains(text.count) ? 1.5 * toy.logProbability(of: text) : -.infinity
      #expect(target.logProbability(of: text) == expected)
    }
  }

  @Test func clashingStatementsMakeNoTarget() {
    #expect(throws: CompiledConstraints.Fault.self) {
      try SentenceTarget(
        model: Toy.toy,
        constraints: [
          statement(.length(1...1, .characters)), statement(.length(2...2, .characters)),
        ])
    }
  }

  @Test func chainsBeginAtAllowedTexts() throws {
    let target = try SentenceTarget(
      model: Toy.toy, constraints: [statement(.length(2...3, .characters))])
    let plan = RunPlan(chains: 3, warmup: 0, thin: 1, extent: .steps(20), traceEvery: 2, seed: 1)
    let records = try runChains(
      of: plan, target: target, kernel: NamedKernel.edits(NamedKernel.unigram),
      quantities: { [$0.logProbability, Double($0.count)] }, threads: 2)
    #expect(records.flatMap(\.draws).allSatisfy { (2...3).contains($0.state.count) })
    let lengths = records.traces(ofQuantity: 1)
    #expect(lengths.chains == records.map { $0.trace.map { $0[1] } })
    let kinds = NamedKernel.edits(NamedKernel.unigram).kinds.indices
    let accepted = kinds.map { kind in records.reduce(0) { $0 + $1.accepted[kind] } }
    let proposed = kinds.map { kind in records.reduce(0) { $0 + $1.proposed[kind] } }
    for kind in kinds {
      #expect(
        records.acceptanceRate(ofKind: kind) == Double(accepted[kind]) / Double(proposed[kind]))
    }
    #expect([ChainRecord<TokenSequence>(chain: 0, kinds: 1)].acceptanceRate(ofKind: 0) == nil)
  }

  @Test(arguments: [1, 3, 1000])
  func bestAreTheMostProbableOfAllStates(count: Int) throws {
    let target = try SentenceTarget(
      model: Toy.toy, constraints: [statement(.length(1...3, .characters))])
    // Each state but the start is a draw.
    var plan = RunPlan(chains: 2, warmup: 0, thin: 1, extent: .steps(300), seed: 1)
    plan.best = count
    let records = try runChains(
      of: plan, target: target, kernel: NamedKernel.edits(NamedKernel.unigram), threads: 2)
    for record in records {
      var first: [TokenSequence: Draw<TokenSequence>] = [:]
      for draw in record.best where draw.step == 0 { first[draw.state] = draw }
      for draw in record.draws where first[draw.state] == nil { first[draw.state] = draw }
      let ordered = first.values.sorted {
        ($1.logProbability, $0.step) < ($0.logProbability, $1.step)
      }
      #expect(record.best.map(\.state) == ordered.prefix(count).map(\.state))
      #expect(record.best.map(\.step) == ordered.prefix(count).map(\.step))
    }
  }

  /// The automaton allows b alone, which this model never says.
  @Test func noStartIsAnError() {
    let mute = BigramTable(
      letters: ["a", "b"], rows: [[0.9, 0, 0.1], [0.7, 0, 0.3], [0.5, 0, 0.5]])
    let b = mute.text("b")
    let automaton = TokenAutomaton(mute, lengths: 1...1) { $0 == b ? 0 : -.infinity }
    let target = SentenceTarget(model: mute, constraint: automaton)
    #expect(throws: NoStart()) {
      try runChains(
        of: RunPlan(seed: 1), target: target, kernel: NamedKernel.edits(NamedKernel.unigram),
        threads: 1)
    }
  }

  @Test func unreachableTextsAreCountedFromEveryOrigin() {
    let matrix = TransitionMatrix(
      of: MetropolisHastings(ReplaceToken(NamedKernel.unigram)), on: Space.lengths.space)
    // Four lengths, and no way between them: each text is out of reach from some other.
    #expect(matrix.unreachableCount == 30)
  }
}
