// Licensed under the Apache License, Version 2.0.

package import Sampling

extension RunPlan {
  /// The most chains that a plan may have.
  package static let mostChains = 1_000_000

  /// The most texts that a chain may step at once: the copies of `temper`.
  package static let mostCopies = 1000
}
