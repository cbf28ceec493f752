// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Sampling

/// The decoders that are audited.
enum AuditStrategy: String, CaseIterable { case greedy, sample, beam }

/// What is known of a decoder's termination, as a table and as JSON.
struct AuditReport {
  /// A change by which the decoder ends for sure.
  struct Cure {
    var option: String
    var value: Double?
    var says: String
  }

  /// How runs went, each of which is ended, stopped as a loop or cut.
  struct Runs {
    private(set) var ended = 0
    private(set) var stopped = 0
    private(set) var cut = 0
    let isDrawn: Bool
    /// How many choices each run took that was not cut.
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

    /// The share that goes on, by the number of choices made; of one run at least.
    func survival(limit: Int) -> [Double] {
      var going = count
      return (0...limit).map { choices in
        going -= lengths[choices] ?? 0
        return Double(going) / Double(count)
      }
    }
  }

  /// Where texts stand at --max-tokens: the shares add up to one.
  struct Shares {
    var ended: Double
    /// Stopped as a loop; `nil` where none is.
    var stopped: Double?
    var cut: Double
    /// Whether what is cut is no more than a bound, and what is ended no less.
    var areBounds = false
  }

  /// A loop with what a user reads of it.
  struct Loop {
    var tokens: [Int]
    var text: String
    var witness: String
    var probability: Double
    var contexts: Int
    /// The natural logarithm of the probability with which one of its contexts is left, which is too
    /// small for a number; `nil` where it is zero.
    var logLeaving: Double?
  }

  let model: NGramModel
  let modelName: String
  let strategy: AuditStrategy
  let rules: DecodingRules
  /// Options of the search, as the user writes them.
  let search: [String]
  /// How many loops are shown.
  let shown: Int
  /// The probability lies here; one number where it is exact.
  var neverEnds = 0.0...1.0
  var survival: [Double]?
  var cures: [Cure] = []
  var isExact = false
  var proof: String?
  var error: Double?
  var expected: Double?
  var expectedIfEnding: Double?
  /// A bound of either, where texts stay so long in some places that the equations are not solved.
  var expectedAtLeast: Double?
  /// The natural logarithm of such a bound where that is too large for a number.
  var logExpectedAtLeast: Double?
  /// Whether loops are left with probabilities too small for a number.
  var isHardlyLeft = false
  /// `nil` where no run was made.
  var shares: Shares?
  var contexts: Int?
  var transitions: Int?
  var loops: [Loop] = []
  var loopCount = 0
  var promptCount: Int?
  var loopingPrompts = 0
  var meanOfPrompts = 0.0
  var repetition: RepetitionMeasures?
  var inflow: [(token: Token, share: Double)] = []
  var runs: Runs?
  var seed: UInt64?

  init(
    model: NGramModel, modelName: String, strategy: AuditStrategy, rules: DecodingRules,
    search: [String], shown: Int
  ) {
    self.model = model
    self.modelName = modelName
    self.strategy = strategy
    self.rules = rules
    self.search = search
    self.shown = shown
  }

