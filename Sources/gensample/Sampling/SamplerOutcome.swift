// Licensed under the Apache License, Version 2.0.

import Runs

/// What a sampler made of one target.
struct SamplerOutcome {
  /// What is printed: a text, and the same as an object.
  var results: [(text: String, object: JSONObject)] = []
  /// Adds what the summary says of this target.
  var summarise: (inout JSONObject) -> Void = { _ in }
  /// Lines about this target for people.
  var lines: [String] = []
  /// Fewer results than were asked for; `nil` where there are as many.
  var shortfall: Shortfall?
  /// Why what was printed is not what was asked for; `nil` where it is.
  var failure: CommandFailure?
  /// What was asked for and is not there, and why, by the field of the summary.
  var missing: [MissingPart] = []
  /// All of this, where the sampler makes a report.
  var report: RunReport?
  /// How many texts were drawn, and the seconds that they took, where that is told.
  var drawn = (count: 0, seconds: 0.0)
}

extension SamplerOutcome {
  /// What a report says.
  init(_ report: RunReport) {
    self.report = report
    results = report.printed.map { ($0.text, $0.object(ofLine: report.target)) }
    shortfall = report.shortfall
    failure = report.failure
  }

  /// Adds what is known of this target to a summary.
  func add(to summary: inout JSONObject, isStopped: Bool) {
    if let report { return report.add(to: &summary) }
    summarise(&summary)
    shortfall?.add(to: &summary)
    missing.add(to: &summary)
    if isStopped { summary.add("stopped", .boolean(true)) }
  }

  /// Lines about this target, and what is not there.
  var allLines: [String] {
    report?.lines ?? lines + missing.map(\.line)
  }
}
