// Licensed under the Apache License, Version 2.0.

/// That there are fewer results than were asked for, and why.
struct Shortfall {
  private let found: Int
  private let asked: Int
  private let reason: String

  /// What is said of so many results; `nil` where they are as many as asked for.
  init?(of found: Int, asked: Int, _ reason: String) {
    guard found < asked else { return nil }
    self.found = found
    self.asked = asked
    self.reason = reason
  }

  /// For people, on standard error.
  var line: String { "\(found) of the \(asked) results asked for: \(reason)" }

  func add(to summary: inout JSONObject) {
    summary.add("results", .integer(found))
    summary.add("asked_for", .integer(asked))
    summary.add("missing_because", .string(reason))
  }
}
