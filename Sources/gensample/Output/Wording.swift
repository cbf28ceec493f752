// Licensed under the Apache License, Version 2.0.

import Foundation

/// A number and what it counts: `1 text`, `2 texts`.
func counted(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }

/// So many bytes at least, as an option takes them: `6K`.
func size(ofAtLeast bytes: Int) -> String {
  for (shift, unit) in [(30, "G"), (20, "M"), (10, "K")] where bytes >= 10 << shift {
    return "\((bytes - 1) >> shift + 1)\(unit)"
  }
  return "\(bytes)"
}

/// A distance in standard errors: no sign where it is shown as nothing.
func standardErrors(_ distance: Double) -> String {
  abs(distance) < 0.05 ? "0.0" : String(format: "%+.1f", distance)
}
