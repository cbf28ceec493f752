// Licensed under the Apache License, Version 2.0.

/// How copies of a chain are heated and exchanged.
package struct Tempering: Hashable, Sendable {
  /// Copies of each chain.
  package var replicas = 8
  /// The lowest power of rho.
  package var hottest = 0.3
  /// Steps of each copy between exchanges.
  package var every = 100

  package init() {}
}
