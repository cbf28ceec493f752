// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Sampling

/// What is known of a decoder's termination, as a table and as JSON.
struct AuditReport {
  /// A change by which the decoder ends for sure.
  struct Cure {
    var option: String
    var value: Double?
    var says: String
  }

  /// Runs, how many were cut, and how many were stopped as loops.
  struct Runs {
    private(set) var cut = 0
    private(set) var looping = 0
    private(set) var count = 0
    let isDrawn: Bool

    init(isDrawn: Bool) { self.isDrawn = isDrawn }

    mutating func add(_ decoded: DecodedText) {
      count += 1
      if case .loop = decoded.ending { looping += 1 } else if !decoded.isFinished { cut += 1 }
    }
  }

  /// A loop with what a user reads of it.
  struct Loop {
    var tokens: [Int]
    var text: String
    var witness: String
    var probability: Double
    var contexts: Int
  }

  let model: NGramModel
  let modelName: String
  let strategy: Audit.Strategy
  let rules: DecodingRules
  /// Options of the search, as the user writes them.
  let search: [String]
  /// How many loops are shown.
  let shown: Int
  /// The probability lies here; one number where it is exact.
  private(set) var neverEnds = 0.0...1.0
  private(set) var survival: [Double]?
  var cures: [Cure] = []
  private var isExact = false
  private var proof: String?
  private var error: Double?
  private var expected: Double?
  private var expectedIfEnding: Double?
  private var cutShare = 0.0
  /// The probability of being stopped as a loop; `nil` where none is stopped.
  private var loopsStopped: Double?
  private var contexts: Int?
  /// Whether some of what the decoder can come to is not known, so that shares are bounds.
  private var isPart = false
  private var transitions: Int?
  private var loops: [Loop] = []
  private var loopCount = 0
  private var promptCount: Int?
  private var loopingPrompts = 0
  private var meanOfPrompts = 0.0
  private var repetition: RepetitionMeasures?
  private var inflow: [(token: Token, share: Double)] = []
  private var runs: Runs?
  private var seed: UInt64?

