// Licensed under the Apache License, Version 2.0.

import Runs
import Sampling

/// A run's result, whatever drew its tokens.
struct ParticleSummary {
  var texts: WeightedTexts
  var resamplings: Int
  var ancestorCount: Int
  var largestShape: Double?
  var rejuvenations: (tried: Int, made: Int)
  var isStopped: Bool
}

extension ParticleFilter.Result {
  var summary: ParticleSummary {
    ParticleSummary(
      texts: texts, resamplings: resamplings, ancestorCount: ancestorCount,
      largestShape: largestShape, rejuvenations: rejuvenations, isStopped: isStopped)
  }
}
