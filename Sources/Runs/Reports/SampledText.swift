// Licensed under the Apache License, Version 2.0.

import LM
package import Sampling

/// A result of a sampler, and what is told of it.
public struct SampledText: Codable, Hashable, Sendable {
  /// The text.
  public var text: String
  /// The numbers of its tokens.
  public var tokens: [Int]
  /// Natural log of the target, up to its constant.
  public var logProbability: Double
  /// Natural log of the model's probability, the end included.
  public var logModel: Double
  /// Whether it meets all hard statements.
  public var isSatisfied: Bool
  /// The chain that drew it.
  public var chain: Int?
  /// After which of the chain's steps, the warm-up's among them.
  public var step: Int?
  /// Its number among the results, where there are no chains.
  public var draw: Int?
  /// Natural log of its weight, where it is printed with one.
  public var logWeight: Double?
  /// Its probability, where all texts are known.
  public var probability: Double?

  /// A text of a target, which is allowed where its log-probability is no minus infinity.
  package init(
    _ text: TokenSequence, of target: CompiledTarget, logProbability: Double, chain: Int? = nil,
    step: Int? = nil, draw: Int? = nil, logWeight: Double? = nil, logModel: Double? = nil,
    probability: Double? = nil
  ) {
    self.text = target.spelled(text)
    tokens = text.map(\.index)
    self.logProbability = logProbability
    self.logModel = logModel ?? target.logModel(of: text)
    isSatisfied = logProbability > -.infinity
    self.chain = chain
    self.step = step
    self.draw = draw
    self.logWeight = logWeight
    self.probability = probability
  }
}

/// How often a kind of move was proposed after the warm-up, and how often it was taken.
public struct MoveReport: Codable, Hashable, Sendable {
  /// What the kind is called.
  public var kind: String
  /// Steps proposed.
  public var proposed: Int
  /// Steps taken.
  public var accepted: Int

  /// Counts of a kind.
  public init(kind: String, proposed: Int, accepted: Int) {
    self.kind = kind
    self.proposed = proposed
    self.accepted = accepted
  }

  /// The share that was taken; `nil` where nothing was proposed.
  public var acceptanceRate: Double? {
    proposed > 0 ? Double(accepted) / Double(proposed) : nil
  }

  /// The problem that no proposal was accepted; `nil` if some were, or if there were few.
  package var problem: String? {
    guard proposed >= 1000, accepted == 0 else { return nil }
    return "moves: all \(proposed) proposals of '\(kind)' were rejected, so this kind of move is "
      + "useless here"
  }
}

/// What was asked for and is not there, and why.
public struct MissingPart: Codable, Hashable, Sendable {
  /// What is missing: a field of the summary, or what else it is called.
  public var field: String
  /// Why.
  public var reason: String

  /// A missing part.
  public init(_ field: String, _ reason: String) {
    self.field = field
    self.reason = reason
  }
}

/// Why something is missing that was asked for.
package let stoppedReason = "the run was stopped"
