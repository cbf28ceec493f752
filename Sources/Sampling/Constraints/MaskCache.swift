// Licensed under the Apache License, Version 2.0.

internal import Synchronization

/// Masks of states met before, bounded in memory and shared by all threads.
///
/// When it is full, it is emptied. This is simple, and rebuilds each state's mask at most once per
/// filling.
final class MaskCache<State: Hashable & Sendable>: Sendable {
  private let capacity: Int
  private let masks = Mutex<[State: TokenMask]>([:])

  /// Creates a cache that takes about the given number of bytes at most.
  init(tokenCount: Int, bytes: Int = 64 << 20) {
    capacity = max(16, bytes / (tokenCount / 8 + 64))
  }

  /// The mask of a state; the closure makes it if it is not cached.
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
