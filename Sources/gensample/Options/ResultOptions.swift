// Licensed under the Apache License, Version 2.0.

import Runs

/// The options that choose which results are printed.
enum ResultOptions {
  static let all = [
    Option("best", "N", "the N most probable texts seen, which are no draws"),
    Option(flag: "unique", "each text once, which makes them no draws"),
  ]

  static func choice(_ arguments: Arguments) throws(CommandFailure) -> ResultChoice {
    ResultChoice(
      best: try arguments.integer("best", in: 1...1_000_000), isUnique: arguments.has("unique"))
  }
}
