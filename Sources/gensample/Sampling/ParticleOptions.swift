// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Runs
import Sampling

/// Options of samplers that write texts from left to right.
enum ParticleOptions {
  static let samples = Option("samples", "N", "how many results (default 5)")
  static let particles = Option(
    "particles", "N", "how many texts are written (default \(defaultParticles))")
  static let maxTokens = Option(
    "max-tokens", "N",
    "longer texts are left out (default: what the constraints allow, else \(defaultMost), or twice "
      + "what they need)")
  static let seed = Option(
    "seed", "N", "the same seed gives the same results (default: a random one, printed)")
  static let threads = Option(
    "threads", "N", "how many threads work at once (default: all cores)")

  static let lookAhead = Option(
    "look-ahead", "KIND",
    "bigrams or words: what is expected behind a text's last word, or behind any (default bigrams)")
  static let memory = Option(
    "memory", "SIZE", "what a look-ahead by bigrams may take, such as 800M (default 1G)")

  /// What knows more takes more memory.
  enum LookAheadKind: String, CaseIterable {
    case bigrams, words
  }

  /// Where constraints leave a text's length open, it must be bounded all the same.
  static let defaultMost = 256

  static let defaultParticles = 1000

  static func particles(_ arguments: Arguments) throws(CommandFailure) -> Int {
    try arguments.integer("particles", in: 1...100_000_000) ?? defaultParticles
  }

  static func samples(_ arguments: Arguments) throws(CommandFailure) -> Int {
    try arguments.integer("samples", in: 0...1_000_000_000) ?? 5
  }

  static func seed(_ arguments: Arguments) throws(CommandFailure) -> UInt64 {
    try arguments.seed("seed") ?? UInt64.random(in: 0...UInt64.max)
  }
}

/// What samplers that write from left to right read of a model, made once for all targets.
final class LeftToRightModel {
  let words: NGramLeftTokens<TokenAutomaton>
  /// The lower orders alone, from which annealed texts begin.
  private(set) lazy var lowered = Result {
    LeftToRightModel(try words.model.lowered(to: max(1, min(2, words.model.order - 1))))
  }
  private var tables: [Double: BigramLookAhead.Tables] = [:]

  init(_ model: NGramModel) { words = NGramLeftTokens<TokenAutomaton>(model) }

  func tables(fluency: Double) -> BigramLookAhead.Tables {
    if let made = tables[fluency] { return made }
    let made = BigramLookAhead.Tables(words.model.makeBackoffAutomaton(fluency: fluency))
    // Targets of a file share their fluency, unless they state their own.
    tables = [fluency: made]
    return made
  }
}

/// Tokens steered by what knows the last word, or else by what does not.
struct SteeredTokens: ProportionalTokens {
  let words: NGramGuidedTokens
  let bigrams: BigramGuidedTokens<NGramModel>?

  var target: SentenceTarget<NGramModel, TokenAutomaton> { words.target }
  var lookAhead: AutomatonLookAhead { words.lookAhead }

  func logExpectation(after prefix: Prefix<NGramModel, TokenAutomaton>) -> Double {
    bigrams?.logExpectation(after: prefix) ?? words.logExpectation(after: prefix)
  }

  func draw(
    after prefix: Prefix<NGramModel, TokenAutomaton>, using choices: inout some ChoiceSource
  ) -> (token: Token, logWeight: Double)? {
    guard let bigrams else { return words.draw(after: prefix, using: &choices) }
    return bigrams.draw(after: prefix, using: &choices)
  }

  func logProbability(
    of token: Token, after prefix: Prefix<NGramModel, TokenAutomaton>
  ) -> Double {
    bigrams?.logProbability(of: token, after: prefix)
      ?? words.logProbability(of: token, after: prefix)
  }
}

/// A target seen from left to right: its automaton, how long texts may be, what to expect.
struct LeftToRight {
  let target: SentenceTarget<NGramModel, TokenAutomaton>
  let words: NGramLeftTokens<TokenAutomaton>
  /// With expectations of what follows.
  private(set) var lookAhead: AutomatonLookAhead
  /// The same where they know the last word.
  private(set) var bigrams: BigramLookAhead?
  /// Whether texts were cut off that the constraints would allow.
  let isBoundedHere: Bool
  /// Bytes that a look-ahead by bigrams would take more than it may.
  private let needed: (bytes: Int, allowed: Int)?

