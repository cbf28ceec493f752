// Licensed under the Apache License, Version 2.0.

import Foundation

/// Alternatives in a sentence: `a, b or c`.
package func either(_ names: [String]) -> String {
  guard let last = names.last, names.count > 1 else { return names.first ?? "" }
  return names.dropLast().joined(separator: ", ") + " or " + last
}

/// A number with its noun in singular or plural: `1 text`, `2 texts`.
package func counted(_ count: Int, _ noun: String) -> String {
  "\(count) \(noun)\(count == 1 ? "" : "s")"
}

/// A size of at least so many bytes in the form that options take: `6K`.
package func size(ofAtLeast bytes: Int) -> String {
  for (shift, unit) in [(30, "G"), (20, "M"), (10, "K")] where bytes >= 10 << shift {
    return "\((bytes - 1) >> shift + 1)\(unit)"
  }
  return "\(bytes)"
}

/// A distance in standard errors with its sign; zero has none.
package func standardErrors(_ distance: Double) -> String {
  abs(distance) < 0.05 ? "0.0" : String(format: "%+.1f", distance)
}

/// A share, as a percentage.
package func percent(_ share: Double) -> String {
  String(format: share < 0.0995 ? "%.1f %%" : "%.0f %%", share * 100)
}

/// The same where shares can be tiny.
package func percentOrPower(_ share: Double) -> String {
  share >= 0.000_5 || share == 0 ? percent(share) : String(format: "%.1e", share)
}
