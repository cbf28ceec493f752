// Licensed under the Apache License, Version 2.0.

import Foundation
public import Sampling

/// What the runs of a particle filter drew.
public struct ParticleReport: Codable, Sendable {
  /// The number of particles of a run.
  public var particles: Int
  /// The number of runs that were asked for.
  public var runs: Int
  /// What is printed.
  public var choice: WeightedChoice
  /// How texts were drawn; `nil` before that is known.
  public var lookAhead: LookAheadReport?
  /// The figures of the weights of all runs; `nil` before they are known.
  public var weights: ParticleWeights?
  /// The evidence by the runs; `nil` before it is known.
  public var evidence: EvidenceReport?

  /// A report of a sampler that has drawn nothing.
  public init(particles: Int, runs: Int, choice: WeightedChoice) {
    self.particles = particles
    self.runs = runs
    self.choice = choice
  }

  /// The weights of the particles of all runs.
  public struct ParticleWeights: Codable, Sendable {
    /// The number of particles, those of weight zero included.
    public var count: Int
    /// The number of particles of weight zero.
    public var zeroCount: Int
    /// The number of equally weighted particles that are worth as much.
    public var effectiveSize: Double
  }
}

/// The evidence by independent runs of particles.
///
/// The spread of the runs is its error: particles of one run are related, so their weights do not
/// tell.
public struct EvidenceReport: Codable, Sendable {
  /// The log of the evidence by each finished run.
  public var logEvidences: [Double]
  /// How often particles were resampled in all.
  public var resamplings: Int
  /// From how many of the first particles the final ones of a run descend, at least.
  public var fewestAncestors: Int
  /// The Pareto k that the weights of every run reach, at a resampling or at the end.
  ///
  /// The largest of all runs would be the largest of some dozens of noisy estimates.
  public var sharedShape: Double?
  /// Tails that were drawn again; `nil` if none were to be.
  public var redrawn: RedrawnTails?

  /// How many tails were drawn again.
  public struct RedrawnTails: Codable, Hashable, Sendable {
    /// The number of tails that were drawn.
    public var tried: Int
    /// The number of tails that were accepted.
    public var made: Int
  }

  /// The log of the mean of the runs' evidences.
  public var logEvidence: Double {
    LogSpace.sum(logEvidences) - LogSpace.log(Double(max(1, logEvidences.count)))
  }

  /// The standard error by the spread of the runs.
  public var spread: Estimate {
    guard logEvidences.count > 1 else {
      return .undefined(
        logEvidences.isEmpty ? "no run was finished" : "one run has no spread")
    }
    var runs = WeightedTexts()
    for log in logEvidences {
      runs.append(log > -.infinity ? WeightedText([], logWeight: log) : nil)
    }
    return runs.logEvidenceError
  }

  /// The spread made larger as Student's t says.
  ///
  /// The spread of few runs is often too small. Three of these errors hold the evidence as often as
  /// three known standard deviations would, 99.73 %.
  public var error: Estimate { spread.map { $0 * factor } }

  /// How many times the spread the error is, for two runs or more.
  private var factor: Double {
    let shareBelowThree = 0.998_650_101_968_369_9
    return studentQuantile(shareBelowThree, degrees: Double(logEvidences.count - 1)) / 3
  }

  /// Why the error is large; `nil` if there are enough runs.
  package var note: String? {
    // That of four runs, the default, is 3.
    guard logEvidences.count > 1, factor > 4 else { return nil }
    return String(format: "± is %.0f times the spread of the runs, ", factor)
      + "as Student's t has it for \(counted(logEvidences.count, "run")): take more --runs"
  }

  /// Why the evidence is not to be trusted, and what to do; `nil` if nothing says so.
  ///
  /// A k above .7 is where means of weights no longer settle (Vehtari et al. 2024); runs that
  /// differ by more than half of their mean are no estimate of their own error.
  package var warning: String? {
    let remedy = "take more --particles, or mh"
    if let sharedShape, sharedShape > 0.7 {
      return String(format: "k is %.2f, above .7: ", sharedShape)
        + "too few particles carried the weight, so that the evidence may be too low; " + remedy
    }
    if let spread = spread.value, spread > 0.5 {
      return "the runs' evidences differ by more than half of their mean; " + remedy
    }
    return nil
  }
}