  init(
    _ target: SentenceTarget<NGramModel, TokenAutomaton>, _ shared: LeftToRightModel,
    _ arguments: Arguments,
    _ monitor: RunMonitor, allowed: Set<ParticleOptions.LookAheadKind> = [.bigrams, .words]
  ) throws(CommandFailure) {
    let model = shared.words.model
    let automaton = target.constraint ?? TokenAutomaton(every: model.vocabulary)
    let weights = model.unigramWeights
    let rarest = LogSpace.log(weights.filter { $0 > 0 }.min() ?? 1)
    // What lies ahead is summed: a word that is lost there would never be drawn.
    guard target.fluency * rarest > -700 else {
      throw CommandFailure(
        .data,
        "under fluency \(target.fluency) the model's rarest words are too small for a number; take "
          + String(
            format: "at most fluency %.1f here, or temper, anneal or mh's own moves", -690 / rarest)
      )
    }
    self.target = SentenceTarget(model: model, constraint: automaton, fluency: target.fluency)
    words = shared.words
    let asked = try arguments.choice("look-ahead", as: ParticleOptions.LookAheadKind.self)
    let kind = asked ?? (allowed.contains(.bigrams) ? .bigrams : .words)
    guard allowed.contains(kind) else {
      throw .usage("--tokens rejection looks ahead by words, not by \(kind.rawValue)")
    }
    let memory = try arguments.bytes("memory") ?? 1 << 30
    let bytes = BigramLookAhead.bytes(automaton, model.vocabulary)
    needed = kind == .bigrams && bytes > memory ? (bytes, memory) : nil
    let longest = automaton.longestLength
    let most =
      try arguments.integer("max-tokens", in: 0...1_000_000) ?? longest
      ?? max(ParticleOptions.defaultMost, 2 * (automaton.shortestCompletion(automaton.start) ?? 0))
    isBoundedHere = longest.map { $0 > most } ?? true
    lookAhead = AutomatonLookAhead(
      automaton, mostTokens: most, weights: weights, vocabulary: model.vocabulary,
      fluency: target.fluency)
    guard lookAhead.isSatisfiable else {
      throw CommandFailure(
        .data,
        "the shortest allowed text has "
          + counted((automaton.shortestCompletion(automaton.start) ?? 0), "token") + ", "
          + "--max-tokens allows \(most)")
    }
    if kind == .bigrams, bytes <= memory {
      bigrams = BigramLookAhead(lookAhead, shared.tables(fluency: target.fluency)) {
        !monitor.isStopping
      }
    }
  }

  var model: NGramModel { target.model }

  /// Draws the model's tokens.
  var source: NGramTokens { NGramTokens(words) }

  /// Texts steered towards what the constraints ask for.
  var guided: GuidedTexts<SteeredTokens> {
    GuidedTexts(
      SteeredTokens(
        words: NGramGuidedTokens(target, lookAhead, source: source),
        bigrams: bigrams.map { BigramGuidedTokens(target, $0) }))
  }

  /// Expects from now on what followed in some texts.
  mutating func learn(
    from count: Int, random: Philox, threads: Int, _ monitor: RunMonitor
  ) throws {
    let guided = guided
    let seen = try concurrently(count, threads: threads) { number in
      var choices = RandomChoices(random.stream(UInt64(number)))
      return monitor.isStopping ? [] : try guided.observation(using: &choices)
    }
    if bigrams == nil {
      lookAhead = lookAhead.refined(by: seen.joined())
    } else {
      bigrams = bigrams?.refined(by: seen.joined())
    }
  }

  /// The target on texts of the lengths that are allowed here, for kernels that change lengths.
  func bounded() throws -> SentenceTarget<NGramModel, TokenAutomaton> {
    guard isBoundedHere else { return target }
    let most = lookAhead.mostTokens
    let classes = (0..<model.vocabulary.count).map { i -> UInt32 in
      model.vocabulary.isDrawable(Token(i)) ? 0 : 1
    }
    let counting = TokenAutomaton(
      start: 0, classes: classes, classCount: 2,
      transitions: (0...most).flatMap { count in
        [count < most ? UInt32(count + 1) : TokenAutomaton.dead, TokenAutomaton.dead]
      },
      finalWeights: [Double](repeating: 0, count: most + 1))
    return SentenceTarget(
      model: model, constraint: try lookAhead.constraint.product(counting), fluency: target.fluency)
  }

  /// By how much the model's probabilities of tokens add up to more than 1 along a text, as the log
  /// of the product of the sums that do.
  func logExcess(of text: TokenSequence) -> Double {
    var context = model.makeContext()
    var excess = max(0, source.logSum(in: context))
    for token in text {
      model.advance(&context, by: token)
      excess += max(0, source.logSum(in: context))
    }
    return excess
  }

  /// Says what was left out.
  func summarise(_ summary: inout JSONObject) {
    summary.add("max_tokens", .integer(lookAhead.mostTokens))
    summary.add("look_ahead", .string(bigrams == nil ? "words" : "bigrams"))
  }

  var notes: [String] {
    var notes: [String] = []
    if isBoundedHere {
      notes.append(
        "texts of more than \(counted(lookAhead.mostTokens, "token")) are left out (--max-tokens)")
    }
    if let needed {
      notes.append(
        "looking ahead by words alone: bigrams take \(needed.bytes >> 20) MB, --memory allows "
          + "\(needed.allowed >> 20)")
    }
    return notes
  }

  /// The same, indented.
  var lines: [String] { notes.map { "  " + $0 } }

  /// A result, as it is printed.
  func result(
    _ text: TokenSequence, _ compiled: CompiledTarget, line: Int?, number: Int,
    logWeight: Double? = nil
  ) -> (text: String, object: JSONObject) {
    let text = SampledText(
      text, of: compiled, logProbability: target.logProbability(of: text), draw: number,
      logWeight: logWeight)
    return (text.text, text.object(ofLine: line))
  }
}
