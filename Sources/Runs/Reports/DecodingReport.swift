// Licensed under the Apache License, Version 2.0.

/// A text of a decoder, and what is reported of it.
public struct DecodedTextReport: Codable, Hashable, Sendable {
  /// What ended a text.
  public enum Reason: String, Codable, Sendable {
    /// The model's end, or a token that ends texts as it does.
    case end
    /// A stop text.
    case stop
    case loop
    /// The most tokens that a text may have.
    case limit
    /// The time that was given, or an interrupt.
    case time
  }

  /// The text.
  public var text: String
  /// The numbers of its tokens.
  public var tokens: [Int]
  /// Natural log of the probability of the part after the prompt, under all transforms.
  public var logProbability: Double
  /// Natural log of the model's probability of the whole text.
  public var logModel: Double
  /// Natural log of the probability with which the part after the prompt was drawn.
  public var logDrawn: Double
  /// Natural log of the probability of being among texts drawn without replacement.
  public var logInclusion: Double?
  /// The score by which a search or a choice ranks the text.
  public var score: Double?
  /// The group of the beam.
  public var group: Int?
  /// Why the score is not finite.
  public var scoreReason: String?
  /// The token whose best text this is.
  public var alternative: Alternative?
  /// Whether the text meets all hard statements; `nil` if there are none.
  public var isSatisfied: Bool?
  /// Whether the text ended, and was not cut.
  public var isFinished: Bool
  /// What ended it.
  public var reason: Reason
  /// How the token is spelled that ended it; `nil` for the model's end.
  public var stopToken: String?
  /// The stop text that ended it.
  public var stop: String?
  /// The block that a loop repeats.
  public var loop: String?

  /// A token that could stand at a place of the best text.
  public struct Alternative: Codable, Hashable, Sendable {
    /// The number of the token.
    public var token: Int
    /// How it is spelled.
    public var spelling: String
    /// Natural log of its probability there.
    public var logProbability: Double
  }
}

/// What a decoder did.
public struct DecodingReport: Codable, Sendable {
  /// The texts in order; `report.json` holds the first 10,000.
  public var texts: [DecodedTextReport] = []
  /// The number of texts.
  public var count = 0
  /// The number of texts that ended and were not cut.
  public var finished = 0
  /// The number of tokens of all texts, the ends included.
  public var tokens = 0
  /// The number of texts that were stopped in a loop; `nil` without a loop detector.
  public var loops: Int?
  /// The share of the probability that texts have that were not drawn.
  public var remaining: Double?
  /// The number of texts that read like another one.
  public var readAlike = 0
  /// The number of texts that the tokenizer divides into other tokens than those drawn.
  public var readOtherwise = 0
  /// The number of chosen texts that break a statement of their score.
  public var unmet = 0
  /// What a draft model proposed.
  public var draft: DraftReport?
  /// Whether the texts were drawn under constraints token by token, so that they follow no law.
  public var isHeuristic = false

  /// A report before the first text.
  public init() {}

  /// What a draft model proposed.
  public struct DraftReport: Codable, Hashable, Sendable {
    /// Tokens proposed.
    public var proposed: Int
    /// Tokens accepted.
    public var accepted: Int
    /// How often the model checked a draft.
    public var rounds: Int
  }
}
