// Licensed under the Apache License, Version 2.0.

/// What the restarts of an annealing found.
public struct AnnealingReport: Codable, Sendable {
  /// The number of restarts that were asked for.
  public var restarts: Int
  /// How the power of the target rises.
  public var schedule: String
  /// The log of the target at the best text of each restart that began.
  public var logProbabilities: [Double] = []
  /// The last power of the target of each of these.
  public var lastPowers: [Double] = []
  /// Whether the restarts got so far that these figures are known.
  public var isKnown = false

  /// A report of restarts that have not begun.
  public init(restarts: Int, schedule: String) {
    self.restarts = restarts
    self.schedule = schedule
  }
}
