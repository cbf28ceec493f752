// Licensed under the Apache License, Version 2.0.

public import Sampling

/// What a rejection sampler proposed and kept.
public struct RejectionReport: Codable, Sendable {
  /// What proposes texts.
  public enum ProposalKind: String, CaseIterable, Codable, Sendable {
    /// The model alone.
    case model
    /// The model, guided towards the constraints.
    case guided
  }

  /// What proposed the texts.
  public var proposal: ProposalKind
  /// How texts were proposed; `nil` before that is known.
  public var lookAhead: LookAheadReport?
  /// What was expected before the first proposal.
  public var forecast: Forecast?
  /// What was kept; `nil` before that is known.
  public var kept: Kept?

  /// A report of a sampler that has proposed nothing.
  public init(_ proposal: ProposalKind) { self.proposal = proposal }

  /// The acceptance rate and the time that are expected, which users see before the wait.
  public struct Forecast: Codable, Sendable {
    /// The log of M.
    public var logBound: Double
    /// Whether the bound is an estimate, and not proved.
    public var isEstimated: Bool
    /// The expected share of proposals that are kept.
    public var acceptance: Double
    /// The time that a proposal takes on one thread.
    public var secondsPerProposal: Double
  }

  /// The share of proposals that were kept, and the evidence that follows from it.
  public struct Kept: Codable, Sendable {
    /// The number of texts kept.
    public var count: Int
    /// The number of texts proposed.
    public var proposals: Int
    /// The estimate of Z / M.
    public var acceptance: Estimate
    /// The standard error divided by the estimate.
    public var relativeError: Estimate
    /// The 95 % confidence interval of Z / M; `nil` if nothing was kept.
    public var interval: ClosedRange<Double>?
    /// The log of the evidence; `nil` if the estimate is undefined.
    public var logEvidence: Double?
    /// The 95 % confidence interval of the log evidence; `nil` if nothing was kept.
    public var logEvidenceInterval: ClosedRange<Double>?

    /// Why some of these figures are missing; `nil` if none are.
    package var reason: String? { acceptance.reason ?? relativeError.reason }
  }
}
