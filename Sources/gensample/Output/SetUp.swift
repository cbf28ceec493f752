// Licensed under the Apache License, Version 2.0.

import Runs
import Synchronization

/// The preparations before a command's work, shown as progress if they take long.
final class SetUp: Sendable {
  private let phase: Phase
  private let progress: Progress

  private final class Phase: Sendable {
    let name: Mutex<String>

    init(_ name: String) { self.name = Mutex(name) }
  }

  /// Starts the first phase.
  init(_ mode: ProgressMode, _ name: String) {
    let phase = Phase(name)
    self.phase = phase
    progress = Progress(mode) { elapsed in
      phase.name.withLock { $0 } + ", \(Progress.duration(elapsed))"
    }
  }

  /// Starts the next phase.
  func goes(on name: String) { phase.name.withLock { $0 = name } }

  func finish() { progress.finish() }
}