  /// Takes what was computed; root 0 is the prompt, the others are further prompts.
  mutating func exact<Context>(
    _ analysis: TerminationAnalysis<Context>, prompt: TokenSequence,
    prompts: [TokenSequence]?
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
    // Sweeps begin below and rise.
    if !(analysis.tokensError <= 1e-6 * analysis.tokensIfEnding[root]) {
      if isExact, ending > 0 { expectedAtLeast = analysis.tokensIfEnding[root] }
      (expected, expectedIfEnding) = (nil, nil)
    }
    let curve = analysis.survival(ofRoots: 0..<1, limit: rules.maxTokens)
    survival = curve
    let cut = curve[rules.maxTokens]
    shares = Shares(ended: 1 - cut, cut: cut, areBounds: !chain.isComplete)
    let found = zip(analysis.loops, analysis.loopProbabilities(ofRoot: 0)).filter {
      $0.1 > 0 || $0.0.root == 0
    }
    .sorted { $0.1 > $1.1 }
    loopCount = found.count
    loops = found.prefix(shown).map { loop, probability in
      let start = loop.root == 0 ? prompt : prompts?[loop.root - 1] ?? prompt
      var round: [UInt8] = []
      for token in loop.round {
        model.vocabulary.appendBytes(of: token, isFirst: false, to: &round)
      }
      return Loop(
        tokens: loop.round.map(\.index), text: String(decoding: round, as: UTF8.self),
        witness: model.vocabulary.text(of: start.tokens + loop.witness),
        probability: probability, contexts: loop.stateCount,
        logLeaving: loop.logLeaving > -.infinity ? loop.logLeaving : nil)
    }
    if low > 0 { vanishing(analysis.loops.filter { $0.root == 0 }, low) }
    if prompts != nil {
      let shares = chain.roots.dropFirst().map { analysis.neverEnds[$0] }
      promptCount = shares.count
      loopingPrompts = shares.count { $0 > 0 }
      meanOfPrompts = shares.isEmpty ? 0 : shares.reduce(0, +) / Double(shares.count)
    }
    if let detector = rules.loops {
      // A text that would end may be stopped, too.
      (expected, expectedIfEnding, expectedAtLeast) = (nil, nil, nil)
      logExpectedAtLeast = nil
      // Every state of a loop is met again and again, and so is some day a round, often enough.
      let isSeen = analysis.loops.allSatisfy { $0.round.count <= detector.longestBlock }
      if isSeen, chain.isComplete, !analysis.loops.isEmpty {
        (neverEnds, isExact) = (0...0, true)
        proof =
          "--stop-loops: no loop's round has more than \(detector.longestBlock) tokens"
      }
    }
    repetition = RepetitionMeasures(chain) { Interruption.signal != nil }
    var sums: [Token: Double] = [:]
    for step in chain.steps { sums[step.token, default: 0] += step.probability }
    let known = Double(chain.isKnown.count { $0 })
    inflow = sums.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(5)
      .map { ($0.key, $0.value / known) }
  }

  /// Corrects what counts loops as endless that are left, but hardly ever.
  private mutating func vanishing<Context>(
    _ loops: [TerminationAnalysis<Context>.Loop], _ mass: Double
  ) {
    guard loops.contains(where: { $0.logLeaving > -.infinity }) else { return }
    isHardlyLeft = true
    (expected, expectedIfEnding, expectedAtLeast) = (nil, nil, nil)
    // Where steps lead that are no ends is not known.
    let endsForSure = loops.allSatisfy { $0.logEnd > -.infinity && $0.logSteps == -.infinity }
    guard endsForSure, isExact else {
      neverEnds = 0...neverEnds.upperBound
      isExact = false
      return
    }
    neverEnds = 0...0
    // A loop left with probability p a token is left after 1 / p on average, at least.
    let logEnd = loops.map(\.logEnd).max() ?? -.infinity
    logExpectedAtLeast = LogSpace.log(mass) - logEnd
  }

  /// Takes a proof that every text ends, where the chain could not be explored to its end.
  mutating func ends(proven proof: String) {
    self.proof = proof
    neverEnds = 0...0
    isExact = true
  }

  /// A self-terminating wrapper, unless what follows it drops even an end that is all but certain.
  private var wrapperThatEnds: String? {
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

  /// Takes what runs showed of where texts stand at --max-tokens.
  mutating func measured(_ runs: Runs, seed: UInt64) {
    self.runs = runs
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

  /// Takes runs for all that is known.
  mutating func estimated(_ runs: Runs, others: [Runs]?, seed: UInt64) {
    measured(runs, seed: seed)
    if rules.constraint != nil {
      proof = "the constraints: a text is closed within --max-tokens \(rules.maxTokens)"
    } else {
      proof = wrapperThatEnds
    }
    if proof != nil || (!runs.isDrawn && runs.count > 0 && runs.cut == 0) {
      neverEnds = 0...0
      isExact = true
    } else if runs.isDrawn, runs.count > 0 {
      // What never ends is cut; what is cut may end later.
      neverEnds = 0...binomialInterval(runs.cut, of: runs.count).upperBound
    }
    if let others {
      promptCount = others.count
      loopingPrompts = others.count { $0.cut > 0 }
      meanOfPrompts =
        others.isEmpty
        ? 0
        : others.reduce(0) { $0 + Double($1.cut) / Double(max(1, $1.count)) }
          / Double(others.count)
    }
  }
}
