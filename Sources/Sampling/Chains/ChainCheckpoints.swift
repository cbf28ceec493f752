// Licensed under the Apache License, Version 2.0.

internal import Synchronization

/// What one chain needs to go on as if it had never stopped.
public struct ChainCheckpoint<State: Hashable & Sendable>: Sendable {
  /// What it did so far.
  public var record: ChainRecord<State>
  /// The state after its last step.
  public var state: State
  /// The generator of its steps, as far as they have used it.
  public var random: Philox
  /// What a chain of more than one state keeps beside it, in its own words.
  public var memory: [UInt64]

  /// A chain's checkpoint.
  public init(
    record: ChainRecord<State>, state: State, random: Philox, memory: [UInt64] = []
  ) {
    self.record = record
    self.state = state
    self.random = random
    self.memory = memory
  }
}

/// Where the chains of a run leave their checkpoints, and take them up again.
///
/// Chains need not wait for each other: each is as far as it is, since what it draws depends on no
/// other. Now and then one of them has all that was left saved, beside its work.
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

  /// A place for checkpoints.
  ///
  /// - Parameters:
  ///   - resumed: those of a run that is to go on.
  ///   - interval: the time between two savings; longer where saving takes more than a fiftieth.
  ///   - save: keeps the checkpoints of all chains that have begun, in order of their numbers.
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

  /// Where a chain goes on from; `nil` where it has not begun.
  public func checkpoint(ofChain chain: Int) -> ChainCheckpoint<State>? {
    shared.withLock { $0.latest[chain] }
  }

  /// When a chain that leaves a checkpoint now leaves its next.
  public func nextTime() -> ContinuousClock.Instant { .now + interval }

  /// Why checkpoints could not be saved; nothing is saved after that.
  public var failure: (any Error)? { shared.withLock { $0.failure } }

  /// Takes a chain's checkpoint, and saves all where that is due.
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

  /// Saves all that was left, whenever it was saved last; no chain may be running.
  ///
  /// - Throws: what saving throws.
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
