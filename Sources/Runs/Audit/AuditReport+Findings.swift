// Licensed under the Apache License, Version 2.0.

import LM
import Sampling

/// The outcome of runs: each one ended, was stopped in a loop or was cut.
struct AuditRuns {
  private(set) var ended = 0
  private(set) var stopped = 0
  private(set) var cut = 0
  let isDrawn: Bool
  /// The number of runs that were not cut, by the number of choices they made.
  private var lengths: [Int: Int] = [:]

  init(isDrawn: Bool) { self.isDrawn = isDrawn }

  var count: Int { ended + stopped + cut }

  mutating func add(_ decoded: DecodedText) {
    switch decoded.ending {
    case .end, .stop: ended += 1
    case .loop: stopped += 1
    case .limit, .timeUp:
      cut += 1
      return
    }
    let choices = decoded.text.count - decoded.promptCount + (decoded.end == nil ? 0 : 1)
    lengths[choices, default: 0] += 1
  }

  /// The share of unfinished runs, by the number of choices made; needs at least one run.
  func survival(limit: Int) -> [Double] {
    var going = count
    return (0...limit).map { choices in
      going -= lengths[choices] ?? 0
      return Double(going) / Double(count)
    }
  }
}

extension AuditReport {
  /// Adds the computed analysis; root 0 is the prompt, the others are the further prompts.
  mutating func exact<Context>(
    _ analysis: TerminationAnalysis<Context>, prompt: TokenSequence,
    prompts: [TokenSequence]?, _ rules: DecodingRules, _ vocabulary: Vocabulary
  ) {
    let chain = analysis.chain
    let root = chain.roots[0]
    let low = analysis.neverEnds[root]
    neverEnds = low...min(1, low + analysis.unknown[root])
    isExact = analysis.unknown[root] == 0
    error = analysis.error
    contexts = chain.contexts.count
    transitions = chain.steps.count
    let ending = 1 - neverEnds.upperBound
    if isExact, low == 0 { expected = analysis.tokensIfEnding[root] }
    if isExact, ending > 0 { expectedIfEnding = analysis.tokensIfEnding[root] / ending }
    // The sweeps start below the solution and rise.
    if !(analysis.tokensError <= 1e-6 * analysis.tokensIfEnding[root]) {
      if isExact, ending > 0 { expectedAtLeast = analysis.tokensIfEnding[root] }
      (expected, expectedIfEnding) = (nil, nil)
    }
    let curve = analysis.survival(ofRoots: 0..<1, limit: rules.maxTokens)
    survival = curve
    let cut = curve[rules.maxTokens]
    shares = Shares(ended: 1 - cut, cut: cut, areBounds: !chain.isComplete)
    let probabilities = analysis.loopProbabilities(ofRoot: 0)
    let found = analysis.loops.indices.filter {
      probabilities[$0] > 0 || analysis.loops[$0].root == 0
    }
    .sorted { probabilities[$0] > probabilities[$1] }
    loopCount = found.count
    loops = found.prefix(shown).map { index -> Loop in
      let loop = analysis.loops[index]
      let start = loop.root == 0 ? prompt : prompts?[loop.root - 1] ?? prompt
      var round: [UInt8] = []
      for token in loop.round {
        vocabulary.appendBytes(of: token, isFirst: false, to: &round)
      }
      return Loop(
        tokens: loop.round.map(\.index), text: String(decoding: round, as: UTF8.self),
        witness: vocabulary.text(of: start.tokens + loop.witness),
        probability: probabilities[index], contexts: loop.stateCount,
        logLeaving: loop.logLeaving > -.infinity ? loop.logLeaving : nil)
    }
    if low > 0 { vanishing(analysis.loops.filter { $0.root == 0 }, low) }
    if prompts != nil {
      let shares = chain.roots.dropFirst().map { analysis.neverEnds[$0] }
      self.prompts = Prompts(
        count: shares.count, looping: shares.count { $0 > 0 },
        mean: shares.isEmpty ? 0 : shares.reduce(0, +) / Double(shares.count))
    }
    if let detector = rules.loops {
      // The detector may also stop a text that would have ended.
      (expected, expectedIfEnding, expectedAtLeast) = (nil, nil, nil)
      logExpectedAtLeast = nil
      // A text meets every state of a loop again and again, so it repeats a round often enough.
      let isSeen = analysis.loops.allSatisfy { $0.round.count <= detector.longestBlock }
      if isSeen, chain.isComplete, !analysis.loops.isEmpty {
        (neverEnds, isExact) = (0...0, true)
        proof =
          "--stop-loops: no loop's round has more than \(detector.longestBlock) tokens"
      }
    }
    let measures = RepetitionMeasures(chain, isCancelled: rules.isTimeUp)
    repetition = Repetition(range: measures.repetition, trace: measures.trace)
    var sums: [Token: Double] = [:]
    for step in chain.steps { sums[step.token, default: 0] += step.probability }
    let known = Double(chain.isKnown.count { $0 })
    inflow = sums.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(5)
      .map { Inflow(token: vocabulary.spelling(of: $0.key), share: $0.value / known) }
  }

