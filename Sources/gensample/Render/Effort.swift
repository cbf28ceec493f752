// Licensed under the Apache License, Version 2.0.

/// How much was done for one target, or for all.
struct Effort {
  /// What progress counts.
  var count = 0
  var seconds: Double
  var seed: UInt64
  /// How many texts were drawn, and the seconds that they took, if the sampler counts them.
  var drawn = (count: 0, seconds: 0.0)
}
