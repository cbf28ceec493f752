// Licensed under the Apache License, Version 2.0.

import Sampling
import Testing

@Suite struct TransformErrorExactTests {
  private func message(_ act: () throws -> Void) -> String {
    do {
      try act()
      return "nothing thrown"
    } catch {
      return "\(error)"
    }
  }

  private func apply(_ transforms: [any NextTokenTransform], to logits: [Double]) throws {
    var next = NextTokens(count: logits.count, ends: [Token(0)])
    next.setText([Token(1)], promptCount: 1)
    try next.begin(logits)
    var chain = TransformChain(transforms)
    var choices = RandomChoices(seed: 1)
    try chain.apply(to: &next, using: &choices)
  }

  @Test func everythingMaskedNamesTheTransform() {
    #expect(
      message {
        try apply([Temperature(0.5), TopK(1), NoRepeatNGram(1)], to: [-.infinity, 1])
      } == "no-repeat-ngram 1 removed the last possible token; use a weaker setting")
    #expect(
      message { try apply([], to: [-.infinity, -.infinity]) }
        == "the model gives no token a probability after this text")
  }

  @Test(arguments: [Double.nan, .infinity])
  func badLogitsAreErrors(logit: Double) {
    #expect(
      message { try apply([], to: [0, logit]) }
        == "the model gave token 1 the logit \(logit), expected a number or minus infinity")
    struct Broken: NextTokenTransform {
      let logit: Double
      var name: String { "broken" }
      func apply(to next: inout NextTokens, using choices: inout some ChoiceSource) {
        next[Token(0)] = logit
      }
    }
    #expect(
      message { try apply([Broken(logit: logit)], to: [0, 1]) }
        == "broken gave token 0 the logit \(logit), expected a number or minus infinity")
  }

  @Test func extremeLogitsAreNoTraps() throws {
    let extremes = [-Double.greatestFiniteMagnitude, .greatestFiniteMagnitude, 0, -1e-300]
    for one in truncationCases { try apply([one.transform()], to: extremes) }
    for one in TruncationExactTests.keeping { try apply([one.transform()], to: extremes) }
    for one in truncationCases { try apply([one.transform()], to: [-1e308, -1e308]) }
  }

  @Test func rangesAreSaidWithTheValue() {
    let cases: [(() throws -> Void, String)] = [
      ({ _ = try Temperature(-1) }, "temperature: a temperature is 0 or more, got -1.0"),
      ({ _ = try Temperature(.nan) }, "temperature: a temperature is 0 or more, got nan"),
      ({ _ = try TopK(0) }, "top-k: at least 1 token is kept, got 0"),
      ({ _ = try Nucleus(1.5) }, "top-p: a mass lies in 0 ... 1, got 1.5"),
      ({ _ = try Nucleus(.nan) }, "top-p: a mass lies in 0 ... 1, got nan"),
      ({ _ = try LocallyTypical(0) }, "typical: a mass is positive and at most 1, got 0.0"),
      ({ _ = try MinP(-0.1) }, "min-p: a share lies in 0 ... 1, got -0.1"),
      ({ _ = try TopA(2) }, "top-a: a factor lies in 0 ... 1, got 2.0"),
      ({ _ = try EpsilonCutoff(1) }, "epsilon: a floor lies in 0 ..< 1, got 1.0"),
      ({ _ = try EtaCutoff(-1) }, "eta: epsilon lies in 0 ..< 1, got -1.0"),
      ({ _ = try TopH(0) }, "top-h: a share of the entropy is positive and at most 1, got 0.0"),
      ({ _ = try TopNSigma(-1) }, "top-n-sigma: a number of deviations is 0 or more, got -1.0"),
      ({ _ = try TailFree(2) }, "tail-free: the bound lies in 0 ... 1, got 2.0"),
      (
        { _ = try TopChoiceExclusion(probability: 2, threshold: 0) },
        "xtc: a probability lies in 0 ... 1, got 2.0"
      ),
      ({ _ = try Mirostat(tau: 0, eta: 1) }, "mirostat: tau is positive and finite, got 0.0"),
      ({ _ = try SparseSoftmax(0) }, "sparse: at least 1 token is kept, got 0"),
      (
        { _ = try TokenBias([Token(3): .nan]) },
        "bias: the bias of token 3 is a number below infinity, got nan"
      ),
      (
        { _ = try RepetitionPenalty(0) },
        "repetition-penalty: a penalty is positive and finite, got 0.0"
      ),
      (
        { _ = try RepetitionScope(window: -1) },
        "penalty-window: a window is 0 tokens or more, got -1"
      ),
      ({ _ = try NoRepeatNGram(0) }, "no-repeat-ngram: a sequence has at least 1 token, got 0"),
      (
        { _ = try RepeatedSuffixPenalty(multiplier: 1, base: 0.5) },
        "dry: a base is 1 or more, and finite, got 0.5"
      ),
      ({ _ = try MinimumLength(-1) }, "min-tokens: a length is 0 or more, got -1"),
      (
        { _ = try EndDecay(start: 0, factor: 0.5) },
        "end-decay: a factor is 1 or more, and finite, got 0.5"
      ),
      ({ _ = try SelfTerminating(1) }, "self-terminating: epsilon lies in 0 ..< 1, got 1.0"),
      (
        { _ = try NonMonotoneTermination(.nan) },
        "non-monotone: epsilon lies in 0 ..< 1, got nan"
      ),
    ]
    for (act, expected) in cases { #expect(message(act) == expected) }
  }
}