  /// Corrects loops that were counted as endless but are left, even if hardly ever.
  private mutating func vanishing<Context>(
    _ loops: [TerminationAnalysis<Context>.Loop], _ mass: Double
  ) {
    guard loops.contains(where: { $0.logLeaving > -.infinity }) else { return }
    isHardlyLeft = true
    (expected, expectedIfEnding, expectedAtLeast) = (nil, nil, nil)
    // It is unknown where transitions lead that are not ends.
    let endsForSure = loops.allSatisfy { $0.logEnd > -.infinity && $0.logSteps == -.infinity }
    guard endsForSure, isExact else {
      neverEnds = 0...neverEnds.upperBound
      isExact = false
      return
    }
    neverEnds = 0...0
    // A loop that is left with probability p per token lasts at least 1 / p tokens on average.
    let logEnd = loops.map(\.logEnd).max() ?? -.infinity
    logExpectedAtLeast = LogSpace.log(mass) - logEnd
  }

  /// Records a proof that every text ends, for a chain that was not explored completely.
  mutating func ends(proven proof: String) {
    self.proof = proof
    neverEnds = 0...0
    isExact = true
  }

  /// A self-terminating wrapper, unless a later transform drops even an almost certain end.
  private static func wrapperThatEnds(_ rules: DecodingRules) -> String? {
    let transforms = rules.transforms.transforms
    for (place, transform) in transforms.enumerated() {
      let isWrapper =
        switch transform {
        case let wrapper as SelfTerminating: wrapper.epsilon > 0
        case let wrapper as NonMonotoneTermination: wrapper.epsilon > 0
        default: false
        }
      let isDropped = transforms[place...].contains {
        guard let exclusion = $0 as? TopChoiceExclusion else { return false }
        return exclusion.threshold == 0 && exclusion.probability == 1 && !exclusion.keepsEnd
      }
      if isWrapper, !isDropped { return transform.name }
    }
    return nil
  }

  /// Adds what runs showed about texts at --max-tokens.
  mutating func measured(_ runs: AuditRuns, seed: UInt64, _ rules: DecodingRules) {
    self.runs = RunCount(count: runs.count, areDrawn: runs.isDrawn)
    if runs.isDrawn { self.seed = seed }
    shares = nil
    survival = nil
    guard runs.count > 0 else { return }
    func share(_ count: Int) -> Double { Double(count) / Double(runs.count) }
    shares = Shares(
      ended: share(runs.ended), stopped: rules.loops == nil ? nil : share(runs.stopped),
      cut: share(runs.cut))
    survival = runs.survival(limit: rules.maxTokens)
  }

  /// Uses runs alone, because nothing was computed.
  mutating func estimated(
    _ runs: AuditRuns, others: [AuditRuns]?, seed: UInt64, _ rules: DecodingRules
  ) {
    measured(runs, seed: seed, rules)
    if rules.constraint != nil {
      proof = "the constraints: a text is closed within --max-tokens \(rules.maxTokens)"
    } else {
      proof = Self.wrapperThatEnds(rules)
    }
    if proof != nil || (!runs.isDrawn && runs.count > 0 && runs.cut == 0) {
      neverEnds = 0...0
      isExact = true
    } else if runs.isDrawn, runs.count > 0 {
      // A text that never ends is cut, but a text that is cut might have ended later.
      neverEnds = 0...binomialInterval(runs.cut, of: runs.count).upperBound
    }
    if let others {
      prompts = Prompts(
        count: others.count, looping: others.count { $0.cut > 0 },
        mean: others.isEmpty
          ? 0
          : others.reduce(0) { $0 + Double($1.cut) / Double(max(1, $1.count)) }
            / Double(others.count))
    }
  }
}
