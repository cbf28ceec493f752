// Licensed under the Apache License, Version 2.0.

import Sampling

/// What a sampler did, and how good its results are, by the kind of sampler.
///
/// As JSON it is an object with one field, which is named after the kind.
public enum RunFigures: Codable, Sendable {
  /// `mh`, `gibbs` and `temper`.
  case chains(ChainReport)
  /// `anneal`.
  case annealing(AnnealingReport)
  /// `rejection`.
  case rejection(RejectionReport)
  /// `importance`.
  case importance(ImportanceReport)
  /// `smc`.
  case particles(ParticleReport)
  /// `exact`.
  case exact(ExactReport)
  /// `tune`.
  case tuning(TuningReport)
  /// `sample`, `greedy` and `beam`.
  case decoding(DecodingReport)

  private enum Kind: String, CodingKey {
    case chains, annealing, rejection, importance, particles, exact, tuning, decoding
  }

  /// Reads the figures of the kind that is there.
  public init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: Kind.self)
    guard let kind = fields.allKeys.first else {
      throw Swift.DecodingError.dataCorrupted(
        .init(codingPath: decoder.codingPath, debugDescription: "no figures of a known sampler"))
    }
    self =
      switch kind {
      case .chains: .chains(try fields.decode(ChainReport.self, forKey: kind))
      case .annealing: .annealing(try fields.decode(AnnealingReport.self, forKey: kind))
      case .rejection: .rejection(try fields.decode(RejectionReport.self, forKey: kind))
      case .importance: .importance(try fields.decode(ImportanceReport.self, forKey: kind))
      case .particles: .particles(try fields.decode(ParticleReport.self, forKey: kind))
      case .exact: .exact(try fields.decode(ExactReport.self, forKey: kind))
      case .tuning: .tuning(try fields.decode(TuningReport.self, forKey: kind))
      case .decoding: .decoding(try fields.decode(DecodingReport.self, forKey: kind))
      }
  }

  /// Writes the figures under the name of their kind.
  public func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: Kind.self)
    switch self {
    case .chains(let report): try fields.encode(report, forKey: .chains)
    case .annealing(let report): try fields.encode(report, forKey: .annealing)
    case .rejection(let report): try fields.encode(report, forKey: .rejection)
    case .importance(let report): try fields.encode(report, forKey: .importance)
    case .particles(let report): try fields.encode(report, forKey: .particles)
    case .exact(let report): try fields.encode(report, forKey: .exact)
    case .tuning(let report): try fields.encode(report, forKey: .tuning)
    case .decoding(let report): try fields.encode(report, forKey: .decoding)
    }
  }

  /// How many texts were drawn, and the seconds that they took, where the sampler counts them.
  package var drawn: (count: Int, seconds: Double) {
    switch self {
    case .importance(let report): (report.weights?.count ?? 0, 0)
    case .exact(let report): (report.drawn, report.drawnSeconds)
    default: (0, 0)
    }
  }

  /// The figures that say how good the results are, under the names that JSON lines give them.
  package var named: [(field: String, values: [Double])] {
    var all: [(field: String, values: [Double])] = []
    func add(_ field: String, _ values: Double?...) {
      let known = values.compactMap { $0 }.filter(\.isFinite)
      if known.count == values.count, !known.isEmpty { all.append((field, known)) }
    }
    switch self {
    case .chains, .tuning, .decoding: break
    case .annealing(let report): add("best", report.logProbabilities.max())
    case .rejection(let report):
      guard let kept = report.kept else { break }
      add("log_evidence", kept.logEvidence)
      add("log_evidence_error", kept.relativeError.value)
      if let interval = kept.logEvidenceInterval {
        add("log_evidence_interval", interval.lowerBound, interval.upperBound)
      }
      add("acceptance", kept.acceptance.value)
    case .importance(let report):
      guard let weights = report.weights else { break }
      add("log_evidence", weights.hasDraws ? weights.logEvidence : nil)
      add("log_evidence_error", weights.logEvidenceError.value)
      add("upper_bound", report.upperBound?.value)
      add("effective_size", weights.effectiveSize)
      add("pareto_k", weights.shape.value)
    case .particles(let report):
      guard let evidence = report.evidence else { break }
      add("log_evidence", evidence.logEvidence)
      add("log_evidence_error", evidence.error.value)
      add("effective_size", report.weights?.effectiveSize)
      add("pareto_k", evidence.sharedShape)
    case .exact(let report):
      guard let sums = report.sums else { break }
      add("log_evidence", sums.logEvidence)
      add("log_evidence_error", sums.logEvidenceError)
    }
    return all
  }

  /// What is wrong with the figures, each a sentence.
  package var problems: [String] {
    switch self {
    case .chains(let report): report.problems
    case .annealing, .exact, .tuning, .decoding: []
    case .rejection(let report): [report.kept?.reason].compactMap { $0.map(Self.missing) }
    case .importance(let report):
      [report.weights?.problem, report.weights?.reason.map(Self.missing)].compactMap { $0 }
    case .particles(let report):
      [
        report.evidence?.warning.map { "do not trust the results: \($0)" }, report.evidence?.note,
        report.evidence?.error.reason.map(Self.missing),
      ].compactMap { $0 }
    }
  }

  private static func missing(_ reason: String) -> String { "some figures are missing: \(reason)" }
}

extension RunReport {
  /// Collects what is wrong with the results.
  package mutating func findProblems() {
    guard chains == nil else {
      problems = figures.problems
      return
    }
    problems = []
    if case .annealing = figures {
      problems.append(
        "these texts are not draws from rho: annealing is an optimiser that searches for likely "
          + "texts")
    } else if !areDraws {
      problems.append("these texts are not draws from rho")
    }
    problems += figures.problems
    problems += missing.sorted { $0.field < $1.field }.map {
      "no \($0.field.replacing("_", with: " ")): \($0.reason)"
    }
    if let shortfall {
      problems.append("there are fewer results than asked for: \(shortfall.reason)")
    }
  }
}
