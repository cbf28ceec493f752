// Licensed under the Apache License, Version 2.0.

/// A text that a decoder made, with its probabilities.
public struct DecodedText: Hashable, Sendable {
  /// The text, its prompt included, its end not.
  public let text: TokenSequence
  /// How many of its tokens are the prompt's.
  public let promptCount: Int
  /// The end that closed it; `nil` where the limit of tokens cut it.
  public let end: Token?
  /// The model's natural log-probability of the prompt.
  public let logPrompt: Double
  /// The model's natural log-probability of what follows the prompt, the end included if there is
  /// one.
  public let logModel: Double
  /// The same under the model as the transforms changed it.
  public let logTransformed: Double
  /// The natural log-probability with which the decoder makes these choices: 0 where it always
  /// makes them.
  public let logDrawn: Double

  /// Whether the text came to an end.
  public var isFinished: Bool { end != nil }
}

/// What all left-to-right decoders need to be told.
public struct DecodingRules: Sendable {
  /// What changes the model's distribution at each step.
  public let transforms: TransformChain
  /// How many choices are made at most, that of the end among them.
  public let maxTokens: Int
  /// Tokens that close a text besides the model's own end.
  public let stops: [Token]

  /// Rules; by default the model as it is, for at most 64 tokens.
  public init(
    transforms: [any NextTokenTransform] = [], maxTokens: Int = plain.maxTokens,
    stops: [Token] = []
  ) throws(DecodingError) {
    guard maxTokens >= 1 else {
      throw DecodingError(
        .badArgument, "max-tokens: a text has room for at least 1 token, got \(maxTokens)")
    }
    self.transforms = TransformChain(transforms)
    self.maxTokens = maxTokens
    self.stops = stops
  }

  /// The model as it is, for at most 64 tokens.
  public static let plain = DecodingRules()

  private init() {
    transforms = TransformChain()
    maxTokens = 64
    stops = []
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

  func makeNextTokens(for vocabulary: Vocabulary) -> NextTokens {
    NextTokens(count: vocabulary.count, ends: [vocabulary.end] + stops)
  }
}

/// A text on its way: what one step needs and leaves behind.
struct Decoding<Model: LanguageModel> {
  var context: Model.Context
  var text: [Token]
  let promptCount: Int
  var chain: TransformChain
  let logPrompt: Double
  var logModel = 0.0
  var logTransformed = 0.0
  var end: Token?

  init(_ model: Model, after prompt: TokenSequence, chain: TransformChain) throws(DecodingError) {
    context = model.makeContext()
    text = prompt.tokens
    promptCount = prompt.count
    self.chain = chain
    var sum = 0.0
    for token in prompt {
      guard token.index < model.vocabulary.count, token != model.vocabulary.start,
        token != model.vocabulary.end
      else {
        throw DecodingError(
          .badArgument, "a prompt holds tokens of the model other than start and end, got \(token)")
      }
      sum += model.advance(&context, scoring: token)
    }
    logPrompt = sum
  }

  /// How many choices have been made.
  var count: Int { text.count - promptCount + (end == nil ? 0 : 1) }

  /// The next token's distribution, transformed.
  mutating func look(
    _ model: Model, _ next: inout NextTokens, using choices: inout some ChoiceSource
  ) throws(DecodingError) {
    next.setText(text, promptCount: promptCount)
    try next.begin(model, in: context)
    try chain.apply(to: &next, using: &choices)
  }

  /// Goes on by a token of this log-probability among those looked at.
  mutating func commit(_ model: Model, _ token: Token, logProbability: Double, isEnd: Bool) {
    chain.accept(token, logProbability: logProbability)
    logTransformed += logProbability
    if isEnd {
      logModel += model.logProbability(of: token, in: context)
      end = token
    } else {
      logModel += model.advance(&context, scoring: token)
      text.append(token)
    }
  }

  func decoded(logDrawn: Double) -> DecodedText {
    DecodedText(
      text: TokenSequence(text), promptCount: promptCount, end: end, logPrompt: logPrompt,
      logModel: logModel, logTransformed: logTransformed, logDrawn: logDrawn)
  }
}