  init(
    model: NGramModel, modelName: String, strategy: Audit.Strategy, rules: DecodingRules,
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
    isPart = !chain.isComplete
    transitions = chain.steps.count
    let ending = 1 - neverEnds.upperBound
    if isExact, low == 0 { expected = analysis.tokensIfEnding[root] }
    if isExact, ending > 0 { expectedIfEnding = analysis.tokensIfEnding[root] / ending }
    let curve = analysis.survival(ofRoots: 0..<1, limit: rules.maxTokens)
    survival = curve.survival
    cutShare = curve.survival[rules.maxTokens]
    let found = zip(analysis.loops, curve.loops).filter { $0.1 > 0 || $0.0.root == 0 }
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
        probability: probability, contexts: loop.stateCount)
    }
    if prompts != nil {
      let shares = chain.roots.dropFirst().map { analysis.neverEnds[$0] }
      promptCount = shares.count
      loopingPrompts = shares.count { $0 > 0 }
      meanOfPrompts = shares.isEmpty ? 0 : shares.reduce(0, +) / Double(shares.count)
    }
    if let detector = rules.loops, isExact {
      // Every state of a loop is met again and again, and so is some day a round, often enough.
      let isSeen = analysis.loops.allSatisfy { $0.round.count <= detector.longestBlock }
      if isSeen {
        loopsStopped = low
        neverEnds = 0...0
        // A text that would end may be stopped, too.
        (expected, expectedIfEnding) = (nil, nil)
        proof =
          "--stop-loops: no loop's round has more than \(detector.longestBlock) tokens"
      }
    }
    repetition = RepetitionMeasures(chain)
    var sums: [Token: Double] = [:]
    for step in chain.steps { sums[step.token, default: 0] += step.probability }
    let known = Double(chain.isKnown.count { $0 })
    inflow = sums.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(5)
      .map { ($0.key, $0.value / known) }
  }

  /// Takes a proof that every text ends, where the chain could not be explored to its end.
  mutating func ends(proven proof: String) {
    self.proof = proof
    neverEnds = 0...0
    isExact = true
  }

  /// Takes what runs showed.
  mutating func estimated(_ runs: Runs, others: [Runs]?, seed: UInt64) {
    self.runs = runs
    if runs.isDrawn { self.seed = seed }
    cutShare = runs.count > 0 ? Double(runs.cut) / Double(runs.count) : 0
    if rules.loops != nil, runs.count > 0 {
      loopsStopped = Double(runs.looping) / Double(runs.count)
    }
    if rules.constraint != nil {
      proof = "the constraints: a text is closed within --max-tokens \(rules.maxTokens)"
    } else {
      proof =
        rules.transforms.transforms.compactMap { transform in
          switch transform {
          case let wrapper as SelfTerminating where wrapper.epsilon > 0: wrapper.name
          case let wrapper as NonMonotoneTermination where wrapper.epsilon > 0: wrapper.name
          default: nil
          }
        }.first
    }
    if proof != nil || (!runs.isDrawn && runs.cut == 0) {
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

  /// One line of JSON.
  var object: JSONObject {
    func numbers(_ range: ClosedRange<Double>) -> JSONObject.Value {
      .numbers([range.lowerBound, range.upperBound])
    }
    var object = JSONObject()
    object.add("type", .string("audit"))
    object.add("model", .string(modelName))
    object.add("strategy", .string(strategy.rawValue))
    object.add("transforms", .strings(rules.transforms.transforms.map(\.name)))
    object.add("stops", .strings(stops))
    if !search.isEmpty { object.add("search", .strings(search)) }
    if isExact {
      object.add("never_ends", .number(neverEnds.lowerBound))
    } else {
      object.add("never_ends", .null)
    }
    object.add("exact", .boolean(isExact))
    if !isExact { object.add("interval", numbers(neverEnds)) }
    if let proof { object.add("proof", .string(proof)) }
    if let error { object.add("error", .number(error)) }
    object.add("expected_tokens", expected.map { .number($0) } ?? .null)
    object.add("expected_tokens_if_ending", expectedIfEnding.map { .number($0) } ?? .null)
    object.add(isCutBound ? "cut_at_most" : "cut_at_max_tokens", .number(cutShare))
    object.add("max_tokens", .integer(rules.maxTokens))
    if let loopsStopped {
      object.add(
        isComputed ? "loops_stopped_at_least" : "loops_stopped", .number(loopsStopped))
    }
    if let runs { object.add("runs", .integer(runs.count)) }
    if let seed { object.add("seed", .unsigned(seed)) }
    if let contexts { object.add("contexts", .integer(contexts)) }
    if let transitions { object.add("transitions", .integer(transitions)) }
    object.add("loop_count", .integer(loopCount))
    object.add(
      "loops",
      .objects(
        loops.map { loop in
          var object = JSONObject()
          object.add("tokens", .integers(loop.tokens))
          object.add("text", .string(loop.text))
          object.add("witness", .string(loop.witness))
          object.add("probability", .number(loop.probability))
          object.add("contexts", .integer(loop.contexts))
          return object
        }))
    object.add(
      "cures",
      .objects(
        cures.map { cure in
          var object = JSONObject()
          object.add("option", .string(cure.option))
          if let value = cure.value { object.add("value", .number(value)) }
          object.add("says", .string(cure.says))
          return object
        }))
    if let promptCount {
      var prompts = JSONObject()
      prompts.add("count", .integer(promptCount))
      prompts.add(isComputed ? "may_loop" : "cut", .integer(loopingPrompts))
      prompts.add(isComputed ? "mean_never_ends" : "mean_cut", .number(meanOfPrompts))
      object.add("prompts", .object(prompts))
    }
    if let repetition {
      object.add("repetition", numbers(repetition.repetition))
      object.add("repetition_trace", .number(repetition.trace))
      object.add(
        "inflow",
        .objects(
          inflow.map { token, share in
            var object = JSONObject()
            object.add("token", .string(model.vocabulary.spelling(of: token)))
            object.add("mean_probability", .number(share))
            return object
          }))
    }
    return object
  }

  private var isComputed: Bool { contexts != nil }

  /// Whether the share cut is no more than a bound: what is stopped as a loop is not taken off it.
  private var isCutBound: Bool { isPart || (isComputed && rules.loops != nil) }

  /// What ends a text beside the model's end, as the user writes it.
  private var stops: [String] {
    rules.stopTexts.texts.map { "stop \(JSONObject.quoted($0))" }
      + rules.stops.map { "stop-token \(JSONObject.quoted(model.vocabulary.spelling(of: $0)))" }
      + (rules.loops == nil ? [] : ["stop-loops"])
  }

  /// The same for people.
  var table: String {
    var rows: [(String, String)] = []
    let names =
      search + rules.transforms.transforms.map(\.name)
      + (rules.constraint == nil ? [] : ["constrained"]) + stops
    rows.append(
      ("decoder", ([strategy.rawValue] + names).joined(separator: ", ") + " of \(modelName)"))
    if let proof {
      rows.append(("never ends", "0, proven by \(proof)"))
    } else if isExact {
      rows.append(
        (
          "never ends",
          short(neverEnds.lowerBound)
            + (error.map { " (exact, error below \(String(format: "%.0e", max($0, 1e-16))))" }
              ?? " (this text is finished)")
        ))
    } else {
      rows.append(
        (
          "never ends",
          "\(short(neverEnds.lowerBound)) to \(short(neverEnds.upperBound)) "
            + (isComputed
              ? "(a bound: --max-transitions stopped the search)"
              : runs?.isDrawn == true ? "(99 % confidence)" : "(one text, which was cut)")
        ))
    }
    if let expected {
      rows.append(("expected tokens", short(expected)))
    } else if let expectedIfEnding {
      rows.append(("expected tokens", "infinite; \(short(expectedIfEnding)) of texts that end"))
    }
    rows.append(
      (
        "cut",
        "\(isCutBound ? "at most " : "")\(short(cutShare)) at --max-tokens \(rules.maxTokens)"
          + (runs.map { ", \($0.cut) of \($0.count) run\($0.count == 1 ? "" : "s")" } ?? "")
          + (seed.map { ", seed \($0)" } ?? "")
      ))
    if let loopsStopped {
      rows.append(
        ("stopped", "\(isComputed ? "at least " : "")\(short(loopsStopped)) as loops"))
    }
    if let contexts, let transitions {
      rows.append(("contexts", "\(contexts), \(transitions) steps between them"))
    }
    for (place, loop) in loops.enumerated() {
      rows.append(
        (
          place == 0 ? (loopCount > loops.count ? "loops (\(loopCount))" : "loops") : "",
          "\(short(loop.probability)) after \(JSONObject.quoted(loop.witness)): "
            + JSONObject.quoted(loop.text)
            + (loop.contexts > loop.tokens.count ? " and \(loop.contexts) contexts in all" : "")
        ))
    }
    if let promptCount {
      rows.append(
        (
          "prompts",
          "\(loopingPrompts) of \(promptCount) \(isComputed ? "may loop" : "were cut"), "
            + "\(short(meanOfPrompts)) on average"
        ))
    }
    for (place, cure) in cures.enumerated() {
      rows.append(
        (
          place == 0 ? "cures" : "",
          "--\(cure.option)\(cure.value.map { " \(number($0))" } ?? ""): \(cure.says)"
        ))
    }
    if let repetition {
      let range = repetition.repetition
      let isOne = range.lowerBound == range.upperBound
      rows.append(
        (
          "repetition",
          isOne
            ? short(range.lowerBound) : "\(short(range.lowerBound)) to \(short(range.upperBound))"
        ))
      rows.append(
        (
          "inflow",
          inflow.map {
            "\(JSONObject.quoted(model.vocabulary.spelling(of: $0.token))) \(short($0.share))"
          }.joined(separator: ", ")
        ))
    }
    let width = rows.map(\.0.count).max() ?? 0
    return rows.map { left, right in
      left.padding(toLength: width + 2, withPad: " ", startingAt: 0) + right
    }.joined(separator: "\n")
  }

  private func number(_ value: Double) -> String {
    value == value.rounded() ? String(Int(value)) : String(format: "%.9g", value)
  }

  private func short(_ value: Double) -> String {
    value == .infinity
      ? "infinite" : value == 0 ? "0" : value == 1 ? "1" : String(format: "%.4g", value)
  }
}

/// The share of texts that go on, by the number of tokens, as a drawing.
struct SurvivalPicture {
  let survival: [Double]
  let neverEnds: Double

  init(_ survival: [Double], neverEnds: Double) {
    self.survival = survival
    self.neverEnds = neverEnds
  }

  var svg: String {
    let (left, top, width, height) = (56.0, 20.0, 560.0, 300.0)
    let last = max(1, survival.count - 1)
    func x(_ step: Int) -> Double { left + width * Double(step) / Double(last) }
    func y(_ share: Double) -> Double { top + height * (1 - share) }
    func number(_ value: Double) -> String { String(format: "%.1f", value) }
    // More points than pixels draw nothing.
    let stride = max(1, last / 1_000)
    var steps = Array(Swift.stride(from: 0, through: last, by: stride))
    if steps.last != last { steps.append(last) }
    let points = steps.map { "\(number(x($0))),\(number(y(survival[$0])))" }
    var lines = [
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 640 380\" "
        + "font-family=\"sans-serif\" font-size=\"12\">",
      "<title>Texts that go on, by tokens</title>",
      "<rect width=\"640\" height=\"380\" fill=\"white\"/>",
    ]
    for share in [0, 0.25, 0.5, 0.75, 1] {
      lines.append(
        "<line x1=\"\(number(left))\" x2=\"\(number(left + width))\" y1=\"\(number(y(share)))\" "
          + "y2=\"\(number(y(share)))\" stroke=\"#ddd\"/>")
      lines.append(
        "<text x=\"\(number(left - 8))\" y=\"\(number(y(share) + 4))\" text-anchor=\"end\">"
          + "\(String(format: "%.2f", share))</text>")
    }
    for part in 0...4 {
      let step = last * part / 4
      lines.append(
        "<text x=\"\(number(x(step)))\" y=\"\(number(top + height + 18))\" "
          + "text-anchor=\"middle\">\(step)</text>")
    }
    if neverEnds > 0 {
      lines.append(
        "<line x1=\"\(number(left))\" x2=\"\(number(left + width))\" "
          + "y1=\"\(number(y(neverEnds)))\" y2=\"\(number(y(neverEnds)))\" stroke=\"#b22\" "
          + "stroke-dasharray=\"6 4\"/>")
      lines.append(
        "<text x=\"\(number(left + width - 4))\" y=\"\(number(y(neverEnds) - 6))\" "
          + "text-anchor=\"end\" fill=\"#b22\">never ends: \(String(format: "%.4f", neverEnds))"
          + "</text>")
    }
    lines.append(
      "<polyline fill=\"none\" stroke=\"#246\" stroke-width=\"2\" points=\""
        + points.joined(separator: " ") + "\"/>")
    lines.append(
      "<text x=\"\(number(left + width / 2))\" y=\"368\" text-anchor=\"middle\">tokens</text>")
    lines.append(
      "<text transform=\"translate(14 \(number(top + height / 2))) rotate(-90)\" "
        + "text-anchor=\"middle\">share that goes on</text>")
    lines.append("</svg>")
    return lines.joined(separator: "\n")
  }
}
