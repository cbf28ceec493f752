// Licensed under the Apache License, Version 2.0.

/// The reason why there are fewer results than the user asked for.
struct Shortfall {
  private let found: Int
  private let asked: Int
  private let reason: String

  /// `nil` if there are as many results as asked for.
  init?(of found: Int, asked: Int, _ reason: String) {
    guard found < asked else { return nil }
    self.found = found
    self.asked = asked
    self.reason = reason
  }

  /// The line for the text summary.
  var line: String { "\(found) of the \(asked) results asked for: \(reason)" }

  func add(to summary: inout JSONObject) {
    summary.add("results", .integer(found))
    summary.add("asked_for", .integer(asked))
    summary.add("missing_because", .string(reason))
  }
}
