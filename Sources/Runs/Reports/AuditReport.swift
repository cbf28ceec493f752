// Licensed under the Apache License, Version 2.0.

package import Sampling

/// The decoders that `audit` knows.
public enum AuditStrategy: String, CaseIterable, Codable, Sendable {
  /// The most probable token at each step.
  case greedy
  /// Tokens drawn one after another.
  case sample
  /// Beam search.
  case beam
}

/// The findings about the termination of a decoder.
public struct AuditReport: Codable, Sendable {
  /// A change that makes the decoder always end.
  public struct Cure: Codable, Hashable, Sendable {
    /// The option to give.
    public var option: String
    /// Its value; `nil` for a flag.
    public var value: Double?
    /// What is special about it.
    public var says: String
  }

  /// What happened to texts by --max-tokens; the shares add up to 1.
  public struct Shares: Codable, Hashable, Sendable {
    /// The share that ended.
    public var ended: Double
    /// The share stopped in a loop; `nil` without a loop detector.
    public var stopped: Double?
    /// The share that was cut.
    public var cut: Double
    /// Whether `cut` is only an upper bound and `ended` a lower bound.
    public var areBounds = false
  }

  /// A loop and what users see of it.
  public struct Loop: Codable, Hashable, Sendable {
    /// The tokens of a round.
    public var tokens: [Int]
    /// How a round reads.
    public var text: String
    /// A text that leads into the loop.
    public var witness: String
    /// The probability that a text gets into the loop.
    public var probability: Double
    /// The number of contexts that the loop visits.
    public var contexts: Int
    /// The natural log of the probability that a token leaves the loop; `nil` if none does.
    ///
    /// The probability itself may be too small for a number.
    public var logLeaving: Double?
  }

  /// What several prompts have in common.
  public struct Prompts: Codable, Hashable, Sendable {
    /// The number of prompts.
    public var count: Int
    /// The number of prompts whose texts may loop, or were cut.
    public var looping: Int
    /// The mean probability of never ending, or the mean share that was cut.
    public var mean: Double
  }

  /// A token and its mean probability over all contexts.
  public struct Inflow: Codable, Hashable, Sendable {
    /// How the token is spelled.
    public var token: String
    /// The mean probability.
    public var share: Double
  }

  /// How often the decoder repeats itself.
  public struct Repetition: Codable, Hashable, Sendable {
    /// The least and the most of the probability that a token is repeated.
    public var range: ClosedRange<Double>
    /// The trace of the matrix of transitions.
    public var trace: Double
  }

  /// Runs of the decoder.
  public struct RunCount: Codable, Hashable, Sendable {
    /// The number of runs.
    public var count: Int
    /// Whether the decoder draws; otherwise it has a single text.
    public var areDrawn: Bool
  }

  /// The name of the model.
  public var model: String
  /// The decoder.
  public var strategy: AuditStrategy
  /// The options of the search, as the user wrote them.
  public var search: [String]
  /// The transforms in order.
  public var transforms: [String]
  /// The additional ends of a text, written as options.
  public var stops: [String]
  /// Whether texts are constrained.
  public var isConstrained: Bool
  /// The most tokens of a text.
  public var maxTokens: Int
  /// The number of loops to show.
  public var shown: Int
  /// An interval that holds the probability of never ending; a single number if it is exact.
  public var neverEnds = 0.0...1.0
  /// The share of unfinished texts by the number of tokens.
  public var survival: [Double]?
  /// Changes that make the decoder always end.
  public var cures: [Cure] = []
  /// Whether the probability of never ending is exact.
  public var isExact = false
  /// Why every text ends.
  public var proof: String?
  /// A bound of the error of the probability.
  public var error: Double?
  /// The mean number of tokens.
  public var expected: Double?
  /// The mean number of tokens of texts that end.
  public var expectedIfEnding: Double?
  /// A lower bound of either, if texts stay in some loops for too long to solve the equations.
  public var expectedAtLeast: Double?
  /// The natural log of such a bound if the bound is too large for a number.
  public var logExpectedAtLeast: Double?
  /// Whether some loops are left with probabilities too small for a number.
  public var isHardlyLeft = false
  /// What happened to texts by --max-tokens; `nil` if there was no run.
  public var shares: Shares?
  /// The number of contexts that were explored; `nil` if nothing was computed.
  public var contexts: Int?
  /// The number of transitions between them.
  public var transitions: Int?
  /// The likeliest loops.
  public var loops: [Loop] = []
  /// The number of all loops.
  public var loopCount = 0
  /// What further prompts have in common.
  public var prompts: Prompts?
  /// How often the decoder repeats itself.
  public var repetition: Repetition?
  /// The tokens that contexts lead to most.
  public var inflow: [Inflow] = []
  /// The runs from which figures are estimated.
  public var runs: RunCount?
  /// The seed of these runs.
  public var seed: UInt64?
  /// Whether the work was interrupted.
  public var isStopped = false

  /// A report before anything is known.
  package init(
    model: String, strategy: AuditStrategy, _ rules: DecodingRules, vocabulary: Vocabulary,
    search: [String], shown: Int
  ) {
    self.model = model
    self.strategy = strategy
    self.search = search
    self.shown = shown
    transforms = rules.transforms.transforms.map(\.name)
    stops =
      rules.stopTexts.texts.map { "stop \(JSONObject.quoted($0))" }
      + rules.stops.map { "stop-token \(JSONObject.quoted(vocabulary.spelling(of: $0)))" }
      + (rules.loops == nil ? [] : ["stop-loops"])
    isConstrained = rules.constraint != nil
    maxTokens = rules.maxTokens
  }

  /// Whether figures are computed, and not estimated from runs.
  package var isComputed: Bool { contexts != nil }
}
