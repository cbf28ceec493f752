// Licensed under the Apache License, Version 2.0.

import Foundation
public import Sampling

/// The figures of independent weighted texts.
public struct WeightReport: Codable, Sendable {
  /// The number of texts, those of weight zero included.
  public var count: Int
  /// The number of texts of weight zero.
  public var zeroCount: Int
  /// The log of the evidence; minus infinity if all weights are zero.
  public var logEvidence: Double
  /// The standard error of the log evidence.
  public var logEvidenceError: Estimate
  /// The number of equally weighted texts that are worth as much.
  public var effectiveSize: Double
  /// The Pareto k of the weights.
  public var shape: Estimate
  /// The log of the evidence by smoothed weights; `nil` if there is no k.
  public var smoothedLogEvidence: Double?
  /// Means of the logs of the mean weights of groups, which are below the log evidence in
  /// expectation.
  public var lowerBounds: [LowerBound]

  /// The mean over groups of so many texts.
  public struct LowerBound: Codable, Hashable, Sendable {
    /// The number of texts in a group.
    public var size: Int
    /// The mean of the logs of the groups' mean weights.
    public var value: Double
  }

  /// The figures of some texts.
  public init(_ drawn: WeightedTexts) {
    count = drawn.count
    zeroCount = drawn.zeroCount
    logEvidence = drawn.logEvidence
    logEvidenceError = drawn.logEvidenceError
    effectiveSize = drawn.effectiveSize
    let smoothed = drawn.smoothed
    shape = smoothed.shape
    if smoothed.shape.value != nil {
      smoothedLogEvidence =
        LogSpace.sum(smoothed.logWeights) - LogSpace.log(Double(max(1, drawn.count)))
    }
    // Groups of 1, 10, 100, ... texts, as long as there are at least ten groups.
    lowerBounds = sequence(first: 1) { $0 * 10 }.prefix { drawn.count / $0 >= 10 }.compactMap {
      size in
      drawn.lowerBound(groupsOf: size).flatMap {
        $0.value.isFinite ? LowerBound(size: size, value: $0.value) : nil
      }
    }
  }

  /// Whether some text has a positive weight.
  package var hasDraws: Bool { count > zeroCount }

  /// The problem that too few texts carry the weight; `nil` if they do not.
  package var problem: String? {
    guard let shape = shape.value, shape > 0.7 else { return nil }
    return String(format: "k is %.2f, above 0.7: ", shape)
      + "too few texts carry the weight, so do not trust means or their errors; "
      + "use more --particles, smc or mh"
  }

  /// Why figures are missing; `nil` if none are.
  package var reason: String? {
    var reasons: [String] = []
    for reason in [logEvidenceError.reason, shape.reason].compactMap({ $0 })
    where !reasons.contains(reason) {
      reasons.append(reason)
    }
    return reasons.isEmpty ? nil : reasons.joined(separator: "; ")
  }
}

/// What is printed of weighted texts.
public struct WeightedChoice: Codable, Hashable, Sendable {
  /// The number of texts to draw again by weight.
  public var samples = 5
  /// Whether every text is printed with its weight instead.
  public var isWeighted = false
  /// Whether each text is drawn again at most once.
  public var isWithoutReplacement = false

  /// Five texts, drawn again by weight.
  public init() {}

  /// Whether the printed texts follow rho as the number of particles grows.
  public var areDraws: Bool { !isWeighted && !isWithoutReplacement }
}

/// What an importance sampler drew.
public struct ImportanceReport: Codable, Sendable {
  /// The number of texts that were asked for.
  public var particles: Int
  /// The number of distributions that texts are moved through; `nil` if they are drawn directly.
  public var stages: Int?
  /// What is printed.
  public var choice: WeightedChoice
  /// How texts were drawn; `nil` before that is known.
  public var lookAhead: LookAheadReport?
  /// The figures of the weights; `nil` before they are known.
  public var weights: WeightReport?
  /// An upper bound of the evidence from exact draws, if it was asked for.
  public var upperBound: UpperBoundReport?

  /// A report of a sampler that has drawn nothing.
  public init(particles: Int, stages: Int?, choice: WeightedChoice) {
    self.particles = particles
    self.stages = stages
    self.choice = choice
  }
}

/// What exact draws, moved back, say that the log evidence is at most, in expectation.
public struct UpperBoundReport: Codable, Sendable {
  /// The mean; `nil` if no draw was moved back.
  public var value: Double?
  /// The standard error; `nil` for fewer than two draws.
  public var error: Double?
  /// The number of draws that were moved back.
  public var count: Int
  /// The number of draws that were asked for.
  public var asked: Int

  /// Why there are fewer draws than asked for; `nil` if there are not.
  package var missing: String? {
    count < asked ? "\(stoppedReason) after \(count) of \(counted(asked, "draw"))" : nil
  }
}
