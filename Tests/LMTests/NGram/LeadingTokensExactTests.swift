// Licensed under the Apache License, Version 2.0.

import LM
import Sampling
import Testing

/// Chains of contexts made from a back-off model's arcs against those made from logits.
@Suite struct LeadingTokensExactTests {
  static let decoders: [(ContextChoice, [any NextTokenTransform])] = {
    do {
      return [
        (.greedy, []), (.sampled, [try TopK(1)]), (.sampled, [try TopK(3)]),
        (.sampled, [try TopK(3, keepsEnd: true)]), (.sampled, [try Nucleus(0)]),
        (.sampled, [try Nucleus(0.35)]), (.sampled, [try Nucleus(0.35, keepsEnd: true)]),
        (.sampled, [try Nucleus(1)]), (.sampled, [try MinP(0.4)]),
        (.sampled, [try EpsilonCutoff(0.15)]), (.sampled, [try EpsilonCutoff(0.9)]),
        (.sampled, [try TopK(4), try Nucleus(0.5)]), (.sampled, [try Nucleus(0.8), try TopK(2)]),
        (.sampled, [try Temperature(1.5), try TopK(3)]), (.sampled, [try Temperature(0)]),
        (.sampled, [try TopK(4), try Temperature(2), try Nucleus(0.5, keepsEnd: true)]),
        (.sampled, [try Temperature(2), try MinP(0.3)]), (.sampled, [try SparseSoftmax(2)]),
        (.sampled, [try MinP(0.2), try EpsilonCutoff(0.3)]), (.sampled, [Entmax()]),
        (.sampled, [try Temperature(0.5), Entmax()]),
      ]
    } catch {
      preconditionFailure("\(error)")
    }
  }()

  /// The largest difference between two chains over one model, from the same prompts: of what never
  /// ends, of the expected tokens, of what goes on after five, and of where a loop begins.
  private func defect(
    _ model: NGramModel, _ twin: (ContextChoice, [any NextTokenTransform]),
    _ quick: (ContextChoice, [any NextTokenTransform])
  ) throws -> Double {
    let words = (0..<model.vocabulary.count).map { Token($0) }.filter(model.vocabulary.isDrawable)
    let prompts = [[]] + words.map { [$0] } + words.map { [$0, words[0]] }
    let automaton = model.makeBackoffAutomaton()
    let found = TerminationAnalysis(
      try ContextChain(
        automaton, quick.0, transforms: quick.1, roots: prompts.map { automaton.context(after: $0) }
      ))
    let expected = TerminationAnalysis(
      try ContextChain(
        model, twin.0, transforms: twin.1,
        roots: prompts.map { $0.reduce(into: model.makeContext()) { model.advance(&$0, by: $1) } }))
    var worst = 0.0
    for root in prompts.indices {
      let (a, b) = (found.chain.roots[root], expected.chain.roots[root])
      worst = max(worst, abs(found.neverEnds[a] - expected.neverEnds[b]))
      worst = max(worst, abs(found.tokensIfEnding[a] - expected.tokensIfEnding[b]))
      let curves = (
        found.survival(ofRoots: root..<root + 1, limit: 5),
        expected.survival(ofRoots: root..<root + 1, limit: 5)
      )
      for (a, b) in zip(curves.0, curves.1) { worst = max(worst, abs(a - b)) }
    }
    let all = 0..<prompts.count
    let mean = expected.chain.roots.reduce(0) { $0 + expected.neverEnds[$1] }
    worst = max(worst, abs(found.neverEnds(ofRoots: all) - mean / Double(prompts.count)))
    guard found.loops.count == expected.loops.count else { return .infinity }
    if quick.1.contains(where: { $0 is EpsilonCutoff }) {
      let floors = (found.smallestFloorThatLoops ?? 0, expected.smallestFloorThatLoops ?? 0)
      return max(worst, abs(floors.0 - floors.1))
    }
    guard quick.1.contains(where: { $0 is Nucleus }) else { return worst }
    let thresholds = (found.largestMassThatLoops ?? 0, expected.largestMassThatLoops ?? 0)
    return max(worst, abs(thresholds.0 - thresholds.1))
  }

  /// The model's conditionals are rounded to floats on both ways, and texts may take a hundred
  /// tokens: hence 1e-11.
  @Test(arguments: [1, 2, 3, 5], decoders.indices)
  func arcsAgreeWithLogits(order: Int, index: Int) throws {
    let model = try NGramWordsExactTests.model(order: order)
    let decoder = Self.decoders[index]
    #expect(ContextChain<Int>.readsLeadingTokens(decoder.0, decoder.1))
    #expect(try defect(model, decoder, decoder) < 1e-11)
  }

  @Test func mutants() throws {
    let model = try NGramWordsExactTests.model(order: 3)
    #expect(try defect(model, (.sampled, [TopK(3)]), (.sampled, [TopK(4)])) > 1e-3)
    #expect(try defect(model, (.sampled, [Nucleus(0.35)]), (.sampled, [Nucleus(0.9)])) > 1e-3)
    #expect(try defect(model, (.sampled, [TopK(3, keepsEnd: true)]), (.sampled, [TopK(3)])) > 1e-3)
    let cooler: [any NextTokenTransform] = [try Temperature(0.5), try TopK(3)]
    #expect(try defect(model, (.sampled, cooler), (.sampled, [TopK(3)])) > 1e-3)
    #expect(try defect(model, (.sampled, [Entmax()]), (.sampled, [MinP(0.2)])) > 1e-3)
    let notFirst: [any NextTokenTransform] = [try Temperature(0.5), try Nucleus(0.5)]
    #expect(!ContextChain<Int>.readsLeadingTokens(.sampled, notFirst))
    #expect(!ContextChain<Int>.readsLeadingTokens(.greedy, [try TopK(2)]))
  }
}
