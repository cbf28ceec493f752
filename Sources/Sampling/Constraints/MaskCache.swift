// Licensed under the Apache License, Version 2.0.

internal import Synchronization

/// Masks of states met before, bounded in memory and shared by all threads.
///
/// When the bound is reached, everything is forgotten and kept anew: simple, and never more than
/// one rebuild a state and generation.
final class MaskCache<State: Hashable & Sendable>: Sendable {
  private let capacity: Int
  private let masks = Mutex<[State: TokenMask]>([:])

  /// A cache for masks over so many tokens that takes at most about so many bytes.
  init(tokenCount: Int, bytes: Int = 64 << 20) {
    capacity = max(16, bytes / (tokenCount / 8 + 64))
  }

  /// The mask of a state, made where it is not known.
  func mask(of state: State, _ make: () -> TokenMask) -> TokenMask {
    if let known = masks.withLock({ $0[state] }) { return known }
    let made = make()
    masks.withLock { masks in
      if masks.count >= capacity { masks.removeAll(keepingCapacity: true) }
      masks[state] = made
    }
    return made
  }
}
