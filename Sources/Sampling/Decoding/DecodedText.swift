// Licensed under the Apache License, Version 2.0.

/// The reason why a decoded text ends.
public enum Ending: Hashable, Sendable {
  /// The end, or another token that closes a text.
  case end(Token)
  /// A stop text, with the number of bytes of the whole text before it.
  case stop(String, byteCount: Int)
  /// The last tokens repeat this block.
  case loop(TokenSequence)
  /// The limit of tokens was reached.
  case limit
  /// The time limit was reached.
  case timeUp
}

/// One choice of a decoder, with the figures that explain it.
public struct DecodedStep: Hashable, Sendable {
  /// The chosen token, which may be an end.
  public let token: Token
  /// Its natural log-probability under the model.
  public let logModel: Double
  /// Its natural log-probability among the tokens that the transforms left.
  public let logProbability: Double
  /// What constraints and transforms removed, in their order.
  public let removals: [Removal]
  /// The tokens that ``ContrastiveSearch`` compared, the most probable first; otherwise empty.
  public let compared: [ComparedToken]
}

/// A text that a decoder made, with its probabilities.
public struct DecodedText: Hashable, Sendable {
  /// The text, including its prompt but not its end.
  public let text: TokenSequence
  /// The number of prompt tokens at its beginning.
  public let promptCount: Int
  /// The reason why it ends.
  public let ending: Ending
  /// The model's natural log-probability of the prompt.
  public let logPrompt: Double
  /// The model's natural log-probability of the text after the prompt, including its end if any.
  public let logModel: Double
  /// The log-probability of the same tokens under the model as the transforms changed it.
  ///
  /// Under a constraint it is not divided by the share that the constraint allows: without
  /// transforms it is fluency x `logModel` plus the nats that soft statements add, the log of the
  /// unnormalised target.
  public let logTransformed: Double
  /// The natural log-probability with which the decoder makes these choices; 0 if they are certain.
  public let logDrawn: Double
  /// Each choice, if the rules ask for explanations; otherwise empty.
  public let steps: [DecodedStep]

  /// The end token that closed it; `nil` if something else did.
  public var end: Token? {
    if case .end(let token) = ending { token } else { nil }
  }

  /// Whether the text ends with an end token or a stop text.
  public var isFinished: Bool {
    switch ending {
    case .end, .stop: true
    case .loop, .limit, .timeUp: false
    }
  }

  /// The bytes of the text, without what a stop text cut off.
  public func bytes(in vocabulary: Vocabulary) -> [UInt8] {
    let bytes = vocabulary.bytes(of: text)
    if case .stop(_, let count) = ending { return Array(bytes.prefix(count)) }
    return bytes
  }
}

/// A constraint on finished texts, and the exponent of the model's probability.
///
/// Each step keeps only the tokens behind which an allowed end can still be reached within the limit
/// of tokens. Logits become fluency x logit plus the nats that soft statements add.
///
/// **Keeps.** A text drawn so is allowed, but it doesn't follow the target: each step is normalised
/// alone, however little of the model's mass the constraint leaves later. The importance weight
/// `logTransformed - logDrawn` of texts that are sampled without transforms corrects that.
public struct DecodingConstraint: Sendable {
  /// The constraint on texts, including the prompt.
  public let constraint: any TokenConstraint
  /// The exponent of the model's probability.
  public let fluency: Double

  /// Combines a constraint with an exponent.
  ///
  /// - Precondition: the exponent is finite and positive.
  public init(_ constraint: some TokenConstraint, fluency: Double = 1) {
    precondition(fluency > 0 && fluency < .infinity, "an exponent is positive and finite")
    self.constraint = constraint
    self.fluency = fluency
  }

  /// Whether a whole text is allowed.
  public func allows(_ text: some Sequence<Token>) -> Bool {
    constraint.logWeight(of: text) > -.infinity
  }
}

