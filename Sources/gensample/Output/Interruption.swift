// Licensed under the Apache License, Version 2.0.

import Dispatch
import Foundation
import Synchronization

/// Turns Ctrl-C and SIGTERM into a request to stop and keep the results so far.
///
/// A second signal ends the program at once. So does the first if there is nothing to keep.
enum Interruption {
  private static let received = Atomic<Int32>(0)
  /// When the first signal came, in milliseconds.
  private static let firstAt = Atomic<Int>(0)
  // Written once by the main thread, before other threads start.
  private nonisolated(unsafe) static var sources: [any DispatchSourceSignal] = []
  /// Called by the first signal; `nil` as long as there is nothing to keep.
  private static let stop = Mutex<(@Sendable () -> Void)?>(nil)

  /// The signal that arrived, if any.
  static var signal: Int32? {
    let signal = received.load(ordering: .relaxed)
    return signal == 0 ? nil : signal
  }

  /// The exit code for the signal that arrived.
  static var exitCode: CommandFailure.Code? {
    signal.map { $0 == SIGINT ? .interrupted : .terminated }
  }

  /// Registers a file that is deleted if the program ends at once.
  static func removeAtEnd(_ path: String) { temporaries.withLock { _ = $0.insert(path) } }

  private static let temporaries = Mutex<Set<String>>([])

  /// Makes the first signal end the program from here on, because partial work cannot be kept.
  static func beginIndivisible() throws(CommandFailure) {
    isIndivisible.store(true, ordering: .sequentiallyConsistent)
    if let code = exitCode { throw CommandFailure(code, "stopped; nothing was written") }
  }

  private static let isIndivisible = Atomic<Bool>(false)

  private static func endAtOnce(_ number: Int32, isNothingKept: Bool) -> Never {
    for path in temporaries.withLock({ $0 }) { unsafe unlink(path) }
    Progress.leaveLine()
    report("gensample: stopped" + (isNothingKept ? "; nothing was written" : ""))
    // exit() would run exit handlers while other threads are still working.
    _exit(number == SIGINT ? 130 : 143)
  }

  /// Installs the signal handlers; until `watch` is called, the first signal ends the program.
  static func begin() {
    for number in [SIGINT, SIGTERM] {
      Foundation.signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(
        signal: number, queue: DispatchQueue.global(qos: .userInteractive))
      source.setEventHandler { heed(number) }
      source.resume()
      unsafe sources.append(source)
    }
  }

  private static func heed(_ number: Int32) {
    let now = Int(DispatchTime.now().uptimeNanoseconds / 1_000_000)
    guard !isIndivisible.load(ordering: .sequentiallyConsistent), let stop = stop.withLock({ $0 })
    else { endAtOnce(number, isNothingKept: true) }
    if received.exchange(number, ordering: .sequentiallyConsistent) != 0 {
      // Some tools, such as `timeout`, signal both the program and its group.
      if now - firstAt.load(ordering: .relaxed) < 200 { return }
      endAtOnce(number, isNothingKept: false)
    }
    firstAt.store(now, ordering: .relaxed)
    stop()
  }

  /// Calls `stop` when a signal asks for it.
  static func watch(_ stop: @escaping @Sendable () -> Void) { self.stop.withLock { $0 = stop } }
}
