// Licensed under the Apache License, Version 2.0.

package import LM
package import Sampling

/// A way of decoding a model from left to right, with its options.
package protocol TextDecoder: Sendable {
  /// The name of the command that runs it.
  static var name: String { get }
  /// What progress counts.
  var unit: String { get }
  /// The most units that it does.
  var work: Int { get }
  /// The rules of each text.
  var rules: DecodingRules { get }
  /// The seed of all random numbers; `nil` for decoders that draw nothing.
  var seed: UInt64? { get }
  /// Whether a text grows token by token, so that it can be shown meanwhile.
  var showsGrowth: Bool { get }

  /// Decodes a model, hands the texts out, and says in the recorder what is known of all.
  func run(_ recorder: DecodingRecorder) throws
}

extension TextDecoder {
  package var seed: UInt64? { nil }
}

/// Takes the texts of a decoder.
package protocol DecodingOutput: AnyObject {
  /// Whether nobody reads any more.
  var isClosed: Bool { get }

  /// Begins a text, which may be shown while it grows.
  func begin()

  /// Shows the next token of the text.
  func show(_ token: Token)

  /// Ends the progress of the work, because only results follow.
  func endProgress()

  /// Takes a text.
  func write(_ text: DecodedTextReport, _ decoded: DecodedText) throws
}

/// What a decoder works on; it counts the texts and hands them on.
package final class DecodingRecorder {
  package let model: LoadedModel
  package let prompt: TokenSequence
  /// Counts progress.
  package let monitor = RunMonitor()
  /// What is known of the texts so far.
  package private(set) var report = DecodingReport()
  package var shortfall: Shortfall?
  private let rules: DecodingRules
  private let output: any DecodingOutput
  private var tokenizer: Tokenizer
  /// The distinct texts so far; different token sequences may read alike.
  private var readings: Set<String> = []

  package init(
    _ model: LoadedModel, prompt: TokenSequence, _ rules: DecodingRules, output: any DecodingOutput
  ) {
    self.model = model
    self.prompt = prompt
    self.rules = rules
    self.output = output
    tokenizer = model.makeTokenizer()
    if rules.loops != nil { report.loops = 0 }
  }

  /// Whether to stop: the reader has gone, or time is up and there is at least one text.
  var isAtEnd: Bool { output.isClosed || (report.count > 0 && rules.isTimeUp()) }

  /// Whether nobody reads any more.
  var isClosed: Bool { output.isClosed }

  func begin() { output.begin() }

  func show(_ token: Token) { output.show(token) }

  func endProgress() { output.endProgress() }

  /// Adds what is known when all texts are there.
  func finish(remaining: Double? = nil, draft: SpeculativeDecoder.Tally? = nil) {
    report.remaining = remaining
    report.draft = draft.map {
      DecodingReport.DraftReport(
        proposed: $0.proposed, accepted: $0.accepted, rounds: $0.rounds)
    }
  }

  /// Counts a text and hands it out.
  ///
  /// - Parameters:
  ///   - decoded: the text.
  ///   - result: the text's scores in a beam.
  ///   - alternative: the token for which a beam was asked.
  ///   - best: the score by which the text was chosen.
  ///   - logInclusion: the log-probability of being among the texts drawn without replacement.
  /// - Throws: if the text cannot be written.
  func write(
    _ decoded: DecodedText, beam result: BeamSearch.Result? = nil,
    alternative: BeamSearch.Alternative? = nil, best: BestOfScores.Chosen? = nil,
    logInclusion: Double? = nil
  ) throws {
    let vocabulary = model.vocabulary
    let text = String(decoding: decoded.bytes(in: vocabulary), as: UTF8.self)
    var one = DecodedTextReport(
      text: text, tokens: decoded.text.map(\.index), logProbability: decoded.logTransformed,
      logModel: decoded.logPrompt + decoded.logModel, logDrawn: decoded.logDrawn,
      logInclusion: logInclusion, score: result?.score ?? best?.score, group: result?.group,
      scoreReason: best?.reason, isFinished: decoded.isFinished, reason: .end)
    one.alternative = alternative.map {
      DecodedTextReport.Alternative(
        token: $0.token.index, spelling: vocabulary.spelling(of: $0.token),
        logProbability: $0.logProbability)
    }
    let constraint = rules.constraint
    if constraint != nil || best?.isMet != nil {
      let isAllowed = constraint?.allows(decoded.text) ?? true
      one.isSatisfied = isAllowed && best?.isMet != false
    }
    switch decoded.ending {
    case .end(let token):
      if token != vocabulary.end { one.stopToken = vocabulary.spelling(of: token) }
    case .stop(let stop, _):
      one.reason = .stop
      one.stop = stop
    case .loop(let block):
      one.reason = .loop
      one.loop = spelled(block)
    case .limit: one.reason = .limit
    case .timeUp: one.reason = .time
    }
    report.count += 1
    report.tokens += decoded.text.count - decoded.promptCount + (decoded.end == nil ? 0 : 1)
    if decoded.isFinished { report.finished += 1 }
    if one.reason == .loop { report.loops = (report.loops ?? 0) + 1 }
    if logInclusion != nil || (result != nil && alternative == nil),
      !readings.insert(text).inserted
    {
      report.readAlike += 1
    }
    if isReadOtherwise(text, decoded) { report.readOtherwise += 1 }
    if best?.isMet == false { report.unmet += 1 }
    if report.texts.count < RunReport.mostKeptTexts { report.texts.append(one) }
    try output.write(one, decoded)
  }

  /// Whether the tokenizer divides the text into other tokens than those drawn.
  private func isReadOtherwise(_ text: String, _ decoded: DecodedText) -> Bool {
    if case .stop = decoded.ending { return false }
    return !tokenizer.tokens(of: text, in: model.vocabulary)
      .elementsEqual(decoded.text) { $0 == $1 }
  }

  /// The text of a loop's block, whose first token follows another one.
  private func spelled(_ block: TokenSequence) -> String {
    var bytes: [UInt8] = []
    for token in block { model.vocabulary.appendBytes(of: token, isFirst: false, to: &bytes) }
    return String(decoding: bytes, as: UTF8.self)
  }
}
