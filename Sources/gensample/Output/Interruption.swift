// Licensed under the Apache License, Version 2.0.

import Dispatch
import Foundation
import Runs
import Synchronization

/// Turns Ctrl-C and SIGTERM into a request to stop and keep the results so far.
///
/// A second signal ends the program at once. So does the first if there is nothing to keep.
enum Interruption {
  /// What the handlers of both signals and the work decide by, each step under the lock.
  private struct State {
    /// The first signal, and when it came, in milliseconds.
    var first: (number: Int32, at: Int)?
    /// What the first signal calls; `nil` as long as there is nothing to keep.
    var stop: (@Sendable () -> Void)?
    var isIndivisible = false
  }

  /// What a signal leads to.
  private enum Answer {
    case end(isNothingKept: Bool)
    case stop(@Sendable () -> Void)
    case nothing
  }

  private static let state = Mutex(State())
  /// The first signal, for those who ask often.
  private static let received = Atomic<Int32>(0)
  // Written once by the main thread, before other threads start.
  private nonisolated(unsafe) static var sources: [any DispatchSourceSignal] = []

  /// The signal that arrived, if any.
  static var signal: Int32? {
    let signal = received.load(ordering: .relaxed)
    return signal == 0 ? nil : signal
  }

  /// The failure for the signal that arrived.
  static var failure: CommandFailure.Kind? {
    signal.map { $0 == SIGINT ? .interrupted : .terminated }
  }

  /// Makes the first signal end the program from here on, because partial work cannot be kept.
  static func beginIndivisible() throws(CommandFailure) {
    state.withLock { $0.isIndivisible = true }
    if let code = failure { throw CommandFailure(code, "stopped; nothing was written") }
  }

  private static func endAtOnce(_ number: Int32, isNothingKept: Bool) -> Never {
    TemporaryFiles.removeAll()
    Progress.end()
    report("gensample: stopped" + (isNothingKept ? "; nothing was written" : ""))
    // exit() would run exit handlers while other threads are still working.
    _exit(number == SIGINT ? 130 : 143)
  }

  /// Installs the signal handlers; until `watch` is called, the first signal ends the program.
  static func begin() {
    // One queue for both: their handlers follow one another.
    let queue = DispatchQueue(label: "signals", qos: .userInteractive)
    for number in [SIGINT, SIGTERM] {
      Foundation.signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
      source.setEventHandler { heed(number) }
      source.resume()
      unsafe sources.append(source)
    }
  }

  private static func heed(_ number: Int32) {
    let now = Int(DispatchTime.now().uptimeNanoseconds / 1_000_000)
    let answer = state.withLock { state -> Answer in
      guard !state.isIndivisible, let stop = state.stop else { return .end(isNothingKept: true) }
      guard let first = state.first else {
        state.first = (number, now)
        received.store(number, ordering: .sequentiallyConsistent)
        return .stop(stop)
      }
      // Some tools, such as `timeout`, signal both the program and its group.
      return now - first.at < 200 ? .nothing : .end(isNothingKept: false)
    }
    switch answer {
    case .end(let isNothingKept): endAtOnce(number, isNothingKept: isNothingKept)
    case .stop(let stop): stop()
    case .nothing: break
    }
  }

  /// Calls `stop` when a signal asks for it.
  static func watch(_ stop: @escaping @Sendable () -> Void) { state.withLock { $0.stop = stop } }
}
