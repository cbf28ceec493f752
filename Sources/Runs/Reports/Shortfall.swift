// Licensed under the Apache License, Version 2.0.

/// That there are fewer results than were asked for, and why.
public struct Shortfall: Codable, Hashable, Sendable {
  /// How many results there are.
  public let found: Int
  /// How many were asked for.
  public let asked: Int
  /// Why there are fewer.
  public let reason: String

  /// What is said of so many results; `nil` where they are as many as asked for.
  package init?(of found: Int, asked: Int, _ reason: String) {
    guard found < asked else { return nil }
    self.found = found
    self.asked = asked
    self.reason = reason
  }
}