/// Stands for a missing constraint; decoders only ask it for its start.
struct NoConstraint: TokenConstraint {
  var tokenCount: Int { 0 }
  var start: Bool { true }
  func next(_ state: Bool, _ token: Token) -> Bool? { true }
  func weight(_ state: Bool, _ token: Token) -> Double { 0 }
  func endWeight(_ state: Bool) -> Double { 0 }
  func shortestCompletion(_ state: Bool) -> Int? { 0 }
  var isUniform: Bool { true }
  var canRaise: Bool { false }
  func scaled(by factor: Double) -> NoConstraint { self }
}

/// The options that all left-to-right decoders share.
public struct DecodingRules: Sendable {
  /// The transforms that change the model's distribution at each step.
  public let transforms: TransformChain
  /// The largest number of choices, including that of the end.
  public let maxTokens: Int
  /// How many tokens stand behind the prompt before anything ends the text.
  ///
  /// That is an end, a stop text or a loop. The longest ``MinimumLength`` of the transforms says it.
  public let minTokens: Int
  /// Tokens that close a text besides the model's own end.
  public let stops: [Token]
  /// Texts that close a text as soon as they occur after the prompt.
  public let stopTexts: StopTexts
  /// Detects that a text repeats itself; `nil` turns detection off.
  public let loops: LoopDetector?
  /// The constraint on texts; `nil` allows all.
  public let constraint: DecodingConstraint?
  /// Whether texts record their steps.
  public let explains: Bool
  /// Whether the current text should be closed; called before each choice.
  ///
  /// An open constraint is closed by its shortest completion, other texts at once.
  public let isTimeUp: @Sendable () -> Bool

  /// Rules; by default the model as it is, for at most 64 tokens.
  ///
  /// - Throws: where there is no room for a token, or stop texts meet a constraint, which a text
  ///   cut in the middle might break.
  public init(
    transforms: [any NextTokenTransform] = [], maxTokens: Int = plain.maxTokens,
    stops: [Token] = [], stopTexts: StopTexts = .none, loops: LoopDetector? = nil,
    constraint: DecodingConstraint? = nil, explains: Bool = false,
    isTimeUp: @escaping @Sendable () -> Bool = { false }
  ) throws(DecodingError) {
    guard maxTokens >= 1 else {
      throw DecodingError(
        .badArgument, "max-tokens: a text has room for at least 1 token, got \(maxTokens)")
    }
    guard stopTexts.texts.isEmpty || constraint == nil else {
      throw DecodingError(
        .badArgument,
        "stop: a text cut at a stop text may break a constraint; say where it ends with an 'end' "
          + "statement instead")
    }
    var chain = TransformChain(transforms)
    chain.explains = explains
    self.transforms = chain
    self.maxTokens = maxTokens
    minTokens = chain.transforms.reduce(0) {
      guard let least = $1 as? MinimumLength, !least.countsPrompt else { return $0 }
      return max($0, least.length)
    }
    self.stops = stops
    self.stopTexts = stopTexts
    self.loops = loops
    self.constraint = constraint
    self.explains = explains
    self.isTimeUp = isTimeUp
  }

  /// The model as it is, for at most 64 tokens.
  public static let plain = DecodingRules()

  private init() {
    transforms = TransformChain()
    maxTokens = 64
    minTokens = 0
    stops = []
    stopTexts = .none
    loops = nil
    constraint = nil
    explains = false
    isTimeUp = { false }
  }

  /// Throws where a transform draws: a search cannot follow it.
  func withoutRandomTransforms(_ decoder: String) throws(DecodingError) -> DecodingRules {
    if let random = transforms.transforms.first(where: { $0.isRandom }) {
      throw DecodingError(
        .badArgument, transform: random.name,
        "\(random.name) draws at random, which \(decoder) cannot; leave it out or sample")
    }
    return self
  }

  /// The constraint, for a decoder that opens it once for a whole run.
  var opened: any TokenConstraint { constraint?.constraint ?? NoConstraint() }

  func makeNextTokens(for vocabulary: Vocabulary) -> NextTokens {
    NextTokens(count: vocabulary.count, ends: [vocabulary.end] + stops)
  }
}
