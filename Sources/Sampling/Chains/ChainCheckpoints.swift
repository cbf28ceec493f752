// Licensed under the Apache License, Version 2.0.

internal import Synchronization

/// The data that one chain needs to continue exactly where it stopped.
public struct ChainCheckpoint<State: Hashable & Sendable>: Sendable {
  /// The draws and counts so far.
  public var record: ChainRecord<State>
  /// The state after its last step.
  public var state: State
  /// The generator of its steps, at its current position.
  public var random: Philox
  /// The kernel's own data beside the state, for chains of more than one state.
  public var memory: [UInt64]

  /// Creates a checkpoint from its parts.
  public init(
    record: ChainRecord<State>, state: State, random: Philox, memory: [UInt64] = []
  ) {
    self.record = record
    self.state = state
    self.random = random
    self.memory = memory
  }
}

/// Stores the checkpoints of a run's chains, and hands them out when the run resumes.
///
/// Chains do not wait for each other: no chain's draws depend on another chain. From time to time
/// one of them saves all checkpoints beside its work.
public final class ChainCheckpoints<State: Hashable & Sendable>: Sendable {
  private struct Shared {
    var latest: [Int: ChainCheckpoint<State>]
    var nextSave: ContinuousClock.Instant
    var isSaving = false
    var failure: (any Error)?
  }

  private let shared: Mutex<Shared>
  private let interval: Duration
  private let save: @Sendable ([ChainCheckpoint<State>]) throws -> Void

  /// Creates a store.
  ///
  /// - Parameters:
  ///   - resumed: the checkpoints of a run that resumes.
  ///   - interval: the time between two saves. It grows if saving takes more than a fiftieth of it.
  ///   - save: saves the checkpoints of all chains that have begun, in order of chain number.
  public init(
    resumed: [ChainCheckpoint<State>] = [], every interval: Duration,
    save: @escaping @Sendable ([ChainCheckpoint<State>]) throws -> Void
  ) {
    self.interval = interval
    self.save = save
    shared = Mutex(
      Shared(
        latest: Dictionary(resumed.map { ($0.record.chain, $0) }, uniquingKeysWith: { $1 }),
        nextSave: .now + interval))
  }

  /// The checkpoint that a chain resumes from; `nil` if it has not begun.
  public func checkpoint(ofChain chain: Int) -> ChainCheckpoint<State>? {
    shared.withLock { $0.latest[chain] }
  }

  /// The time at which a chain should leave its next checkpoint, counted from now.
  public func nextTime() -> ContinuousClock.Instant { .now + interval }

  /// The error of the first failed save; nothing is saved after it.
  public var failure: (any Error)? { shared.withLock { $0.failure } }

  /// Stores a chain's checkpoint, and saves all of them if a save is due.
  public func leave(_ checkpoint: ChainCheckpoint<State>) {
    let due = shared.withLock { shared -> [ChainCheckpoint<State>]? in
      shared.latest[checkpoint.record.chain] = checkpoint
      guard !shared.isSaving, shared.failure == nil, ContinuousClock.now >= shared.nextSave else {
        return nil
      }
      shared.isSaving = true
      return Self.inOrder(shared.latest)
    }
    guard let due else { return }
    do {
      try save(due, from: .now)
    } catch {
      shared.withLock { $0.failure = error }
    }
  }

  /// Saves all checkpoints at once; no chain may be running.
  ///
  /// - Throws: the error of the closure that saves.
  public func saveAll() throws {
    try save(shared.withLock { Self.inOrder($0.latest) }, from: .now)
  }

  private func save(
    _ checkpoints: [ChainCheckpoint<State>], from began: ContinuousClock.Instant
  ) throws {
    defer {
      let now = ContinuousClock.now
      shared.withLock {
        $0.isSaving = false
        $0.nextSave = now + max(interval, (now - began) * 50)
      }
    }
    try save(checkpoints)
  }

  private static func inOrder(
    _ latest: [Int: ChainCheckpoint<State>]
  ) -> [ChainCheckpoint<State>] {
    latest.sorted { $0.key < $1.key }.map(\.value)
  }
}
