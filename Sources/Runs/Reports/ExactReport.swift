// Licensed under the Apache License, Version 2.0.

public import Sampling

/// What exact sums say of a target.
public struct ExactReport: Codable, Sendable {
  /// The number of most probable texts that were asked for; `nil` for draws.
  public var best: Int?
  /// Whether each text is printed once.
  public var isUnique: Bool
  /// The number of texts that were drawn.
  public var drawn = 0
  /// The time that they took.
  public var drawnSeconds = 0.0
  /// The sum over all texts; `nil` if it was not complete.
  public var sums: Sums?
  /// The probabilities of tokens and lengths, if they were asked for.
  public var marginals: Marginals?
  /// The probabilities of statements, in the order in which they were asked for.
  public var probabilities: [StatementProbability] = []
  /// How far another sampler is from the truth, if it was asked for.
  public var comparison: ComparisonReport?

  /// A report before any sum is known.
  public init(best: Int? = nil, isUnique: Bool = false) {
    self.best = best
    self.isUnique = isUnique
  }

  /// Whether the printed texts are draws from the target.
  public var areDraws: Bool { best == nil && !isUnique }

  /// The sum over all texts.
  public struct Sums: Codable, Hashable, Sendable {
    /// The log of the sum.
    public var logEvidence: Double
    /// How much too small it is at most, because the longest texts are left out.
    public var logEvidenceError: Double
    /// The number of texts that were listed; `nil` where they were summed without a list.
    public var texts: Int?
    /// The entropy of a draw in nats; `nil` where the texts were not listed.
    public var entropy: Double?
  }

  /// The probabilities of tokens at places, and of lengths.
  public struct Marginals: Codable, Sendable {
    /// The mean number of tokens.
    public var expectedLength: Double
    /// The probability of each number of tokens, from 0.
    public var lengths: [Double]
    /// The places, from the first.
    public var places: [Place]
  }

  /// A place and its likeliest tokens.
  public struct Place: Codable, Sendable {
    /// The probability that a text has this place.
    public var probability: Double
    /// The likeliest tokens, the most probable first.
    public var tokens: [PlacedToken]
  }

  /// A token and the probability that it stands at a place.
  public struct PlacedToken: Codable, Hashable, Sendable {
    /// The number of the token.
    public var token: Int
    /// How it reads.
    public var text: String
    /// The probability.
    public var probability: Double
  }

  /// How probable it is that a draw meets a statement.
  public struct StatementProbability: Codable, Hashable, Sendable {
    /// The statement.
    public var statement: String
    /// Its probability.
    public var probability: Double
  }
}

/// How far a sampler is from the truth.
public struct ComparisonReport: Codable, Sendable {
  /// The name of the sampler.
  public var sampler: String
  /// What its work is counted in.
  public var unit: String
  /// How much of that it did.
  public var work: Int
  /// The evidence beside the truth, if the sampler estimates it.
  public var evidence: Line?
  /// The means beside the truth.
  public var lines: [Line]
  /// The number of places that were left out because too few draws tell of them.
  public var leftOut: Int
  /// Remarks about the sampler.
  public var notes: [String]
  /// Whether it was stopped early.
  public var isStopped: Bool

  /// A mean beside the truth.
  public struct Line: Codable, Sendable {
    /// The name of the quantity.
    public var name: String
    /// The exact value.
    public var truth: Double
    /// The sampler's estimate.
    public var mean: Estimate
    /// The standard error of the estimate.
    public var error: Estimate

    /// Why there is no distance; `nil` if there is one.
    package var reason: String? {
      mean.reason ?? error.reason ?? (distance == nil ? "all draws are the same" : nil)
    }

    /// The distance in standard errors, if there is one.
    public var distance: Double? {
      guard let mean = mean.value, let error = error.value, error > 0 else { return nil }
      return (mean - truth) / error
    }
  }
}

/// The numbers that a search found for soft statements.
public struct TuningReport: Codable, Sendable {
  /// The number of rounds that were made.
  public var rounds = 0
  /// The best point; `nil` before a round was made.
  public var found: Found?

  /// A report before the first round.
  public init() {}

  /// A point and what is exact there.
  public struct Found: Codable, Sendable {
    /// Whether all goals are reached.
    public var isReached: Bool
    /// All statements, with the numbers found.
    public var statements: [String]
    /// The numbers beside the beginnings of their statements.
    public var parameters: [Parameter]
    /// The goals and the values there.
    public var goals: [Goal]
    /// The log of the evidence.
    public var logEvidence: Double
  }

  /// A number and the statement that it belongs to.
  public struct Parameter: Codable, Hashable, Sendable {
    /// The beginning of the statement.
    public var statement: String
    /// The number.
    public var value: Double
  }

  /// A goal and the value that was reached.
  public struct Goal: Codable, Hashable, Sendable {
    /// What the goal is about.
    public var name: String
    /// The value that was asked for.
    public var wanted: Double
    /// The value that was reached.
    public var value: Double
  }
}
